"""Block strings: a mobile network's blocks as MnasNet's authors write them, and timm after them.

    ds_r1_k3_s1_e1_c16_noskip
    ir_r3_k5_s2_e3_c40_se0.25

`ds` is a depthwise-separable convolution, `ir` an inverted residual (MBConv) with expansion `e`, `cn` a plain
convolution; `r` how many times it is repeated, `k` its kernel, `s` the stride of the first, `c` its output channels,
`se` the ratio of squeeze-and-excitation to its *input* channels. `ds` and `ir` have an identity where the shape is
kept unless they say `noskip`; `cn` has one only if it says `skip`.

They are the blocks alone. `mnas` has seven, between a stem and a last 1x1 convolution of its own; of `compact`, whose
stem and last convolution are searched, they are all the rows but the classifier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from searchspaces import compact, mnas
from searchspaces.compact import Compact
from searchspaces.layers import SMALL_IMAGE
from searchspaces.mnas import Mnas
from searchspaces.space import Arch, Option

EXPANSIONS = {"sep": 1, "mb3": 3, "mb6": 6}


class BlockString(NamedTuple):
    """One block; `skip` where its layers have an identity if they can."""

    kind: str  # cn, ds or ir
    repeats: int
    kernel: int
    stride: int
    expand: int
    c: int
    se: float
    skip: bool

    def text(self) -> str:
        expand = "" if self.kind == "cn" else f"_e{self.expand}"
        se = f"_se{self.se:g}" if self.se else ""
        skip = {("cn", True): "_skip", ("ds", False): "_noskip", ("ir", False): "_noskip"}.get(
            (self.kind, self.skip), ""
        )
        return f"{self.kind}_r{self.repeats}_k{self.kernel}_s{self.stride}{expand}_c{self.c}{se}{skip}"

    @property
    def op(self) -> str:
        """What a space calls it; with an expansion that is in none, a name that is in none."""
        return "conv" if self.kind == "cn" else "sep" if self.expand == 1 else f"mb{self.expand}"


def read(text: str) -> BlockString:
    """One block by its text. Raises ValueError that says what does not fit."""
    kind, *words = text.strip().split("_")
    skip = kind != "cn"
    values = {"r": 1.0, "k": 3.0, "s": 1.0, "e": 1.0, "se": 0.0}
    for word in words:
        match = re.fullmatch(r"(r|k|s|e|c|se)(\d+(?:\.\d+)?)", word)
        if word in ("skip", "noskip"):
            skip = word == "skip"
        elif match and (match[1] == "se" or "." not in match[2]):
            values[match[1]] = float(match[2])
        else:
            raise ValueError(
                f"{word!r} in the block {text!r} is none of r, k, s, e, c and se with a number, skip, noskip"
            )
    if kind not in ("cn", "ds", "ir") or "c" not in values or (kind != "ir" and values["e"] != 1):
        raise ValueError(
            f"a block is written ds_r1_k3_s1_e1_c16, ir_r3_k5_s2_e6_c40_se0.25 or cn_r1_k3_s1_c32, not {text!r}"
        )
    whole = {name: int(value) for name, value in values.items()}
    return BlockString(kind, whole["r"], whole["k"], whole["s"], whole["e"], whole["c"], values["se"], skip)


# ---------------------------------------------------------------------------- spaces


def format_blocks(space: Mnas | Compact, arch: Arch, image_size: int | None = None) -> list[str]:
    """The blocks of `arch`, top to bottom. Raises ValueError for one that block strings have no word for.

    `image_size`: the one whose strides `mnas` prints, by default the space's.
    """
    found = _of_mnas(space, arch, image_size) if isinstance(space, Mnas) else _of_compact(space, arch)
    return [block.text() for block in found]


def parse_blocks(space: Mnas | Compact, blocks: Sequence[str]) -> Arch:
    """The architecture whose blocks are `blocks`. Raises ValueError naming the first that it does not have."""
    found = [read(block) for block in blocks]
    return _to_mnas(space, found) if isinstance(space, Mnas) else _to_compact(space, found)


def _of_mnas(space: Mnas, arch: Arch, image_size: int | None) -> list[BlockString]:
    found = []
    for number, block in enumerate(space.blocks(space.canonical(arch), image_size), start=1):
        if block.skip == "pool" or (block.op == "conv" and block.se):
            what = "a pooling skip" if block.skip == "pool" else "a plain convolution with squeeze-excite"
            raise ValueError(f"mnas: block {number} has {what}, for which block strings have no word")
        found.append(_string(block.op, block.n, block.kernel, block.s, block.c, block.se, block.skip == "id"))
    return found


def _to_mnas(space: Mnas, blocks: Sequence[BlockString]) -> Arch:
    if len(blocks) != len(mnas.SKELETON):
        raise ValueError(f"mnas has {len(mnas.SKELETON)} blocks, got {len(blocks)}")
    strides = [[row[3 + small] for row in mnas.SKELETON] for small in (0, 1)]
    of_text = [block.stride for block in blocks]
    if of_text not in strides:
        forms = " or ".join(", ".join(map(str, form)) for form in strides)
        raise ValueError(f"mnas: the blocks' strides are {forms} (images up to {SMALL_IMAGE} pixels), not {of_text}")
    chosen = []
    for number, (block, (_, _, n, _, _)) in enumerate(zip(blocks, mnas.SKELETON, strict=True), start=1):
        layers = [max(1, n + extra) for extra in mnas.LAYERS]
        chosen.append(
            (
                _index(mnas.OPS, block.op, number, "operation", block),
                _index((3, 5), block.kernel, number, "kernel", block),
                _index((0.0, 0.25), block.se, number, "squeeze-excite", block),
                mnas.SKIPS.index("id" if block.skip else "none"),
                _index(layers, block.repeats, number, "number of layers", block),
            )
        )
    for filters, steps in space.filters_giving([block.c for block in blocks], space.steps):
        same = tuple(i for (*first, n), f in zip(chosen, filters, strict=True) for i in (*first, f, n))
        if space.step_of(same) in steps:
            return space.canonical(same)
    for number, (block, row) in enumerate(zip(blocks, mnas.SKELETON, strict=True), start=1):
        if not space.limited:
            channels = [space.channels(row[1] * factor, space.width) for factor in mnas.FILTERS]
            _index(channels, block.c, number, "number of channels", block)
    limits = ", ".join(f"max_{cost}={limit}" for cost, limit in space.limits.items())
    raise ValueError(f"mnas: at no width that {limits} allows do the blocks have these channels")


def _of_compact(space: Compact, arch: Arch) -> list[BlockString]:
    stride, stem, last = space.ends(arch)
    found = [_string("conv", 1, 3, stride, stem, 0.0)]
    for block in space.blocks(arch):
        if block.op == "basic":
            raise ValueError("compact: block strings have no word for a residual basic block")
        skip, before = block.op != "conv", found[-1]
        one = _string(block.op, 1, block.kernel, block.s, block.c, block.se, skip)
        repeats = len(found) > 1 and one == before._replace(repeats=1, stride=1)
        found[-1:] = [before._replace(repeats=before.repeats + 1)] if repeats else [before, one]
    return found + ([_string("conv", 1, 1, 1, last, 0.0)] if last else [])


def _to_compact(space: Compact, blocks: Sequence[BlockString]) -> Arch:
    stem = blocks[0] if blocks else BlockString("ds", 0, 0, 0, 0, 0, 0.0, False)
    if stem != _string("conv", 1, 3, stem.stride, stem.c, 0.0) or stem.stride not in compact.STRIDES:
        raise ValueError(
            "compact: the first block is the stem, cn_r1_k3_s1_c16 or another stride or number of channels"
        )
    others, last = list(blocks[1:]), 0
    if others and others[-1] == _string("conv", 1, 1, 1, others[-1].c, 0.0):
        last = others.pop().c
    layers = []
    for number, block in enumerate(others, start=2):
        kernels, ratios = (compact.KERNELS, compact.RATIOS) if block.kind != "cn" else ((3,), (0.0,))
        _index(compact.OPS, block.op, number, "operation", block)
        _index(kernels, block.kernel, number, "kernel", block)
        _index(ratios, block.se, number, "squeeze-excite", block)
        _index(compact.STRIDES, block.stride, number, "stride", block)
        if block.skip == (block.kind == "cn"):
            raise ValueError(f"compact: block {number} ({block.text()}): a cn has no skip, and ds and ir have one")
        first = compact.CompactBlock(block.op, block.kernel, block.se, block.c, block.stride)
        layers += [first, *[first._replace(s=1)] * (block.repeats - 1)]
    same = space.with_layers(stem.stride, stem.c, layers, last)
    if same is None:
        raise ValueError(
            f"compact: at the space's width no {compact.STAGES} stages of at most {max(compact.LAYERS)} layers have "
            "these layers and channels"
        )
    return same


def _string(op: str, repeats: int, kernel: int, stride: int, c: int, se: float, skip: bool = False) -> BlockString:
    kind = {"conv": "cn", "sep": "ds"}.get(op, "ir")
    return BlockString(kind, repeats, kernel, stride, EXPANSIONS.get(op, 1), c, se, skip)


def _index(options: Sequence[Option], value: Option, number: int, what: str, block: BlockString) -> int:
    """Where `value` is among `options`. Raises ValueError where it is not."""
    if value not in options:
        there = ", ".join(map(str, dict.fromkeys(options)))
        raise ValueError(
            f"block {number} ({block.text()}) is not in the space: its {what} is {value}, not one of {there}"
        )
    return options.index(value)
