"""What can be trained: an architecture of a space, as it is or larger, or a hand-designed network by its name.

Each is built for so many classes, pixels a side and channels of an image, see `searchspaces.images`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas import baselines
from nas.baselines.zoo import DETECTORS, SEGMENTERS, scaled_name
from nas.detection.heads import HEADS as DETECTION_HEADS
from nas.heads import HEADS as PIXEL_HEADS
from nas.heads.segmenter import segmenter
from nas.text.units import format_count, parse_count
from searchspaces import Arch, Space
from searchspaces.around.space import AroundSpace
from searchspaces.bounded import bounded
from searchspaces.images import for_images_of, image_channels
from searchspaces.scaled import ScaledSpace


@dataclass(frozen=True)
class Found:
    """An architecture of a search space."""

    space: Space
    arch: Arch

    @property
    def name(self) -> str:
        return f"{self.space.name}:{self.space.short_id(self.arch)}"

    @property
    def text(self) -> str:
        """What a person can type for it: `mnas:...`, or `mnas@0.25:...` at a width multiplier.

        Other settings have their names: `compact@max_macs=8M:...`. The image size that was searched at is only said
        where it decides the network, which is with a limit; what is built is for the images that it is built for.
        """
        changed = self.space.changed_settings()
        if not (isinstance(self.space, ScaledSpace) and self.space.limited):
            changed.pop("image_size", None)
        said = [_value(v) if name == "width" else f"{name}={_value(v)}" for name, v in changed.items()]
        return f"{self.space.reference}{'@' if said else ''}{','.join(said)}:{self.space.format(self.arch)}"

    @property
    def dense(self) -> bool:
        """Whether it says a class of each pixel, and not of the image."""
        return False

    @property
    def detects(self) -> bool:
        """Whether it finds objects in the image, and says no class of it."""
        return False

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        with bounded(self.name), for_images_of(channels):
            return self.space.build(self.arch, num_classes, image_size)

    def to_json(self) -> str:
        return self.space.to_json(self.arch)


@dataclass(frozen=True)
class Designed:
    """One of `nas.baselines`."""

    name: str

    @property
    def text(self) -> str:
        """What a person can type for it."""
        return self.name

    @property
    def dense(self) -> bool:
        """Whether it says a class of each pixel, and not of the image."""
        return self.name in SEGMENTERS

    @property
    def detects(self) -> bool:
        """Whether it finds objects in the image, and says no class of it."""
        return self.name in DETECTORS

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        with bounded(self.name), for_images_of(channels):
            return baselines.build(self.name, num_classes, image_size)

    def to_json(self) -> str:
        return json.dumps({"baseline": self.name}, indent=2)


@dataclass(frozen=True)
class Scaled:
    """A found network with `width` times its channels and `depth` times its layers, for `image_size` pixels a side.

    Hand-designed ones have their multipliers in their name.
    """

    base: Found
    width: float
    depth: float
    image_size: int

    @property
    def name(self) -> str:
        return f"{self.base.name}{self.multipliers}"

    @property
    def text(self) -> str:
        """What a person can type for it: `mnas:...@1.1x1.2-36`."""
        return f"{self.base.text}{self.multipliers}"

    @property
    def multipliers(self) -> str:
        """What stands behind the base's name or text: `@1.1x1.2-36`."""
        return f"@{self.width:g}x{self.depth:g}-{self.image_size}"

    @property
    def dense(self) -> bool:
        return False

    @property
    def detects(self) -> bool:
        return False

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        with bounded(self.name), for_images_of(channels):
            return self.base.space.scaled(self.base.arch, self.width, self.depth, num_classes, image_size)

    def to_json(self) -> str:
        scaled = {"width": self.width, "depth": self.depth, "image_size": self.image_size}
        return json.dumps(json.loads(self.base.to_json()) | {"scaled": scaled}, indent=2)


@dataclass(frozen=True)
class WithHead:
    """Puts the `head` of that name on a network: what completes the networks of a space, see `searchspaces.scaled`."""

    head: str

    def __call__(self, network: nn.Module, num_classes: int, image_size: int) -> nn.Module:
        if self.head in DETECTION_HEADS:
            return DETECTION_HEADS[self.head](network, num_classes, image_size)
        return segmenter(network, self.head, num_classes, image_size, image_channels())


@dataclass(frozen=True)
class Headed:
    """A network without its classifier and with a head: of `nas.heads`, which says a class of each pixel, or of
    `nas.detection.heads`, which finds objects."""

    base: Found | Designed | Scaled
    head: str

    @property
    def name(self) -> str:
        return f"{self.head}:{self.base.name}"

    @property
    def text(self) -> str:
        """What a person can type for it: `fcn8:resnet18`, `unet:mnas:...`."""
        return f"{self.head}:{self.base.text}"

    @property
    def dense(self) -> bool:
        return self.head in PIXEL_HEADS

    @property
    def detects(self) -> bool:
        return self.head in DETECTION_HEADS

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        with for_images_of(channels):
            network = self.base.build(num_classes, image_size, channels)
            return WithHead(self.head)(network, num_classes, image_size)

    def to_json(self) -> str:
        return json.dumps({"head": self.head} | json.loads(self.base.to_json()), indent=2)


Network = Found | Designed | Scaled | Headed

HEADS = (*PIXEL_HEADS, *DETECTION_HEADS)
"""The names of all heads."""


def with_head(network: Network, head: str) -> Headed:
    """`network` with the `head` of that name in the place of its classifier. Raises ValueError where it has none."""
    if head not in HEADS:
        raise ValueError(f"there is no head {head!r}: choose one of {', '.join(HEADS)}")
    if isinstance(network, Headed) or network.dense or network.detects:
        does = "says a class of each pixel" if network.dense else "finds objects"
        raise ValueError(f"{network.name} {does} already: leave out the head {head}")
    return Headed(network, head)


def network_of(space: Space, arch: Arch, head: str | None = None) -> Found | Headed:
    """What a search in `space` trains of `arch`, as it is without that search: see `ScaledSpace.alone`."""
    found = Found(space.alone(arch) if isinstance(space, ScaledSpace) else space, arch)
    return found if head is None else with_head(found, head)


def is_of_image(network: Network) -> bool:
    """Whether it says something of the image as a whole: no class of each pixel, and not where objects are."""
    return not (network.dense or network.detects)


def below_head(network: Network) -> Network:
    """`network` with its own classifier, where it has a head."""
    return network.base if isinstance(network, Headed) else network


def original_of(network: Network) -> Network | None:
    """The network that was there before a search around it, with its head; None of what no such search found.

    One of the zoo is that; one of a person's own code is known by the space around it, as which it is trained.
    """
    if isinstance(network, Headed):
        original = original_of(network.base)
        return original and with_head(original, network.head)
    if not isinstance(network, Found) or not isinstance(network.space, AroundSpace):
        return None
    try:
        baselines.find(network.space.original_text)
    except ValueError:
        return Found(network.space, network.space.as_is)
    return Designed(network.space.original_text)


def grown(network: Network, width: float, depth: float, image_size: int) -> Network:
    """`network` with `width` times its channels and `depth` times its layers, for `image_size` pixels.

    Raises ValueError where it is a baseline that does not grow.
    """
    if isinstance(network, Headed):
        return Headed(grown(network.base, width, depth, image_size), network.head)  # type: ignore[arg-type]
    if isinstance(network, Designed):
        return Designed(scaled_name(network.name, width, depth, image_size))
    of = network if isinstance(network, Scaled) else Scaled(network, 1.0, 1.0, image_size)
    return Scaled(of.base, round(of.width * width, 4), round(of.depth * depth, 4), image_size)


_PLAIN = re.compile(r"(?!(true|false|null|NaN|Infinity)$)[A-Za-z_][\w./+-]*")


def _value(value: Any) -> str:
    """A setting as text that is read as that value again: `0.25`, `true`, `8M`, a word, or as JSON has it."""
    if isinstance(value, int) and value >= 1_000_000 and parse_count(format_count(value)) == value:
        return format_count(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    text = json.dumps(value, separators=(",", ":"))
    return re.sub(r'"([^"\\]|\\.)*"', lambda string: re.sub(r"[]:,@=[]", _escaped, string[0]), text)


def _escaped(character: re.Match[str]) -> str:
    """What parts a target's settings, as a JSON string may spell it."""
    return f"\\u{ord(character[0]):04x}"
