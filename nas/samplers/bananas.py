"""BANANAS: five small networks learn what architectures come to, and say which mutants of the best are worth training.

Bayesian Optimization with Neural Architectures for Neural Architecture Search, White, Neiswanger, Savani 2021 (AAAI),
arXiv 1910.11858, algorithm 1. Ten random architectures are evaluated. Then, in rounds: an ensemble of feed-forward
networks is trained on all results; a hundred candidates are mutants of the best architecture; of each candidate a value
is drawn from the normal distribution of the five predictions, on its own (independent Thompson sampling); the ten with
the best draws are evaluated.

Settings are those of the paper and of its authors' code for its figures (github.com/naszilla/naszilla): 10 layers of
width 20, Adam with a learning rate of 0.01 and betas of 0.9 and 0.99, 150 epochs in batches of 32, rounds of 10.
`loss` is "mae", as in that code for tables. "mape" is what the paper names, and that code has for the space of DARTS:
errors relative to how much worse than a lower bound a network is, so the best count most. What differs here:

- the code of an architecture is one-hot, an entry an option of each choice, for any space. The paper's has an entry for
  each path through a cell that data may take, which a strategy cannot know of: it sees choices, and no graph;
- targets are how much worse than the best so far a result is, in standard deviations of the results, since rewards may
  be on any scale. "mape" has its lower bound 0.2 standard deviations below the best; the authors' is about that much
  below the best of NAS-Bench-101, 4.5 % of error, and known beforehand;
- a mutant has each choice changed with the probability `mutations` by their number: with six choices 0.25, as in the
  authors' code for NAS-Bench-201. Their mutation of NAS-Bench-101 counts edges and operations apart;
- with workers a round's proposals go on while its results come in: the next round begins with as many results as it
  would have with one worker, whatever else is running;
- the ensemble learns from the latest `remembered` results, so that the time that a round takes stops growing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from nas.checks.limits import Number
from nas.samplers.random_search import draw
from nas.samplers.settings import Count, Draws, Positive, Rounds, check
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, derived_seed
from searchspaces.space import Arch, Choice

Actions = NDArray[np.int64]  # [n, T] option indices
Array = NDArray[np.float32]

BOUND = 0.2  # standard deviations that the lower bound of "mape" is below the best
BETAS = (0.9, 0.99)  # of Adam
EPSILON = 1e-7  # of Adam, in Keras
HUGE = 1e150  # the most that a reward counts, so that squares are numbers
PARENTS = 5  # the best, of which a further one is mutated where the mutants of those before it are known


@dataclass(frozen=True)
class Bananas:
    """Settings of BANANAS."""

    initial: Count = 10  # random architectures
    round: Draws = 10  # results, after which the ensemble is trained anew
    candidates: Draws = 100  # a round
    mutations: Positive = 1.5  # choices that a mutant has changed, in the mean
    networks: Annotated[int, Number(2, 100, whole=True)] = 5  # in the ensemble
    layers: Annotated[int, Number(1, 100, whole=True)] = 10  # of each, with ReLU
    hidden: Annotated[int, Number(1, 4_096, whole=True)] = 20  # neurons of a layer
    learning_rate: Positive = 0.01  # of Adam
    epochs: Rounds = 150  # over the results
    batch: Draws = 32  # results a step
    loss: Literal["mae", "mape"] = "mae"
    remembered: Annotated[int, Number(2, 10_000, whole=True)] = 400  # the latest results, that the ensemble learns from

    def __post_init__(self) -> None:
        check(self)

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> NeuralSearch:
        return NeuralSearch(choices, canonical, self, seed)


class NeuralSearch:
    """BANANAS at work. A round's candidates are ranked when its first proposal is asked for."""

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], settings: Bananas, seed: int
    ) -> None:
        self.settings, self.canonical, self.seed = settings, canonical, seed
        self._choices = choices
        self._sizes = np.array([len(choice.options) for choice in choices])
        self._told: list[tuple[float, Arch]] = []  # in order, canonical
        self._known: set[Arch] = set()  # those
        self._ranked: list[Arch] = []  # candidates of the round, the most promising first
        self._learned = 0  # results that this ranking is from

    def propose(self, context: Context) -> Proposal:
        """The most promising candidate that is new; before the first round, and after the last one, a random draw."""
        settings, results = self.settings, len(self._told)
        if results >= settings.initial:
            due = results - (results - settings.initial) % settings.round
            if due != self._learned:
                self._ranked, self._learned = self._rank(due), due
            running = {self.canonical(arch) for arch in context.running}
            for ranked in self._ranked:
                arch = tuple(context.fixed.get(position, option) for position, option in enumerate(ranked))
                key = self.canonical(arch)
                if key not in self._known and key not in running and context.is_new(arch):
                    return Proposal(arch)
        rng = np.random.default_rng(derived_seed(self.seed, context.number))
        return Proposal(draw(self._choices, context, rng))

    def tell(self, feedback: Feedback) -> None:
        if feedback.stopped:  # the ensemble compares whole trainings
            return
        arch = self.canonical(tuple(feedback.arch))
        self._told.append((feedback.reward, arch))
        self._known.add(arch)

    def _rank(self, results: int) -> list[Arch]:
        """Candidates after so many results, by a draw from what the ensemble predicts of each."""
        rng = np.random.default_rng(derived_seed(self.seed, results, 1))
        told = self._told[:results]
        candidates = self._candidates(told, rng)
        if not candidates:
            return []
        latest = told[-self.settings.remembered :]
        ensemble = Ensemble(int(self._sizes.sum()), self.settings, rng)
        ensemble.fit(self._codes([arch for _, arch in latest]), _targets([reward for reward, _ in latest]), rng)
        predicted = ensemble.predict(self._codes(candidates))
        draws = predicted.mean(0) + predicted.std(0) * rng.standard_normal(len(candidates))
        return [candidates[position] for position in np.argsort(draws, kind="stable")]

    def _candidates(self, told: Sequence[tuple[float, Arch]], rng: np.random.Generator) -> list[Arch]:
        """New mutants of the best; and of the next best, where these are too few."""
        best = sorted(told, key=lambda result: -result[0])[:PARENTS]
        seen = {arch for _, arch in told}
        found: list[Arch] = []
        for _, parent in best:
            if len(found) >= self.settings.candidates:
                break
            for arch in map(tuple, self._mutants(parent, rng).tolist()):
                if (key := self.canonical(arch)) not in seen:
                    seen.add(key)
                    found.append(arch)
        return found

    def _mutants(self, parent: Arch, rng: np.random.Generator) -> Actions:
        """As many as there are to be candidates, `[n, T]`; some may be the parent itself."""
        shape = self.settings.candidates, len(parent)
        changed = rng.random(shape) < self.settings.mutations / len(parent)
        steps = 1 + (rng.random(shape) * (self._sizes - 1)).astype(int)
        return np.where(changed, (np.array(parent) + steps) % self._sizes, parent)

    def _codes(self, archs: Sequence[Arch]) -> Array:
        """One-hot, `[n, R]`."""
        first = np.cumsum(self._sizes) - self._sizes
        codes = np.zeros((len(archs), int(self._sizes.sum())), np.float32)
        np.put_along_axis(codes, np.array(archs) + first, 1, axis=1)
        return codes


def _targets(rewards: Sequence[float]) -> Array:
    """How far each is below the best, in standard deviations, and above the lower bound of "mape", `[n]`.

    Infinite ones, which another program's study may have, count as the best or the worst of the others.
    """
    values = np.array(rewards, float)
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    values = np.clip(values, max(finite.min(), -HUGE), min(finite.max(), HUGE))
    targets: Array = ((values.max() - values) / (values.std() or 1.0) + BOUND).astype(np.float32)
    return targets


class Ensemble:
    """Feed-forward networks, trained at once; they differ in their first weights and the order of what they see.

    They are so small that autograd takes ten times as long as what it computes, so the gradient is written out here.
    """

    def __init__(self, inputs: int, settings: Bananas, rng: np.random.Generator) -> None:
        self.settings = settings
        networks, widths = settings.networks, [inputs, *[settings.hidden] * settings.layers, 1]
        shapes = [s for before, behind in pairwise(widths) for s in ((networks, before, behind), (networks, 1, behind))]
        self.flat = np.zeros(sum(map(math.prod, shapes)), np.float32)  # all weights and biases, for Adam
        self.gradient = np.zeros_like(self.flat)
        self.layers = _views(self.flat, shapes)  # weights [E, in, out] and biases [E, 1, out]
        self._gradients = _views(self.gradient, shapes)
        for weights, _ in self.layers:
            most = math.sqrt(6 / sum(weights.shape[1:]))  # Glorot's, as Keras begins
            weights[:] = rng.uniform(-most, most, weights.shape)

    def fit(self, codes: Array, targets: Array, rng: np.random.Generator) -> None:
        """Minimise the loss on codes `[n, R]` and targets `[n]`, which are above 0, by Adam."""
        settings, (slow, slower) = self.settings, BETAS
        mean, square = np.zeros_like(self.flat), np.zeros_like(self.flat)
        steps = 0
        for _ in range(settings.epochs):
            orders = rng.random((settings.networks, len(codes))).argsort(1)
            for first in range(0, len(codes), settings.batch):
                order = orders[:, first : first + settings.batch]
                self.differentiate(codes[order], targets[order])
                steps += 1
                mean += (1 - slow) * (self.gradient - mean)
                square += (1 - slower) * (self.gradient**2 - square)
                deviation = np.sqrt(square / (1 - slower**steps)) + EPSILON
                self.flat -= settings.learning_rate / (1 - slow**steps) * mean / deviation

    def differentiate(self, codes: Array, targets: Array) -> None:
        """Put the gradient of each network's mean loss into `gradient`; codes `[E, n, R]`, targets `[E, n]`."""
        inputs = self._inputs(codes)
        weights, bias = self.layers[-1]
        slopes = np.sign(inputs[-1] @ weights + bias - targets[..., None]) / np.float32(targets.shape[1])
        if self.settings.loss == "mape":
            slopes /= targets[..., None]
        for (weights, _), (of_weights, of_bias), x in zip(
            reversed(self.layers), reversed(self._gradients), reversed(inputs), strict=True
        ):
            np.matmul(x.transpose(0, 2, 1), slopes, out=of_weights)
            slopes.sum(1, keepdims=True, out=of_bias)
            slopes = slopes @ weights.transpose(0, 2, 1) * (x > 0)

    def predict(self, codes: Array) -> Array:
        """Of codes `[n, R]`, by each network `[E, n]`."""
        weights, bias = self.layers[-1]
        last = self._inputs(np.broadcast_to(codes, (self.settings.networks, *codes.shape)))[-1]
        predicted: Array = (last @ weights + bias)[..., 0]
        return predicted

    def _inputs(self, codes: Array) -> list[Array]:
        """Of each layer, `[E, n, in]`."""
        inputs = [codes]
        for weights, bias in self.layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ weights + bias, 0))
        return inputs


def _views(flat: Array, shapes: Sequence[tuple[int, ...]]) -> list[tuple[Array, Array]]:
    """Parts of `flat` of these shapes, in pairs."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
    return list(zip(parts[::2], parts[1::2], strict=True))
