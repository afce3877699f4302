"""What the default strategy believes of untried networks: a surrogate, and all that it is told.

It is told the results of the search, the losses of its trainings where these are to be learned from, and what earlier
searches found. It remembers the best results and the latest alone, so that a proposal's cost stops growing: the next
best is looked for near the best, and the latest are what the policy draws now.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from nas.samplers.candidates import Candidates
from nas.samplers.experience import Experience
from nas.samplers.ranks import Ranks, normal_scores
from nas.samplers.sight import Sight
from nas.samplers.strategy import Feedback, Knowledge
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch, Choice

STUDY = 60  # steps of gradient on what earlier searches found, before the first trial


class Belief:
    """Its state is a function of the arguments and of what it was told to remember and to learn, in order."""

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], knowledge: Knowledge, remembered: int
    ) -> None:
        self.sight = Sight(choices, canonical, knowledge)
        self._earlier, self._remembered = knowledge.earlier, remembered
        self._canonical = canonical
        self._ranks = Ranks()
        self._told: list[tuple[float, Arch]] = []  # in order, canonical
        self._best: list[tuple[float, int]] = []  # positions among these, the best last
        self._losses: dict[int, float] | None = {} if knowledge.losses else None  # of these, as far as they are known

    @cached_property
    def _seen_before(self) -> Candidates:
        return Candidates(self.sight)

    @property
    def process(self) -> GaussianProcess:
        return self.sight.process

    @cached_property
    def experience(self) -> Experience:
        """What earlier searches found; the process has learned of that before the first trial."""
        experience = Experience(self._earlier, self.sight)
        if self._earlier:
            self.process.learn(experience.codes, experience.targets, STUDY)
        return experience

    @property
    def trust(self) -> tuple[float, ...]:
        """In each earlier search."""
        return tuple(self.process.trust[: len(self._earlier)].tolist()) if self._earlier and self.experience else ()

    def best(self, most: int) -> list[Arch]:
        """So many of the best results, the very best last."""
        return [self._told[position][1] for _, position in self._best[-most:]]

    def tell(self, feedback: Feedback) -> None:
        """Remember a result."""
        self._ranks.add(feedback.reward)
        bisect.insort(self._best, (feedback.reward, len(self._told)))
        if self._losses is not None and feedback.loss is not None:
            self._losses[len(self._told)] = feedback.loss
        self._told.append((feedback.reward, self._canonical(feedback.arch)))

    def learn(self, steps: int) -> None:
        """`steps` of gradient on what is known."""
        self.process.learn(*self.known(), steps)

    def condition(self, running: Sequence[Arch]) -> None:
        """Have the process know what is known, and that canonical architectures are `running`."""
        self.process.condition(*self.known(), self.sight.codes(running))
        self._seen_before.renew(self.process.kept)

    def expected(self, archs: Sequence[Arch]) -> tuple[Array, Array]:
        """Mean and standard deviation of what canonical architectures are worth, `[n]` each, in units of targets."""
        return self.process.predict_whitened(self._seen_before.whitened(archs))

    def known(self) -> tuple[Array, Array]:
        """What is remembered, codes `[n, C]` and targets `[n]`: earlier searches, this one, its losses."""
        kept = self._kept()
        known = [(self.sight.codes([self._told[i][1] for i in kept]), self.targets())]
        if self._earlier:
            known.insert(0, (self.experience.codes, self.experience.targets))
        if losses := {i: self._losses[i] for i in kept if i in self._losses} if self._losses else {}:
            lost = self.sight.of_task([self._told[i][1] for i in losses], 1 + len(self._earlier))
            known.append((lost, normal_scores([-loss for loss in losses.values()])))
        return np.concatenate([codes for codes, _ in known]), np.concatenate([targets for _, targets in known])

    def targets(self) -> Array:
        """Of the results of this search that are remembered, `[n]`."""
        rewards = [self._told[i][0] for i in self._kept()]
        return self.experience.scores(rewards) if self._earlier else self._ranks.scores(rewards)

    def _kept(self) -> list[int]:
        """Positions of the latest results and the best, in order."""
        half = self._remembered // 2
        latest = range(max(len(self._told) - half, 0), len(self._told))
        return sorted({*latest, *(position for _, position in self._best[-half:])})
