"""What a search maximises: accuracy, or how little loss there was on the way to it, bent by cost.

Tan et al. 2018 (MnasNet, arXiv:1807.11626), equations 2 and 3: `accuracy * (cost / target) ** w`, where
w is one exponent while the cost is below its target and another above it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.checks.costs import Figures, kind_of
from nas.checks.limits import Number
from nas.checks.schemas import SIGNALS

USUAL_W = -0.07  # of the paper: twice the cost is worth 5 % more accuracy
ACCURACY, LOSS = SIGNALS


@dataclass(frozen=True)
class Reward:
    """`quality * (cost / target) ** w`, for each of the `targets` once; without any, the quality alone.

    The quality is what `signal` says: validation accuracy, as in the paper, or exp(-loss) of the mean training loss in
    the last epoch. That is the probability which the network gave to an image's class (as a geometric mean, and but for
    label smoothing): 0..1, too, and it may tell networks apart that were trained for a short time (docs/proxies.md).

    `targets` are figures of costs by their names, see `nas.checks.costs`. The paper has one, latency; with several the
    reward is bent by each. The paper's *soft* constraint is one exponent for both sides, -0.07: twice the cost is worth
    5 % more accuracy. Its *hard* one is 0 below the target and -1 above.
    """

    targets: Mapping[str, float] = field(default_factory=dict, hash=False)
    w_below: float = USUAL_W
    w_above: float = USUAL_W
    signal: str = ACCURACY

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise ValueError(f"--signal is one of {', '.join(SIGNALS)}, not {self.signal!r}")
        object.__setattr__(self, "targets", Figures().checked("the target for", self.targets))
        for w in (self.w_below, self.w_above):
            Number().checked("the exponent w", w)
        if max(self.w_below, self.w_above) > 0:
            raise ValueError("a positive exponent w would reward networks for costing more: use -0.07, say")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reward:
        """Of `values` that are of `nas.checks.schemas.REWARD`; older runs have one target, beside its cost."""
        now = {name: value for name, value in values.items() if name not in ("cost", "target")}
        if values.get("target") is not None:
            now["targets"] = {values.get("cost", "macs"): values["target"]}
        return cls(**now)

    def __str__(self) -> str:
        return self.by("accuracy")

    def by(self, metric: str) -> str:
        """In words, where trainings are judged by `metric`."""
        quality = metric if self.signal == ACCURACY else "exp(-training loss)"
        w = f"{self.w_above:g}" if self.w_below == self.w_above else f"{self.w_below:g} or {self.w_above:g}"
        bent = [f" x ({cost} / {kind_of(cost).format(target)}) ^ {w}" for cost, target in self.targets.items()]
        return quality + "".join(bent)

    def check(self, costs: Mapping[str, float]) -> None:
        """Raises ValueError where a network of `costs` cannot be rewarded, since it costs none of what is wanted."""
        for cost in self.targets:
            if not costs.get(cost, 1) > 0:
                raise ValueError(f"a network of 0 {cost} has no reward by a target for these")

    def __call__(self, quality: float, costs: Mapping[str, float]) -> float:
        """The reward of a `quality` (0..1) at `costs`, which has a figure for each target."""
        self.check(costs)
        for cost, target in self.targets.items():
            w = self.w_below if costs[cost] <= target else self.w_above
            quality *= (costs[cost] / target) ** w
        return float(quality)

    def quality(self, judged: float, loss: float | None) -> float:
        """Of a training with this validation accuracy, or what its recipe's metric is instead, and mean training loss.

        The loss is None in tables of results. A metric below zero, as r2 of a network that is worse than always saying
        the mean, counts as zero: below it a cheaper network would have the lower reward.
        """
        if self.signal == ACCURACY:
            return max(0.0, judged)
        assert loss is not None
        return math.exp(-loss)

    @property
    def is_quality(self) -> bool:
        """Whether a reward is the accuracy or the metric, neither more nor less."""
        return not self.targets and self.signal == ACCURACY
