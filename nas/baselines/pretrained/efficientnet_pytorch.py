"""The names of EfficientNet-PyTorch's tensors (0.7), the library whose EfficientNets were the first in PyTorch.

Files of its kin (EfficientNet-Lite-PyTorch 0.1) have the same names. Its blocks are numbered through. The weights are
the authors' own, so convolutions are padded as TensorFlow does: they are of networks `+tf`.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import accumulate

from nas.baselines.pretrained.naming import Naming
from nas.baselines.pretrained.timm import ROW
from scaling.efficientnet import LITE, B, Coefficients, layers_at

FIRST = 2  # the row of our first blocks, which have no expansion
UNITS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


def _block(m: re.Match[str], starts: list[int]) -> str:
    return f"_blocks.{starts[int(m[1]) - FIRST] + int(m[2])}."


def _unit(m: re.Match[str], starts: list[int]) -> str:
    """A convolution or its norm; squeeze-and-excitation has its place before the last convolution."""
    layer = min(int(m[3]) + (int(m[1]) == FIRST), len(UNITS) - 1)
    return f"{_block(m, starts)}{UNITS[layer][int(m[4])]}."


def _member(of: Coefficients, lite: bool) -> Naming:
    starts = [0, *accumulate(layers_at(of.depth, lite))]
    return Naming(
        (
            (r"^stage1\.0\.", "_conv_stem."),
            (r"^stage1\.1\.", "_bn0."),
            (r"^stage9\.0\.0\.", "_conv_head."),
            (r"^stage9\.0\.1\.", "_bn1."),
            (r"^stage9\.1\.\d\.", "_fc."),
            (rf"{ROW}\d\.(reduce|expand)\.", lambda m: f"{_block(m, starts)}_se_{m[3]}."),
            (rf"{ROW}(\d)\.(\d)\.", partial(_unit, starts=starts)),
        )
    )


NAMINGS = {f"efficientnet_{name}+tf": _member(of, name in LITE) for name, of in {**B, **LITE}.items()}
