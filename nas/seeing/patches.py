"""The pieces of images that excite filters most, and what of these pieces does so.

Zeiler, Fergus: "Visualizing and Understanding Convolutional Networks" (2013, arXiv:1311.2901), figure 2: beside each
piece the deconvnet's projection of that one activation back to the pixels. Of an image only its strongest position
counts, so the pieces of a filter are of different images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.seeing.layers import Layer, Maps, Tapped
from nas.seeing.quiet import quiet
from searchspaces.receptive import Box

BATCH = 50


@dataclass(frozen=True)
class Excited:
    """How much a filter is excited at one position of an image, by the image's place among all; `box` is what of it
    that position sees."""

    value: float
    image: int
    row: int
    column: int
    box: Box


@dataclass(frozen=True)
class Filters:
    """Of a `layer` some filters by their numbers, each with what excites it most, the most first.

    `silent` filters of the layer are never above 0, of all that there are in it.
    """

    layer: Layer
    excited: dict[int, list[Excited]]
    silent: int


def excited(
    network: nn.Module,
    layers: Sequence[Layer],
    batches: Callable[[], Iterator[Tensor]],
    filters: int,
    patches: int,
    side: int,
    seed: int,
) -> list[Filters]:
    """For each of `layers` up to so many `filters`, drawn by the `seed` among those that are ever above 0, and for each
    the `patches` that excite it most.

    `batches` gives normalised images `[B, C, side, side]`, always in the same order. Of equals the first image counts.
    """
    best = [_Best(patches) for _ in layers]
    with Maps(network, layers) as maps, torch.inference_mode():
        for x in batches():
            for found, one in zip(maps.of(x), best, strict=True):
                one.add(found)
    return [_of_layer(layer, one, filters, side, seed) for layer, one in zip(layers, best, strict=True)]


def _of_layer(layer: Layer, best: _Best, filters: int, side: int, seed: int) -> Filters:
    loud = [number for number in range(layer.filters) if best.values[0, number] > 0]
    order = torch.randperm(len(loud), generator=torch.Generator().manual_seed(seed)).tolist()
    found = {}
    for number in sorted(loud[place] for place in order[:filters]):
        found[number] = [
            Excited(value, image, row, column, layer.field.box(row, column, side))
            for value, image, row, column in best.of(number, layer.side)
            if value > 0
        ]
    return Filters(layer, found, layer.filters - len(loud))


class _Best:
    """Where the images so far excite each filter most: `values`, `images` and `places`, all `[K, filters]`."""

    def __init__(self, patches: int) -> None:
        self.patches, self.count = patches, 0
        self.values = torch.empty(0)
        self.images = self.places = torch.empty(0, dtype=torch.int64)

    def add(self, maps: Tensor) -> None:
        """Of further images: `[B, filters, H, W]`."""
        values, places = maps.flatten(2).max(2)
        images = torch.arange(self.count, self.count + len(maps))[:, None].expand_as(places)
        if self.count:
            values = torch.cat([self.values, values])
            images, places = torch.cat([self.images, images]), torch.cat([self.places, places])
        self.count += len(maps)
        self.values, order = values.sort(dim=0, descending=True, stable=True)
        self.values = self.values[: self.patches]
        self.images, self.places = (kept.gather(0, order)[: self.patches] for kept in (images, places))

    def of(self, number: int, side: int) -> Iterator[tuple[float, int, int, int]]:
        """Of a filter: the value, the image, the row and the column, the strongest first."""
        parts = (part[:, number].tolist() for part in (self.values, self.images, self.places))
        for value, image, place in zip(*parts, strict=True):
            yield value, image, *divmod(place, side)


def deconvolved(network: nn.Module, layer: Layer, x: Tensor, number: int, places: Sequence[tuple[int, int]]) -> Tensor:
    """The deconvnet's projections of filter `number` at the position `(row, column)` of each of the images `x`.

    Shapes are `[B, C, H, W]`. `network` is one of `readied`, for which the deconvnet is defined: `activations`.
    """
    from captum.attr import Deconvolution

    with Maps(network, [layer]) as maps, quiet():
        found: Tensor = Deconvolution(Tapped(network, maps)).attribute(
            x.clone().requires_grad_(), target=[(number, row, column) for row, column in places]
        )
    return found.detach()
