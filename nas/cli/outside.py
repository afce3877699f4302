"""`nas ask` and `nas tell`: other programs propose networks for a run, or train what it proposes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nas import api
from nas.checks.kinds import NAMED, PLACE, Several
from nas.checks.limits import Optional
from nas.cli import common
from nas.files import read_text
from nas.options import commands, panels
from nas.options.groups import OutputOptions, RunName
from nas.options.option import Option, several

if TYPE_CHECKING:
    from nas.results import Run
    from nas.searching.outside import Answer

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class AskOptions(commands.GoingOnOptions, OutputOptions):
    """Of `nas ask`."""

    run: RunName
    _: KW_ONLY
    number: commands.HowMany = 1


@dataclass(frozen=True)
class TellOptions(commands.ResumeOptions, OutputOptions):
    """Of `nas tell`."""

    run: RunName
    texts: Annotated[
        str | Sequence[str],
        Option(
            Several(NAMED),
            "Networks to train now, by their texts, as nas ask and nas top give them.",
            typed=list[str],
            metavar="TEXT",
            by_place=True,
        ),
    ] = ()
    _: KW_ONLY
    file: Annotated[
        Path | str | None,
        Option(
            Optional(PLACE),
            "JSON instead, an object a network, a line each or in a list: text or trial, and where it was trained "
            "elsewhere accuracy, score, loss, seconds, costs, or failed. Or - for standard input.",
            panels.OUTPUT,
            usual="standard input, where no TEXT is given",
        ),
    ] = None


def ask(asked: AskOptions) -> None:
    """Get networks that a run proposes, to train them elsewhere.

    Each is a trial of the run until `nas tell` says what came of it.
    """
    common.load_torch()
    run = api.open(asked.run, runs_dir=asked.runs_dir)
    _print(run, run.asked(commands.AskOptions(**asked.values_for(commands.AskOptions))), asked.as_json)


def tell(asked: TellOptions) -> None:
    """Propose networks for a run, or tell it what came of those that were trained elsewhere.

    What is told with a result is noted, as told from outside. All else is trained now, by the run's recipe and within
    its limits.
    """
    if asked.texts and asked.file is not None:
        raise ValueError("TEXT and --file both say what is told: give one of them")
    given: Any = list(several(asked.texts)) or _read(asked.file)
    common.load_torch()
    run = api.open(asked.run, runs_dir=asked.runs_dir)
    told = commands.TellOptions(given, **asked.values_for(commands.ResumeOptions))
    _print(run, run.told(told), asked.as_json)


def _read(file: Path | str | None) -> list[Any]:
    """The networks in `file`; None: in standard input. Raises ValueError where that is no JSON, with the line."""
    if file is None and sys.stdin.isatty():
        raise ValueError("nothing is told: give TEXT, or JSON by --file or on standard input")
    named = "standard input" if file is None or str(file) == STANDARD_INPUT else str(file)
    text = sys.stdin.read() if named == "standard input" else read_text(Path(named))
    try:
        whole = json.loads(text)
    except ValueError:
        found = [_in_line(line, number, named) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    else:
        found = whole if isinstance(whole, list) else [whole]
    if not found:
        raise ValueError(f"nothing is told: {named} is empty")
    return found


def _in_line(line: str, number: int, named: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"{named}, line {number}: no JSON, {error}") from None


def _print(run: Run, answer: Answer, as_json: bool) -> None:
    """One JSON object, or a line for each network that has none yet."""
    if as_json:
        print(json.dumps(answer.to_dict(run)))
        return
    from nas.training.trial import State

    for row in answer.rows:
        if row.state == State.RUNNING:
            common.to_stdout(f"trial {row.number:>3}  {run.text_of(row)}")
    left = "" if answer.trials_left is None else f"; {answer.trials_left:,} trials left"
    best = f"best: {answer.best.in_words}" if answer.best else "none is complete yet"
    common.to_stdout(f"{best}{left}{answer.ended and f'. {answer.ended}'}")
