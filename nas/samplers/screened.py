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
- With results of earlier searches (`experience.py`) the surrogate knows something before the first trial: that is the
  one that it expects most of, and the earlier searches' networks are in every pool.
- In haste (`haste.py`), expected improvement is divided by a power of the seconds that a training is expected to take.
- It remembers the best and the latest architectures only, so a proposal's cost stops growing: the next best is looked
  for near the best, and the latest are what the policy draws now.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from nas.checks.limits import Number
from nas.samplers.experience import Experience
from nas.samplers.haste import Pace
from nas.samplers.policy_gradient import PolicyGradient
from nas.samplers.ranks import Ranks, normal_scores
from nas.samplers.settings import Count, Share, Weight, check
from nas.samplers.sight import SLOWER, Sight
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, Update, derived_seed
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch, Choice

Actions = NDArray[np.int64]  # [n, T] option indices
Pool = dict[Arch, Arch]  # by the canonical form

MOST = 100_000  # architectures of a kind in a pool
POOLS = 10  # that a random architecture is in
SLOW_POOL = 60  # architectures of a pool, where to see one takes milliseconds
CLIMBERS, NEIGHBOURS = 5, 120  # of a pool's best, and of those that differ from them in one choice
STUDY = 60  # steps of gradient on what earlier searches found, before the first trial
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
        self.sight = Sight(choices, canonical, knowledge)
        self._pace = Pace(self.sight, settings.remembered)
        self._earlier = knowledge.earlier
        self._sizes = np.array([len(choice.options) for choice in choices])
        self._ranks = Ranks()
        self._told: list[tuple[float, Arch]] = []  # in order, canonical
        self._losses: dict[int, float] | None = {} if knowledge.losses else None  # of these, as far as they are known
        self._best: list[tuple[float, int]] = []  # positions among these, the best last
        self._randoms: dict[int, Pool] = {}  # by the number of the trial that they are new for
        self._next = 1 if self._earlier else settings.initial  # results that it takes until the surrogate learns again

    @property
    def updates(self) -> list[Update]:
        """Of the policy."""
        return self.learner.updates

    @property
    def surrogate(self) -> GaussianProcess:
        return self.sight.process

    @cached_property
    def experience(self) -> Experience:
        """What earlier searches found; the surrogate has learned of that before the first trial."""
        experience = Experience(self._earlier, self.sight)
        if self._earlier:
            self.surrogate.learn(experience.codes, experience.targets, STUDY)
        return experience

    def propose(self, context: Context) -> Proposal:
        """The most promising new architecture of a pool; the most promising one if none is new."""
        begins = len(self._told) < self.settings.initial
        if begins and (not self._earlier or context.number % 2):
            return dataclasses.replace(self.learner.propose(context), trust=self._trust)
        codes, targets = self.known()
        latest = context.running[-self.settings.remembered // 2 :]
        running = [self.canonical(arch) for arch in latest]
        self.surrogate.condition(codes, targets, self.sight.codes(running))

        rng = np.random.default_rng(derived_seed(self.seed, context.number))
        best, pool = None if begins else float(self._targets().max()), self._pool(context, rng)
        pool = {arch: drawn for arch, drawn in pool.items() if arch not in running} or pool
        gains = self._gains(pool, best)
        for _ in range(self.settings.climbs):
            tops = sorted(gains, key=gains.__getitem__, reverse=True)[:CLIMBERS]
            near = self._near([pool[arch] for arch in tops], context, rng)
            near = {arch: drawn for arch, drawn in near.items() if arch not in gains and arch not in running}
            pool |= near
            gains |= self._gains(near, best)
        ranked = [pool[arch] for arch in sorted(gains, key=gains.__getitem__, reverse=True)]
        return Proposal(next(filter(context.is_new, ranked), ranked[0]), trust=self._trust)

    @property
    def _trust(self) -> tuple[float, ...]:
        """In each earlier search."""
        return tuple(self.surrogate.trust[: len(self._earlier)].tolist()) if self._earlier and self.experience else ()

    def _gains(self, pool: Pool, best: float | None) -> dict[Arch, float]:
        """Expected improvements on `best`, by the canonical form; without a best, what is expected."""
        mean, deviation = self.surrogate.predict(self.sight.codes(list(pool)))
        gains = mean if best is None else expected_improvement(mean, deviation, best)
        if self.settings.haste and best is not None and pool:
            gains = gains / self._pace.seconds(list(pool)) ** self.settings.haste
        return dict(zip(pool, gains.tolist(), strict=True))

    def tell(self, feedback: Feedback) -> None:
        settings, reward = self.settings, feedback.reward
        self.learner.tell(feedback)
        if feedback.stopped:  # the surrogate compares whole trainings, see docs/multi_fidelity.md
            return
        if settings.haste and feedback.seconds is not None:
            self._pace.tell(self.canonical(feedback.arch), feedback.seconds)
        self._ranks.add(reward)
        bisect.insort(self._best, (reward, len(self._told)))
        self._best = self._best[-max(settings.remembered // 2, settings.parents) :]
        if self._losses is not None and feedback.loss is not None:
            self._losses[len(self._told)] = feedback.loss
        self._told.append((reward, self.canonical(feedback.arch)))
        if len(self._told) >= self._next:
            self._next = len(self._told) + max(1, int(settings.growth * len(self._told)))
            self.surrogate.learn(*self.known(), settings.steps)
            self._pace.learn(settings.steps)

    def _pool(self, context: Context, rng: np.random.Generator) -> Pool:
        """Candidates, with what is fixed already."""
        settings = self.settings
        generator = torch.Generator().manual_seed(derived_seed(self.seed, context.number))
        drawn = self.learner.controller(settings.samples + settings.mutants, generator, fixed=context.fixed)
        draws = drawn.actions.numpy()
        lots = [draws[: settings.samples], self._mutants(draws[settings.samples :], settings.rate, rng)]
        if context.number % 2 and self._best:
            best = np.array([self._told[position][1] for _, position in self._best[-settings.parents :]])
            parents = best[rng.integers(len(best), size=int((self._sizes - 1).sum()))]
            # From one changed choice to half of them, the smaller numbers the likelier.
            rates = np.maximum(len(self._sizes) / 2, 1) ** rng.random((len(parents), 1)) / len(self._sizes)
            lots.append(self._mutants(parents, rates, rng))
        pool = self._distinct(np.concatenate(lots), context)
        for number in range(context.number - POOLS + 1, context.number + 1):
            pool |= self._random(number, context)
        if not self.sight.is_quick:
            drawn = list(pool.items())
            pool = dict(drawn[i] for i in rng.permutation(len(drawn))[:SLOW_POOL])
        return pool | {arch: arch for arch in self.experience.archs if _agrees(arch, context.fixed)}

    def _random(self, number: int, context: Context) -> Pool:
        """Those that are new in the pool of trial `number`, and stay for some others: what is seen of them is known."""
        if number in self._randoms and not context.fixed:
            return self._randoms[number]
        rng = np.random.default_rng(derived_seed(self.seed, number % 2**32, RANDOM))
        drawn = rng.integers(self._sizes, size=(-(-self.settings.random // POOLS), len(self._sizes)))
        pool = self._distinct(drawn, context)
        if not context.fixed:
            self._randoms = {n: of for n, of in self._randoms.items() if abs(n - number) < 2 * POOLS} | {number: pool}
        return pool

    def _near(self, archs: Sequence[Arch], context: Context, rng: np.random.Generator) -> Pool:
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
        taken = rng.permutation(len(changes))[: NEIGHBOURS if self.sight.is_quick else NEIGHBOURS // SLOWER]
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

    def known(self) -> tuple[Array, Array]:
        """What the surrogate remembers, codes `[n, C]` and targets `[n]`: earlier searches, this one, its losses."""
        kept = self._remembered()
        known = [(self.sight.codes([self._told[i][1] for i in kept]), self._targets())]
        if self._earlier:
            known.insert(0, (self.experience.codes, self.experience.targets))
        if losses := {i: loss for i, loss in (self._losses or {}).items() if i in set(kept)}:
            lost = self.sight.of_task([self._told[i][1] for i in losses], 1 + len(self._earlier))
            known.append((lost, normal_scores([-loss for loss in losses.values()])))
        return np.concatenate([codes for codes, _ in known]), np.concatenate([targets for _, targets in known])

    def _remembered(self) -> list[int]:
        """Positions of the latest results and the best, in order."""
        half = self.settings.remembered // 2
        latest = range(max(len(self._told) - half, 0), len(self._told))
        return sorted({*latest, *(position for _, position in self._best[-half:])})

    def _targets(self) -> Array:
        """Of what is remembered, `[n]`."""
        rewards = [self._told[i][0] for i in self._remembered()]
        return self.experience.scores(rewards) if self._earlier else self._ranks.scores(rewards)


def _agrees(arch: Arch, fixed: Mapping[int, int]) -> bool:
    return all(arch[position] == option for position, option in fixed.items())


def expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """E max(f - best, 0) of f ~ N(mean, deviation^2), `[n]` each."""
    z = (mean - best) / deviation
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below: Array = torch.special.ndtr(torch.from_numpy(z)).numpy()
    return deviation * (density + z * below)
