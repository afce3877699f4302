"""What goes into a soup: trainings of one network on the same images, and whether they have the same start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.checks import schema, schemas
from nas.comparison.candidates import split_start, weights_file
from nas.data.source import DataSource
from nas.exports.target import Source, read_source
from nas.files import RESULT, TRAINING, sha256_of
from nas.soups.mixing import Tensors
from nas.training.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One training: its `source` has the network with its weights, `result` what its result.json says, if it has one.

    `start` is the sha256 of the weights that it began with, "" of random ones; None where that is not known.
    """

    name: str
    source: Source
    result: Mapping[str, Any] | None
    start: str | None

    @property
    def path(self) -> Path:
        """The file of its weights."""
        assert self.source.weights is not None
        return self.source.weights.path

    @property
    def roots(self) -> frozenset[str]:
        """What it ended with, and what it is known to have begun with: those that have one in common are akin."""
        return frozenset({sha256_of(self.path), *([self.start] if self.start else [])})

    @property
    def tensors(self) -> Tensors:
        return self.source.module.state_dict()

    @property
    def recipe(self) -> Recipe:
        """By which it was trained; where nobody knows, the usual one at its pixels."""
        assert self.source.task is not None
        if self.result is not None and "recipe" in self.result:
            return Recipe(**self.result["recipe"])
        return Recipe(image_size=self.source.shape[1], metric=self.source.task.metric)


def read(targets: Sequence[str], runs_dir: Path) -> list[Member]:
    """The trainings that `targets` name: as `nas.exports.target.read_source`, or a network with +init=FILE.

    Raises ValueError where they are fewer than two, or no soup can be made of them.
    """
    members = [_read(target.rstrip("/"), runs_dir) for target in targets]
    members = list({member.path.resolve(): member for member in members}.values())  # each once, however it is spelled
    if len(members) < 2:
        raise ValueError(
            f"only {members[0].name} is there to go into the soup: name two trainings or more, or have some made by "
            "--init WEIGHTS --members 5"
        )
    for other in members[1:]:
        _check_alike(members[0], other)
    return members


def _read(target: str, runs_dir: Path) -> Member:
    name, start = split_start(target)
    source = read_source(name, weights_file(start) if start else None, runs_dir)
    assert source.weights is not None
    source.known_task()
    folder = source.weights.path.parent
    result = schema.read(folder / RESULT, schemas.RESULT) if (folder / RESULT).is_file() else None
    return Member(target, source, result, _start_in(folder, result))


def _start_in(folder: Path, result: Mapping[str, Any] | None) -> str | None:
    """What the training in `folder` began with, see `Member.start`; of a soup what all in it did."""
    if (folder / TRAINING).is_file():
        start = schema.read(folder / TRAINING, schemas.TRAINING)["job"]["start"]
        return "" if start is None else f"{start['sha256']}"
    start = None if result is None or "soup" not in result else result["start"]
    return None if start is None else f"{start['sha256']}"


def _check_alike(first: Member, other: Member) -> None:
    """Raises ValueError where the mean of the two networks' weights would be none of any network."""
    one, two = first.source, other.source
    if one.network.text != two.network.text or _shapes(first) != _shapes(other):
        raise ValueError(
            f"{first.name} is {one.network.name} and {other.name} is {two.network.name}: a soup is of one "
            "architecture, and `nas fuse` has different ones vote"
        )
    assert one.task is not None and two.task is not None
    if (one.task.class_names, one.task.targets) != (two.task.class_names, two.task.targets):
        raise ValueError(
            f"{first.name} and {other.name} are for other classes, labels or numbers: a soup is of the same"
        )
    if one.task.preprocessing != two.task.preprocessing:
        raise ValueError(
            f"{first.name} and {other.name} were trained on images of other pixels, or normalised otherwise: a soup is "
            "of trainings on the same"
        )


def _shapes(member: Member) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in member.tensors.items()}


def images_of(members: Sequence[Member]) -> DataSource | None:
    """What the first of them that says so was trained on. Raises ValueError where another has other images."""
    known = [(member.name, member.source.data) for member in members if member.source.data is not None]
    for name, data in known[1:]:
        first, usual = known[0]
        assert data is not None and usual is not None
        if data.name != usual.name or not data.labelled_as(usual):
            raise ValueError(
                f"{first} was trained on {usual.name}, {name} on {data.name}, or split or labelled otherwise: a soup "
                "is of trainings on the same images"
            )
    return known[0][1] if known else None
