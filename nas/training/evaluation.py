"""What a network says of images: probabilities of classes or labels, or numbers, in batches that fit into memory."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.data.batches import eval_batches
from nas.data.images import RGB, Dataset, Images
from nas.data.targets import CLASSIFICATION, DETECTION, IGNORED, REGRESSION, are_masks
from nas.devices.device import free_memory, out_of_memory, within
from nas.devices.memory import check_room, shape_of
from nas.devices.precision import Precision
from nas.training.metrics import ACCURACY, accuracy, score
from nas.training.recipe import Recipe
from searchspaces.cost import largest_output

BATCH = 500
"""Images at a time, where they are small."""

MEMORY = 2**31
"""Bytes that the largest activation of a batch may take. A forward pass holds a few such at a time."""


def predict(
    network: nn.Module, images: Images, dataset: Dataset, recipe: Recipe, batch_size: int | None = None
) -> Tensor:
    """The class probabilities `[N, num_classes]` that `network` gives `images`; or what the `dataset.targets` are.

    Of masks it is the class of each pixel, uint8 `[N, H, W]`, and of boxes the objects, float32 `[N, M, 6]`.

    `dataset` gives the mean and the deviation by which they are normalised. They are taken `batch_size` at a time, by
    default the `fitting_batch`; fewer where these turn out not to fit into memory. The probabilities are the same then
    but for the last digits.
    """
    network.eval()
    device = images.pixels.device
    forward = Precision(network, recipe.bf16, device)
    batch_size = batch_size or fitting_batch(network, images.pixels.shape[1], recipe, device, images.channels)
    with within(device), forward.kept():
        while True:
            try:
                return _in_batches(forward, images, dataset, batch_size)
            except (RuntimeError, MemoryError) as error:
                if batch_size == 1 or not out_of_memory(error):
                    raise
            batch_size //= 2  # not above, where the error still holds what did not fit
            free_memory(device)


def fitting_batch(
    network: nn.Module, image_size: int, recipe: Recipe, device: torch.device, channels: int = RGB
) -> int:
    """How many images fit at a time, by the largest activation of one. It takes some milliseconds.

    Raises NoRoom where not one does.
    """
    check_room(lambda: shape_of(network), image_size, 1, training=False, device=device, channels=channels)
    half = Precision(network, recipe.bf16, device).bf16 and device.type == "cuda"  # a CPU has some of it in float32
    with contextlib.suppress(ValueError):  # it cannot be counted
        bytes_of_one = (2 if half else 4) * max(1, largest_output(network, image_size, channels))
        return max(1, min(BATCH, MEMORY // bytes_of_one))
    return BATCH


class Judged(NamedTuple):
    """What a network came to on images: `score` is by the recipe's metric, None where that is accuracy.

    The `accuracy` is the share (0..1) of images whose class is right, or all of whose labels are, or of pixels; None of
    regression and detection.
    """

    accuracy: float | None
    score: float | None

    @property
    def quality(self) -> float:
        """What the network is judged by."""
        return quality_of(self.accuracy, self.score)


def quality_of(accuracy: float | None, score: float | None) -> float:
    """What a network is judged by: its score, where there is one, else its accuracy."""
    quality = accuracy if score is None else score
    assert quality is not None
    return quality


def judged(probabilities: Tensor, labels: Tensor, metric: str, kind: str = CLASSIFICATION) -> Judged:
    """By accuracy, and by the `metric` where it is another, in a task of this `kind`."""
    right = None if kind in (REGRESSION, DETECTION) else accuracy(probabilities, labels)
    return Judged(right, None if metric == ACCURACY else score(metric, probabilities, labels, kind))


@torch.no_grad()
def _in_batches(forward: Precision, images: Images, dataset: Dataset, batch_size: int) -> Tensor:
    batches = eval_batches(images, dataset.mean, dataset.std, batch_size=batch_size)
    return torch.cat([framed(dataset.targets.said(forward(x)[0]), x) for x, _ in batches])


def framed(said: Tensor, x: Tensor) -> Tensor:
    """What is `said` of pixels in the middle of images `x` `[B, C, H, W]`, with `IGNORED` around: `[B, H, W]`.

    What is said of whole images stays as it is.
    """
    if not are_masks(said):
        return said
    down, right = (whole - part for whole, part in zip(x.shape[2:], said.shape[1:], strict=True))
    return F.pad(said, (right // 2, right - right // 2, down // 2, down - down // 2), value=IGNORED)
