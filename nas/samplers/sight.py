"""What a surrogate sees of architectures: their choices, and features of their networks, each seen once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.samplers.strategy import Features
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch, Choice, Space

REFERENCE = 200  # random architectures, by which features are measured
SLOWER = 10  # times fewer architectures are looked at where features take long
REMEMBERED = 50_000  # architectures
TRIED = 5  # architectures, before a space is said to have no features


class Sight:
    """Of architectures of a space, by its `choices`; with `features` of their networks, too.

    Features are in units of their deviation among random architectures; those that do not differ there are left out.
    An architecture that has none (ValueError: there is no such network, say) counts as an average one; where most
    have none, choices are all that is seen.
    """

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], features: Features | None = None
    ) -> None:
        self._sizes = [len(choice.options) for choice in choices]
        self._features, self._canonical = features, canonical
        self._codes: dict[Arch, Array] = {}  # of canonical architectures

    @property
    def is_quick(self) -> bool:
        """Whether thousands of architectures can be seen in a second."""
        return self._features is None or self._features.quick

    @cached_property
    def process(self) -> GaussianProcess:
        """Of what is seen; nothing is known yet."""
        return GaussianProcess(self._sizes, 0 if self._scale is None else len(self._scale[2]))

    def codes(self, archs: Sequence[Arch]) -> Array:
        """`[n, C]` of canonical architectures."""
        new = [arch for arch in dict.fromkeys(archs) if arch not in self._codes]
        if len(self._codes) + len(new) > REMEMBERED:
            self._codes, new = {}, list(dict.fromkeys(archs))
        if new:
            self._codes |= zip(new, self.process.codes(new, self._seen(new)), strict=True)
        columns = self.process.columns
        return np.array([self._codes[arch] for arch in archs]).reshape(len(archs), columns)

    def _seen(self, archs: Sequence[Arch]) -> Array | None:
        """Features `[n, F]` as they are told apart."""
        if self._scale is None:
            return None
        mean, deviation, kept = self._scale
        rows = [self._features_of(arch) for arch in archs]
        return np.array([np.zeros(len(kept)) if row is None else (row[kept] - mean) / deviation for row in rows])

    def _features_of(self, arch: Arch) -> Array | None:
        assert self._features is not None
        try:
            return np.asarray(self._features.of(arch), dtype=float)
        except (ValueError, NotImplementedError):
            return None

    @cached_property
    def _scale(self) -> tuple[Array, Array, NDArray[np.intp]] | None:
        """Mean and deviation of the features that differ, and which these are; None where there are none."""
        if self._features is None:
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
