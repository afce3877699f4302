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
    from nas.text.units import format_count, format_percent

    if as_json:
        common.print_json(result)
        return
    score = ""
    if "test_score" in result:
        tested, val = format_percent(result["test_score"]), format_percent(result["val_score"])
        score = f"test {result['recipe']['metric']} {tested} (validation {val}), "
    common.to_stdout(
        f"{score}test accuracy {format_percent(result['test_accuracy'])} (validation "
        f"{format_percent(result['val_accuracy'])}), {format_count(result['macs'])} MACs, "
        f"{format_count(result['params'])} params\n{where}"
    )
