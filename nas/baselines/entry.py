"""What the zoo says of a network beside how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn

from searchspaces.layers import SMALL_IMAGE

Builder = Callable[..., nn.Module]  # (num_classes, image_size), and keywords for width and options


@dataclass(frozen=True)
class Baseline:
    """A network by its publication, and its `builder(num_classes, image_size)`.

    The builder's children are the rows of the paper's table, with the paper's names. It takes a keyword `width`
    (a multiplier of every layer's channels) where `scalable`, `depth` (of the layers of every stage, rounded up) where
    it `deepens`, and one keyword, True, for each of its `options`.
    """

    builder: Builder
    year: int
    paper: str  # "He et al., arXiv:1512.03385"
    image_size: int = 224  # pixels, in the publication
    num_classes: int = 1000  # in the publication
    data: str = "ImageNet"  # that it was published on
    top1: float | None = None  # published error in percent on that data
    top5: float | None = None
    errors: str = ""  # where these stand and how they were measured: "table 4, single crop"
    min_size: int = 1  # the least image that it takes, in pixels
    cifar: str = ""  # how its form for images of up to 64 pixels differs; empty where the field uses none
    options: Mapping[str, str] = field(default_factory=dict)  # what `NAME+OPTION` switches on
    scalable: bool = False
    deepens: bool = False

    @property
    def for_small_images(self) -> bool:
        """Whether it is made for images of 32 pixels, or has a form that is."""
        return bool(self.cifar) or self.image_size <= SMALL_IMAGE

    def changed(self, **keywords: Any) -> Baseline:
        """Another network of the same publication: `builder` gets `keywords`, and no errors are published of it."""
        return replace(self, builder=partial(self.builder, **keywords), top1=None, top5=None, errors="")
