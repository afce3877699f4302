"""Search strategies on tables of results: thousands of whole searches in minutes.

A search sees one noisy figure of each architecture that it evaluates and hands over the one of which it saw the best.
That one is judged by another figure. Regret is what the table's best would have been judged at, less that.

What all strategies have alike: an evaluation is of a network that the search had not evaluated before. A strategy that
proposes one that it had (`space.canonical` says) is told what is known, as `nas search` does, and asked again; after
`ASKED` times in a row a random new network is evaluated in its place and told. So counted are different networks for
all of them. With `repeats` every proposal counts.

Several workers are simulated: each evaluates one network for some time, then asks for another, while the results of the
others are still to come. The times are the table's own `seconds`, or else log-normal ones of mean 1 (see `SPREAD`).
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from nas.reward import Reward
from nas.samplers import check_strategy
from nas.samplers.optuna_strategy import OptunaStrategy
from nas.samplers.sight import Sight
from nas.samplers.strategy import Context, Earlier, Feedback, Knowledge, Proposal, Settings, Strategy, derived_seed
from nas.searching.published import Published
from searchspaces import Arch, Space

ASKED = 10  # proposals in a row that may be repeats
ROUNDING = 1e-9  # of differences of figures in points
SPREAD = 0.5  # of the logarithm of an evaluation's time: one in twenty takes more than twice the mean


@dataclass(frozen=True)
class Task:
    """A table as a search meets it: of each architecture what it sees, and what it is judged by; higher is better.

    With a `reward` of MnasNet's these are rewards, x 100, else accuracies in %.
    """

    table: Published
    seen: Mapping[Arch, float]
    judged: Mapping[Arch, float]
    reward: Reward | None = None
    before: Sequence[Task] = ()  # tables on which searches may have been played before

    @cached_property
    def best(self) -> float:
        return max(self.judged.values())

    @cached_property
    def floor(self) -> float:
        """Regret of a search that has evaluated every network: of the one of which it sees the best."""
        return self.best - self.judged[max(self.seen, key=self.seen.__getitem__)]

    @cached_property
    def networks(self) -> int:
        """Different ones."""
        return len({self.table.space.canonical(arch) for arch in self.seen})


@dataclass(frozen=True)
class Setup:
    """A strategy in a bench, with so many workers."""

    strategy: str
    workers: int = 1
    repeats: bool = False
    settings: tuple[tuple[str, Any], ...] = ()  # of the strategy, by name, that are not its own
    played: int = 0  # evaluations on each table of experience before; 0: there is none

    @property
    def title(self) -> str:
        """`controller`, `controller batch=10`, `controller after 100 elsewhere`."""
        before = [f"after {self.played} elsewhere"] if self.played else []
        return " ".join([self.strategy, *(f"{name}={value}" for name, value in self.settings), *before])


@dataclass(frozen=True)
class Curve:
    """A search, by the number of evaluations that have ended."""

    regret: np.ndarray  # [evaluations] of what would be handed over
    clock: np.ndarray  # [evaluations] simulated time
    seconds: float  # that the strategy itself took
    substitutes: int  # evaluations that were not its proposals


def search(task: Task, setup: Setup, seed: int, evaluations: int) -> Curve:
    """One search. Raises ValueError where the table has fewer networks than that, or lacks one."""
    if evaluations > task.networks:
        raise ValueError(f"the table has {task.networks:,} different networks: no search can evaluate {evaluations:,}")
    return _Search(task, setup, seed).run(evaluations)


def start(setup: Setup, task: Task, seed: int) -> Strategy:
    """The setup's strategy at work on the table's space; Optuna's are in a study in memory."""
    chosen, space = check_strategy(setup.strategy, dict(setup.settings)), task.table.space
    if isinstance(chosen, Settings):
        earlier = [_played(other, setup, seed, space) for other in task.before] if setup.played else []
        return chosen.start(space.choices, space.canonical, seed, Knowledge.of_space(space, earlier))
    return OptunaStrategy(chosen, space.choices, seed)


def _played(task: Task, setup: Setup, seed: int, space: Space) -> Earlier:
    """What a search of the same strategy finds in the table of `task`, for one of `space` to begin from."""
    search = _Search(task, Setup(setup.strategy, settings=setup.settings), derived_seed(seed, 4))
    search.run(setup.played)
    archs, rewards = list(search.values), [value / 100 for value in search.values.values()]
    name, other = task.table.path.name, task.table.space
    if other.choices == space.choices:
        return Earlier(name, rewards, archs)
    sight = Sight(other.choices, other.canonical, Knowledge.of_space(other))
    return Earlier(name, rewards, None, sight.standings(archs).tolist())


class _Search:
    """A search with its workers."""

    def __init__(self, task: Task, setup: Setup, seed: int) -> None:
        self.task, self.setup, self.seed = task, setup, seed
        self.space = task.table.space
        self.strategy = start(setup, task, seed)
        self.values: dict[Arch, float] = {}  # what was seen, by canonical architectures
        self.running: dict[int, Proposal] = {}  # by the number of the evaluation
        self.twins: dict[Arch, list[Proposal]] = {}  # canonical ones that are running, and repeats that wait for them
        self.proposals = self.substitutes = 0
        self.seconds = 0.0
        self._spares = self._random_order()

    def run(self, evaluations: int) -> Curve:
        handed_over: list[Arch] = []
        clock: list[float] = []
        ends: list[tuple[float, int]] = []  # of what is running
        begun, now = 0, 0.0
        room = math.inf if self.setup.repeats else self.task.networks
        while len(clock) < evaluations:
            while len(ends) < self.setup.workers and begun < room:
                heapq.heappush(ends, (now + self._begin(begun), begun))
                begun += 1
            now, number = heapq.heappop(ends)
            handed_over.append(self._end(number))
            clock.append(now)
        bests = accumulate(handed_over, lambda *pair: max(pair, key=self.task.seen.__getitem__))
        regret = np.array([self.task.best - self.task.judged[arch] for arch in bests])
        return Curve(regret, np.array(clock), self.seconds, self.substitutes)

    def _begin(self, number: int) -> float:
        """Have evaluation `number` proposed; how long it will take."""
        proposal = self._proposal()
        self.running[number] = proposal
        self.twins.setdefault(self.space.canonical(proposal.arch), [])
        times = self.task.table.seconds
        if times:
            return times[self.task.table.key(proposal.arch)]
        normal = np.random.default_rng(derived_seed(self.seed, number, 2)).normal()
        return math.exp(SPREAD * normal - SPREAD**2 / 2)

    def _end(self, number: int) -> Arch:
        """Tell the strategy what evaluation `number` showed; the architecture as the table has it."""
        proposal = self.running.pop(number)
        arch = self.task.table.key(proposal.arch)
        canonical = self.space.canonical(proposal.arch)
        self.values[canonical] = self.task.seen[arch]
        seconds = self.task.table.seconds.get(arch) if self.task.table.seconds else None
        for told in (proposal, *self.twins.pop(canonical, ())):
            self._tell(told, self.task.seen[arch], seconds)
        return arch

    def _proposal(self) -> Proposal:
        """Of something new, if repeats are not welcome."""
        for _ in range(ASKED):
            began = time.perf_counter()
            repeats = None if self.setup.repeats else self._is_repeat
            running = [proposal.arch for proposal in self.running.values()]
            proposal = self.strategy.propose(Context(self.proposals, repeats, running))
            self.seconds += time.perf_counter() - began
            self.proposals += 1
            if self.setup.repeats or not self._is_repeat(proposal.arch):
                return proposal
            canonical = self.space.canonical(proposal.arch)
            if canonical in self.values:
                self._tell(proposal, self.values[canonical])
            else:
                self.twins[canonical].append(proposal)
        self.substitutes += 1
        return Proposal(next(arch for arch in self._spares if not self._is_repeat(arch)))

    def _is_repeat(self, arch: Arch) -> bool:
        canonical = self.space.canonical(arch)
        return canonical in self.values or canonical in self.twins

    def _tell(self, proposal: Proposal, value: float, seconds: float | None = None) -> None:
        began = time.perf_counter()
        self.strategy.tell(  # as `nas search`: 0..1
            Feedback(proposal.arch, value / 100, proposal.log_probs, seconds=seconds)
        )
        self.seconds += time.perf_counter() - began

    def _random_order(self) -> Iterator[Arch]:
        archs = list(self.task.seen)
        for index in np.random.default_rng(derived_seed(self.seed, 3)).permutation(len(archs)):
            yield archs[index]


@dataclass(frozen=True)
class Result:
    """All searches of one setup."""

    setup: Setup
    regret: np.ndarray  # [seeds, evaluations]
    clock: np.ndarray  # [seeds, evaluations]
    seconds: float  # of the strategy, an evaluation
    substitutes: float  # a search

    @classmethod
    def of(cls, setup: Setup, curves: Sequence[Curve]) -> Result:
        regret, clock = (np.stack([getattr(curve, name) for curve in curves]) for name in ("regret", "clock"))
        seconds = sum(curve.seconds for curve in curves) / regret.size
        return cls(setup, regret, clock, seconds, sum(curve.substitutes for curve in curves) / len(curves))

    def mean(self, evaluations: int) -> float:
        return float(self.regret[:, evaluations - 1].mean())

    def time(self, evaluations: int) -> float:
        """Simulated, until then."""
        return float(self.clock[:, evaluations - 1].mean())

    def deviation(self, evaluations: int) -> float:
        """Over searches; 0 for a single one."""
        return float(self.regret[:, evaluations - 1].std(ddof=1)) if len(self.regret) > 1 else 0.0

    def needed(self, within: float) -> np.ndarray:
        """Of each search the evaluations from which on, to the last, its regret is at most `within`; inf: never."""
        outside = self.regret > within + ROUNDING
        last = outside.shape[1] - np.argmax(
            outside[:, ::-1], axis=1
        )  # evaluations until it was outside for the last time
        last[~outside.any(axis=1)] = 0
        return np.where(last < outside.shape[1], last + 1, np.inf)
