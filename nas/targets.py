"""The names by which a person means a network: `RUN:best`, `RUN:17`, `resnet20`, a file, an architecture's text."""

from __future__ import annotations

import json
from pathlib import Path

from nas.baselines.zoo import BASELINES, UnknownName, find
from nas.network import Designed, Found, Network
from nas.run import Run
from searchspaces import SPACES, get_space


def expand(names: str) -> list[str]:
    """Names joined by commas, one by one; `all-cifar` is every baseline that is made for small images."""
    found = []
    for name in filter(None, (name.strip() for name in names.split(","))):
        found += [n for n, b in BASELINES.items() if b.for_small_images] if name == "all-cifar" else [name]
    return found


def resolve(target: str, runs_dir: Path) -> Network:
    """The network that `target` means. Raises ValueError with the forms that there are.

    `RUN:best` or `RUN:NUMBER` is a trial of a run, `mnas:TEXT` or `mnas@WIDTH:TEXT` an architecture,
    `FILE.json` one that `nas train` wrote, anything else a baseline's name (`mobilenet_v2@0.5`).
    """
    if target.endswith(".json"):
        return _from_file(Path(target))
    prefix, colon, rest = target.partition(":")
    name, at, width = prefix.partition("@")
    if colon and name in SPACES:
        space = get_space(name, **({"width": _width(width)} if at else {}))
        return Found(space, space.parse(rest))
    if colon:
        return _from_run(Run.open(runs_dir / prefix), rest)
    try:
        find(target)
    except UnknownName:
        raise ValueError(
            f"{target!r} is no network: name a baseline (`nas baselines` lists them), a trial (RUN:best or RUN:17), "
            "an architecture (mnas:...) or its .json file"
        ) from None
    return Designed(target)


def _width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no width multiplier: write mnas@0.25:..., say") from None


def _from_run(run: Run, which: str) -> Found:
    if which == "best":
        return run.network(run.best())
    rows = {str(row.number): row for row in run.rows() if row.arch}
    if which not in rows:
        raise ValueError(f"{run.name} has no trial {which!r}: `nas top {run.name}` lists them, {run.name}:best is one")
    return run.network(rows[which])


def _from_file(path: Path) -> Network:
    try:
        text = path.read_text()
        document = json.loads(text)
        if "baseline" in document:
            return Designed(document["baseline"])
        space = get_space(document["space"], **document["settings"])
        return Found(space, space.from_json(text))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not an architecture that nas wrote: {error}") from None
