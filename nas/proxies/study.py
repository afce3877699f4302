"""A study of proxies: some networks, each trained long and in every short way, with several seeds.

The long training is the truth. It is also the source of proxies that cost nothing here: it is evaluated on the way, and
stopping it there would have given what was seen. That is the *full schedule, cut*: its learning rate is still high. A
*short training* has a schedule of its own, which ends with it; it may see fewer images, or smaller ones. Around a
network whose weights there are, a training may start from what each network has of these.

This is a search space of three choices, the seed, the training and the network, that is searched exhaustively: so it
has a run's folder and its ledger, runs on either engine, and is continued when it was interrupted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from torch import nn

from nas.checks.schemas import STUDY
from nas.ledger.config import Config
from nas.network import Found, Network
from nas.proxies.draw import Drawn
from nas.references.resolve import described
from nas.samplers import EXHAUSTIVE
from nas.text.units import parse_count
from nas.training.recipe import Recipe
from searchspaces import Arch, Choice, Space

FULL = "full"
STUDY_OF_PROXIES = "proxy study"  # the kind of its runs


@dataclass(frozen=True)
class Length:
    """How much a training sees: `images` different ones, `epochs` times, at so many `pixels`; None: the data's own.

    One that `inherits` starts from the weights that the study was given.
    """

    images: int
    epochs: int = 1
    pixels: int | None = None
    inherits: bool = False

    @classmethod
    def parse(cls, text: str, available: int) -> Length:
        """`12.5k`, `5kx4`, `12.5k@16`, `5k+init`. Raises ValueError for anything else, or where there are fewer images.

        More images than are `available`, without an `x`, are so many in equal passes.
        """
        match = re.fullmatch(r"([\d.]+[kKmM]?)(?:x(\d+))?(?:@(\d+))?(\+init)?", text.strip())
        if not match:
            raise ValueError(
                f"{text!r} is no training: write 12.5k, 5kx4 (5k images, 4 times), 12.5k@16 (pixels) or 5k+init (from "
                "the weights of --init)"
            )
        images, epochs = round(parse_count(match[1])), int(match[2] or 1)
        if images < 1 or epochs < 1:
            raise ValueError(f"{text!r} is no training: it has at least one image")
        if match[2] and images > available:
            raise ValueError(f"{text!r}: there are {available:,} images to train")
        passes = max(epochs, math.ceil(images / available))
        pixels = int(match[3]) if match[3] else None
        return cls(images if match[2] else images // passes, passes, pixels, match[4] is not None)

    @property
    def text(self) -> str:
        """What `parse` reads."""
        count = f"{self.images / 1000:.10g}k" if self.images >= 1000 else str(self.images)
        often, small = f"x{self.epochs}" if self.epochs > 1 else "", f"@{self.pixels}" if self.pixels else ""
        return f"{count}{often}{small}{'+init' if self.inherits else ''}"

    @property
    def seen(self) -> int:
        """Images, each counted as often as it is seen."""
        return self.images * self.epochs

    def of(self, recipe: Recipe) -> Recipe:
        """`recipe` for so long."""
        pixels = self.pixels or recipe.image_size
        return replace(recipe, epochs=self.epochs, subset=self.images, image_size=pixels)


def usual_cuts(full: Length) -> tuple[int, ...]:
    """Images after which the full schedule is cut, where nobody says: a sixteenth, an eighth, a quarter and a half."""
    return tuple(sorted({max(1, full.seen // part) for part in (16, 8, 4, 2)}))


def usual_shorts(full: Length, image_size: int, inherits: bool = False) -> tuple[Length, ...]:
    """Short trainings, where nobody says: an eighth, a quarter, both also at half the pixels, and few images often.

    Where there are weights to start from, the first two once more from these.
    """
    eighth, quarter = (min(full.images, full.seen // part) for part in (8, 4))
    small = max(8, image_size // 2)
    return (
        Length(eighth),
        Length(quarter),
        Length(eighth, pixels=small),
        Length(quarter, pixels=small),
        Length(max(1, eighth // 4), epochs=4),
        *((Length(eighth, inherits=True), Length(quarter, inherits=True)) if inherits else ()),
    )


# ------------------------------------------------------------------ the study as a space


@dataclass(frozen=True)
class ProxyStudy(Space):
    """Every network of a study with every training and every seed. `networks` and `shorts` are texts."""

    networks: tuple[str, ...]  # as a person types them
    shorts: tuple[str, ...]  # short trainings, each a `Length`
    cuts: tuple[int, ...]  # images after which the full training is evaluated
    image_size: int  # of the full training, in pixels
    images: int  # there are to train
    seeds: int = 2
    truth_inherits: bool = False  # whether the full training starts from the weights that the study was given, too
    name: ClassVar[str] = "proxies"

    def __post_init__(self) -> None:
        STUDY.checked("", self.settings())
        for field in ("networks", "shorts", "cuts"):
            object.__setattr__(self, field, tuple(getattr(self, field)))  # JSON has lists
        for text in self.shorts:
            Length.parse(text, self.images)  # raises ValueError where it is none

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The full trainings of a seed come before its short ones: with them, their cuts are known."""
        return (
            Choice("seed", tuple(range(self.seeds)), tag="seed"),
            Choice("training", self.trainings),
            Choice("network", tuple(range(len(self.networks))), tag="n"),
        )

    @property
    def trainings(self) -> tuple[str, ...]:
        return FULL, *self.shorts

    @cached_property
    def lengths(self) -> dict[str, Length]:
        """Of the short trainings."""
        return {text: Length.parse(text, self.images) for text in self.shorts}

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.network_of(arch).build(num_classes, image_size or self.pixels_of(arch))

    def short_id(self, arch: Arch) -> str:
        """What it is, since that is short."""
        return self.format(arch)

    def network_of(self, arch: Arch) -> Network:
        return described(self.networks[arch[2]])

    def seed_of(self, arch: Arch) -> int:
        return arch[0]

    def pixels_of(self, arch: Arch) -> int:
        length = self._length(arch)
        return length.pixels or self.image_size if length else self.image_size

    def recipe_of(self, arch: Arch, recipe: Recipe) -> Recipe:
        length = self._length(arch)
        return length.of(recipe) if length else recipe

    def inherits(self, arch: Arch) -> bool:
        length = self._length(arch)
        return length.inherits if length else self.truth_inherits

    def evaluations_of(self, arch: Arch) -> tuple[int, ...]:
        length = self._length(arch)
        return (length.seen,) if length else self.cuts

    def _length(self, arch: Arch) -> Length | None:
        """None for the full training."""
        return self.lengths.get(self.trainings[arch[1]])


def study_config(
    config: Config,
    drawn: Sequence[Drawn],
    shorts: Sequence[Length],
    cuts: Sequence[int],
    seeds: int,
    image_size: int,
    images: int,
    truth_inherits: bool = False,
) -> Config:
    """The run that trains the networks `drawn` from `config.space`, by its recipe and in every short way.

    Raises ValueError where a cut or a short training is not shorter than the full one, or where one is to start from
    weights and `config` has none, or the other way round.
    """
    inherits = truth_inherits or any(short.inherits for short in shorts)
    if inherits and config.init is None:
        raise ValueError("a training with +init starts from given weights: add --init WEIGHTS")
    if config.init is not None and not inherits:
        raise ValueError(
            "no training is to start from --init: write +init behind those that are, as in --short 5k+init"
        )
    recipe = config.recipe
    full = recipe.epochs * (images if recipe.subset is None else recipe.subset)
    for cut in cuts:
        if not recipe.batch_size <= cut < full:
            raise ValueError(f"--cuts are of {recipe.batch_size} to {full - 1:,} images, within the full training")
    for short in shorts:
        if short.seen >= full:
            raise ValueError(f"--short {short.text} is not shorter than the full training of {full:,} images")
        if short.pixels and short.pixels > image_size:
            raise ValueError(f"--short {short.text}: the full training has images of {image_size} pixels")
    texts = tuple(dict.fromkeys(short.text for short in shorts))
    networks = tuple(Found(config.space, one.arch).text for one in drawn)
    study = ProxyStudy(networks, texts, tuple(sorted(set(cuts))), image_size, images, seeds, truth_inherits)
    return replace(config, space=study, strategy=EXHAUSTIVE, kind=STUDY_OF_PROXIES)
