"""What a search maximises: accuracy, bent by cost.

Tan et al. 2018 (MnasNet, arXiv:1807.11626), equations 2 and 3: `accuracy * (cost / target) ** w`, where
w is one exponent while the cost is below its target and another above it.
"""

from __future__ import annotations

from dataclasses import dataclass

from nas.units import format_count, format_seconds

COSTS = ("macs", "params", "latency")


@dataclass(frozen=True)
class Reward:
    """`accuracy * (cost / target) ** w`; without a target, the accuracy alone.

    `cost` is one of `macs`, `params` and `latency` (seconds for one image on this device). The paper's
    *soft* constraint is one exponent for both sides, -0.07: twice the cost is worth 5 % more accuracy.
    Its *hard* one is 0 below the target and -1 above.
    """

    cost: str = "macs"
    target: float | None = None
    w_below: float = -0.07
    w_above: float = -0.07

    def __post_init__(self) -> None:
        if self.cost not in COSTS:
            raise ValueError(f"the reward's cost is one of {', '.join(COSTS)}, not {self.cost!r}")
        if self.target is not None and not self.target > 0:
            raise ValueError(f"the target for {self.cost} must be positive, not {self.target}")
        if not (self.w_below <= 0 and self.w_above <= 0):
            raise ValueError("a positive exponent w would reward networks for costing more: use -0.07, say")

    def __str__(self) -> str:
        if self.target is None:
            return "accuracy"
        target = format_seconds(self.target) if self.cost == "latency" else format_count(self.target)
        w = f"{self.w_above:g}" if self.w_below == self.w_above else f"{self.w_below:g} or {self.w_above:g}"
        return f"accuracy x ({self.cost} / {target}) ^ {w}"

    def __call__(self, accuracy: float, cost: float) -> float:
        """The reward of an `accuracy` (0..1) at a `cost` in the target's unit."""
        if self.target is None:
            return accuracy
        w = self.w_below if cost <= self.target else self.w_above
        return float(accuracy * (cost / self.target) ** w)
