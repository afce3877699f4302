"""The multiply-adds of every network of a table, without building every network."""

from __future__ import annotations

import random
from collections.abc import Callable

from nas.searching.published import Published
from searchspaces import Arch, Space
from searchspaces.cost import cost_of

CHECKED = 24  # networks by which a sum is checked
IMAGE_SIZE = 32  # where the space does not say at which it searches
SLOW = 500  # networks from which on a person is told


def macs_of(table: Published, say: Callable[[str], None]) -> dict[Arch, float]:
    """The MACs of each architecture: as the table has them, else of the networks that we build.

    In many spaces each option adds its own cost, whatever the other choices: so it is with the operations of a cell. Of
    such a space one network is built, and one for each other option of each choice; that the sums are right is checked,
    to the last unit, on `CHECKED` random networks of the table. Of others each is built, once for all that are equal.
    """
    if table.macs:
        return table.macs
    archs = list(table.observed)
    shares = _shares(table.space)
    added = {arch: float(sum(share[option] for share, option in zip(shares, arch, strict=True))) for arch in archs}
    drawn = random.Random(0).sample(archs, min(CHECKED, len(archs)))
    if all(_macs(table.space, arch) == added[arch] for arch in drawn):
        return added
    canonical = {arch: table.space.canonical(arch) for arch in archs}
    different = dict.fromkeys(canonical.values())
    if len(different) > SLOW:
        say(f"the table has no column macs: building {len(different):,} networks to count their multiply-adds")
    built = {arch: float(_macs(table.space, arch)) for arch in different}
    return {arch: built[canonical[arch]] for arch in archs}


def _shares(space: Space) -> list[list[int]]:
    """What each option of a choice adds, if it always adds the same; the first choice's have what is always there."""
    base = (0,) * len(space.choices)
    fixed = _macs(space, base)
    shares = [
        [
            0 if option == 0 else _macs(space, (*base[:position], option, *base[position + 1 :])) - fixed
            for option in range(len(choice.options))
        ]
        for position, choice in enumerate(space.choices)
    ]
    return [[fixed + share for share in shares[0]], *shares[1:]]


def _macs(space: Space, arch: Arch) -> int:
    image_size = int(space.settings().get("image_size") or IMAGE_SIZE)
    return cost_of(lambda: space.build(arch, image_size=image_size), image_size).macs
