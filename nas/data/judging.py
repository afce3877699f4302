"""By how many images a network is judged, and what an accuracy on so few is worth.

The uncertainty of an accuracy by n images is the half width of its 95 % confidence interval where it is widest, at an
accuracy of 50 %, by the normal approximation of the binomial: 1.96 sqrt(0.25 / n). It is of what the accuracy on other
images like these would be. Two networks on the same images are told apart better than that, but not much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from nas.data.images import Dataset, Images
from nas.data.splits import some
from nas.data.targets import CLASSIFICATION, DETECTION, IGNORED, MULTILABEL, REGRESSION, SEGMENTATION
from nas.detection.objects import NONE, Objects
from nas.text.visible import visible_in_line

FEW = 5.0  # points of uncertainty from which a user is warned: below 385 images
UNEVEN = 5  # times as many images as the smallest class has, in the largest


def points(images: int) -> float:
    """The uncertainty of an accuracy by so many images, in percentage points, at most 50."""
    return min(50.0, 100 * 1.96 * math.sqrt(0.25 / images)) if images else 50.0


def uncertainty(images: int) -> str:
    """The same in words: `±1.4 points`, `±15 points`."""
    found = points(images)
    return f"±{found:.1f} points" if found < 9.95 else f"±{found:.0f} points"


def counts(dataset: Dataset, images: Images) -> dict[str, int]:
    """How many of `images` each class or label of `dataset` has, of masks in some pixel, of boxes in some object; of
    numbers nothing."""
    if dataset.kind == REGRESSION:
        return {}
    if dataset.kind == SEGMENTATION:
        there = [int((images.labels == label).flatten(1).any(1).sum()) for label in range(dataset.num_classes)]
        return dict(zip(dataset.class_names, there, strict=True))
    if dataset.kind == DETECTION:
        there = [int((images.labels[..., 4] == label).any(1).sum()) for label in range(dataset.num_classes)]
        return dict(zip(dataset.class_names, there, strict=True))
    if dataset.kind == MULTILABEL:
        return dict(zip(dataset.class_names, map(int, images.labels.sum(0).tolist()), strict=True))
    return dict(zip(dataset.class_names, _counts(images.labels, dataset.num_classes), strict=True))


def validation_of(dataset: Dataset) -> dict[str, int] | None:
    """How many validation images each class has, as a run keeps it; None of a data set without images or classes."""
    return counts(dataset, dataset.val) if len(dataset.val) and dataset.kind == CLASSIFICATION else None


def without(of_each: Mapping[str, int]) -> list[str]:
    """The classes that have no image among these."""
    return [name for name, count in of_each.items() if not count]


def warnings_of(dataset: Dataset, subset: int | None = None) -> list[str]:
    """What to know of the images before a network is judged by them, a line each; mostly nothing.

    Of the training images a class-balanced `subset` is used. The test images are looked at where the data set has them.
    """
    if not len(dataset.val):  # nothing is trained
        return []
    trained = _without_pixels(dataset.train).take(subset or len(dataset.train), seed=0)
    lines = [
        *dataset.notes,
        _few(len(dataset.val)) if dataset.kind == CLASSIFICATION else None,
        _none_of("training", counts(dataset, trained), "cannot be learned"),
        _none_of("validation", counts(dataset, dataset.val), "is judged by nothing"),
        None if dataset.test is None else _none_of("test", counts(dataset, dataset.test), "is tested by nothing"),
        _STRANGE[dataset.kind](dataset),
    ]
    return [line for line in lines if line]


def _few(images: int) -> str | None:
    if points(images) < FEW:
        return None
    by = f"{images:,} validation image{'s' if images > 1 else ''}"
    known = f"an accuracy by {by} is uncertain by {uncertainty(images)} (95 %)"
    return f"{known}: smaller differences may be luck"


def _none_of(part: str, of_each: Mapping[str, int], so: str) -> str | None:
    none = without(of_each)
    return f"no {part} image is of {some(none)}: what has none {so}" if none else None


def _uneven(dataset: Dataset) -> str | None:
    """Where a network that says the same of every image is right often."""
    of_each = counts(dataset, dataset.train)
    least, most = min(of_each, key=of_each.__getitem__), max(of_each, key=of_each.__getitem__)
    if max(1, of_each[least]) * UNEVEN >= of_each[most]:
        return None
    right, often = 100 * counts(dataset, dataset.val)[most] / len(dataset.val), visible_in_line(most)
    seldom = visible_in_line(least)
    return (
        f"classes are uneven (training images: {seldom} {of_each[least]:,}, {often} {of_each[most]:,}): "
        f"always saying {often} has a validation accuracy of {right:.1f} %"
    )


def _rare(dataset: Dataset) -> str | None:
    """What saying every label of each image is worth, beside which a macro-f1 is to be read, and the rarest label."""
    of_each, images = counts(dataset, dataset.train), len(dataset.train)
    least, most = min(of_each, key=of_each.__getitem__), max(of_each, key=of_each.__getitem__)
    shares = [count / len(dataset.val) for count in counts(dataset, dataset.val).values() if count]
    if not shares:
        return None
    always = 100 * sum(2 * share / (1 + share) for share in shares) / len(shares)  # F1 of saying it always
    return (
        f"of {images:,} training images {visible_in_line(least)} is on {of_each[least]:,}, {visible_in_line(most)} on "
        f"{of_each[most]:,}: always saying every label has a validation macro-f1 of {always:.1f} %"
    )


def _beyond(dataset: Dataset) -> str | None:
    """Where a validation image has a number that lies outside of what is learned from."""
    low, high = dataset.train.labels.min(0).values, dataset.train.labels.max(0).values
    outside = ((dataset.val.labels < low) | (dataset.val.labels > high)).any(1).sum().item()
    if not outside:
        return None
    return f"{outside:,} validation images have numbers outside of the training images' range, which are hard to find"


def _common(dataset: Dataset) -> str | None:
    """What saying the most common class of every pixel is worth, beside which a pixel accuracy is to be read."""
    pixels = dataset.val.labels[dataset.val.labels != IGNORED].flatten().bincount(minlength=dataset.num_classes)
    if not pixels.sum():
        return "no validation image has a pixel that is of a class"
    most = int(pixels.argmax())
    share = 100 * pixels[most].item() / pixels.sum().item()
    name = visible_in_line(dataset.class_names[most])
    return f"always saying {name} has a validation pixel accuracy of {share:.1f} %"


def _sizes(dataset: Dataset) -> str:
    """How many objects of each class the training images show, and how large these are: boxes have to be as small."""
    objects = Objects.of_rows(dataset.train.labels)
    sides = (objects.boxes[..., 2:] - objects.boxes[..., :2]).clamp(min=0).prod(-1).sqrt()
    of_each = []
    for number, name in enumerate(dataset.class_names):
        if len(those := sides[objects.classes == number]):
            of_each.append(f"{len(those):,} {visible_in_line(name)} ({100 * those.median().item():.0f} %)")
    outside = int((objects.classes == NONE).all(1).sum())
    without = f"; {outside:,} images show none" if outside else ""
    return f"training objects, and the median of their sides by the image's: {', '.join(of_each)}{without}"


_STRANGE = {
    CLASSIFICATION: _uneven, MULTILABEL: _rare, REGRESSION: _beyond, SEGMENTATION: _common, DETECTION: _sizes,
}  # fmt: skip


def _counts(labels: torch.Tensor, classes: int) -> list[int]:
    found: list[int] = labels.bincount(minlength=classes).tolist()
    return found


def _without_pixels(images: Images) -> Images:
    """The same labels, with which to see what a subset has."""
    return Images(torch.empty(len(images), 0, 0, 3, dtype=torch.uint8), images.labels.cpu())
