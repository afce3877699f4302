"""The grid search of compound scaling: how alpha, beta and gamma are found, for anybody's network.

Tan, Le (2019, arXiv:1905.11946), section 3.3, step 1: at phi = 1, so with twice the resources, a small grid search for
what depth, width and resolution grow by. The paper gives neither the grid nor what its points came to. Here a point is
a network whose *measured* multiply-adds are about twice the base's. Beside those stand the base itself, and what only
grows deeper, wider or sharper to as many multiply-adds (the paper's figure 8). Each is trained under one recipe with
several seeds.

This is a search space of two choices, the seed and the network, that is searched exhaustively: so it has a run's
folder and its ledger, runs on either engine, and is continued when it was interrupted. The seed is the first choice:
when the time is up, all networks have been trained equally often, but for the last round.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache, cached_property
from typing import ClassVar

from torch import nn

from nas.checks.schemas import GRID
from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.devices.measuring import Measuring
from nas.ledger.config import Config
from nas.network import Network
from nas.references.resolve import described
from nas.reward import Reward
from nas.samplers import EXHAUSTIVE
from nas.scale.family import Base
from nas.text.columns import table
from nas.text.units import format_count
from nas.training.recipe import Recipe
from scaling.compound import PAPER, Compound, image_size_at, largest, measured
from searchspaces import Arch, Choice, Space
from searchspaces.cost import Cost

BASE = Compound(1, 1, 1)
COMPOUND = "compound"
ALONE: dict[str, Callable[[float], Compound]] = {
    "depth only": lambda factor: Compound(factor, 1, 1),
    "width only": lambda factor: Compound(1, factor, 1),
    "resolution only": lambda factor: Compound(1, 1, factor),
}
GRID_OF_SCALINGS = "scaling grid"  # the kind of its runs
MOST, STEP = 10.0, 0.01  # of the factor by which one of them grows alone


def kind(compound: Compound) -> str:
    """`base`, one of `ALONE`, or `compound` where at least two of the three grow."""
    growing = [name for name, factor in zip(ALONE, astuple(compound), strict=True) if factor != 1]
    return growing[0] if len(growing) == 1 else COMPOUND if growing else "base"


def to_text(compound: Compound) -> str:
    """`d1.2-w1.1-r1.15`: what depth, width and resolution grow by."""
    return f"d{compound.alpha:g}-w{compound.beta:g}-r{compound.gamma:g}"


def name_of(compound: Compound) -> str:
    """What it is called in a table."""
    return to_text(compound) if kind(compound) == COMPOUND else kind(compound)


def from_text(text: str) -> Compound:
    """The inverse of `to_text`. Raises ValueError for anything else."""
    match = re.fullmatch(r"d([\d.]+)-w([\d.]+)-r([\d.]+)", text)
    if not match:
        raise ValueError(f"{text!r} is no triple: write d1.2-w1.1-r1.15")
    return Compound(*map(float, match.groups()))


# ------------------------------------------------------------------ what is compared


@dataclass(frozen=True)
class Candidate:
    """A network of the grid.

    `same` are the triples that, everything rounded, build the same network: at phi = 1 nothing tells them apart.
    """

    compound: Compound
    image_size: int  # pixels
    cost: Cost
    ratio: float  # of its measured multiply-adds to the base's
    same: tuple[Compound, ...] = ()

    @property
    def text(self) -> str:
        """For the grid's settings."""
        return "=".join(map(to_text, (self.compound, *self.same)))


def candidates(
    base: Base,
    triples: Sequence[Compound],
    target: float = 2.0,
    tolerance: float = 0.1,
    most: int | None = None,
) -> list[Candidate]:
    """The base, what grows in one dimension to `target` times its multiply-adds, and the `triples` that have as many.

    Those are measured, and `tolerance` is for the triples; single dimensions come as close as whole layers, channels
    and pixels let them. Triples that build one network are one candidate, by the name of the one whose formula is
    closest. With `most`, so many triples, as different as can be. Raises ValueError where there is no such triple or
    the base does not grow.
    """
    own = measured(base, BASE.at(1), base.num_classes)

    @cache
    def look(compound: Compound) -> Candidate | None:
        """None where the images would be so large that the network takes another form."""
        at = compound.at(1)
        try:
            size = measured(base, at, base.num_classes)
        except ValueError:
            return None
        return Candidate(compound, image_size_at(base, at), size, size.macs / own.macs)

    alone = [Candidate(BASE, base.image_size, own, 1.0), *(_alone(name, look, target) for name in ALONE)]
    found = {(c.cost, c.image_size): c for c in alone}
    for triple in sorted(triples, key=lambda t: abs(t.ratio - target)):
        seen = look(triple) if kind(triple) == COMPOUND else None
        if seen is None:
            continue
        key = seen.cost, seen.image_size
        if key in found:
            found[key] = replace(found[key], same=(*found[key].same, triple))
        elif abs(seen.ratio - target) <= tolerance + 1e-9:
            found[key] = seen
    compounds = [c for c in found.values() if kind(c.compound) == COMPOUND]
    if not compounds:
        raise ValueError(
            f"no triple of the grid measures {target:g} ± {tolerance:g} times the base's multiply-adds: "
            "make --step smaller or --tolerance larger"
        )
    chosen = compounds if most is None else _spread_out(compounds, most)
    singles = [c for c in found.values() if kind(c.compound) != COMPOUND]
    return [*singles, *sorted(chosen, key=lambda c: astuple(c.compound))]


def _alone(name: str, look: Callable[[Compound], Candidate | None], target: float) -> Candidate:
    """What grows in one dimension, to as close to `target` times the base's multiply-adds as it can be.

    Of the factors that build this network, the one closest to the formula's.
    """

    def at(more: float) -> Candidate | None:
        return look(ALONE[name](round(1 + more, 2)))

    def most(fits: Callable[[float], bool]) -> float:
        """The largest whose measured ratio fits."""
        found = largest(lambda more: (seen := at(more)) is not None and fits(seen.ratio), MOST - 1, STEP)
        assert found is not None  # at 0 it is the base
        return found

    below = most(lambda ratio: ratio <= target)
    near = [seen for seen in (at(below), at(below + STEP)) if seen]
    ratio = min((seen.ratio for seen in near), key=lambda ratio: abs(ratio - target))
    first = most(lambda other: other < ratio) + STEP if ratio > 1 else 0.0
    last = most(lambda other: other <= ratio)
    by_formula = target - 1 if name == "depth only" else math.sqrt(target) - 1
    found = at(min(max(by_formula, first), last))
    assert found is not None
    return found


def _spread_out(found: Sequence[Candidate], most: int) -> list[Candidate]:
    """`most` of `found`: the one closest to the paper's triple, then always the one farthest from those chosen."""

    def distance(a: Compound, b: Compound) -> float:
        return math.dist(*([math.log(factor) for factor in astuple(c)] for c in (a, b)))

    chosen = [min(found, key=lambda c: distance(c.compound, PAPER))]
    while len(chosen) < min(most, len(found)):
        chosen.append(max(found, key=lambda c: min(distance(c.compound, other.compound) for other in chosen)))
    return chosen


def candidates_table(found: Sequence[Candidate]) -> str:
    """What is going to be trained."""
    header = ("network", "alpha", "beta", "gamma", "pixels", "params", "MACs", "formula", "measured", "same as")
    rows = [
        (
            name_of(c.compound),
            *(f"{factor:g}" for factor in astuple(c.compound)),
            str(c.image_size),
            format_count(c.cost.params),
            format_count(c.cost.macs),
            f"x{c.compound.ratio:.2f}",
            f"x{c.ratio:.2f}",
            f"{len(c.same)} more" if c.same else "",
        )
        for c in found
    ]
    return table(header, rows)


# ------------------------------------------------------------------ the grid as a space


@dataclass(frozen=True)
class ScalingGrid(Space):
    """Every network of the grid with every seed. `base` is its name, as a person types it."""

    base: str
    image_size: int  # of the base, in pixels
    triples: tuple[str, ...]  # each by `to_text`, with those that build the same network behind "="
    seeds: int = 3
    name: ClassVar[str] = "scaling"

    def __post_init__(self) -> None:
        GRID.checked("", self.settings())
        object.__setattr__(self, "triples", tuple(self.triples))  # JSON has lists

    @property
    def choices(self) -> tuple[Choice, ...]:
        networks = tuple(text.partition("=")[0] for text in self.triples)
        return Choice("seed", tuple(range(self.seeds)), tag="seed"), Choice("network", networks)

    @cached_property
    def compounds(self) -> tuple[Compound, ...]:
        """The networks' triples, in the order of the choice."""
        return tuple(from_text(text.partition("=")[0]) for text in self.triples)

    @cached_property
    def grows(self) -> Base:
        return Base(described(self.base), 10, self.image_size)

    def compound(self, arch: Arch) -> Compound:
        return self.compounds[arch[1]]

    def same_as(self, compound: Compound) -> tuple[Compound, ...]:
        """The other triples that build the network of `compound`."""
        texts = self.triples[self.compounds.index(compound)].split("=")[1:]
        return tuple(map(from_text, texts))

    def image_size_of(self, compound: Compound) -> int:
        """Pixels at which the network of `compound` is trained."""
        return image_size_at(self.grows, compound.at(1))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.network_of(arch).build(num_classes, image_size or self.pixels_of(arch))

    def short_id(self, arch: Arch) -> str:
        """What it is, since that is short."""
        return self.format(arch)

    def network_of(self, arch: Arch) -> Network:
        at = self.compound(arch).at(1)
        return self.grows.scaled(at.width, at.depth, self.pixels_of(arch))

    def pixels_of(self, arch: Arch) -> int:
        return image_size_at(self.grows, self.compound(arch).at(1))

    def seed_of(self, arch: Arch) -> int:
        return arch[0]


def grid_config(
    base: Base,
    found: Sequence[Candidate],
    seeds: int,
    dataset: Dataset,
    source: DataSource,
    recipe: Recipe,
    device: str,
    threads: int,
    also: tuple[str, ...] = (),
    measuring: Measuring = Measuring(),  # noqa: B008
) -> Config:
    """The run that trains `found`, which grew from `base`, `seeds` times each under `recipe`, on what `source` loads.

    The recipe's image size is that of the largest, at which a folder of images has to be read. What `also` is found out
    of each network are costs, latency as `measuring` says.
    """
    space = ScalingGrid(base.network.text, base.image_size, tuple(c.text for c in found), seeds)
    recipe = replace(recipe, image_size=max(c.image_size for c in found))
    config = Config(
        space, dataset.name, recipe, Reward(), EXHAUSTIVE, 0, device=device, threads=threads, kind=GRID_OF_SCALINGS,
        also=also, measuring=measuring,
    )  # fmt: skip
    return config.on(source, dataset)
