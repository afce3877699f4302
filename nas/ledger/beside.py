"""The run that stands beside another one: NAME-random, its random control; NAME-finalists, its best networks trained
longer; or NAME-seconds, a comparison once more.

It says itself whose it is (`of`, in its `Identity`), so it is found when one or both of the folders have new names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from nas.files import CONFIG, read_json
from nas.ledger.identity import Identity
from nas.ledger.run import Run


def usual_place(path: Path, what: str) -> Path:
    """Where it is made for the run in `path`."""
    return path.with_name(f"{path.name}-{what}")


def find(run: Run, what: str, fits: Callable[[Run], bool] = lambda found: True) -> Run | None:
    """What stands beside `run` and `fits`; None where nothing does. Raises ValueError where it is damaged."""
    usual = usual_place(run.path, what)
    if not run.identity.id:  # made by an older version: by its name alone
        return Run.open(usual, run.storage_url) if (usual / CONFIG).is_file() else None
    there = (Run.open(path, run.storage_url) for path in (usual, *_elsewhere(run)) if _is_of(path, run))
    return next(filter(fits, there), None)


def note_of_loss(run: Run, what: str) -> str | None:
    """What to tell a person where something stood beside `run`, and is not found any more."""
    if not run.identity.beside or find(run, what, lambda found: found.config.kind == run.config.kind) is not None:
        return None
    return (
        f"{run.identity.beside}, which was made to stand beside {run.name}, is not in {run.path.parent}: "
        "move it back there, under any name"
    )


def _elsewhere(run: Run) -> Iterator[Path]:
    """Where it may be under another name, the likeliest first."""
    if run.identity.beside:
        yield run.path.with_name(run.identity.beside)
    yield from sorted(path.parent for path in run.path.parent.glob(f"*/{CONFIG}"))


def _is_of(path: Path, run: Run) -> bool:
    with contextlib.suppress(ValueError, TypeError):  # no run, or a damaged one of which one cannot say
        return Identity.in_document(read_json(path / CONFIG)).of == run.identity.id
    return False
