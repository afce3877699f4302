"""The names by which a person means a network: `RUN:best`, `RUN:17`, `resnet20`, a file, an architecture's text."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.baselines.zoo import BASELINES, UnknownName, find
from nas.checks import schema, schemas
from nas.files import ARCHITECTURE, TRAINING
from nas.joint.fields import RESOLUTION, checked, split
from nas.joint.space import at_resolution
from nas.ledger import finals
from nas.ledger.run import Run, TrialRow, folder_of
from nas.ledger.trust import AROUND, space_of_file, space_of_person
from nas.network import HEADS, Designed, Found, Network, Scaled, below_head, grown, with_head
from nas.text.settings import parse_settings
from nas.text.units import parse_names
from searchspaces import SPACES, Arch, Compact, Mnas, Space
from searchspaces.blockstrings import parse_blocks
from searchspaces.space import Option

SMALL = (
    "resnet8", "resnet20", "preact_resnet20", "wrn16-2", "se_resnet18", "densenet_bc_40_12", "squeezenet1_1+bn",
    "mobilenet_v1", "mobilenet_v2", "shufflenet_v2_x1_0", "mnasnet_a1", "efficientnet_b0",
)  # fmt: skip
"""A reference or two of each family that is narrowed well: beside networks of a few million multiply-adds."""


def expand(names: str) -> list[str]:
    """Names joined by commas, one by one.

    `small` is `SMALL`, `all-cifar` every baseline that is made for small images, `none` nothing.
    """
    sets = {"none": (), "small": SMALL, "all-cifar": [name for name, b in BASELINES.items() if b.for_small_images]}
    return [found for name in parse_names(names) for found in sets.get(name, [name])]


def resolve(target: str, runs_dir: str | Path) -> Network:
    """The network that `target` means. Raises ValueError with the forms that there are.

    `RUN:best`, `RUN:NUMBER` or, after `--final`, `RUN:final` is a trial of a run in `runs_dir` (with a slash, as in
    `runs/x:best`, RUN is its folder), `mnas:TEXT`, `mnas@WIDTH:TEXT` or `compact@max_macs=8M:TEXT` an architecture
    (settings of its space are joined by commas, a width needs no name; a space of one's own is
    `mypackage.module:MySpace:TEXT`), `FILE.json` one that `nas train` wrote, `FOLDER` the training that lies there,
    anything else a baseline's name (`mobilenet_v2@0.5`): that is also what a name means which a folder has too, and
    `./NAME` is the folder. `HEAD:` before any of them, as in `fcn8:resnet18` or `ssdlite:RUN:best`, is that network
    with this one of `nas.network.HEADS` in the place of its classifier, or of the head that it was searched with.
    `@WIDTHxDEPTH-PIXELS` after any of them is that network scaled: `RUN:best@1.1x1.2-36`. A recipe behind an
    architecture's text, `mnas:TEXT+lr=0.1`, is no part of the network: see `own_recipe`.
    """
    head, colon, rest = target.partition(":")
    if colon and head in HEADS:
        below = resolve(rest, runs_dir)
        has_own = rest.partition(":")[0] in HEADS
        return with_head(below if has_own else below_head(below), head)
    if multiplied := _SCALED.fullmatch(target):
        return _grown(multiplied, resolve(multiplied["base"], runs_dir))
    if file := file_of(target):
        return _from_file(file)
    prefix, colon, rest = target.partition(":")
    if prefix in SPACES and re.fullmatch(r"best|final|\d+", rest) and (run := folder_of(prefix, runs_dir)).is_dir():
        raise ValueError(f"{prefix}:... is an architecture of the space: {run}:{rest} is a trial of the run called so")
    if written := _written(target):
        return _architecture(written, space_of_person)
    if colon:
        return _from_run(Run.open(folder_of(prefix, runs_dir)), rest)
    if not _is_baseline(target):
        if "/" not in target and folder_of(target, runs_dir).is_dir():
            raise ValueError(f"{target} is a run: {target}:best is its best network, {target}:17 that of a trial")
        if (Path(target) / TRAINING).is_file():
            raise ValueError(f"the training in {target} has not ended: `nas resume {target}` continues it")
        raise ValueError(
            f"{target!r} is no network: name a baseline (`nas baselines` lists them), a trial (RUN:best or RUN:17), an "
            "architecture (mnas:...), its .json file, or the folder of a training"
        )
    return Designed(target)


def described(text: str) -> Network:
    """The network that a file describes by its `text`: an architecture or a baseline, scaled or not.

    No other file is opened for it, and nothing imported. Raises ValueError where it is neither.
    """
    head, colon, rest = text.partition(":")
    if colon and head in HEADS:
        return with_head(described(rest), head)
    if multiplied := _SCALED.fullmatch(text):
        return _grown(multiplied, described(multiplied["base"]))
    if written := _written(text):
        return _architecture(written, space_of_file)
    if not _is_baseline(text):
        raise ValueError(f"{text!r} is no architecture of a space that there is, and no baseline")
    return Designed(text)


_SCALED = re.compile(r"(?P<base>.+:.+)@(?P<width>[\d.]+)x(?P<depth>[\d.]+)-(?P<size>\d+)")
_WRITTEN = re.compile(r"(?P<space>[\w.]+:\w+|\w+)(@(?P<settings>[^:]*))?:(?P<text>.*)")


def _grown(multiplied: re.Match[str], base: Network) -> Network:
    width, depth = (_multiplier(multiplied[0], multiplied[what]) for what in ("width", "depth"))
    return grown(base, width, depth, int(multiplied["size"]))


def _written(text: str) -> re.Match[str] | None:
    """The parts of an architecture's text: its space, settings and own text; None of what is none."""
    match = _WRITTEN.fullmatch(text)
    return match if match and (match["space"] in (*SPACES, AROUND) or ":" in match["space"]) else None


def file_of(target: str) -> Path | None:
    """The file of a network that `target` is, or that is in the folder of a training that it is; else None."""
    if target.endswith(".json"):
        return Path(target)
    inside = Path(target) / ARCHITECTURE
    with contextlib.suppress(OSError):  # an architecture's text may be too long for a file's name
        if inside.is_file() and ("/" in target or not _is_baseline(target)):
            return inside
    return None


def _is_baseline(name: str) -> bool:
    try:
        find(name)
    except UnknownName:
        return False
    return True


def from_document(document: dict[str, Any]) -> Network:
    """The network that `document` is, which is of `nas.checks.schemas.NETWORK`. Raises ValueError where it is none."""
    if "head" in document:
        return with_head(
            from_document({key: value for key, value in document.items() if key != "head"}), document["head"]
        )
    if "baseline" in document:
        find(document["baseline"])
        return Designed(document["baseline"])
    if missing := [name for name in ("space", "settings", "options") if name not in document]:
        raise ValueError(f"it has no {missing[0]}, and no baseline")
    space = space_of_file(document["space"], **document["settings"])
    found = Found(space, space.from_json(json.dumps(document)))
    return Scaled(found, **document["scaled"]) if "scaled" in document else found


def _architecture(written: re.Match[str], space_by: Callable[..., Space]) -> Found:
    """What is `written`, of the space that `space_by` gives for its name and settings.

    Of a recipe behind it the resolution is the network's, too; `own_recipe` gives the rest.
    """
    text, values = split(written["text"])
    space = space_by(written["space"], **parse_settings(written["settings"] or ""))
    if RESOLUTION in values:
        space = at_resolution(space, int(values[RESOLUTION]))
    return Found(space, _arch(space, text))


def own_recipe(target: str, runs_dir: str | Path) -> dict[str, Option]:
    """What the network that `target` means has of a recipe by itself, by the names of fields; mostly nothing.

    A trial of a search that chose the recipe, too, has it, an architecture's text with that behind it, and a file of
    such a network.
    """
    if multiplied := _SCALED.fullmatch(target):
        return own_recipe(multiplied["base"], runs_dir)
    if file := file_of(target):
        return checked(schema.read(file, schemas.NETWORK).get("recipe", {}))
    if written := _written(target):
        return split(written["text"])[1]
    run, colon, which = target.partition(":")
    if not colon or not folder_of(run, runs_dir).is_dir():
        return {}
    opened = Run.open(folder_of(run, runs_dir))
    return dict(_row(opened, which).recipe) if opened.config.space is not opened.config.networks else {}


def described_recipe(text: str) -> dict[str, Option]:
    """The recipe behind the `text` of a network that a file describes, as `own_recipe`."""
    written = _written(text)
    return split(written["text"])[1] if written else {}


def _arch(space: Space, text: str) -> Arch:
    """By the space's own text, or by block strings joined by commas."""
    if isinstance(space, Mnas | Compact) and text.startswith(("cn_", "ds_", "ir_")):
        return parse_blocks(space, text.split(","))
    return space.parse(text)


def _multiplier(target: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        raise ValueError(f"{target}: a multiplier is a number of 0 to 100, not {text!r}, as in RUN:best@1.1x1.2-36")
    return number


def _from_run(run: Run, which: str) -> Network:
    return run.network(_row(run, which))


def _row(run: Run, which: str) -> TrialRow:
    """The trial that is meant by `best`, `final` or its number. Raises ValueError where there is none."""
    if which == "best":
        return run.best_row()
    if which == finals.FINAL:
        return finals.winner(run)
    rows = {str(row.number): row for row in run.rows() if row.arch}
    if which not in rows:
        raise ValueError(f"{run.name} has no trial {which!r}: `nas top {run.name}` lists them, {run.name}:best is one")
    return rows[which]


def _from_file(path: Path) -> Network:
    document = schema.read(path, schemas.NETWORK)
    try:
        return from_document(document)
    except ValueError as error:
        raise ValueError(f"{path} is not an architecture that nas wrote: {error}") from None
