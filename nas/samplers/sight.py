"""What a surrogate sees of architectures: their choices, and features of their networks, each seen once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from nas.samplers.strategy import Features
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch, Choice

REFERENCE = 200  # random architectures, by which features are measured
REMEMBERED = 50_000  # architectures


class Sight:
    """Of architectures of a space, by its `choices`; with `features` of their networks, too.

    Features are in units of their deviation among random architectures; those that do not differ there are left out.
    """

    def __init__(
        self, choices: Sequence[Choice], canonical: Callable[[Arch], Arch], features: Features | None = None
    ) -> None:
        self._sizes = [len(choice.options) for choice in choices]
        self._features, self._canonical = features, canonical
        self._codes: dict[Arch, Array] = {}  # of canonical architectures

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
        if self._features is None or self._scale is None:
            return None
        mean, deviation, kept = self._scale
        return (np.array([self._features(arch) for arch in archs])[:, kept] - mean) / deviation

    @cached_property
    def _scale(self) -> tuple[Array, Array, Array] | None:
        """Mean and deviation of the features that differ, and which these are; None where there are none."""
        if self._features is None:
            return None
        archs = np.random.default_rng(0).integers(self._sizes, size=(REFERENCE, len(self._sizes)))
        seen = np.array([self._features(self._canonical(arch)) for arch in map(tuple, archs.tolist())])
        deviation = seen.std(axis=0)
        kept = np.flatnonzero(deviation > 1e-9 * (1 + abs(seen).max(axis=0)))
        return (seen.mean(axis=0)[kept], deviation[kept], kept) if len(kept) else None
