"""What a network's time on a device depends on, in some thirty figures of its layers.

Beside multiply-adds, weights and the activations that are moved these say how many channels are no multiple of 4, 8 or
16. Runtimes lay maps out in blocks of so many channels, and what does not fill them may take a slower way: by
onnxruntime an MBConv with 126 inner channels took three times as long as one with 132. See docs/latency_table.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from searchspaces.kernels import KINDS, Kernel, Part

Array = NDArray[np.float64]

GROUPS = ("conv", "pointwise", "depthwise", "linear")
BLOCKS = (4, 8, 16)  # channels
HALVINGS = 4  # of the image's side, by which multiply-adds are told apart


def of_part(part: Part) -> Array:
    """Of one row: the same number of figures for each."""
    groups, whole = _summed(part.kernels, by_macs=False)
    figures: list[float] = []
    for group in GROUPS:
        macs, weights, *counts = groups[group]
        figures += [math.log1p(macs), math.log1p(weights), *counts]
    figures += whole
    figures += [math.log(part.side_in), math.log(part.side_out), math.log(part.c_in), math.log(part.c_out)]
    figures += [max([kernel.size for kernel in part.kernels if kernel.kind != "pool"], default=0)]
    figures += [part.c_in % BLOCKS[0] > 0, part.c_out % BLOCKS[0] > 0]
    figures += [(part.c_in, part.side_in) == (part.c_out, part.side_out)]
    return np.array([*figures, groups["pool"][2], part.calls], dtype=float)


def of_network(parts: Sequence[Part]) -> Array:
    """Of a whole network of `parts`, for images as large as the first takes."""
    kernels = [kernel for part in parts for kernel in part.kernels]
    groups, whole = _summed(kernels, by_macs=True)
    total = max(1, sum([kernel.macs for kernel in kernels]))
    figures: list[float] = []
    for group in GROUPS:
        macs, weights, count, *uneven = groups[group]
        figures += [macs / total, math.log1p(weights), count, *[share / total for share in uneven]]
    figures += whole
    sides = [parts[0].side_in / 2**halving for halving in range(HALVINGS)]
    figures += [sum([k.macs for k in kernels if side / 2 < k.side_out <= side]) / total for side in sides]
    return np.array([*figures, groups["pool"][2], sum([part.calls for part in parts])], dtype=float)


def _summed(kernels: Sequence[Kernel], by_macs: bool) -> tuple[dict[str, list[int]], list[float]]:
    """Of each kind of kernel: multiply-adds, weights, how many, and how many of them are uneven by each of `BLOCKS`.

    `by_macs`: of these, which have channels that are no multiple of a block, the multiply-adds. And of all kernels the
    logarithms of multiply-adds, weights and numbers moved. In one pass, since thousands of rows are asked for.
    """
    groups = {kind: [0] * (3 + len(BLOCKS)) for kind in KINDS}
    all_macs = all_weights = all_moved = 0
    for kind, _, c_in, c_out, side_in, side_out, weights, macs in kernels:
        own = groups[kind]
        own[0] += macs
        own[1] += weights
        own[2] += 1
        for number, block in enumerate(BLOCKS, 3):
            if c_in % block or c_out % block:
                own[number] += macs if by_macs else 1
        all_macs += macs
        all_weights += weights
        all_moved += c_in * side_in**2 + c_out * side_out**2
    return groups, [math.log1p(all_macs), math.log1p(all_weights), math.log1p(all_moved)]
