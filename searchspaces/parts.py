"""A network cut into parts, each of which can be built alone: what is measured of it on a device, and predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from searchspaces.cost import shapes_only
from searchspaces.images import for_images_of, image_channels
from searchspaces.kernels import Part, part_of
from searchspaces.scaled import RowSpace, ScaledSpace, flat, followed_row
from searchspaces.space import Arch, Space


class Built(NamedTuple):
    """A part, and how to build it alone: a module for maps `[part.c_in, part.side_in, part.side_in]`."""

    part: Part
    build: Callable[[], nn.Module]


def parts_of(
    space: Space,
    arch: Arch,
    num_classes: int = 10,
    image_size: int = 32,
    channels: int | None = None,
    width: float | None = None,
) -> list[Built]:
    """The network of `arch`, cut into its rows; where it is no chain of rows, that of one map each, as one part.

    It is as wide as `space` has it, or, where that has widths, of a `width` that is given. Raises ValueError where the
    network does not take such images, or its forward needs numbers.
    """
    with for_images_of(channels):
        c, side = image_channels(), image_size
        if isinstance(space, RowSpace):
            found = []
            width = space.width_of(arch) if width is None else width
            for row in flat(space.rows(arch, width, num_classes, image_size)):
                part, _ = followed_row(row, c, side)
                found.append(Built(part, lambda row=row, c=c: row.layer()(c)[0]))  # type: ignore[misc]
                c, side = part.c_out, part.side_out
            return found

        def build() -> nn.Module:
            with for_images_of(channels):
                if width is not None and isinstance(space, ScaledSpace):
                    return space.network_at(arch, width, num_classes, image_size)
                return space.build(arch, num_classes, image_size)

        with shapes_only():
            module = build()
        return _children(module, build, c, side) or [Built(part_of(module, c, side), build)]


def _children(module: nn.Module, build: Callable[[], nn.Module], channels: int, side: int) -> list[Built]:
    """The children of `module`, where it is a chain of such as take and give one map each; else none."""
    if not isinstance(module, nn.Sequential):
        return []
    found = []
    for name, child in module.named_children():
        try:
            part = part_of(child, channels, side)
        except (ValueError, AttributeError):  # it takes two maps, or gives two
            return []
        found.append(Built(part, lambda name=name: build().get_submodule(name)))  # type: ignore[misc]
        channels, side = part.c_out, part.side_out
    return found
