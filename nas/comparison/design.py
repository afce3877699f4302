"""A comparison as an experiment: a space of two choices, the seed and the network, of which everything is trained.

So it is a run as any other: it has a folder and a ledger, works on either engine, and is continued when it was
interrupted. The seed is the first choice: whenever it stops, all networks have been trained equally often, but for the
last round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from torch import nn

from nas.checks.schemas import COMPARISON_SETTINGS
from nas.files import sha256_of
from nas.joint.fields import RESOLUTION, changed, split
from nas.ledger.run import Run
from nas.network import Designed, Network, below_head, original_of
from nas.references.resolve import described
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.transfer import StartFile
from searchspaces import Arch, Choice, Space
from searchspaces.cost import Cost, cost_of
from searchspaces.images import RGB

COMPARISON = "comparison"  # the kind of its runs


OWN = " by its own recipe"  # behind the name of a network that is trained by that


def kind_of(start: str, found: bool) -> str:
    """Of a network in a comparison, in a word: by the file of weights that it starts from, and who made it."""
    return "pretrained" if start else "found" if found else "hand-designed"


@dataclass(frozen=True)
class Candidate:
    """A network of a comparison, and what it is called there."""

    name: str
    network: Network
    start: str = ""  # the file of the weights that it starts from; "": random ones
    as_it_is: bool = False  # not made as wide as others
    recipe: str = ""  # its own, by which it is trained, as `+lr=0.1`; "": that of all

    @property
    def found(self) -> bool:
        """By a search, and trained from scratch by the one recipe.

        Else it is hand-designed, pretrained, what a search was around, or has a recipe of its own.
        """
        if self.recipe:
            return False
        is_designed = isinstance(below_head(self.network), Designed)
        return not self.start and not is_designed and original_of(self.network) != self.network

    @property
    def kind(self) -> str:
        """In a word, or a few."""
        return f"found,{OWN}" if self.recipe else kind_of(self.start, self.found)

    def pixels(self, usual: int) -> int:
        """Of its images, which are of the `usual` size where its recipe says nothing."""
        return int(split(self.recipe)[1].get(RESOLUTION, usual))

    def size(self, num_classes: int, image_size: int, channels: int | None = None) -> Cost:
        """For images of so many classes, pixels and channels, 3 by default. ValueError where it does not take such."""
        side = self.pixels(image_size)
        return cost_of(lambda: self.network.build(num_classes, side), side, channels)


@dataclass(frozen=True)
class ComparisonSpace(Space):
    """Every network with every seed. `networks` are what a person types for those that are called `names`.

    `starts` are the files of weights that they start from, "" for random ones, and `start_sha256` what is in these;
    both are empty where none has a file. How such are fine-tuned the next four say, as the options of `nas train` do.
    `recipes` are those of their own, "" for the one of all; empty where none has any.
    """

    names: tuple[str, ...]
    networks: tuple[str, ...]
    num_classes: int
    image_size: int  # pixels
    seeds: int = 3
    equal_seconds: bool = False  # a second run follows, in which all are trained for equally long
    ensemble: bool = False  # predictions are kept
    channels: int | None = None  # of an image; None: 3
    starts: tuple[str, ...] = ()
    start_sha256: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    train_last: int | None = None
    backbone_lr: float = 1.0
    recipes: tuple[str, ...] = ()
    name: ClassVar[str] = "comparison"

    def __post_init__(self) -> None:
        COMPARISON_SETTINGS.checked("", self.settings())
        for field in ("names", "networks", "starts", "start_sha256", "fresh", "freeze", "recipes"):
            object.__setattr__(self, field, tuple(getattr(self, field)))  # JSON has lists
        if len(self.names) != len(self.networks):
            raise ValueError(f"a comparison has {len(self.names)} names and {len(self.networks)} networks")
        if len(self.recipes) not in (0, len(self.names)):
            raise ValueError(f"a comparison has {len(self.names)} names and {len(self.recipes)} recipes of their own")
        if len(self.starts) not in (0, len(self.names)) or len(self.start_sha256) != len(self.starts):
            raise ValueError(f"a comparison has {len(self.names)} names and {len(self.starts)} files to start from")

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        num_classes: int,
        image_size: int,
        seeds: int,
        equal_seconds: bool,
        ensemble: bool,
        channels: int = RGB,
        fresh: tuple[str, ...] = (),
        tuning: FineTuning = EVERYTHING,
    ) -> ComparisonSpace:
        """Raises ValueError where a file to start from cannot be read."""
        names, networks = tuple(e.name for e in candidates), tuple(e.network.text for e in candidates)
        other = None if channels == RGB else channels
        own = tuple(e.recipe for e in candidates) if any(e.recipe for e in candidates) else ()
        plain = cls(names, networks, num_classes, image_size, seeds, equal_seconds, ensemble, other, recipes=own)
        if not any(candidate.start for candidate in candidates):
            return plain
        starts = tuple(candidate.start for candidate in candidates)
        hashes = tuple(sha256_of(Path(start)) if start else "" for start in starts)
        return replace(plain, starts=starts, start_sha256=hashes, fresh=fresh, **vars(tuning))

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """In the order of the choice."""
        starts = self.starts or ("",) * len(self.names)
        recipes = self.recipes or ("",) * len(self.names)
        given = zip(self.names, self.networks, starts, recipes, strict=True)
        return tuple(Candidate(name, described(text), start, recipe=own) for name, text, start, own in given)

    @cached_property
    def sizes(self) -> tuple[Cost, ...]:
        """Of the candidates. Raises ValueError where one does not take such images."""
        return tuple(candidate.size(self.num_classes, self.image_size, self.channels) for candidate in self.candidates)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("seed", tuple(range(self.seeds)), tag="seed "), Choice("network", self.names)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        candidate = self.candidates[arch[1]]
        return candidate.network.build(num_classes, image_size or candidate.pixels(self.image_size))

    def format(self, arch: Arch) -> str:
        return ", ".join(choice.text(index) for choice, index in zip(self.choices, arch, strict=True))

    def parse(self, text: str) -> Arch:
        of_seed, of_network = self.choices
        seed, _, name = text.partition(", ")
        if seed.removeprefix(of_seed.tag) not in map(str, of_seed.options) or name not in of_network.options:
            raise ValueError(f"{text!r} is no training of this comparison: write {self.format((0, 0))}")
        return int(seed.removeprefix(of_seed.tag)), self.names.index(name)

    def short_id(self, arch: Arch) -> str:
        """What it is, since that is short."""
        return self.format(arch)

    def network_of(self, arch: Arch) -> Network:
        return self.candidates[arch[1]].network

    def seed_of(self, arch: Arch) -> int:
        return arch[0]

    @property
    def of_one_recipe(self) -> ComparisonSpace:
        """This without the networks that have recipes of their own."""
        if not self.recipes:
            return self

        def kept(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(value for value, own in zip(values, self.recipes, strict=bool(values)) if not own)

        names, networks, starts, hashes = map(kept, (self.names, self.networks, self.starts, self.start_sha256))
        return replace(self, names=names, networks=networks, starts=starts, start_sha256=hashes, recipes=())

    def recipe_of(self, number: int, recipe: Recipe) -> Recipe:
        """By which candidate `number` is trained, where `recipe` is that of all."""
        own = split(self.recipes[number])[1] if self.recipes else {}
        return changed(recipe, own, self.image_size)

    def start_of(self, number: int) -> StartFile | None:
        """The weights that candidate `number` starts from; None of random ones."""
        if not self.starts or not self.starts[number]:
            return None
        tuning = FineTuning(self.freeze, self.train_last, self.backbone_lr)
        return StartFile(self.starts[number], self.start_sha256[number], self.fresh, tuning)


def comparison_of(run: Run) -> ComparisonSpace:
    """What `run` compares. Raises ValueError where it is another search."""
    if run.config.kind != COMPARISON:
        raise ValueError(f"{run.name} searches {run.config.space.name}: a comparison is a run of nas compare")
    comparison: ComparisonSpace = run.config.workload.comparison  # type: ignore[attr-defined]
    return comparison
