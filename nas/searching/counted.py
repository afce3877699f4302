"""The costs of a network that its layers tell, for one image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from nas.checks.costs import OF_LAYERS
from searchspaces.cost import Cost, cost, shapes_only
from searchspaces.footprint import footprint
from searchspaces.images import for_images_of


def counted(
    build: Callable[[], nn.Module], image_size: int, channels: int, wanted: Collection[str] = ()
) -> dict[str, float]:
    """Of what `build` makes: MACs, parameters and activations, and memory and flash where they are `wanted`."""
    with for_images_of(channels), shapes_only():
        network = build()
    found: dict[str, float] = asdict(cost(network, image_size, channels))
    if {"memory", "flash"} & set(wanted):  # which take some milliseconds
        found |= asdict(footprint(network, image_size, channels))
    return {name: figure for name, figure in found.items() if name in OF_LAYERS or name in wanted}


def size_in(costs: Mapping[str, Any]) -> Cost:
    """Of what has all of `counted`."""
    return Cost(**{name: int(costs[name]) for name in OF_LAYERS})
