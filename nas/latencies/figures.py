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
    groups, figures = _grouped(part.kernels), list[float]()
    for group in GROUPS:
        if kernels := groups[group]:
            figures += [_log_macs(kernels), _log_weights(kernels), len(kernels)]
            figures += [len(_uneven(kernels, block)) for block in BLOCKS]
        else:
            figures += _NOTHING
    figures += [_log_macs(part.kernels), _log_weights(part.kernels), _log_moved(part.kernels)]
    figures += [math.log(part.side_in), math.log(part.side_out), math.log(part.c_in), math.log(part.c_out)]
    figures += [max([kernel.size for kernel in part.kernels if kernel.kind != "pool"], default=0)]
    figures += [part.c_in % BLOCKS[0] > 0, part.c_out % BLOCKS[0] > 0]
    figures += [(part.c_in, part.side_in) == (part.c_out, part.side_out)]
    return np.array([*figures, len(groups["pool"]), part.calls], dtype=float)


def of_network(parts: Sequence[Part]) -> Array:
    """Of a whole network of `parts`, for images as large as the first takes."""
    kernels = [kernel for part in parts for kernel in part.kernels]
    macs = max(1, sum([kernel.macs for kernel in kernels]))
    groups, figures = _grouped(kernels), list[float]()
    for group in GROUPS:
        own = groups[group]
        figures += [_share(own, macs), _log_weights(own), len(own)]
        figures += [_share(_uneven(own, block), macs) for block in BLOCKS]
    figures += [_log_macs(kernels), _log_weights(kernels), _log_moved(kernels)]
    sides = [parts[0].side_in / 2**halving for halving in range(HALVINGS)]
    figures += [_share([k for k in kernels if side / 2 < k.side_out <= side], macs) for side in sides]
    return np.array([*figures, len(groups["pool"]), sum([part.calls for part in parts])], dtype=float)


_NOTHING = [0.0] * (3 + len(BLOCKS))  # of a group without kernels


def _grouped(kernels: Sequence[Kernel]) -> dict[str, list[Kernel]]:
    """By their kinds."""
    groups: dict[str, list[Kernel]] = {kind: [] for kind in KINDS}
    for kernel in kernels:
        groups[kernel.kind].append(kernel)
    return groups


def _uneven(kernels: Sequence[Kernel], block: int) -> list[Kernel]:
    """Those whose channels, in or out, are no multiple of `block`."""
    return [kernel for kernel in kernels if kernel.c_in % block or kernel.c_out % block]


def _share(kernels: Sequence[Kernel], macs: int) -> float:
    return sum([kernel.macs for kernel in kernels]) / macs


def _log_macs(kernels: Sequence[Kernel]) -> float:
    return math.log1p(sum([kernel.macs for kernel in kernels]))


def _log_weights(kernels: Sequence[Kernel]) -> float:
    return math.log1p(sum([kernel.weights for kernel in kernels]))


def _log_moved(kernels: Sequence[Kernel]) -> float:
    return math.log1p(sum([kernel.moved for kernel in kernels]))
