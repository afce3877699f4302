"""A table of latencies: what was measured on a target, in a file, and what it predicts of any network of its space.

The file has the measurements and no coefficients: the predictor is learned anew of them when it is read, in a second,
and comes out the same. Nothing in it is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from nas.checks import schema, schemas
from nas.checks.schemas import LATENCY_TABLE_FORMAT
from nas.files import sha256_of, write_atomically
from nas.latencies.predictor import FEWEST_NETWORKS, FEWEST_ROWS, Error, Predictor, Timed, error_of
from nas.text.units import format_percent, format_seconds
from searchspaces import Arch, Space
from searchspaces.kernels import Part
from searchspaces.parts import parts_of
from searchspaces.scaled import ScaledSpace


@dataclass(frozen=True)
class Target:
    """What measures: a `runtime` here on a `place` (`cpu`, `cuda`), or the `command` of a person. `name` is for people.

    Figures of different targets have nothing to do with each other.
    """

    runtime: str
    threads: int = 1
    place: str = "cpu"
    command: str | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.command is not None:
            return f"the command {self.command}"
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.place == "cpu" else ""
        return f"{self.runtime} on {self.name or self.place}{threads}"

    @property
    def identity(self) -> tuple[str, int, str, str | None]:
        return self.runtime, self.threads, self.place, self.command


@dataclass(frozen=True)
class Images:
    """What goes into the networks of a table, and how many classes come out."""

    image_size: int
    channels: int
    classes: int

    def __str__(self) -> str:
        return f"{self.channels}x{self.image_size}x{self.image_size} images of {self.classes} classes"


class Measured(NamedTuple):
    """A network, or its part at the position `part`, what it costs, and what it took each time, in seconds."""

    arch: Arch
    part: int | None
    macs: int
    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least of its times: whatever else a device does only ever makes a network slower."""
        return min(self.seconds)


class Predicted(NamedTuple):
    """Seconds for one image, and how far such a prediction was off on average, as a share, of networks not seen."""

    seconds: float
    error: float

    def __str__(self) -> str:
        return f"{format_seconds(self.seconds)} ± {format_percent(self.error)}"


@dataclass(frozen=True)
class LatencyTable:
    """What was `measured` of networks of a `space` on a `target`.

    `wanted` is how many rows and networks it was to have. `error`, which it has when it is finished, is that of
    predictions for networks that the predictor has not seen: they are left out by tens, and predicted by what is left.
    """

    space: str
    settings: Mapping[str, Any]
    images: Images
    target: Target
    seed: int
    wanted: tuple[int, int]
    measured: tuple[Measured, ...] = field(default=(), repr=False)
    error: Error | None = None
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """What the file `path` has. Raises ValueError where it cannot be read, is damaged, or was not finished."""
        table = cls.read_unfinished(path)
        if table.error is None:
            raise ValueError(
                f"{path} is not finished: it has {len(table.measured)} measurements of {table.measurements_wanted}. "
                "Run the nas latency-table that began it again, which goes on"
            )
        return table

    @classmethod
    def read_unfinished(cls, path: Path | str) -> Self:
        """The same of one that need not be finished."""
        document = schema.read(Path(path), schemas.LATENCY_TABLE)
        space, measured = document["space"], document["measured"]
        made = cls(
            space["name"],
            space["settings"],
            Images(**document["images"]),
            Target(**document["target"]),
            document["seed"],
            tuple(document["wanted"]),
            tuple(Measured(tuple(m["arch"]), m.get("part"), m["macs"], tuple(m["seconds"])) for m in measured),
            Error(**document["error"]) if document.get("error") else None,
            document["versions"],
            tuple(document["command"]),
        )
        if made.error is not None and not made.is_enough:
            raise ValueError(f"{path} is damaged: it has too few measurements to predict from; restore it from a copy")
        return made

    def write(self, path: Path | str) -> None:
        """To the file `path`, at once or not at all."""
        document = {
            "format": LATENCY_TABLE_FORMAT,
            "space": {"name": self.space, "settings": self.settings},
            "images": asdict(self.images),
            "target": asdict(self.target),
            "seed": self.seed,
            "wanted": self.wanted,
            "error": None if self.error is None else self.error._asdict(),
            "versions": self.versions,
            "command": self.command,
            "measured": [_without_none(measured._asdict()) for measured in self.measured],
        }
        write_atomically(Path(path), json.dumps(document, separators=(",", ":")) + "\n")

    def with_measured(self, measured: Sequence[Measured]) -> Self:
        return replace(self, measured=tuple(measured))

    def finished(self, space: Space) -> Self:
        """With its error. Raises ValueError where too little was measured."""
        if not self.is_enough:
            raise ValueError(
                f"{len(self.rows)} rows and {len(self.networks)} networks were measured, and a table has at least "
                f"{FEWEST_ROWS} and {FEWEST_NETWORKS}: give it more --budget"
            )
        rows, networks = self._timed(space)
        seconds = np.array([timed.seconds for timed in networks])
        return replace(self, error=error_of(Predictor(rows, networks).unseen(networks), seconds))

    # ------------------------------------------------------------------ whether it is of this

    def check(
        self, space: Space, image_size: int, channels: int = 3, classes: int = 10, target: Target | None = None
    ) -> None:
        """Raises ValueError, of one line, where it is not of these: what it says would not be so there.

        How wide limits make its networks does not count, where there are some: their rows are as any others.
        """
        if self.space != space.reference:
            raise ValueError(f"the latency table is of the space {self.space}, not of {space.reference}: {_ANEW}")
        theirs, ours = dict(self.settings), space.settings()
        if self.limits and isinstance(space, ScaledSpace) and space.limited:
            theirs, ours = _without_limits(theirs), _without_limits(ours)
        if differ := _differing(theirs, ours):
            raise ValueError(f"the latency table is of {self.space} with other settings ({differ}): {_ANEW}")
        images = Images(image_size, channels, classes)
        if self.images != images:
            raise ValueError(f"the latency table is of {self.images}, not of {images}: {_ANEW}")
        if target is not None and self.target.identity != target.identity:
            raise ValueError(f"the latency table was measured by {self.target}, not by {target}: {_ANEW}")

    # ------------------------------------------------------------------ what it predicts

    def predict(self, space: Space, arch: Arch) -> Predicted:
        """How long the network of `arch` takes for one image, and how far such figures are off.

        It takes some tenths of a millisecond where the network's rows were asked for before, and as much again for each
        that was not. `space` is that of the table, see `check`.
        """
        assert self.error is not None, "it was read as a finished one"
        return Predicted(self._predictor_of(space).seconds(self._parts(space, arch)), self.error.mape)

    def seconds_at(self, space: ScaledSpace, arch: Arch, width: float) -> float:
        """The seconds that `predict` says of the network of `arch` at a `width`."""
        return self._predictor_of(space).seconds(self._parts(space, arch, width))

    def _parts(self, space: Space, arch: Arch, width: float | None = None) -> list[Part]:
        images = self.images
        built = parts_of(space, arch, images.classes, images.image_size, images.channels, width)
        return [one.part for one in built]

    def noise(self) -> Error | None:
        """How far two measurements of one network are apart; None where fewer than three were measured twice."""
        twice = [measured.seconds[:2] for measured in self.networks if len(measured.seconds) > 1]
        return error_of(*np.array(twice).T) if len(twice) > 2 else None

    def rivals(self, space: Space) -> dict[str, Error]:
        """What simpler predictors come to, on the same networks: by their multiply-adds alone, and what rows add up to.

        Those that have something to learn have not seen the network, either.
        """
        _, networks = self._timed(space)
        seconds = np.array([timed.seconds for timed in networks])
        kernels = [[kernel for part in timed.parts for kernel in part.kernels] for timed in networks]
        macs = np.array([sum(kernel.macs for kernel in its) for its in kernels], dtype=float)
        moved = np.array([sum(kernel.moved for kernel in its) for its in kernels], dtype=float)
        found = {
            "multiply-adds": error_of(_left_out(macs[:, None], seconds), seconds),
            "multiply-adds and activations": error_of(_left_out(np.c_[macs, moved], seconds), seconds),
        }
        sums = self._predictor_of(space).sums([timed.parts for timed in networks])
        return found if sums is None else found | {"the sum of the rows": error_of(sums, seconds)}

    def _predictor_of(self, space: Space) -> Predictor:
        if "predictor" not in self._memory:
            self._memory["predictor"] = Predictor(*self._timed(space))
        return self._memory["predictor"]

    @cached_property
    def _memory(self) -> dict[str, Predictor]:
        return {}

    def _timed(self, space: Space) -> tuple[list[Timed], list[Timed]]:
        """The rows and the networks, followed anew, at the widths at which they were measured.

        Raises ValueError where these are no longer what was measured.
        """
        space = self._own(space)
        rows: list[Timed] = []
        networks: list[Timed] = []
        for measured in self.measured:
            whole = self._parts(space, space.check(measured.arch))
            parts = tuple(whole if measured.part is None else whole[measured.part : measured.part + 1])
            if sum(part.macs for part in parts) != measured.macs or not parts:
                raise ValueError(
                    f"the latency table is of networks of {self.space} as they were built by nas "
                    f"{self.versions.get('nas', 'of another version')}, and are no longer: {_ANEW}"
                )
            (networks if measured.part is None else rows).append(Timed(parts, measured.least))
        return rows, networks

    def _own(self, space: Space) -> Space:
        """`space` as the table has it, which may have been within other limits."""
        kind: Any = type(space)
        own: Space = kind(**self.settings)
        return own

    # ------------------------------------------------------------------ what it has

    @property
    def rows(self) -> list[Measured]:
        return [measured for measured in self.measured if measured.part is not None]

    @property
    def networks(self) -> list[Measured]:
        return [measured for measured in self.measured if measured.part is None]

    @property
    def measurements(self) -> int:
        return sum(len(measured.seconds) for measured in self.measured)

    @property
    def measurements_wanted(self) -> int:
        rows, networks = self.wanted
        return rows + 2 * networks

    @property
    def limits(self) -> dict[str, float]:
        """The costs that its networks were as wide as, by their names; none where they were of one width."""
        given = {name.removeprefix("max_"): value for name, value in self.settings.items() if name.startswith("max_")}
        return {cost: limit for cost, limit in given.items() if limit is not None}

    @property
    def is_enough(self) -> bool:
        """Whether something can be predicted from it."""
        return len(self.networks) >= FEWEST_NETWORKS and (not self.rows or len(self.rows) >= FEWEST_ROWS)


_ANEW = "measure a table for this by nas latency-table"


@lru_cache(maxsize=8)
def read_once(file: str, sha256: str | None) -> LatencyTable:
    """What a finished table's `file` has, whose content has this `sha256`: read, and learned of, once in a process.

    Raises ValueError where it cannot be read, or has another content.
    """
    if not Path(file).is_file():
        raise ValueError(f"the table of latencies {file} is gone: if it was moved, `nas resume` takes --latency-table")
    if sha256_of(Path(file)) != sha256:
        raise ValueError(f"{file} is not the table of latencies that the run began with: restore that")
    return LatencyTable.read(file)


@dataclass(frozen=True)
class ByTable:
    """What the table in a `file` says of a space's networks, see `searchspaces.scaled.Predicts`.

    The file is read when it is first asked: who only looks at a run needs no table.
    """

    file: str
    sha256: str | None

    def __call__(self, space: ScaledSpace, arch: Arch, width: float) -> float:
        return read_once(self.file, self.sha256).seconds_at(space, arch, width)


def _left_out(x: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """What a line through `x` `[n, F]`, by relative errors, says of each network that it has not seen: `[n]`."""
    found = np.zeros(len(x))
    x = np.c_[x / np.maximum(x.mean(0), 1e-12), np.ones(len(x))]
    for number in range(len(x)):
        others = np.arange(len(x)) != number
        weights, *_ = np.linalg.lstsq(x[others] / seconds[others, None], np.ones(others.sum()), rcond=None)
        found[number] = x[number] @ weights
    return found


def _without_limits(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say what networks there are, at some width; classes and channels are the images', beside limits."""
    return {name: value for name, value in settings.items() if not name.startswith("max_") and name not in _OF_IMAGES}


_OF_IMAGES = ("num_classes", "image_channels")


def _differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """`max_macs 8000000, not None`: what differs of two spaces' settings."""
    both = json.loads(json.dumps(theirs)), json.loads(json.dumps(ours))
    names = [name for name in {**both[0], **both[1]} if both[0].get(name) != both[1].get(name)]
    return ", ".join(f"{name} {both[0].get(name)}, not {both[1].get(name)}" for name in names)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
