"""What the tests of strategies share: a strategy driven by hand, and a problem that has an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from nas.samplers.strategy import Context, Feedback, Settings
from searchspaces.space import Arch, Choice

Drive = Callable[..., list[Arch]]


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Gives the architectures that a strategy of these settings evaluates, one after the other, none twice."""

    def run(
        settings: Settings, choices: Sequence[Choice], reward: Callable[[Arch], float], evaluations: int, seed: int = 0
    ) -> list[Arch]:
        strategy = settings.start(choices, tuple, seed)
        archs: list[Arch] = []
        for number in range(evaluations):
            proposal = strategy.propose(Context(number, archs.__contains__))
            strategy.tell(Feedback(proposal.arch, reward(proposal.arch), proposal.log_probs))
            archs.append(proposal.arch)
        return archs

    return run
