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
from nas.ledger.run import Run
from nas.network import Designed, Network, original_of
from nas.references.resolve import described
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.transfer import StartFile
from searchspaces import Arch, Choice, Space
from searchspaces.cost import Cost, cost_of
from searchspaces.images import RGB

COMPARISON = "comparison"  # the kind of its runs


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

    @property
    def found(self) -> bool:
        """By a search, and trained from scratch; else it is hand-designed, pretrained, or what a search was around."""
        return not self.start and not isinstance(self.network, Designed) and original_of(self.network) != self.network

    @property
    def kind(self) -> str:
        """In a word."""
        return kind_of(self.start, self.found)

    def size(self, num_classes: int, image_size: int, channels: int | None = None) -> Cost:
        """For images of so many classes, pixels and channels, 3 by default. ValueError where it does not take such."""
        return cost_of(lambda: self.network.build(num_classes, image_size), image_size, channels)


@dataclass(frozen=True)
class ComparisonSpace(Space):
    """Every network with every seed. `networks` are what a person types for those that are called `names`.

    `starts` are the files of weights that they start from, "" for random ones, and `start_sha256` what is in these;
    both are empty where none has a file. How such are fine-tuned the last four say, as the options of `nas train` do.
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
    name: ClassVar[str] = "comparison"

    def __post_init__(self) -> None:
        COMPARISON_SETTINGS.checked("", self.settings())
        for field in ("names", "networks", "starts", "start_sha256", "fresh", "freeze"):
            object.__setattr__(self, field, tuple(getattr(self, field)))  # JSON has lists
        if len(self.names) != len(self.networks):
            raise ValueError(f"a comparison has {len(self.names)} names and {len(self.networks)} networks")
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
        plain = cls(names, networks, num_classes, image_size, seeds, equal_seconds, ensemble, other)
        if not any(candidate.start for candidate in candidates):
            return plain
        starts = tuple(candidate.start for candidate in candidates)
        hashes = tuple(sha256_of(Path(start)) if start else "" for start in starts)
        return replace(plain, starts=starts, start_sha256=hashes, fresh=fresh, **vars(tuning))

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """In the order of the choice."""
        starts = self.starts or ("",) * len(self.names)
        given = zip(self.names, self.networks, starts, strict=True)
        return tuple(Candidate(name, described(text), start) for name, text, start in given)

    @cached_property
    def sizes(self) -> tuple[Cost, ...]:
        """Of the candidates. Raises ValueError where one does not take such images."""
        return tuple(candidate.size(self.num_classes, self.image_size, self.channels) for candidate in self.candidates)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("seed", tuple(range(self.seeds)), tag="seed "), Choice("network", self.names)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.network_of(arch).build(num_classes, image_size or self.image_size)

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
