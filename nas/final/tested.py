"""What a `result.json` says of a network that was tested: its figures, what it costs, and what images it is for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import Tensor

from nas.data.image_file import CROP
from nas.data.images import RGB, Dataset
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, REGRESSION, SEGMENTATION
from nas.training.evaluation import Judged, judged
from nas.training.figures import per_label, per_number, scatter
from nas.training.metrics import confusion_matrix, per_class, per_class_of_objects, per_class_of_pixels
from searchspaces.cost import Cost


def tested(
    network: str, size: Cost, dataset: Dataset, labels: Tensor, probabilities: Tensor, metric: str, val: Judged
) -> dict[str, Any]:
    """Of the `network` of that name, which gave the test images, whose `labels` these are, such `probabilities`.

    `dataset` is as it was trained on, and `val` what it came to on validation images.
    """
    found = judged(probabilities, labels, metric, dataset.kind)
    scores = {} if found.score is None else {"test_score": found.score, "val_score": val.score}
    return {
        "network": network,
        "test_accuracy": found.accuracy,
        "val_accuracy": val.accuracy,
        **scores,
        **_by_output(dataset.kind, probabilities, labels, dataset.num_classes),
        "images": {"train": len(dataset.train), "validation": len(dataset.val), "test": len(labels)},
        **asdict(size),
        "data": dataset.name,
        "num_classes": dataset.num_classes,
        "image_size": dataset.image_size,
        **({} if dataset.channels == RGB else {"channels": dataset.channels}),
        "class_names": list(dataset.class_names),
        **_task(dataset),
        "mean": list(dataset.mean),  # of each channel, of pixels in 0..1: images go in normalised by them
        "std": list(dataset.std),
        **({} if dataset.fit == CROP else {"fit": dataset.fit}),
    }


def _by_output(kind: str, said: Tensor, labels: Tensor, classes: int) -> dict[str, Any]:
    """What came of each class, label or number on the test images, of which the network `said` this."""
    if kind == REGRESSION:
        return {"by_number": per_number(said, labels), "scatter": scatter(said, labels)}
    if kind == SEGMENTATION:
        return per_class_of_pixels(said, labels, classes)
    if kind == DETECTION:
        return per_class_of_objects(said, labels, classes)
    if kind == MULTILABEL:
        return {"by_class": per_label(said, labels)}
    return {"by_class": per_class(said, labels), "confusion": confusion_matrix(said, labels).tolist()}


def _task(dataset: Dataset) -> dict[str, Any]:
    """The task, where it is no classification: older files do not say it either."""
    targets = dataset.targets
    if targets.kind == CLASSIFICATION:
        return {}
    numbers = {"target_mean": list(targets.mean), "target_std": list(targets.std)}
    return {"task": targets.kind, **(numbers if targets.kind == REGRESSION else {})}
