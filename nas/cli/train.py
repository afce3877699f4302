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
    from nas.final.outcome import in_words

    if as_json:
        common.print_json(result)
        return
    common.to_stdout(f"{in_words(result)}\n{where}")
