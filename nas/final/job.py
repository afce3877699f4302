"""What decides a training, and how that is kept, so that another process can go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nas.data.source import DataSource
from nas.files import sha256_of
from nas.final.teacher import Teacher
from nas.joint.fields import checked
from nas.ledger.config import differences
from nas.network import Network
from nas.references.resolve import from_document
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.transfer import Start, Weights
from searchspaces.space import Option


@dataclass(frozen=True)
class Job:
    """A training to do: of which network, on which data, how, with what it starts, and from whom it learns.

    `device` is one that is here, `threads` are the CPU's. With a teacher, its `recipe` is `taught`.
    """

    network: Network
    data: DataSource
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    start: Start | None = None
    tuning: FineTuning = EVERYTHING
    teacher: Teacher | None = None
    own: Mapping[str, Option] = field(default_factory=dict)  # of the recipe, what the network brought with it

    def __post_init__(self) -> None:
        if self.teacher is not None:
            object.__setattr__(self, "recipe", self.recipe.taught())

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, the weights to start with and the teacher's as their files.

        Raises OSError where such a file is gone.
        """
        start = None if self.start is None else _named(self.start)
        values = {
            "network": json.loads(self.network.to_json()),
            "data": self.data.to_dict(),
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            "start": start,
            "tuning": asdict(self.tuning),
            "teacher": None if self.teacher is None else _named_teacher(self.teacher),
            **({"own": dict(self.own)} if self.own else {}),
        }
        of_json: dict[str, Any] = json.loads(json.dumps(values))  # lists, where there are tuples
        return of_json

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], with_start: bool) -> Job:
        """The inverse of `to_dict`; only `with_start` are the weights to start with read.

        `values` are of `nas.checks.schemas.JOB`. Raises ValueError where the weights, or the teacher's, are gone or
        changed.
        """
        tuning = dict(values["tuning"])
        return cls(
            network=from_document(values["network"]),
            data=DataSource.from_dict(values["data"]),
            recipe=Recipe(**values["recipe"]),
            seed=values["seed"],
            device=values["device"],
            threads=values["threads"],
            start=_read(values["start"]) if with_start and values["start"] else None,
            tuning=FineTuning(**tuning | {"freeze": tuple(tuning["freeze"])}),
            teacher=_read_teacher(values["teacher"]) if values.get("teacher") else None,
            own=checked(values.get("own", {})),
        )


def changes(began: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two `Job.to_dict` that a training cannot go on with, one `name: old -> new` each.

    Where the data are and what computes may differ.
    """
    alike = {"device": began["device"], "data": now["data"] | {"folder": began["data"]["folder"]}}
    return differences(began, now | alike)


def _named(start: Start) -> dict[str, Any]:
    return _noted(start.weights) | {"fresh": start.fresh}


def _read(start: Mapping[str, Any]) -> Start:
    return Start(_unchanged(start, "what the training was to start from"), tuple(start["fresh"]))


def _named_teacher(teacher: Teacher) -> dict[str, Any]:
    return {"network": json.loads(teacher.network.to_json()), **_noted(teacher.weights)}


def _read_teacher(teacher: Mapping[str, Any]) -> Teacher:
    weights = _unchanged(teacher, "the teacher that the training began with")
    return Teacher(from_document(teacher["network"]), weights)


def _noted(weights: Weights) -> dict[str, str]:
    """Which file they are of, and what was in it."""
    path = weights.path.resolve()
    return {"weights": str(path), "sha256": sha256_of(path)}


def _unchanged(noted: Mapping[str, Any], what: str) -> Weights:
    """The weights of the file that was `noted`. Raises ValueError where it is gone, or no longer `what` it was."""
    path = Path(noted["weights"])
    weights = Weights.read(path)
    if sha256_of(path) != noted["sha256"]:
        raise ValueError(f"{path} is not {what}: restore it, or begin anew")
    return weights
