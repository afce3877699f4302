"""Optuna's samplers as a strategy: what `StrategySampler` does, the other way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import Trial, create_trial

from nas.samplers.per_trial import PerTrial
from nas.samplers.strategy import Context, Feedback, Proposal
from searchspaces.space import Arch, Choice


class OptunaStrategy:
    """A sampler in a study of its own, in memory. It minds neither repeats nor what is running, as in any study."""

    def __init__(self, make: Callable[..., BaseSampler], choices: Sequence[Choice], seed: int) -> None:
        self.study = optuna.create_study(direction="maximize", sampler=PerTrial(make, seed))
        self._space: dict[str, BaseDistribution] = {c.name: CategoricalDistribution(c.options) for c in choices}
        self._asked: defaultdict[Arch, list[Trial]] = defaultdict(list)

    def propose(self, context: Context) -> Proposal:
        trial = self.study.ask(self._space)
        arch = tuple(int(d.to_internal_repr(trial.params[name])) for name, d in self._space.items())
        self._asked[arch].append(trial)
        return Proposal(arch)

    def tell(self, feedback: Feedback) -> None:
        """What was not proposed is a trial all the same."""
        arch = tuple(feedback.arch)
        if self._asked[arch]:
            self.study.tell(self._asked[arch].pop(0), feedback.reward)
            return
        params = {
            name: distribution.to_external_repr(option)
            for (name, distribution), option in zip(self._space.items(), arch, strict=True)
        }
        self.study.add_trial(create_trial(params=params, distributions=self._space, value=feedback.reward))
