"""What a soup came to, step by step: of its members, their uniform soup, and the greedy one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from nas.data.targets import CLASSIFICATION, MULTILABEL
from nas.options.names import SOUPS
from nas.soups.mixing import Pot, Tensors, Tried, greedy, inside
from nas.statistics.bootstrap import DRAWS, draws, interval
from nas.statistics.differences import Interval
from nas.training.evaluation import Judged, judged

GREEDY, UNIFORM = SOUPS
FEW_DRAWS = 200  # of metrics that take long to compute


@dataclass(frozen=True)
class Ingredient:
    """A training by itself. `halfway` is what the mean of its weights and the best one's comes to on validation images,
    None of the best one; where it is far below both, they are of no common soup. `recipe` is what is its own of it."""

    name: str
    val: float
    test: float
    halfway: float | None
    akin: bool  # known to have begun with the weights that the best one began with
    recipe: Mapping[str, Any]


@dataclass(frozen=True)
class Mixed:
    """A soup of the `members` of these names."""

    name: str
    members: tuple[str, ...]
    val: float
    test: float


@dataclass(frozen=True)
class Added:
    """A step of the greedy soup: `val` and `test` are of the soup with this member, whether it was `kept` or not."""

    name: str
    val: float
    test: float
    kept: bool


@dataclass(frozen=True)
class Soup:
    """All of it. `best` is the member that is best on validation images, `mix` the name of the soup that is kept, and
    `gain` what that has on test images beside the best member, with the interval of such differences.

    `calibrated` is by how many training images norms got their statistics. Test images decide nothing of it.
    """

    metric: str
    mix: str
    best: str
    calibrated: int
    ingredients: tuple[Ingredient, ...]
    mixed: tuple[Mixed, ...]
    steps: tuple[Added, ...]
    gain: Interval

    @property
    def kept(self) -> Mixed:
        return next(mixed for mixed in self.mixed if mixed.name == self.mix)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: what result.json has as `soup`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Soup:
        """The inverse of `to_dict`; what else result.json has there is passed over."""
        return cls(
            values["metric"], values["mix"], values["best"], values["calibrated"],
            tuple(Ingredient(**one) for one in values["ingredients"]),
            tuple(Mixed(**one) for one in values["mixed"]),
            tuple(Added(**one) for one in values["steps"]),
            Interval(**values["gain"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Cooked:
    """A soup with what came of it: the `numbers` of the members in the one that is kept, what it `said` of the test
    images, and what it came to on validation images."""

    soup: Soup
    numbers: tuple[int, ...]
    said: Tensor
    val: Judged


def cook(
    pot: Pot,
    tensors: Sequence[Tensors],
    names: Sequence[str],
    recipes: Sequence[Mapping[str, Any]],
    roots: Sequence[frozenset[str]],
    mix: str,
) -> Cooked:
    """Judge the members, mix them uniformly and greedily, and find out what lies between them.

    `tensors`, `names`, `recipes` and `roots` are of each; those that have a root in common are akin. Afterwards the
    pot's module is the soup that `mix` names.
    """
    vals = [pot.judge([one]).quality for one in tensors]
    best = max(range(len(tensors)), key=lambda number: vals[number])
    halfway = [pot.judge([tensors[best], one]).quality if one is not tensors[best] else None for one in tensors]
    steps = greedy(pot, tensors, vals)
    chosen = {UNIFORM: [*range(len(tensors))], GREEDY: inside(steps)}
    alone = [pot.say([one]) for one in tensors]
    ingredients = tuple(
        Ingredient(name, val, _test(pot, said), between, bool(own & roots[best]), recipe)
        for name, val, said, between, own, recipe in zip(names, vals, alone, halfway, roots, recipes, strict=True)
    )
    added = _added(pot, tensors, names, steps)
    other, last = sorted(chosen, key=lambda name: name == mix)  # the one that is kept stays in the pot
    mixed, said = [], alone[best]
    for name in (other, last):
        some = [tensors[number] for number in chosen[name]]
        val, said = pot.judge(some), pot.say(some)
        mixed.append(Mixed(name, tuple(names[number] for number in chosen[name]), val.quality, _test(pot, said)))
    gain = _gain(pot, said, alone[best])
    soup = Soup(
        pot.recipe.metric, mix, names[best], pot.calibrated, ingredients,
        tuple(sorted(mixed, key=lambda one: one.name != UNIFORM)), added, gain,
    )  # fmt: skip
    return Cooked(soup, tuple(chosen[mix]), said, val)


def _added(pot: Pot, tensors: Sequence[Tensors], names: Sequence[str], steps: Sequence[Tried]) -> tuple[Added, ...]:
    """The `steps` with what each of the soups says of the test images."""
    found, now = [], list[int]()
    for step in steps:
        said = pot.say([tensors[number] for number in [*now, step.tried]])
        found.append(Added(names[step.tried], step.quality, _test(pot, said), step.kept))
        now += [step.tried] if step.kept else []
    return tuple(found)


def _test(pot: Pot, said: Tensor) -> float:
    return judged(said, pot.test.labels, pot.recipe.metric, pot.dataset.kind).quality


def _gain(pot: Pot, said: Tensor, alone: Tensor) -> Interval:
    """Of the soup that `said` this of the test images beside the network that said what it said `alone`."""
    metric, kind, labels = pot.recipe.metric, pot.dataset.kind, pot.test.labels

    def figures(places: Tensor) -> list[float]:
        return [judged(one[places], labels[places], metric, kind).quality for one in (said, alone)]

    is_quick = kind in (CLASSIFICATION, MULTILABEL) and metric in ("accuracy", "exact-match")
    drawn = draws(figures, len(labels), count=DRAWS if is_quick else FEW_DRAWS)
    estimate = _test(pot, said) - _test(pot, alone)
    return interval(estimate, drawn[:, 0] - drawn[:, 1])
