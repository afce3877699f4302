"""What earlier searches found, as the surrogate is told it: results of other tasks (`nas.samplers.tasks`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.samplers.ranks import normal_scores
from nas.samplers.sight import Sight
from nas.samplers.strategy import Earlier
from nas.samplers.surrogate import Array
from searchspaces.space import Arch

REMEMBERED = 240  # results of all earlier searches together
LEAST = 30  # of each
LOWEST = -3.0  # target: a training that fell apart is bad, and how bad says nothing


class Experience:
    """Of `earlier` searches, seen as `sight` does; none: nothing is known before the first result.

    Their targets are normal scores. The rewards of the search at hand are told in the units of these: their distance
    from their median, in standard deviations of the earlier rewards. Scores by rank would tear apart the first few,
    which are alike where experience led to all of them.
    """

    def __init__(self, earlier: Sequence[Earlier], sight: Sight) -> None:
        self.names = [one.name for one in earlier]
        self.archs: list[Arch] = []  # of the same choices, of each search the best first
        codes, targets, units = [], [], []
        for task, one in enumerate(earlier, 1):
            kept = _kept(one.rewards, max(LEAST, REMEMBERED // len(earlier)))
            rewards = [one.rewards[i] for i in kept]
            if one.archs is not None:
                archs = [one.archs[i] for i in kept]
                self.archs += archs
                codes.append(sight.of_task(archs, task))
            else:
                codes.append(sight.of_others([one.standings[i] for i in kept], task))
            targets.append(normal_scores(rewards))
            units.append(_deviation(rewards))
        self.codes = np.concatenate(codes) if codes else np.zeros((0, sight.process.columns))
        self.targets = np.concatenate(targets) if targets else np.zeros(0)
        self._unit = float(np.median(units)) if units else 1.0

    def __bool__(self) -> bool:
        return bool(self.names)

    def scores(self, rewards: Sequence[float]) -> Array:
        """Targets `[n]` of rewards of the search at hand."""
        finite = np.clip(rewards, -1e9, 1e9)
        return ((finite - np.median(finite)) / self._unit).clip(LOWEST, -LOWEST) if len(finite) else finite


def _kept(rewards: Sequence[float], most: int) -> list[int]:
    """Which are told, the best first: where there are too many, the best half of as many, and every so many others."""
    order = sorted(range(len(rewards)), key=lambda i: -rewards[i])
    half = most // 2
    rest = order[half:]
    return order[:half] + rest[:: max(1, -(-len(rest) // half))]


def _deviation(rewards: Sequence[float]) -> float:
    """As of a normal distribution, by its quartiles; of rewards that are all equal 1."""
    low, high = np.percentile(np.clip(rewards, -1e9, 1e9), [25, 75])
    return float(high - low) / 1.349 or 1.0
