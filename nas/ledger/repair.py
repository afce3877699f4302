"""A damaged journal, as far as it can be read: what `nas repair` makes of it.

What a lost line held is gone, and the rest stands: a trial without a choice is shown as failed, one without its end is
trained again. Only the lines that begin something are put back, since later ones count them: a trial's number is how
many began before it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from optuna.storages.journal._storage import JournalOperation as Operation
from optuna.study import StudyDirection

from nas.checks import schema
from nas.checks.schemas import RUN
from nas.files import CONFIG, JOURNAL, sole_process, write_atomically
from nas.ledger.identity import Identity
from nas.ledger.journal import lock_of, log_in, what_is_wrong_with
from nas.ledger.journal_lines import Before, Lost, after, checked


@dataclass(frozen=True)
class Repaired:
    """What came of it. `damaged`: what is wrong with lines that were left out, by their numbers from 1.

    `begun` are the numbers of trials whose beginning was put back, and `original` is where the journal is that was
    damaged; None where it was not, and nothing was written.
    """

    lines: int
    trials: int
    damaged: dict[int, str]
    begun: tuple[int, ...]
    original: Path | None

    def describe(self) -> str:
        """In a few lines."""
        if self.original is None:
            return f"nothing is damaged: {self.lines:,} lines, {self.trials:,} trials"
        left_out = [f"left out  line {line}: {what}" for line, what in self.damaged.items()]
        put_back = [f"put back  the beginning of trial {number}" for number in self.begun]
        kept = f"kept      {self.lines:,} lines, {self.trials:,} trials; what was there before is {self.original}"
        return "\n".join([*left_out[:_SHOWN], *([f"and {len(left_out) - _SHOWN:,} more"] if left_out[_SHOWN:] else []),
                          *put_back, kept])  # fmt: skip


_SHOWN = 20


def repair(run: Path) -> Repaired:
    """Put a journal in the place of the one of `run`, a folder, that has what can be read of it.

    Raises ValueError where there is none, another process writes to it, or config.json is damaged, too.
    """
    document, journal = schema.read(run / CONFIG, RUN), run / JOURNAL
    if document["storage"]:
        raise ValueError(f"{run.name} has its trials in a database: there is no journal to repair")
    if not journal.is_file():
        raise ValueError(f"{journal} is gone: restore it from a copy")
    with sole_process(lock_of(journal), f"writing to {journal}"):
        content = journal.read_bytes()
        found = _Reading(BytesIO(content).readlines(), _study(document, run)).read()
        if b"".join(found.kept) == content:
            return Repaired(len(found.kept), found.before.trials, {}, (), None)
        original = _free(journal.with_name(f"{JOURNAL}.damaged"))
        os.link(journal, original)
        write_atomically(journal, b"".join(found.kept))
    return Repaired(len(found.kept), found.before.trials, found.damaged, tuple(found.begun), original)


class _Reading:
    """The reading of `lines`, of which a damaged one is known to have begun a trial when a later one counts it."""

    def __init__(self, lines: Sequence[bytes], study: dict[str, Any]) -> None:
        self._lines, self._study = lines, study
        self.put_back: list[int] = []  # positions of lines before which, or in whose place, a trial begins

    def read(self) -> _Reading:
        """Read until nothing more is found to be lost."""
        while (lost := self._once()) is not None:
            self.put_back.append(lost)
        return self

    def _once(self) -> int | None:
        """Read all; returns where a trial must have begun that is counted later, if there is such a one."""
        self.kept: list[bytes] = []
        self.damaged: dict[int, str] = {}
        self.begun: list[int] = []
        self.before = Before()
        for position, line in enumerate(self._lines):
            for _ in range(self.put_back.count(position)):
                self.begun.append(self.before.trials)
                self._keep(_begin(self.before))
            try:
                self._take(line)
            except Lost:
                suspects = [number - 1 for number in self.damaged if number - 1 not in self.put_back]
                return suspects[-1] if suspects else position
            except ValueError as error:
                self.damaged[position + 1] = str(error)
        return None

    def _take(self, line: bytes) -> None:
        if (log := log_in(line)) is None:
            raise ValueError(what_is_wrong_with(line))
        if not self.before.studies and log.get("op_code") != Operation.CREATE_STUDY:
            self._keep(self._study)
        checked(log, self.before)
        self._keep(log, line)

    def _keep(self, log: dict[str, Any], line: bytes | None = None) -> None:
        self.before = after(log, self.before)
        self.kept.append(json.dumps(log).encode() + b"\n" if line is None else line)


def _study(document: dict[str, Any], run: Path) -> dict[str, Any]:
    """The line that begins the study of a run."""
    costs = len(document["config"].get("objectives", ())[1:])
    directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * costs]
    name = Identity.in_document(document).study or run.name
    return _line(Operation.CREATE_STUDY, study_name=name, directions=[direction.value for direction in directions])


def _begin(before: Before) -> dict[str, Any]:
    """The line that begins a trial of the study that there is."""
    study = max(number for number, name in enumerate(before.studies) if name is not None)
    return _line(Operation.CREATE_TRIAL, study_id=study, datetime_start=datetime.now().isoformat())


def _line(operation: Operation, **fields: Any) -> dict[str, Any]:
    return {"op_code": operation.value, "worker_id": "nas repair", **fields}


def _free(path: Path) -> Path:
    """`path`, or where that is taken, with a number behind it."""
    return next(place for place in _numbered(path) if not place.exists())


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 1
    while True:
        number += 1
        yield path.with_name(f"{path.name}-{number}")
