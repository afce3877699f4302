"""What several commands do with their options."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas.options.option import options_of
from nas.text import console

if TYPE_CHECKING:
    from nas.ledger.run import Run


def check_report(asked: Any, *shown: str) -> None:
    """Raises ValueError where `asked` has --report, and something that it has no use for: all but what is `shown`."""
    names = [name for name in options_of(type(asked)) if name not in shown]
    if asked.report and (others := asked.changed(*names)):
        raise ValueError(f"--report trains nothing: leave out {', '.join(others)}")


def load_torch() -> None:
    """Import what takes the longest, and say so in a terminal, from the first moment."""
    from nas.text.live import passing

    with passing("loading PyTorch", sys.stderr):
        import nas.searching.driver  # noqa: F401, which imports torch, optuna and most of what any command needs


def one_format(as_csv: bool, as_json: bool) -> None:
    """Raises ValueError where both are asked for."""
    if as_csv and as_json:
        raise ValueError("--csv and --json are two formats: give one of them")


def say(as_json: bool) -> Any:
    """Where words for people go: with --json, standard output is for the program that reads it."""
    return to_stderr if as_json else to_stdout


def to_stdout(text: str) -> None:
    """In a terminal no wider than that."""
    console.say(text, sys.stdout)


def to_stderr(text: str) -> None:
    console.say(text, sys.stderr)


def check_success(runs: Sequence[Run]) -> None:
    """Where no trial of `runs` succeeded, say so with the reason that most have, and end with exit code 1."""
    from nas.ledger.run import best_of
    from nas.training.trial import State

    rows = [row for run in runs for row in run.rows()]
    if best_of(rows) is not None:
        return
    reasons = Counter(row.reason for row in rows if row.state == State.FAILED)
    often = f": {len(rows)} were begun, and {reasons.total()} failed" if rows else ": none was begun"
    why = "".join(f", {count} of them by `{reason}`" for reason, count in reasons.most_common(1))
    to_stderr(f"nas: no trial succeeded{often}{why}")
    raise typer.Exit(1)


def conclude(run: Run, as_json: bool, ended: str = "", **files: Path | None) -> None:
    """Say what came of `run`, by its workload, and keep that in its files; `ended` is how, where it did just now."""
    import json

    done = run.config.workload.conclude(run, ended, **files)
    if done.ended:
        say(as_json)(done.ended)
    if as_json:
        if done.json is not None:
            print(json.dumps(done.json))  # a line, as the trials before it
        return
    if done.text:
        to_stdout(done.text)
    if done.files:
        to_stdout(f"\nwrote {', '.join(map(str, done.files))}")


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2))
