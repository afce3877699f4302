"""What a search maximises: accuracy, or how little loss there was on the way to it, bent by cost.

Tan et al. 2018 (MnasNet, arXiv:1807.11626), equations 2 and 3: `accuracy * (cost / target) ** w`, where
w is one exponent while the cost is below its target and another above it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nas.checks.limits import Number, Optional
from nas.checks.schemas import COSTS, SIGNALS
from nas.text.units import format_count, format_seconds

USUAL_W = -0.07  # of the paper: twice the cost is worth 5 % more accuracy
ACCURACY, LOSS = SIGNALS


@dataclass(frozen=True)
class Reward:
    """`quality * (cost / target) ** w`; without a target, the quality alone.

    The quality is what `signal` says: validation accuracy, as in the paper, or exp(-loss) of the mean training loss in
    the last epoch. That is the probability which the network gave to an image's class (as a geometric mean, and but for
    label smoothing): 0..1, too, and it may tell networks apart that were trained for a short time (docs/proxies.md).

    `cost` is one of `macs`, `params` and `latency` (seconds for one image on this device). The paper's
    *soft* constraint is one exponent for both sides, -0.07: twice the cost is worth 5 % more accuracy.
    Its *hard* one is 0 below the target and -1 above.
    """

    cost: str = "macs"
    target: float | None = None
    w_below: float = USUAL_W
    w_above: float = USUAL_W
    signal: str = ACCURACY

    def __post_init__(self) -> None:
        if self.cost not in COSTS:
            raise ValueError(f"the reward's cost is one of {', '.join(COSTS)}, not {self.cost!r}")
        if self.signal not in SIGNALS:
            raise ValueError(f"--signal is one of {', '.join(SIGNALS)}, not {self.signal!r}")
        Optional(Number(0, above=True)).checked(f"the target for {self.cost}", self.target)
        for w in (self.w_below, self.w_above):
            Number().checked("the exponent w", w)
        if max(self.w_below, self.w_above) > 0:
            raise ValueError("a positive exponent w would reward networks for costing more: use -0.07, say")

    def __str__(self) -> str:
        return self.by("accuracy")

    def by(self, metric: str) -> str:
        """In words, where trainings are judged by `metric`."""
        quality = metric if self.signal == ACCURACY else "exp(-training loss)"
        if self.target is None:
            return quality
        target = format_seconds(self.target) if self.cost == "latency" else format_count(self.target)
        w = f"{self.w_above:g}" if self.w_below == self.w_above else f"{self.w_below:g} or {self.w_above:g}"
        return f"{quality} x ({self.cost} / {target}) ^ {w}"

    def check(self, costs: Mapping[str, float]) -> None:
        """Raises ValueError where a network of `costs` cannot be rewarded, since it costs none of what is wanted."""
        if self.target is not None and not costs.get(self.cost, 1) > 0:
            raise ValueError(f"a network of 0 {self.cost} has no reward by a target for these")

    def __call__(self, quality: float, cost: float) -> float:
        """The reward of a `quality` (0..1) at a `cost` in the target's unit."""
        if self.target is None:
            return quality
        self.check({self.cost: cost})
        w = self.w_below if cost <= self.target else self.w_above
        return float(quality * (cost / self.target) ** w)

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
        return self.target is None and self.signal == ACCURACY
