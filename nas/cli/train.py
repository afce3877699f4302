"""`nas train`."""

from __future__ import annotations

from typing import Any

from nas import api
from nas.cli import common
from nas.options.commands import TrainOptions


def train(asked: TrainOptions) -> None:
    """Train one network, test it, save it.

    Writes weights.safetensors, architecture.json and result.json. After each epoch it can be stopped, or break off:
    `nas resume FOLDER` continues it.
    """
    common.load_torch()
    trained = api.train.of(asked)
    conclude(trained.result, f"wrote {trained.path}/", asked.as_json)


def conclude(result: dict[str, Any], where: str, as_json: bool) -> None:
    """Say what came of a training, the content of its result.json, and `where` it is."""
    from nas.text.units import format_count, format_percent, format_quality

    if as_json:
        common.print_json(result)
        return
    said = []
    if "test_score" in result:
        metric = result["recipe"]["metric"]
        tested, val = (format_quality(metric, result[name]) for name in ("test_score", "val_score"))
        said.append(f"test {metric} {tested} (validation {val})")
    if result["test_accuracy"] is not None:
        tested, val = (format_percent(result[name]) for name in ("test_accuracy", "val_accuracy"))
        said.append(f"test {_called(result)} {tested} (validation {val})")
    said += [_errors(name, *of) for name, of in _by_number(result)]
    said += [f"{format_count(result['macs'])} MACs", f"{format_count(result['params'])} params"]
    common.to_stdout(f"{', '.join(said)}\n{where}")


def _called(result: dict[str, Any]) -> str:
    """What the share of images is that are all right: of those with several labels it is the exact match."""
    return "exact match" if result.get("task") == "multilabel" else "accuracy"


def _by_number(result: dict[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    """Each number of a regression, its mean absolute and its root mean square error on test images."""
    if (of := result.get("by_number")) is None:
        return []
    return list(zip(result["class_names"], zip(of["mae"], of["rmse"], strict=True), strict=True))


def _errors(name: str, mae: float, rmse: float) -> str:
    from nas.text.visible import visible_in_line

    return f"{visible_in_line(name)} off by {mae:.3g} on average (RMSE {rmse:.3g})"
