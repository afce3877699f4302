"""What a training is expected to take, so that improvement is weighed against time.

Networks of equal multiply-adds may differ three times in speed. Where a search has so much time, and not so many
trials, the pick is by expected improvement per expected second (Snoek, Larochelle & Adams 2012, arXiv:1206.2944,
section 3.2), or to a power below 1 of the seconds. A second process, of the logarithms of what trainings took, expects
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nas.samplers.sight import Sight
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch

STEPS = 5  # of gradient, whenever it learns
LEAST = 1e-3  # seconds that count


class Pace:
    """Of trainings, as far as these have been told; 1 for all before there are two."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._told: list[tuple[Arch, float]] = []  # canonical, with the logarithm of its seconds
        self._learned = 0

    def tell(self, arch: Arch, seconds: float) -> None:
        self._told.append((arch, float(np.log(max(seconds, LEAST)))))

    def seconds(self, archs: Sequence[Arch], remembered: int) -> Array:
        """Expected of each, `[n]`, by the latest that are `remembered`, in the units of their geometric mean."""
        told = self._told[-remembered:]
        if len(told) < 2:
            return np.ones(len(archs))
        codes, logs = self._sight.codes([arch for arch, _ in told]), np.array([log for _, log in told])
        deviation = float(logs.std()) or 1.0
        targets = (logs - logs.mean()) / deviation
        if len(self._told) > self._learned:
            self._process.learn(codes, targets, STEPS)
            self._learned = len(self._told)
        self._process.condition(codes, targets, codes[:0])
        mean, _ = self._process.predict(self._sight.codes(archs))
        expected: Array = np.exp(deviation * mean)
        return expected

    @cached_property
    def _process(self) -> GaussianProcess:
        return self._sight.new_process()
