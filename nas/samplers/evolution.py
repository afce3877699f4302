"""Aging evolution: the best of a few is mutated, and the oldest dies, however good it is.

Regularized Evolution for Image Classifier Architecture Search, Real et al. 2018, arXiv 1802.01548, algorithm 1. The
population begins at random. From then on each new architecture is a mutant of the best of a random sample of the
population; it joins the population, and the oldest leaves. What was lucky once must so prove itself in its children.

The paper's population of 100 and sample of 25 are for its 20,000 networks: a search of a hundred would end before the
first mutant. What differs here:

- a population of 20 and a sample of 10, half of it rather than a quarter: it has to be greedy. On made-up functions of
  40 choices, with noise, it was better so after 100, 200 and 400 evaluations, as on the tables of `nas bench`;
- one mutation for all spaces: one choice gets another of its options, each with the same probability. The paper has one
  for what a node reads and one for its operation, and changes nothing in 5 % of the cases: that one is left out;
- a mutant that is a repeat is drawn again, from another sample. After `tries` draws it is mutated once more, and so on:
  where all neighbours of the population are known, those a step further away are found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.samplers.random_search import draw
from nas.samplers.settings import Count, Draws, check
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, derived_seed
from searchspaces.space import Arch, Choice


@dataclass(frozen=True)
class Evolution:
    """Settings of aging evolution."""

    population: Count = 20
    sample: Count = 10  # of which the best is mutated
    tries: Draws = 20  # mutants of a number of mutations

    def __post_init__(self) -> None:
        check(self)

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> AgingEvolution:
        return AgingEvolution(choices, self, seed)


class AgingEvolution:
    """A population at work. What is still being evaluated is no part of it: parents are those whose reward is known."""

    def __init__(self, choices: Sequence[Choice], settings: Evolution, seed: int) -> None:
        self.population: deque[Feedback] = deque(maxlen=settings.population)
        self._choices, self._settings, self._seed = choices, settings, seed

    def propose(self, context: Context) -> Proposal:
        rng = np.random.default_rng(derived_seed(self._seed, context.number))
        free = [p for p, c in enumerate(self._choices) if len(c.options) > 1 and p not in context.fixed]
        if len(self.population) < self._settings.population or not free:
            return Proposal(draw(self._choices, context, rng))
        for mutations in range(1, len(free) + 1):
            for _ in range(self._settings.tries):
                arch = self._mutant(mutations, free, context, rng)
                if context.is_new(arch):
                    return Proposal(arch)
        return Proposal(draw(self._choices, context, rng))

    def tell(self, feedback: Feedback) -> None:
        self.population.append(feedback)

    def _mutant(self, mutations: int, free: list[int], context: Context, rng: np.random.Generator) -> Arch:
        """The best of a sample, with that many choices changed."""
        sample = rng.integers(len(self.population), size=self._settings.sample)  # with replacement, as in the paper
        parent = max((self.population[i] for i in sample), key=lambda feedback: feedback.reward)
        arch = list(parent.arch)
        for position in rng.choice(free, mutations, replace=False):
            others = len(self._choices[position].options) - 1
            arch[position] = (arch[position] + 1 + int(rng.integers(others))) % (others + 1)
        for position, option in context.fixed.items():
            arch[position] = option
        return tuple(arch)
