"""Which trainings to stop early, from the rewards that they show after each epoch.

Each is an Optuna pruner, so one decision holds on any engine. `asha` is asynchronous successive halving (Li et al.
2018, arXiv 1810.05934) as it stops trials, `hyperband` the same in several brackets (Li et al. 2016, arXiv 1603.06560),
`median` is Optuna's median rule (Golovin et al. 2017, section 3.1).

Why not Optuna's own of the first two. They keep in the ledger that a trial has come to a rung, not whether it was
stopped there: one whose process died in between would go on when it is resumed. And Hyperband's brackets are a function
of the study's name: two runs of one seed would differ. These here know nothing but what the trials reported, and their
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

NO_PRUNER = "none"
REDUCTION = 3  # eta: one in so many goes on. The paper's 4 would leave few rungs of the epochs that searches train


@dataclass(frozen=True)
class SuccessiveHalving(BasePruner):
    """After 1, eta, eta^2, ... epochs a trial goes on if it is among the best 1 / eta that came so far.

    The first trials have few to be compared with: the best of fewer than eta goes on. In bracket b trials are first
    looked at after eta^b epochs, and compared within the bracket. `brackets` says which brackets the trials of a round
    are in, by their numbers: trial n is in `brackets[n % len(brackets)]`.
    """

    epochs: int
    reduction: int = REDUCTION
    brackets: Sequence[int] = (0,)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        epoch, bracket = trial.last_step, self.bracket(trial)
        if epoch is None or epoch not in self.rungs(bracket):
            return False
        sign = -1 if study.direction == StudyDirection.MINIMIZE else 1
        shown = sorted(
            (sign * other.intermediate_values[epoch] for other in self._competing(study, bracket, epoch)), reverse=True
        )
        return (
            not sign * trial.intermediate_values[epoch] >= shown[max(1, len(shown) // self.reduction) - 1]
        )  # NaN, too

    def bracket(self, trial: FrozenTrial) -> int:
        return self.brackets[trial.number % len(self.brackets)]

    def rungs(self, bracket: int) -> list[int]:
        """The epochs after which trials are compared; never the last one."""
        rungs = (self.reduction**k for k in range(bracket, _halvings(self.epochs, self.reduction) + 1))
        return [epoch for epoch in rungs if epoch < self.epochs]

    def _competing(self, study: optuna.Study, bracket: int, epoch: int) -> list[FrozenTrial]:
        """The trials of the bracket that were trained so far, the one that asks among them."""
        return [
            trial
            for trial in study.get_trials(deepcopy=False)
            if epoch in trial.intermediate_values
            and not math.isnan(trial.intermediate_values[epoch])
            and self.bracket(trial) == bracket
            and "duplicate_of" not in trial.user_attrs
        ]


def hyperband(epochs: int, reduction: int = REDUCTION) -> SuccessiveHalving:
    """Brackets from the most daring, 0, to one that stops nothing, with about as many epochs of training in each.

    The paper begins n_s = ceil((s_max + 1) eta^s / (s + 1)) trials in the bracket that halves s times (algorithm 1). It
    runs the brackets one after the other; here trials take turns, so that each bracket has some from early on.
    """
    most = _halvings(epochs, reduction)
    shares = [math.ceil((most + 1) * reduction**s / (s + 1)) for s in range(most, -1, -1)]
    turns = [((turn + 0.5) / share, bracket) for bracket, share in enumerate(shares) for turn in range(share)]
    return SuccessiveHalving(epochs, reduction, tuple(bracket for _, bracket in sorted(turns)))


def _halvings(epochs: int, reduction: int) -> int:
    """The largest k with `reduction ** k <= epochs`."""
    return max(k for k in range(epochs.bit_length() + 1) if reduction**k <= epochs)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {  # of trainings of so many epochs
    NO_PRUNER: lambda epochs: NopPruner(),
    "asha": SuccessiveHalving,
    "hyperband": hyperband,
    "median": lambda epochs: MedianPruner(),
}


def make_pruner(name: str, epochs: int) -> BasePruner:
    """One of `PRUNERS` for trainings of `epochs`. Raises ValueError where there is none, or nothing to compare."""
    if name not in PRUNERS:
        raise ValueError(f"there is no pruner {name!r}: choose one of {', '.join(PRUNERS)}")
    if name != NO_PRUNER and epochs < 2:
        raise ValueError(f"--pruner {name} compares networks after each epoch but the last: add --epochs 3, say")
    return PRUNERS[name](epochs)
