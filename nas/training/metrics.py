"""What a network is judged by: accuracy, or another metric of the field, by torchmetrics' definitions.

All are 0..1, and the higher the better, so that a reward can be made of each. torchmetrics takes seconds to be
imported, and is only where another metric than accuracy is asked for.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from nas.checks.class_weights import BALANCED as BALANCED_WEIGHTS
from nas.checks.class_weights import EQUAL
from nas.checks.schemas import METRICS
from nas.data.images import Dataset

ACCURACY, BALANCED, MACRO_F1, AUC, PRECISION, TOP5 = METRICS


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """The share (0..1) of images whose most probable class is their label."""
    return (probabilities.argmax(1) == labels).double().mean().item()


def score(metric: str, probabilities: Tensor, labels: Tensor) -> float:
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
    """Raises ValueError where the `metric` says nothing on `dataset`."""
    if metric == TOP5 and dataset.num_classes <= 5:
        raise ValueError(f"--metric {TOP5} needs more than five classes: {dataset.name} has {dataset.num_classes}")


def weights_of_classes(given: str | tuple[tuple[str, float], ...] | None, dataset: Dataset) -> Tensor | None:
    """What an image of each class counts in the loss: float32 `[num_classes]`, of the mean 1 over the images.

    "balanced": all classes count the same, however many images each has. "equal", or None: all images count the same,
    and there are none. Raises ValueError where a class has no weight, or a weight no class.
    """
    if given in (None, EQUAL):
        return None
    counts = dataset.train.labels.bincount(minlength=dataset.num_classes).double()
    if given == BALANCED_WEIGHTS:
        weights = 1 / counts.clamp(min=1)
    else:
        by_name = dict(given)  # type: ignore[arg-type]
        if strange := sorted(by_name.keys() - set(dataset.class_names)):
            raise ValueError(f"--class-weights has {strange[0]!r}, which is no class of {dataset.name}")
        if missing := [name for name in dataset.class_names if name not in by_name]:
            raise ValueError(f"--class-weights has no weight for {missing[0]!r}: give one for each class")
        weights = torch.tensor([by_name[name] for name in dataset.class_names], dtype=torch.float64)
    weights = weights.to(counts.device)
    return (weights * counts.sum() / (weights * counts).sum()).float()
