"""Which networks a batch of a supernet's training goes through.

    single-path   one, each choice uniform (Guo et al. 2019, arXiv:1904.00420, section 3.2)
    elastic       the sandwich (Yu & Huang 2019, arXiv:1903.05134, section 3.1): of an architecture drawn so the largest
                  version, the smallest, and `BETWEEN` others. The largest learns from the labels, the rest from what it
                  says (in-place distillation, as in BigNAS: Yu et al. 2020, arXiv:2003.11142, section 3.1)

A version of an architecture has the same weights, more or fewer of them: another kernel, expansion, number of layers or
channels. Options that come with weights of their own, such as a plain convolution where there was MBConv, are no
versions of each other: a space may have many families, and each gets its sandwiches.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from searchspaces import Arch
from searchspaces.sharing import SINGLE_PATH, Sharing

BETWEEN = 2
"""Random versions in a sandwich: BigNAS has two."""

LOOKS = 8
"""Architectures in which two options must stand to each other in the same way to be versions."""


class Paths:
    """Draws the networks of a batch of `sharing` by `rng`: the one that learns from labels first."""

    def __init__(self, sharing: Sharing, rng: random.Random) -> None:
        self.sharing, self.rng = sharing, rng
        self.versions = () if sharing.way == SINGLE_PATH else _versions(sharing, rng)

    def draw(self) -> list[Arch]:
        """For a batch."""
        arch = self.sharing.space.sample(self.rng)
        if not self.versions:
            return [arch]
        of_arch = [versions[option] for versions, option in zip(self.versions, arch, strict=True)]
        between = [tuple(self.rng.choice(options) for options in of_arch) for _ in range(BETWEEN)]
        return [tuple(options[-1] for options in of_arch), *between, tuple(options[0] for options in of_arch)]


def _versions(sharing: Sharing, rng: random.Random) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Of each choice's each option all that are versions of it, itself among them, the cheapest first."""
    looks = [sharing.space.sample(rng) for _ in range(LOOKS)]
    return tuple(_of_choice(sharing, position, looks) for position in range(len(sharing.space.choices)))


def _of_choice(sharing: Sharing, position: int, looks: Sequence[Arch]) -> tuple[tuple[int, ...], ...]:
    options = range(len(sharing.space.choices[position].options))
    keys, macs = [], []
    for option in options:
        with_it = [(*arch[:position], option, *arch[position + 1 :]) for arch in looks]
        keys.append([sharing.keys(arch) for arch in with_it])
        macs.append(sum(sharing.macs(arch) for arch in with_it))

    def are_versions(one: int, other: int) -> bool:
        pairs = list(zip(keys[one], keys[other], strict=True))
        return all(a <= b for a, b in pairs) or all(b <= a for a, b in pairs)

    ordered = sorted(options, key=lambda option: macs[option])
    return tuple(tuple(other for other in ordered if are_versions(one, other)) for one in options)
