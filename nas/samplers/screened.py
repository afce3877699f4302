"""The default strategy, `controller`: the policy writes many architectures, and a surrogate picks the one to train.

A training costs minutes, a draw of the LSTM microseconds. So for each trial the policy draws some two hundred, and a
Gaussian process over all that was trained says which of them promises most (`surrogate.py`). The policy learns from
what was trained, by REINFORCE, and from the best so far as from examples: priority queue training, Abolafia et al.
2018, arXiv 1801.03526. The policy decides where to look, and the surrogate what to pay for.

- The pool: samples of the policy, mutants of as many others, since a policy that has become certain draws the same
  again and again, and random architectures, of what it has turned away from: a thousand, most of which were in the
  pools before, since to see a network for the first time takes longer than to weigh it. Every second trial also has
  mutants of the best: where a space is large they are the surest way to go on, where it is small they end in the
  nearest optimum, and the other trials lead out.
- The pick is the one of the highest expected improvement (Jones et al. 1998, Journal of Global Optimization 13) on the
  best reward that was seen. That it was lucky, too, if rewards are noisy, makes it harder to beat, and so favours what
  is little known. Trials that are running count as if they had come out as expected, so many workers do not all try the
  same.
- What promises most in the pool is a start: its neighbours are looked at, and those of the best of them. In a large
  space, where no pool of random architectures comes near the best, that is how the surrogate's own optimum is found.
- The surrogate's targets are normal scores, as the policy's. It sees canonical architectures: their choices, and
  features of their networks, see `surrogate.py` and `searchspaces.summary`.
- With results of earlier searches (`experience.py`) a surrogate knows something before the first trial: that is the one
  that it expects most of, and the earlier searches' networks are in its pools. Every second trial is proposed by a
  surrogate that has never heard of them: so an earlier search that misleads costs the other half of the trials at most.
- In haste (`haste.py`), expected improvement is divided by a power of the seconds that a training is expected to take.
- What is told to a surrogate, and what it remembers: `belief.py`.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from nas.checks.limits import Number
from nas.samplers.belief import Belief
from nas.samplers.haste import Pace
from nas.samplers.policy_gradient import PolicyGradient
from nas.samplers.random_search import options_at
from nas.samplers.settings import Count, Share, Weight, check
from nas.samplers.sight import REMEMBERED, SLOWER
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, Update, derived_seed
from nas.samplers.surrogate import Array
from searchspaces.space import Arch, Choice

Actions = NDArray[np.int64]  # [n, T] option indices
Pool = dict[Arch, Arch]  # by the canonical form

MOST = 100_000  # architectures of a kind in a pool
POOLS = 10  # that a random architecture is in
SLOW_POOL = 60  # architectures of a pool, where to see one takes milliseconds
CLIMBERS, NEIGHBOURS = 5, 120  # of a pool's best, and of those that differ from them in one choice
RANDOM = 7  # sets their draws apart from others'
POLICY = PolicyGradient("reinforce", learning_rate=0.01, queue=10)


@dataclasses.dataclass(frozen=True)
class Screened:
    """Settings of the default strategy. Numbers of architectures, but for the last five."""

    policy: PolicyGradient = POLICY
    initial: Count = 3  # trained before the surrogate says anything
    samples: Annotated[int, Number(1, MOST, whole=True)] = 100  # of the policy, in a pool
    mutants: Annotated[int, Number(0, MOST, whole=True)] = (
        100  # of other samples; every second pool also has as many of the best as one has neighbours
    )
    random: Annotated[int, Number(0, MOST, whole=True)] = 1000  # architectures, uniform; a tenth of them are new
    climbs: Annotated[int, Number(0, 100, whole=True)] = 2  # from a pool's best to what is near them
    parents: Count = 10  # the best
    remembered: Annotated[int, Number(2, 10_000, whole=True)] = 400  # by the surrogate; half of them are the best
    rate: Share = 0.2  # chance of a choice to mutate, in mutants of samples
    steps: Annotated[int, Number(0, 1_000, whole=True)] = 5  # of gradient, whenever the surrogate learns
    growth: Weight = 0.05  # of the number of results, after which it learns again
    features: bool = True  # of the network, beside the choices
    haste: Share = 0.0  # power of the expected seconds by which expected improvement is divided

    def __post_init__(self) -> None:
        check(self)

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> ScreenedController:
        known = knowledge if self.features else dataclasses.replace(knowledge, features=None)
        return ScreenedController(choices, canonical, self, seed, known)


class ScreenedController:
    """The policy and the surrogate at work; see above.

    Its state is a function of the arguments and what it was told, in order; a proposal is one of that, the seed and the
    `Context`.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        settings: Screened,
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> None:
        self.settings, self.canonical, self.seed = settings, canonical, seed
        self.learner = settings.policy.start(choices, canonical, seed)
        if knowledge.features is not None:  # two beliefs see the same networks
            knowledge = dataclasses.replace(knowledge, features=lru_cache(REMEMBERED)(knowledge.features))
        alone = dataclasses.replace(knowledge, earlier=())
        taken = [knowledge, alone] if knowledge.earlier else [alone]
        self.beliefs = [Belief(choices, canonical, each, settings.remembered) for each in taken]
        self._pace = Pace(self.beliefs[-1].sight, settings.remembered)
        self._choices, self._sizes = choices, np.array([len(choice.options) for choice in choices])
        self._told = 0  # results
        self._randoms: dict[int, Pool] = {}  # by the number of the trial that they are new for
        self._next = 1 if knowledge.earlier else settings.initial  # results until the surrogate learns again

    @property
    def updates(self) -> list[Update]:
        """Of the policy."""
        return self.learner.updates

    def propose(self, context: Context) -> Proposal:
        """The most promising new architecture of a pool; the most promising one if none is new."""
        belief = self.beliefs[context.number % len(self.beliefs)]
        trust, begins = self.beliefs[0].trust, self._told < self.settings.initial
        if begins and not belief.experience:
            return dataclasses.replace(self.learner.propose(context), trust=trust)
        latest = context.running[-self.settings.remembered // 2 :]
        running = [self.canonical(arch) for arch in latest]
        belief.condition(running)

        rng = np.random.default_rng(derived_seed(self.seed, context.number))
        best, pool = None if begins else float(belief.targets().max()), self._pool(belief, context, rng)
        pool = {arch: drawn for arch, drawn in pool.items() if arch not in running} or pool
        gains = self._gains(belief, pool, best)
        for _ in range(self.settings.climbs):
            tops = heapq.nlargest(CLIMBERS, gains, key=gains.__getitem__)
            near = self._near([pool[arch] for arch in tops], belief, context, rng)
            near = {arch: drawn for arch, drawn in near.items() if arch not in gains and arch not in running}
            pool |= near
            gains |= self._gains(belief, near, best)
        ranked = [pool[arch] for arch in sorted(gains, key=gains.__getitem__, reverse=True)]
        return Proposal(next(filter(context.is_new, ranked), ranked[0]), trust=trust)

    def _gains(self, belief: Belief, pool: Pool, best: float | None) -> dict[Arch, float]:
        """Expected improvements on `best`, by the canonical form; without a best, what is expected."""
        mean, deviation = belief.expected(list(pool))
        gains = mean if best is None else expected_improvement(mean, deviation, best)
        if self.settings.haste and best is not None and pool:
            gains = gains / self._pace.seconds(list(pool)) ** self.settings.haste
        return dict(zip(pool, gains.tolist(), strict=True))

    def tell(self, feedback: Feedback) -> None:
        settings = self.settings
        self.learner.tell(feedback)
        if feedback.stopped:  # the surrogate compares whole trainings, see docs/multi_fidelity.md
            return
        if settings.haste and feedback.seconds is not None:
            self._pace.tell(self.canonical(feedback.arch), feedback.seconds)
        self._told += 1
        for belief in self.beliefs:
            belief.tell(feedback)
        if self._told >= self._next:
            self._next = self._told + max(1, int(settings.growth * self._told))
            for belief in self.beliefs:
                belief.learn(settings.steps)
            self._pace.learn(settings.steps)

    def _pool(self, belief: Belief, context: Context, rng: np.random.Generator) -> Pool:
        """Candidates, with what is fixed already."""
        settings = self.settings
        generator = torch.Generator().manual_seed(derived_seed(self.seed, context.number))
        drawn = self.learner.controller(settings.samples + settings.mutants, generator, fixed=context.fixed)
        draws = drawn.actions.numpy()
        lots = [draws[: settings.samples], self._mutants(draws[settings.samples :], settings.rate, rng)]
        if context.number % 2 and self._told:
            best = np.array(belief.best(settings.parents))
            parents = best[rng.integers(len(best), size=int((self._sizes - 1).sum()))]
            # From one changed choice to half of them, the smaller numbers the likelier.
            rates = np.maximum(len(self._sizes) / 2, 1) ** rng.random((len(parents), 1)) / len(self._sizes)
            lots.append(self._mutants(parents, rates, rng))
        pool = self._distinct(np.concatenate(lots), context)
        for number in range(context.number - POOLS + 1, context.number + 1):
            pool |= self._random(number, context)
        if not belief.sight.is_quick:
            drawn = list(pool.items())
            pool = dict(drawn[i] for i in rng.permutation(len(drawn))[:SLOW_POOL])
        return pool | {arch: arch for arch in belief.experience.archs if _agrees(arch, context.fixed)}

    def _random(self, number: int, context: Context) -> Pool:
        """Those that are new in the pool of trial `number`, and stay for some others: what is seen of them is known."""
        if number in self._randoms and not context.fixed:
            return self._randoms[number]
        rng = np.random.default_rng(derived_seed(self.seed, number % 2**32, RANDOM))
        shape = -(-self.settings.random // POOLS), len(self._sizes)
        if any(choice.weights for choice in self._choices):
            drawn = options_at(self._choices, rng.random(shape))
        else:
            drawn = rng.integers(self._sizes, size=shape)
        pool = self._distinct(drawn, context)
        if not context.fixed:
            self._randoms = {n: of for n, of in self._randoms.items() if abs(n - number) < 2 * POOLS} | {number: pool}
        return pool

    def _near(self, archs: Sequence[Arch], belief: Belief, context: Context, rng: np.random.Generator) -> Pool:
        """Those that differ from one of `archs` in one choice, `NEIGHBOURS` of them at most."""
        free = [position for position in range(len(self._sizes)) if position not in context.fixed]
        changes = [
            (row, position, 1 + step)
            for row in range(len(archs))
            for position in free
            for step in range(int(self._sizes[position]) - 1)
        ]
        if not changes:
            return {}
        taken = rng.permutation(len(changes))[: NEIGHBOURS if belief.sight.is_quick else NEIGHBOURS // SLOWER]
        near = np.array(archs)[[changes[i][0] for i in taken]]
        for arch, i in zip(near, taken, strict=True):
            _, position, step = changes[i]
            arch[position] = (arch[position] + step) % self._sizes[position]
        return self._distinct(near, context)

    def _distinct(self, drawn: Actions, context: Context) -> Pool:
        for position, option in context.fixed.items():
            drawn[:, position] = option
        return {self.canonical(arch): arch for arch in map(tuple, drawn.tolist())}

    def _mutants(self, parents: Actions, rates: float | Array, rng: np.random.Generator) -> Actions:
        """Each choice another one with the chance `rates` (one, or `[n, 1]`), and one at the least."""
        changed = rng.random(parents.shape) < rates
        changed[np.arange(len(parents)), rng.integers(len(self._sizes), size=len(parents))] = True
        steps = 1 + (rng.random(parents.shape) * (self._sizes - 1)).astype(int)
        return np.where(changed, (parents + steps) % self._sizes, parents)


def _agrees(arch: Arch, fixed: Mapping[int, int]) -> bool:
    return all(arch[position] == option for position, option in fixed.items())


def expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """E max(f - best, 0) of f ~ N(mean, deviation^2), `[n]` each."""
    z = (mean - best) / deviation
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below: Array = torch.special.ndtr(torch.from_numpy(z)).numpy()
    return deviation * (density + z * below)
