"""What a run does: a search, or an experiment that is laid out before it begins.

A run goes through architectures of a space, in an order that its strategy chooses. To a search these are networks, each
trained as all others. To an experiment they are what is laid out: a network of a comparison with a seed, a triple of a
grid. Which training an architecture stands for, where it is evaluated, which run follows, and what is said in the
end: that is the workload's. `kind` in config.json chooses it.

A new one is a class with what `Workload` has, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from nas.ledger.config import Budget, Config
    from nas.ledger.run import Run
    from nas.network import Network
    from nas.training.recipe import Recipe
    from nas.training.transfer import StartFile
    from searchspaces import Arch

SEARCH = "search"


class Kind(NamedTuple):
    """Where the workload of a kind is, and the space that its runs have; "" of a search, which has any."""

    workload: str
    space: str


KINDS = {
    SEARCH: Kind("nas.searching.workload:SearchWorkload", ""),
    "comparison": Kind("nas.comparison.workload:Comparison", "nas.comparison.design:ComparisonSpace"),
    "scaling grid": Kind("nas.scale.workload:Grid", "nas.scale.grid:ScalingGrid"),
    "proxy study": Kind("nas.proxies.workload:Study", "nas.proxies.study:ProxyStudy"),
    "final ranking": Kind("nas.final.ranking:Ranking", "nas.final.ranking:Finalists"),
}
MOVED = {
    "nas.compare.lineup:Lineup": "nas.comparison.design:ComparisonSpace",
    "nas.comparison.lineup:Lineup": "nas.comparison.design:ComparisonSpace",
}
"""What older files call a space of ours, and where it is now."""

EXPERIMENTS = {kind.space: name for name, kind in KINDS.items() if kind.space}
"""The kinds of runs by the spaces that stand in files for them."""


@dataclass(frozen=True)
class Job:
    """The training that an architecture stands for. `evaluate_at`: images after which it is evaluated.

    `tested`: it ends with a look at the test images, which a search never has. `start`: the weights that it starts
    from, where these are not random. Unless it is `trained`, the network is judged with just these.
    """

    network: Network
    recipe: Recipe
    seed: int
    evaluate_at: tuple[int, ...] = ()
    tested: bool = False
    start: StartFile | None = None
    trained: bool = True


@dataclass(frozen=True)
class Next:
    """A run that follows another one, until its own end, and the words by which it is announced."""

    run: Run
    budget: Budget
    words: str


@dataclass(frozen=True)
class Conclusion:
    """What came of a run: for people how it ended and then `text`, for programs `json`; and the files with it."""

    ended: str
    text: str = ""
    json: Any = None
    files: list[Path] = field(default_factory=list)


class Workload(Protocol):
    """Made of a run's space, as `Workload(space)`. By default no test image is looked at, and no run follows."""

    kind: ClassVar[str]
    trials: ClassVar[Any]  # a `nas.searching.loop.Search`: what an engine asks for trainings, and tells of them
    tests: ClassVar[bool] = False  # it looks at the test images

    def job(self, arch: Arch, config: Config) -> Job:
        """What a trial of `arch` is."""
        ...

    def is_over(self, run: Run, budget: Budget) -> bool:
        """Whether `run` does nothing any more with this `budget`, but what follows it may."""
        return False

    def after(self, run: Run, budget: Budget) -> Iterator[Next]:
        """The runs that follow `run`, which has ended with `budget`; each is asked for when those before have ended."""
        return iter(())

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        """What came of `run`, which `ended` so; "" where it was opened later.

        Files are written, to its folder or where `files` say. Raises ValueError where the ledger is damaged.
        """
        ...


def kind_of_space(name: object) -> str:
    """The kind of a run whose file has a space called `name`, and no kind: an older one."""
    return EXPERIMENTS.get(MOVED.get(str(name), str(name)), SEARCH)


def kind_of(config: Mapping[str, Any]) -> str:
    """What the `config` of a run's file says, or its space where that is older than kinds."""
    kind: str = config.get("kind") or kind_of_space(config["space"]["name"])
    return kind


def workload_of(kind: str, space: Any) -> Workload:
    """That of a run of this `kind` on `space`. Raises ValueError where such a run has another space."""
    module, _, name = KINDS[kind].workload.partition(":")
    if kind_of_space(space.reference) != kind:
        raise ValueError(f"a run that searches {space.name} is no {kind}")
    made: Workload = getattr(import_module(module), name)(space)
    return made
