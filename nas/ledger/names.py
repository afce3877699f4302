"""What a run may be called: a name that means nothing else to any command, and that every shell and system takes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nas.baselines.zoo import UnknownName, find
from nas.checks.limits import TEXT
from nas.files import CONFIG, is_taken
from searchspaces import SPACES

SETS = ("none", "small", "all-cifar")  # of baselines, for `nas compare`
LONGEST = 200  # bytes: some file systems take 255, and there are files and folders with more after it
_MEANS_MORE = ":/\\@,"  # in the names of networks


def check_name(name: str) -> None:
    """Raises ValueError where no run can have this name, with the reason."""
    if fault := _fault_of(TEXT.checked("the name of a run", name)):
        raise ValueError(f"a run cannot be called {name!r}: {fault}")


def is_network(name: str) -> bool:
    """Whether `name` alone means a baseline, or is a mistaken form of one, a space, or a set of baselines."""
    if name in SPACES or name in SETS:
        return True
    try:
        find(name)
    except UnknownName:
        return False
    except ValueError:  # as resnet21, which has no such depth
        return True
    return True


def check_room(folder: Path) -> None:
    """Raises ValueError where `folder`, a new run's, is there already or cannot be made."""
    if (folder / CONFIG).exists():
        raise ValueError(f"{folder} exists: `nas resume {folder.name}` continues it, --name starts another")
    if is_taken(folder):
        raise ValueError(f"{folder} exists, and is no run: choose another --name")
    there = next(parent for parent in folder.parents if parent.exists())
    if not there.is_dir():
        raise ValueError(f"cannot make the folder {folder}: {there} is a file; choose another --runs-dir")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"cannot make the folder {folder}: {there} may not be written to; choose another --runs-dir")


def as_name(text: str) -> str:
    """`text`, a folder's name say, with what no run's name has replaced."""
    kept = (c if c.isprintable() and not c.isspace() and c not in _MEANS_MORE else "-" for c in text)
    return "".join(kept).lstrip("-.")[: LONGEST // 4]


def _fault_of(name: str) -> str:
    """Of what fits, the first says most."""
    more = sorted({character for character in name if character in _MEANS_MORE})
    faults = {
        "a name has letters or digits": name in ("", ".", ".."),
        "it would be taken for an option": name.startswith("-"),
        "it would be hidden": name.startswith("."),
        f"{' '.join(more)} in a name has a meaning of its own": bool(more),
        "a name has no spaces and nothing that cannot be seen": any(c.isspace() or not c.isprintable() for c in name),
        f"it is longer than {LONGEST} bytes": len(name.encode(errors="surrogateescape")) > LONGEST,
        "it would be taken for an architecture's file": name.endswith(".json"),
        "that is what follows a run's name, as in RUN:best": bool(re.fullmatch(r"best|top\d+", name)),
        "it is a space's": name in SPACES,
        "it means a set of baselines": name in SETS,
        "it is a baseline's, or would be taken for one": is_network(name),
    }
    return next((fault for fault, fits in faults.items() if fits), "")
