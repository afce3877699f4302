"""What a strategy of ours is: it proposes architectures, is told their rewards, and knows nothing else.

Neither studies nor trials: `StrategySampler` makes an Optuna sampler of it, `nas bench` drives it as it is. A strategy
is begun from its settings, a frozen dataclass. Its state is a function of (choices, settings, seed, what it was told,
in order), and a proposal one of that state and the `Context`: so a new one that is told an old study's trials goes on
as the old one would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from searchspaces.space import Arch, Choice, Space


@dataclass(frozen=True, eq=False)
class Earlier:
    """What an earlier search found: of each network that it trained how good that is, and what it looks like.

    `archs` are of the choices that are searched now; None where it had others, and its networks are known by their
    `standings` alone, see `nas.samplers.sight`. `rewards` may be on any scale, the higher the better.
    """

    name: str
    rewards: Sequence[float]
    archs: Sequence[Arch] | None = None
    standings: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Knowledge:
    """What a surrogate may know beside choices and results: features of a network, and what earlier searches found.

    `features` gives as many numbers for each architecture (`Space.features`); None: there are none. They are `quick`
    where thousands are to be had in a second. ValueError where there is no such network. With `losses` it learns from
    the loss of a training, too: where few images judge, that says more than they do.
    """

    features: Callable[[Arch], Sequence[float]] | None = None
    quick: bool = True
    earlier: Sequence[Earlier] = ()
    losses: bool = False

    @classmethod
    def of_space(cls, space: Space, earlier: Sequence[Earlier] = (), losses: bool = False) -> Knowledge:
        return cls(space.features, space.quick_features, earlier, losses)


IGNORANCE = Knowledge()


@dataclass(frozen=True)
class Context:
    """What a proposal is asked for, and must mind.

    `number` is the trial's; two proposals of one number are drawn alike. `repeats` says of an architecture whether the
    study has it already, running trials included; None: repeats are welcome. `running` are those whose reward is still
    to come. `fixed` are the choices that are decided already, `{position: option}`.
    """

    number: int
    repeats: Callable[[Arch], bool] | None = None
    running: Sequence[Arch] = ()
    fixed: Mapping[int, int] = field(default_factory=dict)

    def is_new(self, arch: Arch) -> bool:
        return self.repeats is None or not self.repeats(arch)


@dataclass(frozen=True)
class Proposal:
    """An architecture, and for a policy the log-probability of each choice when it was drawn.

    `trust` is how far each earlier search was trusted then, 0..1.
    """

    arch: Arch
    log_probs: tuple[float, ...] | None = None
    trust: tuple[float, ...] = ()


@dataclass(frozen=True)
class Feedback:
    """An evaluated architecture. Without `log_probs` it is taken to be drawn from the policy that learns from it.

    `fixed` are the positions of choices that were decided for the strategy.
    """

    arch: Arch
    reward: float  # higher is better, on any scale
    log_probs: Sequence[float] | None = None
    fixed: frozenset[int] = frozenset()
    stopped: bool = False  # its training was, early: the reward is what it had shown by then
    shown: Sequence[float] = ()  # the rewards that its epochs showed, the last one's at the end, where they are known
    seconds: float | None = None  # that its evaluation took, where that is known
    loss: float | None = None  # of its training, likewise


@dataclass(frozen=True)
class Update:
    """What one update of a policy did, for a person who debugs it. `trial` is the one that completed its batch."""

    mean_reward: float  # of its batch, as told
    mean_score: float  # of its batch, as the policy counts rewards: by their ranks, or to a power
    baseline: float  # that those scores were compared with
    advantage_mean: float  # of its batch: scores less the baseline
    advantage_std: float
    loss: float  # of its last step, before that: with the entropy bonus and, where there are any, the examples
    entropy: float  # after it, mean over choices, in nats; 0: the policy is certain
    kl: float  # of the policy that proposed and the one after it, in nats; estimated on its batch, never negative
    clip_fraction: float  # of ratios that left [1 - clip, 1 + clip]
    trial: int | None = None  # in a study


class Strategy(Protocol):
    """A search strategy at work."""

    def propose(self, context: Context) -> Proposal: ...
    def tell(self, feedback: Feedback) -> None: ...


@runtime_checkable
class Learning(Protocol):
    """A strategy with a policy."""

    @property
    def updates(self) -> Sequence[Update]:
        """A record of each update of it, in order."""


@runtime_checkable
class Settings(Protocol):
    """How a strategy works: a frozen dataclass that begins one."""

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> Strategy:
        """`canonical` merges architectures that are the same thing, all or some; the identity where none are.

        `knowledge` is for a surrogate.
        """


def derived_seed(*key: int) -> int:
    """A 32-bit seed, a function of `key` alone."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])
