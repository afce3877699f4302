"""What a network came to on images of each label or number: for `result.json` and the report."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from nas.data.targets import THRESHOLD

POINTS = 500  # of a scatter, at most


def per_label(probabilities: Tensor, labels: Tensor) -> dict[str, list[float]]:
    """Precision, recall and F1 (0..1) of each label at a probability of a half, its average precision, its images.

    Both are `[N, K]`. The average precision of a label that no image has is 0.
    """
    from torchmetrics.functional import classification as of

    said, there = probabilities > THRESHOLD, labels > 0
    right, of_label, of_said = (each.sum(0).double() for each in (said & there, there, said))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that no image has
        precision = of.multilabel_average_precision(probabilities, labels.long(), labels.shape[1], average="none")
    return {
        "precision": (right / of_said.clamp(min=1)).tolist(),
        "recall": (right / of_label.clamp(min=1)).tolist(),
        "f1": (2 * right / (of_label + of_said).clamp(min=1)).tolist(),
        "average_precision": precision.reshape(-1).nan_to_num(0).double().tolist(),
        "images": of_label.tolist(),
    }


def per_number(found: Tensor, numbers: Tensor) -> dict[str, list[float]]:
    """r2, Spearman's rank correlation, and mean absolute and root mean square error in its units, of each number.

    Both are `[N, K]`. A correlation with what does not vary is 0.
    """
    wrong = (found - numbers).double()
    return {
        "r2": [r2(f, n) for f, n in zip(found.T, numbers.T, strict=True)],
        "spearman": [spearman(f, n) for f, n in zip(found.T, numbers.T, strict=True)],
        "mae": wrong.abs().mean(0).tolist(),
        "rmse": wrong.square().mean(0).sqrt().tolist(),
    }


def r2(found: Tensor, numbers: Tensor) -> float:
    """The share of the variance of `numbers` `[N]` that `found` explains: at most 1, 0 for their mean, or below.

    Where the numbers do not vary there is nothing to explain: it is 1 if they are found, else 0.
    """
    left, there = (found - numbers).double().square().sum(), (numbers.double() - numbers.double().mean()).square().sum()
    if not there > 0:
        return float(not left > 0)
    return float(1 - left / there)


def spearman(found: Tensor, numbers: Tensor) -> float:
    """Spearman's rank correlation of `[N]` and `[N]`, -1..1; 0 where one of both does not vary."""
    if found.numel() < 2 or not (found.std() > 0 and numbers.std() > 0):
        return 0.0
    from torchmetrics.functional import spearman_corrcoef

    return float(spearman_corrcoef(found.double(), numbers.double()).clamp(-1, 1))


def scatter(found: Tensor, numbers: Tensor) -> list[list[list[float]]]:
    """Of each number pairs of what it is and what was found, of `POINTS` images at most, evenly taken."""
    step = max(1, -(-len(numbers) // POINTS))
    pairs = torch.stack([numbers[::step], found[::step]], dim=-1).transpose(0, 1)
    rounded: list[list[list[float]]] = [[[float(f"{v:.6g}") for v in pair] for pair in of] for of in pairs.tolist()]
    return rounded
