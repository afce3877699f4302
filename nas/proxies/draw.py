"""Networks of a space, of very different sizes, for a study."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial

from searchspaces import Arch, Space
from searchspaces.cost import cost_of

POOL, TRIES = 5, 50  # for each network: how many to choose it from, and how often to look for those


@dataclass(frozen=True)
class Drawn:
    """An architecture, and its network's multiply-adds."""

    arch: Arch
    macs: int


def draw(
    space: Space,
    networks: int,
    seed: int,
    num_classes: int,
    image_size: int,
    least: float = 0,
    most: float = math.inf,
    channels: int | None = None,
) -> list[Drawn]:
    """`networks` random networks of `space` with `least` to `most` multiply-adds, the cheapest first.

    They are spread evenly over the logarithm of their multiply-adds, from the smallest to the largest of five times as
    many random ones: as they come, most would be of about one size. No two build the same network. Raises ValueError
    where there are not enough.
    """
    rng = random.Random(seed)
    pool: dict[Arch, Drawn] = {}
    looked_at = 0
    while len(pool) < POOL * networks and looked_at < TRIES * networks:
        arch = space.canonical(space.sample(rng))
        looked_at += 1
        if arch in pool:
            continue
        drawn = Drawn(arch, cost_of(partial(space.build, arch, num_classes, image_size), image_size, channels).macs)
        if least <= drawn.macs <= most:
            pool[arch] = drawn
    if len(pool) < networks:
        raise ValueError(
            f"{looked_at:,} random architectures have {len(pool)} different networks of that size, {networks} are "
            "wanted: make --networks fewer, or the range of --macs wider"
        )
    return _spread_out(list(pool.values()), networks)


def _spread_out(pool: list[Drawn], networks: int) -> list[Drawn]:
    """Always the one closest to the next of `networks` sizes that are evenly apart."""
    left = sorted(pool, key=lambda drawn: drawn.macs)
    low, high = math.log(left[0].macs), math.log(left[-1].macs)
    chosen = []
    for number in range(networks):
        wanted = low + (high - low) * number / max(1, networks - 1)
        nearest = min(left, key=lambda drawn: abs(math.log(drawn.macs) - wanted))
        left.remove(nearest)
        chosen.append(nearest)
    return sorted(chosen, key=lambda drawn: drawn.macs)
