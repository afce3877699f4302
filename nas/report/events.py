"""Runs as TensorBoard's event files. Needs tensorboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nas.report.alike import Coloured, by_accuracy, by_reward
from nas.report.numbers import Numbers

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def write(several: Sequence[Numbers], folder: Path) -> list[Path]:
    """Write each trial's figures, the best reward so far and the policy's updates, by networks tried, to `folder`/RUN.

    TensorBoard draws what has one name on one axis: accuracies and rewards of runs where they measure different things
    have names of their own, `best/reward/RUN`. Returns the runs' folders. Raises ValueError where there are events
    already, to which these would be added, or tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorboard":
            raise
        raise ValueError("--tensorboard needs tensorboard: pip install tensorboard") from None
    places = [folder / numbers.run.name for numbers in several]
    if there := [place for place in places if place.exists()]:
        raise ValueError(f"{there[0]} exists: remove it, or choose another folder")
    accuracies, rewards = by_accuracy(several), by_reward(several)
    for numbers, place in zip(several, places, strict=True):
        apart = {"accuracy": _apart(numbers, accuracies), "reward": _apart(numbers, rewards)}
        with SummaryWriter(str(place)) as writer:
            _write(numbers, apart, writer)
    return places


def _apart(numbers: Numbers, groups: Sequence[Coloured]) -> str:
    """What is added to a name: the runs that are on an axis with this one, where there are several axes."""
    (group,) = [group for group in groups if any(other is numbers for _, other in group)]
    return f"/{'-'.join(other.run.name for _, other in group)}" if len(groups) > 1 else ""


def _write(numbers: Numbers, apart: dict[str, str], writer: SummaryWriter) -> None:
    ended = {t.number: t.datetime_complete.timestamp() for t in numbers.trials if t.datetime_complete}
    steps = {step.trials: step.row.reward for step in numbers.steps}
    best = None
    for tried, row in enumerate(numbers.trained, start=1):
        best = steps.get(tried, best)
        names = ("accuracy", "reward", "macs", "params", "seconds")
        figures = {f"trial/{name}{apart.get(name, '')}": getattr(row, name) for name in names}
        for name, value in ({f"best/reward{apart['reward']}": best} | figures).items():
            if value is not None:
                writer.add_scalar(name, value, tried, walltime=ended[row.number])
    for tried, update in zip(numbers.tried, numbers.updates, strict=True):
        values = asdict(update)
        ended_at = ended[values.pop("trial")]
        for name, value in values.items():
            writer.add_scalar(f"policy/{name}", value, tried, walltime=ended_at)
