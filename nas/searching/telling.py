"""What another program tells of a network: which one, and what came of it where it was trained elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.checks.costs import Figures
from nas.checks.limits import NATURAL, SHARE, Checks, Text, quoted
from nas.checks.noted import ANY_NUMBER, SCORE, TIME
from nas.joint.space import networks_of, parts_of
from nas.ledger.config import Config
from nas.reward import ACCURACY, LOSS
from nas.training.trial import State, TrialResult
from searchspaces import Arch

RESULTS = ("accuracy", "score", "loss", "failed")
"""What says that a network was trained elsewhere."""
FIELDS: dict[str, Checks] = {
    "trial": NATURAL,
    "text": Text(100_000),
    "costs": Figures(),
    "accuracy": SHARE,
    "score": SCORE,
    "loss": ANY_NUMBER,
    "seconds": TIME,
    "failed": Text(1_000),
}
"""All that can be said of one."""


@dataclass(frozen=True)
class Told:
    """One network, by the number of its `trial` or by its `text`, or both.

    `costs` are those that the other program knows, by their names. Without a `result` it is to be trained here.
    """

    trial: int | None = None
    text: str | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    result: TrialResult | None = None

    @classmethod
    def read(cls, given: Mapping[Any, Any], config: Config) -> Told:
        """Of a dict with `FIELDS`, for a run of `config`.

        Raises ValueError where it has others, or says too little for a reward there.
        """
        if unknown := [str(name) for name in given if name not in FIELDS]:
            raise ValueError(f"nothing is told by {', '.join(unknown)}: there are {', '.join(FIELDS)}")
        said = {name: FIELDS[name].checked(name, value) for name, value in given.items() if value is not None}
        if not said.keys() & {"trial", "text"}:
            raise ValueError('a network is told by its "text" or by its "trial": add one of them')
        costs = said.get("costs", {})
        return cls(said.get("trial"), said.get("text"), costs, _result(said, costs, config))


def _result(said: Mapping[str, Any], costs: Mapping[str, float], config: Config) -> TrialResult | None:
    """None where nothing is said of a training. Raises ValueError where too little is."""
    if not said.keys() & set(RESULTS):
        if "seconds" in said:
            raise ValueError("seconds are of a training elsewhere: add what came of it, as accuracy")
        return None
    seconds = said.get("seconds", 0.0)
    if "failed" in said:
        return TrialResult(State.FAILED, seconds, reason=said["failed"] or "it failed, and nobody said why")
    judged = "accuracy" if config.recipe.metric == ACCURACY else "score"
    needed = {judged: f"is what it is judged by ({config.recipe.metric})"}
    if config.reward.signal == LOSS:
        needed["loss"] = "is what its reward is of"
    for name, why in needed.items():
        if name not in said:
            raise ValueError(f"{name} {why}: add it to what is told")
    if judged == "accuracy" and "score" in said:
        raise ValueError("this run is judged by accuracy: leave out score")
    counts = {*config.reward.targets, *config.objectives[1:], *config.limits}
    if config.times_networks and "latency" in counts and "latency" not in costs:
        raise ValueError(
            "latency is measured where a network is trained, and this was trained elsewhere: add "
            '"costs": {"latency": "4ms"}'
        )
    return TrialResult(
        State.COMPLETE, seconds, said.get("accuracy"), said.get("loss"), costs.get("latency"), score=said.get("score")
    )


def arch_in(text: str, config: Config) -> Arch:
    """The architecture that `text` is in the run of `config`: bare, or as every command takes it, `mnas@0.25:...`.

    Raises ValueError where it is none, or of a space with other settings.
    """
    space, head = config.space, f"{config.head}:" if config.head else ""
    bare = text.strip().removeprefix(head)
    whole = re.match(rf"{re.escape(space.reference)}(@[^:]*)?:", bare)
    if whole is None:
        return space.parse(bare)
    arch = space.parse(bare[whole.end() :])
    own_text = config.job(arch).network.text.removeprefix(head)
    if not own_text.startswith(whole[0]):
        prefix = own_text.removesuffix(networks_of(space).format(parts_of(space, arch)[1]))
        raise ValueError(f"{quoted(whole[0])} is another space than this run's {prefix}")
    return arch
