"""What the shell completes: names of runs, networks, spaces, strategies and data sets, at once and without torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import typer

from nas.options import names

Completion = Callable[[str], list[str]]


def one_of(*known: str) -> Completion:
    """Completes to one of `known`."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return complete


baselines = one_of(*names.BASELINES)
data = one_of(*names.DATA)
presets = one_of(*names.PRESETS)
spaces = one_of(*names.SPACES)
strategies = one_of(*names.STRATEGIES, names.OUTSIDE)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the runs that there are."""
    return [name for name in _runs(ctx) if name.startswith(incomplete)]


def networks(ctx: typer.Context, incomplete: str) -> list[str]:
    """The best of each run, and the hand-designed networks."""
    known = [*(f"{name}:best" for name in _runs(ctx)), *names.BASELINES]
    return [name for name in known if name.startswith(incomplete)]


def _runs(ctx: typer.Context) -> list[str]:
    folder = Path(ctx.params.get("runs_dir") or os.environ.get("NAS_RUNS") or "runs")
    return sorted(name for config in folder.glob("*/config.json") if (name := config.parent.name).isprintable())
