"""What a surrogate sees of architectures: their choices, and features of their networks, each seen once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.samplers.strategy import IGNORANCE, Knowledge
from nas.samplers.surrogate import Array, GaussianProcess
from nas.samplers.tasks import LESS_TRUST, LOSS_TRUST, TRUST
from searchspaces.space import Arch, Choice, Space

REFERENCE = 200  # random architectures, by which features are measured
SLOWER = 10  # times fewer architectures are looked at where features take long
REMEMBERED = 50_000  # architectures
FARTHEST = 4.0  # deviations
TRIED = 5  # architectures, before a space is said to have no features


class Sight:
    """Of architectures of a space, by its `choices`; by features of their networks, too, where these are known.

    Features are in units of their deviation among random architectures; those that do not differ there are left out.
    An architecture that has none (ValueError: there is no such network, say) counts as an average one; where most
    have none, choices are all that is seen.
    """

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], knowledge: Knowledge = IGNORANCE
    ) -> None:
        self._sizes = [len(choice.options) for choice in choices]
        self._knowledge, self._canonical = knowledge, canonical
        self._codes: dict[Arch, Array] = {}  # of canonical architectures

    @property
    def is_quick(self) -> bool:
        """Whether thousands of architectures can be seen in a second."""
        return self._knowledge.features is None or self._knowledge.quick

    @cached_property
    def process(self) -> GaussianProcess:
        """Of what is seen, here and in earlier searches; nothing is known yet."""
        trust = [LESS_TRUST if earlier.archs is None else TRUST for earlier in self._knowledge.earlier]
        return self.new_process([*trust, LOSS_TRUST] if self._knowledge.losses else trust)

    def new_process(self, trust: Sequence[float] = ()) -> GaussianProcess:
        """Of what is seen of any network; in what it is told of earlier searches it has this `trust` at first."""
        return GaussianProcess(self._sizes, 0 if self._scale is None else len(self._scale[2]), trust=trust)

    def codes(self, archs: Sequence[Arch]) -> Array:
        """`[n, C]` of canonical architectures."""
        new = [arch for arch in dict.fromkeys(archs) if arch not in self._codes]
        if len(self._codes) + len(new) > REMEMBERED:
            self._codes, new = {}, list(dict.fromkeys(archs))
        if new:
            self._codes |= zip(new, self.process.codes(new, self._seen(new)), strict=True)
        columns = self.process.columns
        return np.array([self._codes[arch] for arch in archs]).reshape(len(archs), columns)

    def of_task(self, archs: Sequence[Arch], task: int) -> Array:
        """`[n, C]` of canonical architectures that an earlier search had, which is `task` 1, 2, ..."""
        codes = self.codes(archs)
        codes[:, -1] = task
        return codes

    def of_others(self, standings: Sequence[Sequence[float]], task: int) -> Array:
        """`[n, C]` of networks of another space, which agree with none of this one in any choice.

        As features they have their `standings`: what is deep there is taken for what is deep here. Measured on runs of
        `compact` and `chain`, that orders networks of one by those of the other better than the figures as they are.
        """
        seen = None
        if self._scale is not None:
            kept = self._scale[2]
            rows = [_fitted(row, 1 + kept.max())[kept] for row in standings]
            seen = np.array(rows).reshape(len(rows), len(kept)).clip(-FARTHEST, FARTHEST)
        return self.process.joined(np.zeros((len(standings), sum(self._sizes))), seen, task)

    def standings(self, archs: Sequence[Arch]) -> Array:
        """`[n, F]` of canonical architectures: each feature by its distance from the mean of random networks, in their
        deviations; 0 where these do not differ."""
        if self._scale is None:
            return np.zeros((len(archs), 0))
        kept = self._scale[2]
        standings = np.zeros((len(archs), 1 + kept.max()))
        standings[:, kept] = self._seen(archs)
        return standings

    def _seen(self, archs: Sequence[Arch]) -> Array | None:
        """Features `[n, F]` as they are told apart."""
        if self._scale is None:
            return None
        mean, deviation, kept = self._scale
        rows = [self._features_of(arch) for arch in archs]
        seen = np.zeros((len(archs), len(kept)))
        if known := [i for i, row in enumerate(rows) if row is not None]:
            seen[known] = (np.array([rows[i] for i in known])[:, kept] - mean) / deviation
        return seen

    def _features_of(self, arch: Arch) -> Array | None:
        assert self._knowledge.features is not None
        try:
            return np.asarray(self._knowledge.features(arch), dtype=float)
        except (ValueError, NotImplementedError):
            return None

    @cached_property
    def _scale(self) -> tuple[Array, Array, NDArray[np.intp]] | None:
        """Mean and deviation of the features that differ, and which these are; None where there are none."""
        if self._knowledge.features is None:
            return None
        number = REFERENCE if self.is_quick else REFERENCE // SLOWER
        archs = np.random.default_rng(0).integers(self._sizes, size=(number, len(self._sizes)))
        rows = [self._features_of(self._canonical(arch)) for arch in map(tuple, archs.tolist())]
        seen = np.array([row for row in rows if row is not None])
        if 2 * len(seen) < number:
            return None
        deviation = seen.std(axis=0)
        kept = np.flatnonzero(deviation > 1e-9 * (1 + abs(seen).max(axis=0)))
        return (seen.mean(axis=0)[kept], deviation[kept], kept) if len(kept) else None


def _fitted(row: Sequence[float], columns: int) -> Array:
    """Features of another space in so many `columns`: those that this space has beyond all spaces' are average."""
    return np.array([*row[:columns], *[0.0] * (columns - len(row))])


def why_unseen(space: Space) -> str | None:
    """Why features of networks of `space` are not to be had; None where they are."""
    rng, reasons = np.random.default_rng(0), list[str]()
    for _ in range(TRIED):
        try:
            space.features(space.sample(rng))
            return None
        except (ValueError, NotImplementedError) as error:
            reasons.append(str(error) or type(error).__name__)
    return reasons[0]
