"""What a module does, in a few words: `3 x mbconv6 5x5/2 se + x`.

A stride stands behind its kernel, `+ x` is an identity skip, and what stands in `[a | b]` is side by side. Norms,
activations and dropout go without saying, and so do channels, which stand in a table's output.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

from torch import nn

from searchspaces.auxiliary import Tapped
from searchspaces.cells import LastOutput
from searchspaces.chain import Last, Reader
from searchspaces.modules import Concat, PadChannels, Residual, SqueezeExcite, pair

_SILENT = (
    nn.Sequential,  # an empty one
    nn.Identity,
    nn.Flatten,
    nn.Dropout,
    nn.BatchNorm2d,
    nn.LayerNorm,
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Hardswish,
    nn.GELU,
    nn.Tanh,
    LastOutput,
)


NAMES: dict[type[nn.Module], str] = {
    SqueezeExcite: "se",
    nn.LocalResponseNorm: "response norm",
    nn.ChannelShuffle: "shuffle",
    PadChannels: "padded",
}


class _Said(NamedTuple):
    """`words` for a module, and what is added to what it puts out."""

    words: str
    skip: str = ""

    @property
    def alike(self) -> str:
        """The same for the layers of a stage, of which the first may have a stride."""
        return re.sub(r"/\d+", "", self.words)


def describe(module: nn.Module) -> str:
    """What `module` does; a type of module that is not known here by its name."""
    return ", ".join(words + skip for words, skip in _said(module))


def _said(module: nn.Module) -> list[_Said]:
    match module:
        case nn.Sequential() if len(module):
            block = _inverted_bottleneck(module)
            said = [_Said(block)] if block else _repeated(module)
        case Residual():
            said = [_Said(describe(module.body), f" + {describe(module.shortcut) or 'x'}")]
        case Concat():
            said = [_Said(f"[{' | '.join(describe(branch) or 'x' for branch in module)}]")]
        case Tapped():
            said = _said(module.row)
        case Reader():
            said = [*_said(module.body), *_said(module.pool)]
        case Last():
            said = _said(module.body)
        case _:
            said = [] if isinstance(module, _SILENT) else [_Said(_single(module))]
    return said


def _single(module: nn.Module) -> str:
    """What a layer that is made of no others does."""
    match module:
        case nn.Conv2d():
            name = "dw" if module.groups == module.in_channels > 1 else "conv"
            groups = f" in {module.groups}" if name == "conv" and module.groups > 1 else ""
            words = f"{name} {_window(module)}{groups}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            words = f"{'max' if isinstance(module, nn.MaxPool2d) else 'avg'} pool {_window(module)}"
        case nn.AdaptiveAvgPool2d():
            words = "global pool" if module.output_size in (1, (1, 1)) else f"pool to {module.output_size}"
        case _:
            name = type(module).__name__.removesuffix("Module").strip("_")
            words = NAMES.get(type(module)) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return words


def _repeated(module: nn.Sequential) -> list[_Said]:
    """The children one after the other, `n x` for n alike in a row: the stride is the first's, the skip the last's."""
    children = [said for said in map(_said, module) if said]
    found: list[_Said] = []
    for _, group in groupby(children, key=lambda said: [one.alike for one in said]):
        first, *others = group
        if not others:
            found += first
        elif len(first) == 1 and re.fullmatch(r"\[.*\]|[^,\[]*", first[0].words) and first[0].words[1:4] != " x ":
            found.append(_Said(f"{1 + len(others)} x {first[0].words}", others[-1][-1].skip))
        elif len(first) == 1:
            found.append(_Said(f"{1 + len(others)} x ({first[0].words})", others[-1][-1].skip))
        else:
            found.append(_Said(f"{1 + len(others)} x ({', '.join(words + skip for words, skip in others[0])})"))
    return found


def _inverted_bottleneck(module: nn.Sequential) -> str:
    """`sep 3x3`, or `mbconv6 3x3` with its expansion; empty where `module` is neither."""
    excite = [part for part in module.modules() if isinstance(part, SqueezeExcite)]
    inside = {part for gate in excite for part in gate.modules()}
    parts = [part for part in module.modules() if part not in inside and not isinstance(part, _SILENT)]
    convs = [part for part in parts if isinstance(part, nn.Conv2d)]
    if len(convs) != len(parts) or not 2 <= len(convs) <= 3:
        return ""
    *expansion, filters, last = convs
    if filters.groups != filters.in_channels or filters.groups == 1 or not all(map(_pointwise, (*expansion, last))):
        return ""
    expand, rest = divmod(filters.in_channels, expansion[0].in_channels) if expansion else (1, 0)
    if rest or (expansion and expand == 1):
        return ""
    name = f"mbconv{expand}" if expansion else "sep"
    return f"{name} {_window(filters)}{' se' if excite else ''}"


def _pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == (1, 1) and conv.groups == 1


def _window(module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> str:
    """`3x3/2`: kernel and stride."""
    (height, width), strides = pair(module.kernel_size), pair(module.stride)
    steps = "" if strides == (1, 1) else f"/{'x'.join(str(s) for s in dict.fromkeys(strides))}"
    return f"{height}x{width}{steps}"
