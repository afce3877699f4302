"""A run as TensorBoard's event files. Needs tensorboard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from nas.report.numbers import Numbers


def write(numbers: Numbers, folder: Path) -> Path:
    """Write each trial's figures, the best reward so far and the policy's updates, by networks tried, to `folder`/RUN.

    Returns that folder.

    Raises ValueError where there are events already, to which these would be added, or tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorboard":
            raise
        raise ValueError("--tensorboard needs tensorboard: pip install 'nas[tensorboard]'") from None
    place = folder / numbers.run.name
    if place.exists():
        raise ValueError(f"{place} exists: remove it, or choose another folder")
    ended = {t.number: t.datetime_complete.timestamp() for t in numbers.trials if t.datetime_complete}
    steps = {step.trials: step.row.reward for step in numbers.steps}
    best = None
    with SummaryWriter(str(place)) as writer:
        for tried, row in enumerate(numbers.trained, start=1):
            best = steps.get(tried, best)
            figures = {
                f"trial/{name}": getattr(row, name) for name in ("accuracy", "reward", "macs", "params", "seconds")
            }
            for name, value in ({"best/reward": best} | figures).items():
                if value is not None:
                    writer.add_scalar(name, value, tried, walltime=ended[row.number])
        for tried, update in zip(numbers.tried, numbers.updates, strict=True):
            figures = asdict(update)
            ended_at = ended[figures.pop("trial")]
            for name, value in figures.items():
                writer.add_scalar(f"policy/{name}", value, tried, walltime=ended_at)
    return place
