"""What a training is expected to take, so that improvement is weighed against time.

Networks of equal multiply-adds may differ three times in speed. Where a search has so much time, and not so many
trials, the pick is by expected improvement per expected second (Snoek, Larochelle & Adams 2012, arXiv:1206.2944,
section 3.2), or to a power below 1 of the seconds. A second process, of the logarithms of what trainings took, expects
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nas.samplers.sight import Sight
from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch

LEAST = 1e-3  # seconds that count


class Pace:
    """Of trainings, as far as these have been told; the same for all before there are two.

    As of a strategy, its state is a function of what it was told: it learns when it is told to, and asking for seconds
    changes nothing.
    """

    def __init__(self, sight: Sight, remembered: int) -> None:
        self._sight, self._remembered = sight, remembered
        self._told: list[tuple[Arch, float]] = []  # the latest; canonical, with the logarithm of its seconds

    def tell(self, arch: Arch, seconds: float) -> None:
        self._told = [*self._told[1 - self._remembered :], (arch, math.log(max(seconds, LEAST)))]

    def learn(self, steps: int) -> None:
        """`steps` of gradient on what is known."""
        if len(self._told) > 1:
            codes, targets, _ = self._known()
            self._process.learn(codes, targets, steps)

    def seconds(self, archs: Sequence[Arch]) -> Array:
        """Expected of each, `[n]`, in the units of their geometric mean."""
        if len(self._told) < 2:
            return np.ones(len(archs))
        codes, targets, deviation = self._known()
        self._process.condition(codes, targets, codes[:0])
        mean, _ = self._process.predict(self._sight.codes(archs))
        expected: Array = np.exp(deviation * mean)
        return expected

    def _known(self) -> tuple[Array, Array, float]:
        """Codes `[n, C]`, targets `[n]`, and the deviation of the logarithms that these are in units of."""
        logs = np.array([log for _, log in self._told])
        deviation = float(logs.std()) or 1.0
        return self._sight.codes([arch for arch, _ in self._told]), (logs - logs.mean()) / deviation, deviation

    @cached_property
    def _process(self) -> GaussianProcess:
        return self._sight.new_process()
