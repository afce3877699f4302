"""What a network is judged by: accuracy, or another metric of the field, by torchmetrics' definitions.

All are at most 1, and the higher the better, so that a reward can be made of each: those of classes and labels are
0..1, r2 and spearman may be negative, see `nas.reward`. torchmetrics takes seconds to be imported, and is only where
another metric than accuracy is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nas.checks.class_weights import BALANCED as BALANCED_WEIGHTS
from nas.checks.class_weights import EQUAL
from nas.checks.noted import METRICS_OF
from nas.data.images import Dataset
from nas.data.targets import CLASSIFICATION, DETECTION, IGNORED, MULTILABEL, REGRESSION, SEGMENTATION, THRESHOLD
from nas.detection.average_precision import check_installed, mean_average_precision
from nas.detection.detector import Found
from nas.detection.objects import Objects
from nas.training.figures import r2, spearman

ACCURACY, BALANCED, MACRO_F1, AUC, PRECISION, TOP5 = METRICS_OF[CLASSIFICATION]
EXACT_MATCH, (R2, SPEARMAN) = METRICS_OF[MULTILABEL][2], METRICS_OF[REGRESSION]
MEAN_IOU, PIXEL_ACCURACY = METRICS_OF[SEGMENTATION]
MAP, MAP50 = METRICS_OF[DETECTION]


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """The share (0..1) of images whose most probable class is their label; of labels `[N, K]`, that have all right.

    Of masks it is the share of pixels whose class is right, of those that are of some class.
    """
    if labels.ndim == 3:
        said, true = pixels_of(probabilities, labels)
        return (said == true).double().mean().item() if len(true) else 0.0
    if labels.ndim == 2:
        return ((probabilities > THRESHOLD) == (labels > 0)).all(1).double().mean().item()
    return (probabilities.argmax(1) == labels).double().mean().item()


def score(metric: str, probabilities: Tensor, labels: Tensor, kind: str = CLASSIFICATION) -> float:
    """The `metric` of what a network said and the labels, in a task of this `kind`.

    Of several labels it is of `probabilities` and `labels` `[N, K]`, a mean over the labels that some image has; of
    numbers, of these in their units, a mean over the numbers; of classes as `_of_classes`. Of masks it is of all pixels
    that are of some class, as if they were one image; of objects as COCO's code has it.
    """
    if kind == DETECTION:
        of_objects: float = per_class_of_objects(probabilities, labels, int(labels[..., 4].max()) + 1)[metric]
        return of_objects
    if kind == SEGMENTATION:
        return accuracy(probabilities, labels) if metric == PIXEL_ACCURACY else mean_iou(probabilities, labels)
    if kind == REGRESSION:
        of_each = r2 if metric == R2 else spearman
        found = [of_each(said, number) for said, number in zip(probabilities.T, labels.T, strict=True)]
        return sum(found) / len(found)
    return (
        _of_labels(metric, probabilities, labels) if kind == MULTILABEL else _of_classes(metric, probabilities, labels)
    )


def mean_iou(said: Tensor, masks: Tensor) -> float:
    """The mean over classes of the pixels that are both said and so, by those that are one of both (Jaccard): 0..1.

    Of classes `said` of pixels and `masks`, uint8 `[N, H, W]` each; classes that neither has do not count.
    """
    from torchmetrics.functional.classification import multiclass_jaccard_index

    found, true = pixels_of(said, masks)
    if not len(true):
        return 0.0
    classes = max(2, int(max(found.max(), true.max())) + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(multiclass_jaccard_index(found, true, classes, average="macro").item())


def pixels_of(said: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """The classes that are said of pixels, and that they have, int64 `[M]`: of those pixels that are of some class.

    A network that says nothing of an image's border has `IGNORED` there.
    """
    known = (masks != IGNORED) & (said != IGNORED)
    return said[known].long(), masks[known].long()


def per_class_of_pixels(said: Tensor, masks: Tensor, classes: int) -> dict[str, Any]:
    """`by_class`: IoU, precision and recall (0..1) of each class, and its pixels; `confusion`: of pixels, see
    `confusion_matrix`; and `mean_iou`."""
    found, true = pixels_of(said, masks)
    confusion = (true * classes + found).bincount(minlength=classes**2).view(classes, classes)
    right, of_label, taken = confusion.diagonal().double(), confusion.sum(1).double(), confusion.sum(0).double()
    return {
        "mean_iou": mean_iou(said, masks),
        "by_class": {
            "iou": (right / (of_label + taken - right).clamp(min=1)).tolist(),
            "precision": (right / taken.clamp(min=1)).tolist(),
            "recall": (right / of_label.clamp(min=1)).tolist(),
            "pixels": of_label.tolist(),
        },
        "confusion": confusion.tolist(),
    }


def per_class_of_objects(said: Tensor, labels: Tensor, classes: int) -> dict[str, Any]:
    """`map`, `map50` and `map75` (0..1), and `by_class`: of each class its `map` and `map50`, None of one that no image
    shows, and how many `objects` there are; of what is `said` of images, `[N, M, 6]`, and their `labels`, `[N, M, 5]`.
    """
    found = mean_average_precision(Found.of_rows(said), Objects.of_rows(labels), classes)
    return _named_here(found) | {"by_class": _named_here(found["by_class"])}


def _named_here(found: Mapping[str, Any]) -> dict[str, Any]:
    """`found` with the names that metrics have here."""
    return {{"map_50": MAP50, "map_75": "map75"}.get(name, name): value for name, value in found.items()}


def _of_labels(metric: str, probabilities: Tensor, labels: Tensor) -> float:
    """The `metric` (0..1) of label `probabilities` `[N, K]` of images that have the `labels` `[N, K]`, 0 or 1.

    It is a mean over the labels that there are, some image having them; of auc, also some image not.
    """
    if metric == EXACT_MATCH:
        return accuracy(probabilities, labels)
    from torchmetrics.functional import classification as of

    there = labels.sum(0) > 0
    if metric == AUC:
        there &= labels.sum(0) < len(labels)
    if not there.any():
        return 0.0
    probabilities, truth = probabilities[:, there], labels[:, there].long()
    by_label: Any = {
        MACRO_F1: of.multilabel_f1_score, AUC: of.multilabel_auroc, PRECISION: of.multilabel_average_precision,
    }[metric]  # fmt: skip
    return float(by_label(probabilities, truth, truth.shape[1], average="none").mean().item())


def _of_classes(metric: str, probabilities: Tensor, labels: Tensor) -> float:
    """The `metric` (0..1) of class `probabilities` `[N, num_classes]` of images whose classes are `labels` `[N]`.

    Balanced accuracy and macro F1 are means over the classes that there are among `labels` or predictions; AUC and
    average precision are of each class against all others, and a mean over the classes that there are among `labels`.
    """
    if metric == ACCURACY:
        return accuracy(probabilities, labels)
    from torchmetrics.functional import classification as of

    classes = probabilities.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without images, which `nas.data.judging` has told of
        if metric == BALANCED:
            found = of.multiclass_recall(probabilities, labels, classes, average="macro")
        elif metric == MACRO_F1:
            found = of.multiclass_f1_score(probabilities, labels, classes, average="macro")
        elif metric == TOP5:
            found = of.multiclass_accuracy(probabilities, labels, classes, average="micro", top_k=5)
        else:
            by_class = of.multiclass_auroc if metric == AUC else of.multiclass_average_precision
            there = labels.bincount(minlength=classes) > 0
            found = by_class(probabilities, labels, classes, average="none")[there].mean()
    return float(found.item())


def per_class(probabilities: Tensor, labels: Tensor) -> dict[str, list[float]]:
    """Precision, recall and F1 (0..1) of each class, and its number of images, in the order of the classes."""
    confusion = confusion_matrix(probabilities, labels).double()
    right, of_label, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return {
        "precision": (right / said.clamp(min=1)).tolist(),
        "recall": (right / of_label.clamp(min=1)).tolist(),
        "f1": (2 * right / (of_label + said).clamp(min=1)).tolist(),
        "images": of_label.tolist(),
    }


def confusion_matrix(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How many images of each class (row) were taken for each class (column): int64 `[num_classes, num_classes]`."""
    classes = probabilities.shape[1]
    return (labels * classes + probabilities.argmax(1)).bincount(minlength=classes**2).view(classes, classes)


def check_metric(metric: str, dataset: Dataset) -> None:
    """Raises ValueError where the `metric` is of another task than `dataset`, or says nothing on it, or cannot be
    computed for want of a library."""
    check_metric_of(metric, dataset.kind, dataset.name, dataset.num_classes)


def check_metric_of(metric: str, kind: str, data: str, num_classes: int) -> None:
    """The same of data that are called so, whose task is of this `kind`."""
    if metric not in METRICS_OF[kind]:
        raise ValueError(
            f"--metric {metric} does not suit {kind}, which {data} is for: it is one of {', '.join(METRICS_OF[kind])}"
        )
    if kind == DETECTION:
        check_installed()
    if metric == TOP5 and num_classes <= 5:
        raise ValueError(f"--metric {TOP5} needs more than five classes: {data} has {num_classes}")


def weights_of_classes(given: str | tuple[tuple[str, float], ...] | None, dataset: Dataset) -> Tensor | None:
    """What an image of each class counts in the loss: float32 `[num_classes]`, of the mean 1 over the images.

    Of masks it is what a pixel counts.

    "balanced": all classes count the same, however many images each has. "equal", or None: all images count the same,
    and there are none. Of several labels it is what it counts that an image has one, beside 1 that it has it not: with
    "balanced" both count the same in all. Raises ValueError where a class has no weight, or a weight no class, and for
    regression and detection.
    """
    if given in (None, EQUAL):
        return None
    if dataset.kind == REGRESSION:
        raise ValueError("--class-weights are of classes or labels, and regression has none: leave them out")
    if dataset.kind == DETECTION:
        raise ValueError("--class-weights are not for detection, whose losses weigh boxes themselves: leave them out")
    if dataset.kind == MULTILABEL:
        return _weights_of_labels(given, dataset)
    labels = dataset.train.labels
    if dataset.kind == SEGMENTATION:
        labels = labels[labels != IGNORED]
    counts = labels.flatten().bincount(minlength=dataset.num_classes).double()
    weights = 1 / counts.clamp(min=1) if given == BALANCED_WEIGHTS else _by_name(given, dataset)
    weights = weights.to(counts.device)
    return (weights * counts.sum() / (weights * counts).sum()).float()


def _weights_of_labels(given: str | tuple[tuple[str, float], ...] | None, dataset: Dataset) -> Tensor:
    labels = dataset.train.labels
    if given == BALANCED_WEIGHTS:
        having = labels.sum(0).double()
        without = len(labels) - having
        return (without / having.clamp(min=1)).where(without > 0, 1.0).float()  # of one that all have, nothing balances
    return _by_name(given, dataset).float().to(labels.device)


def _by_name(given: str | tuple[tuple[str, float], ...] | None, dataset: Dataset) -> Tensor:
    """The weights of a file or a dict, float64 `[num_classes]`. Raises ValueError where one is missing, or strange."""
    by_name = dict(given)  # type: ignore[arg-type]
    if strange := sorted(by_name.keys() - set(dataset.class_names)):
        raise ValueError(f"--class-weights has {strange[0]!r}, which is no class of {dataset.name}")
    if missing := [name for name in dataset.class_names if name not in by_name]:
        raise ValueError(f"--class-weights has no weight for {missing[0]!r}: give one for each class")
    return torch.tensor([by_name[name] for name in dataset.class_names], dtype=torch.float64)
