"""Local search: go to the first neighbour that is better, and begin anew where there is none.

Local Search is State of the Art for Neural Architecture Search Benchmarks, White et al. 2020, arXiv 2005.02960. A
neighbour differs in one choice. Neighbours are looked at in random order. A climb that has ended at a local optimum is
followed by one from another random architecture.

The paper's simplest form begins at one random architecture, looks at all neighbours and goes to the best of them. This
is not that one, but the form that its authors' code runs by default (github.com/naszilla/naszilla): it goes as soon as
a neighbour is better, and so needs fewer evaluations a step. That code begins a climb at the best of ten random
architectures, which is `initial=10` here; by default it is one, as in the paper's simplest form. What it can do
besides, to go on from the next best architecture rather than anew, is not here.

With workers the neighbours of one point are evaluated side by side. A result that comes late, of a neighbour of a point
that the climb has left, still counts where it is better than where the climb is now. A worker for which the best climb
has no neighbour left helps the next best, and begins a new one if there is no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.samplers.random_search import draw
from nas.samplers.settings import Count, check
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, derived_seed
from searchspaces.space import Arch, Choice

Line = tuple[int, Arch, Arch]  # a choice left open, and the options of those before and behind it


@dataclass(frozen=True)
class LocalSearch:
    """Settings of local search."""

    initial: Count = 1  # random architectures, at the best of which a climb begins

    def __post_init__(self) -> None:
        check(self)

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> HillClimbing:
        return HillClimbing(choices, canonical, self, seed)


@dataclass
class Climb:
    """Where a climb is, and the neighbours of that point that were not looked at, the next one last."""

    arch: Arch
    reward: float
    waiting: list[Arch]


class HillClimbing:
    """Climbs at work: with one worker one after the other."""

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], settings: LocalSearch, seed: int
    ) -> None:
        self.climbs: list[Climb] = []
        self._choices, self._canonical, self._settings, self._seed = choices, canonical, settings, seed
        self._starts: list[tuple[float, Arch]] = []  # at the best of which the next climb will begin
        self._climb_on: dict[Line, Climb] = {}  # by the lines through the points where a climb is or was
        self._told: set[Arch] = set()  # canonical
        self._moves = 0

    def propose(self, context: Context) -> Proposal:
        running = set() if context.repeats else {self._canonical(arch) for arch in context.running}
        for climb in sorted(self.climbs, key=lambda climb: climb.reward, reverse=True):
            while climb.waiting and self._known(climb.waiting[-1], context, running):
                climb.waiting.pop()  # for good: what is known stays known
            for arch in reversed(climb.waiting):
                fits = all(arch[position] == option for position, option in context.fixed.items())
                if fits and not self._known(arch, context, running):
                    return Proposal(arch)
        rng = np.random.default_rng(derived_seed(self._seed, context.number))
        return Proposal(draw(self._choices, context, rng))

    def tell(self, feedback: Feedback) -> None:
        """A neighbour moves its climb if it is better; of what is no neighbour the best of `initial` begins a climb."""
        arch, reward = tuple(feedback.arch), feedback.reward
        self._told.add(self._canonical(arch))
        climb = next((self._climb_on[line] for line in _lines(arch) if line in self._climb_on), None)
        if climb is None:
            self._starts.append((reward, arch))
            if len(self._starts) < self._settings.initial:
                return
            reward, arch = max(self._starts, key=lambda start: start[0])
            self._starts.clear()
            climb = Climb(arch, reward, self._neighbours(arch))
            self.climbs.append(climb)
        elif reward > climb.reward:
            climb.arch, climb.reward, climb.waiting = arch, reward, self._neighbours(arch)
        else:
            return
        self._climb_on.update((line, climb) for line in _lines(arch))

    def _known(self, arch: Arch, context: Context, running: set[Arch]) -> bool:
        """Whether it was looked at, or is being. That holds where repeats are welcome, too: a climb would never end."""
        key = self._canonical(arch)
        return key in self._told or key in running or not context.is_new(arch)

    def _neighbours(self, arch: Arch) -> list[Arch]:
        """In random order."""
        self._moves += 1
        found = [
            (*before, option, *behind)
            for position, before, behind in _lines(arch)
            for option in range(len(self._choices[position].options))
            if option != arch[position]
        ]
        order = np.random.default_rng(derived_seed(self._seed, self._moves, 1)).permutation(len(found))
        return [found[i] for i in order]


def _lines(arch: Arch) -> list[Line]:
    """The lines of the space through `arch`. Two architectures are neighbours where they share one."""
    return [(position, arch[:position], arch[position + 1 :]) for position in range(len(arch))]
