"""What earlier searches found, for a new one to begin from: read from their ledgers, and kept beside its own.

A run with experience has `experience.json`: of each earlier search the networks that it trained, what they were judged
by, what they cost, and how they stand in their space. So it goes on as it began, whatever has become of the earlier
runs since. Files in the package (`BUILTIN`) are of the same form, and so are those that a person keeps or passes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nas.checks import schema, schemas
from nas.checks.schemas import EXPERIENCE_FORMAT
from nas.files import EXPERIENCE
from nas.joint.space import JointSpace
from nas.ledger.config import Config
from nas.ledger.run import Run, TrialRow, folder_of
from nas.ledger.workload import SEARCH
from nas.reward import LOSS, Reward
from nas.samplers.sight import Sight
from nas.samplers.strategy import Earlier, Knowledge
from searchspaces import Space

BUILTIN, NONE = "builtin", "none"
_PACKAGE = Path(__file__).parent / "builtin"
FEWEST = 5  # networks that say anything
_DIGITS = 3  # behind the point, of a standing


@dataclass(frozen=True)
class Result:
    """A network that was trained: its architecture, what it was judged by (at most 1), and what it cost."""

    arch: tuple[int, ...]
    quality: float
    standings: tuple[float, ...] = field(repr=False, default=())  # its features among those of its space
    loss: float | None = None
    macs: float | None = None
    params: float | None = None
    latency: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict, hash=False)  # others, by their names

    def reward(self, reward: Reward) -> float:
        """What it would have been by `reward`; its quality, where that asks for what was not measured."""
        judged, costs = max(0.0, self.quality), self.figures
        if reward.signal == LOSS and self.loss is not None:
            judged = reward.quality(self.quality, self.loss)
        return reward(judged, costs) if all(costs.get(name) for name in reward.targets) else judged

    @property
    def figures(self) -> dict[str, float]:
        """Of all costs that are known."""
        known = {"macs": self.macs, "params": self.params, "latency": self.latency}
        return {name: figure for name, figure in known.items() if figure is not None} | dict(self.costs)


@dataclass(frozen=True)
class EarlierRun:
    """A search that has been: how it was made, and its `results`. `choices` tells apart what was chosen from."""

    name: str
    space: str
    settings: Mapping[str, Any]
    choices: str
    data: str
    recipe: Mapping[str, Any]
    seed: int
    results: tuple[Result, ...]
    command: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> EarlierRun:
        """Raises ValueError where `run` is no search, or too short."""
        config = run.config
        if config.kind != SEARCH:
            raise ValueError(f"{run.name} is a {config.kind}, and --experience takes searches")
        rows = [row for row in run.rows() if row.reward is not None and row.quality is not None]
        rows = [row for row in rows if row.duplicate_of is None]
        if len(rows) < FEWEST:
            raise ValueError(
                f"{run.name} has trained {len(rows)} networks, which say too little: --experience takes searches of "
                f"{FEWEST} and more"
            )
        results = _results(rows, config.space)
        space, recipe = config.space, asdict(config.recipe)
        command, versions = tuple(run.document.get("command", ())), run.document["versions"]
        return cls(
            run.name, space.reference, space.settings(), choices_of(space), config.data, recipe, config.seed, results,
            command, versions,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EarlierRun:
        """Of `values` that are of `nas.checks.schemas.EARLIER_RUN`."""
        results = [
            Result(**{**values, "arch": tuple(values["arch"]), "standings": tuple(values["standings"])})
            for values in values["results"]
        ]
        command = tuple(values.get("command", ()))
        return cls(**{**values, "results": tuple(results), "command": command})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = {name: value for name, value in vars(self).items() if name != "results"}
        return values | {"results": [_without_none(vars(result)) for result in self.results]}

    def fits(self, space: Space) -> bool:
        """Whether its architectures are of the choices of `space`, too."""
        return self.choices == choices_of(space)

    def for_search(self, config: Config) -> Earlier:
        """As the strategy of a search of `config` is told it: judged by the reward of that one."""
        rewards = [result.reward(config.reward) for result in self.results]
        if self.fits(config.space):
            archs = [config.space.simplified(result.arch) for result in self.results]
            return Earlier(self.name, rewards, archs)
        if isinstance(config.space, JointSpace) and self.fits(config.networks) and config.space.own is not None:
            own = config.space.own
            archs = [config.space.simplified((*result.arch, *own)) for result in self.results]
            return Earlier(self.name, rewards, archs)
        return Earlier(self.name, rewards, None, [result.standings for result in self.results])

    def in_words(self, space: Space) -> str:
        """`c10: 120 networks of compact on cifar10`, and how they are seen from `space`."""
        seen = "" if self.fits(space) else ", seen by their features alone"
        if isinstance(space, JointSpace) and self.fits(space.networks) and space.own is not None:
            seen = ", taken for trials by this recipe"
        return f"{self.name}: {len(self.results)} networks of {self.space} on {self.data}{seen}"


@dataclass(frozen=True)
class Experience:
    """What a search begins from; without `runs` nothing."""

    runs: tuple[EarlierRun, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the searches."""
        return tuple(run.name for run in self.runs)

    @cached_property
    def text(self) -> str | None:
        """Of the file that has it; None where there is none."""
        if not self.runs:
            return None
        document = {"format": EXPERIENCE_FORMAT, "runs": [run.to_dict() for run in self.runs]}
        return json.dumps(document, separators=(",", ":")) + "\n"

    @property
    def sha256(self) -> str | None:
        """Of the file; None where there is none."""
        return None if self.text is None else hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Experience:
        """What the file `path` has. Raises ValueError where it cannot be read, or is damaged."""
        document = schema.read(path, schemas.EXPERIENCE)
        experience = cls(tuple(EarlierRun.from_dict(run) for run in document["runs"]))
        for run in experience.runs:
            if len({len(result.arch) for result in run.results}) > 1:
                raise ValueError(f"{path} is damaged: architectures of {run.name} have different numbers of choices")
        return experience


def choose_experience(asked: str | Sequence[str] | None, runs_dir: Path | str, space: Space) -> Experience:
    """What a person asked for: names of runs, files, and `builtin`, in a list or joined by commas.

    Raises ValueError where there is no such one, or it is not for a search of `space`.
    """
    if asked is None:
        return Experience()
    names = [name.strip() for name in (asked.split(",") if isinstance(asked, str) else asked)]
    runs = [run for name in dict.fromkeys(names) for run in _named(name, Path(runs_dir), space)]
    experience = Experience(tuple(runs))
    if doubled := next((name for name in experience.names if experience.names.count(name) > 1), None):
        raise ValueError(f"--experience has two searches called {doubled}: leave out one of them")
    for run in runs:
        if run.fits(space):
            for result in run.results:
                space.check(result.arch)
    return experience


def experience_of(run: Run) -> Experience:
    """What `run` began from. Raises ValueError where that is lost, damaged or another's."""
    if run.config.experience_sha256 is None:
        return Experience()
    path = run.path / EXPERIENCE
    experience = Experience.read(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != run.config.experience_sha256:
        raise ValueError(f"{path} is not what {run.name} began with: restore it from a copy, or start a new run")
    return experience


def choices_of(space: Space) -> str:
    """Sixteen hexadecimal digits that tell apart what is chosen from what."""
    declared = [[choice.name, [str(option) for option in choice.options]] for choice in space.choices]
    return hashlib.sha256(json.dumps(declared).encode()).hexdigest()[:16]


def _named(name: str, runs_dir: Path, space: Space) -> Sequence[EarlierRun]:
    if name == BUILTIN:
        return builtin(space) or everything()
    if name.endswith(".json"):
        return Experience.read(Path(name)).runs
    return [EarlierRun.of(Run.open(folder_of(name, runs_dir)))]


def builtin(space: Space) -> Sequence[EarlierRun]:
    """The searches in the package that are of the choices of `space`."""
    return [run for run in everything() if run.fits(space)]


def everything() -> Sequence[EarlierRun]:
    """The searches in the package."""
    return [run for path in sorted(_PACKAGE.glob("*.json")) for run in Experience.read(path).runs]


def _results(rows: Sequence[TrialRow], space: Space) -> tuple[Result, ...]:
    sight = Sight(space.choices, space.simplified, Knowledge.of_space(space))
    standings = sight.standings([space.simplified(row.arch) for row in rows]).round(_DIGITS).tolist()
    return tuple(
        Result(row.arch, quality, tuple(its), row.loss, row.macs, row.params, row.latency, row.others)
        for row, its in zip(rows, standings, strict=True)
        if (quality := row.quality) is not None
    )


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}
