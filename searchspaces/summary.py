"""A network in some thirty figures of its shape, which say more of its accuracy than the choices that made it.

Two cells that differ in half of their choices may compute nearly the same, and two that differ in one may not: what
counts is what lies on a path from the image to the classes. So a surrogate (`nas.samplers.surrogate`) is given, beside
the choices, figures of the network itself, as GRAF (Kadlecová et al. 2024, arXiv:2404.13004) does: counts of operations
that are alive, and paths. They are of any network, in any space, and equal where two architectures build the same one.

A part of a network has a `Summary`, which is `sums` over all operations on its live paths (multiply-adds, parameters,
operations by kind, multiply-adds by resolution), and of its paths how many there are, and the `most` and the `least`
weighted layers, spatial kernels and pixels of reach on one. Of parts one after the other all of these add up: so the
rows of a `RowSpace` are summarised once each, and a network of them costs some additions. Where parts branch and join
(`through`), the paths are followed, and what lies on none is not counted.

The summary of any module is found by its forward, see `searchspaces.flow`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

KINDS = ("conv", "pointwise", "depthwise", "linear", "pool", "gate", "skip")
HALVINGS = 5  # resolutions by which multiply-adds are told apart: as large as the image, half, quarter, ...
SUMS = ("macs", "params", "activations", "depthwise macs", *KINDS, *(f"macs/{2**i}" for i in range(HALVINGS)))
PATHS = ("layers", "spatial", "reach")
FIGURES = (
    *("log macs", "log params", "log activations"),
    *KINDS,
    *(f"share of macs/{2**i}" for i in range(HALVINGS)),
    "share of depthwise macs",
    "log paths",
    *(f"most {name}" for name in PATHS),
    *(f"least {name}" for name in PATHS),
    "alive",
)
"""Of `Summary.figures`, in their order."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Of a part of a network; `a + b` is that of `a` and then `b`. `paths` 0: nothing gets through."""

    sums: Vector  # [len(SUMS)]
    most: Vector  # [len(PATHS)] on one path; `reach` in pixels of the network's image
    least: Vector
    paths: float = 1.0

    def __add__(self, after: Summary) -> Summary:
        return Summary(
            self.sums + after.sums, self.most + after.most, self.least + after.least, self.paths * after.paths
        )

    def widened(self, ratio: float) -> Summary:
        """At the width at which it has `ratio` times the multiply-adds: about, as if all of it went with the square."""
        factors = np.ones(len(SUMS))
        factors[[0, 1, 3, *range(len(SUMS) - HALVINGS, len(SUMS))]] = ratio
        factors[2] = math.sqrt(ratio)
        return Summary(self.sums * factors, self.most, self.least, self.paths)

    def times(self, repeats: int) -> Summary:
        """So many of it, one after the other."""
        return Summary(repeats * self.sums, repeats * self.most, repeats * self.least, self.paths**repeats)

    def figures(self) -> Vector:
        """`[len(FIGURES)]` finite numbers; those of a network that nothing gets through are zeros."""
        if not self.paths:
            return np.zeros(len(FIGURES))
        macs, params, activations, depthwise = self.sums[:4]
        kinds, by_resolution = self.sums[4 : 4 + len(KINDS)], self.sums[4 + len(KINDS) :]
        return np.array(
            [
                *(math.log1p(macs), math.log1p(params), math.log1p(activations)),
                *kinds,
                *(by_resolution / max(macs, 1)),
                depthwise / max(macs, 1),
                math.log(self.paths),
                *self.most,
                *self.least,
                1.0,
            ]
        )


def halvings(side: float) -> int:
    """Of the image's side to what is `side` times smaller, as far as they are told apart."""
    return min(max(round(math.log2(side)), 0), HALVINGS - 1)


def operation(kind: str, paths: Sequence[float] = (0.0, 0.0, 0.0), side: float = 1.0, **sums: float) -> Summary:
    """One operation: its `kind`, what it adds to a path (layers, spatial kernels, reach), and other sums by name.

    `side` is how many times smaller than the image what it puts out is.
    """
    given = dict(sums) | {kind: 1.0} if kind else dict(sums)
    if macs := given.get("macs", 0.0):
        given[f"macs/{2 ** halvings(side)}"] = macs
        if kind == "depthwise":
            given["depthwise macs"] = macs
    on_path = np.asarray(paths, dtype=float)
    return Summary(np.array([given.get(name, 0.0) for name in SUMS]), on_path, on_path)


NOTHING = operation("")
DEAD = Summary(NOTHING.sums, NOTHING.most, NOTHING.least, 0.0)
SKIP, POOL = operation("skip"), operation("pool")


def series(parts: Sequence[Summary]) -> Summary:
    """Of parts one after the other."""
    return Summary(
        np.add.reduce([part.sums for part in parts]),
        np.add.reduce([part.most for part in parts]),
        np.add.reduce([part.least for part in parts]),
        math.prod(part.paths for part in parts),
    )


class Part(NamedTuple):
    """A part that reads what others put out, by their positions; -1 is what goes into all of it.

    What it reads is added or joined as channels. `beside` are those that it reads and no path goes through.
    """

    summary: Summary
    reads: tuple[int, ...]
    beside: tuple[int, ...] = ()


def through(parts: Sequence[Part], ends: Sequence[int]) -> Summary:
    """Of `parts`, each of which reads earlier ones, where `ends` are joined as what comes out."""
    # Of numbers and not of arrays: a cell has dozens of parts, and a search asks for hundreds of cells at a time.
    most: list[tuple[float, ...]] = []
    least: list[tuple[float, ...]] = []
    paths: list[float] = []
    begin = (0.0,) * len(PATHS)

    def joined(reads: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        alive = [i for i in reads if i < 0 or paths[i]]
        if len(alive) == 1:
            (one,) = alive
            return (begin, begin, 1.0) if one < 0 else (most[one], least[one], paths[one])
        if not alive:
            return begin, begin, 0.0
        tops = [begin if i < 0 else most[i] for i in alive]
        bottoms = [begin if i < 0 else least[i] for i in alive]
        return tuple(map(max, *tops)), tuple(map(min, *bottoms)), sum(1.0 if i < 0 else paths[i] for i in alive)

    for summary, reads, _ in parts:
        top, bottom, count = joined(reads)
        most.append(tuple(map(add, top, summary.most.tolist())))
        least.append(tuple(map(add, bottom, summary.least.tolist())))
        paths.append(min(count * summary.paths, MOST_PATHS))
    top, bottom, count = joined(ends)
    used = {i for i in ends if i >= 0 and paths[i]}
    for i in reversed(range(len(parts))):
        if i in used:
            used |= {j for j in (*parts[i].reads, *parts[i].beside) if j >= 0 and paths[j]}
    sums = np.add.reduce([parts[i].summary.sums for i in used]) if used and count else NOTHING.sums
    return Summary(sums, np.array(top), np.array(bottom), min(count, MOST_PATHS))


MOST_PATHS = 1e100  # of a deep network of residual blocks there are more than a number holds
