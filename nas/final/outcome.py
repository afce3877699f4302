"""What a training came to, in words: its figures on the test images, and what the network costs."""

from __future__ import annotations

from typing import Any

from nas.checks.noted import METRICS_OF
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, SEGMENTATION
from nas.text.units import format_count, format_percent, format_quality
from nas.text.visible import visible_in_line


def in_words(result: dict[str, Any]) -> str:
    """`test accuracy 91.2 % (validation 91.5 %), 9.81M MACs, 31.4k params`, of the content of a `result.json`.

    A regression has no accuracy; what it has is how far off each number is. Detection has both its metrics.
    """
    said = []
    if "test_score" in result:
        metric = result["recipe"]["metric"]
        tested, val = (format_quality(metric, result[name]) for name in ("test_score", "val_score"))
        said.append(f"test {metric} {tested} (validation {val})")
    if result.get("task") == DETECTION:
        others = [metric for metric in METRICS_OF[DETECTION] if metric != result["recipe"]["metric"]]
        said += [f"test {metric} {format_quality(metric, result[metric])}" for metric in others]
    if result["test_accuracy"] is not None:
        tested, val = (format_percent(result[name]) for name in ("test_accuracy", "val_accuracy"))
        said.append(f"test {accuracy_called(result.get('task', CLASSIFICATION))} {tested} (validation {val})")
    if (of := result.get("by_number")) is not None:
        for name, mae, rmse in zip(result["class_names"], of["mae"], of["rmse"], strict=True):
            said.append(f"{visible_in_line(name)} off by {mae:.3g} on average (RMSE {rmse:.3g})")
    return ", ".join([*said, f"{format_count(result['macs'])} MACs", f"{format_count(result['params'])} params"])


def accuracy_called(task: str) -> str:
    """What the share of images is that are all right: of those with several labels it is the exact match.

    Of masks it is the share of pixels.
    """
    return {MULTILABEL: "exact match", SEGMENTATION: "pixel accuracy"}.get(task, "accuracy")
