"""Where a network's maps become smaller: which layers do that, which could, and how they are made to or not to."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from searchspaces.around.channels import Followed
from searchspaces.around.widths import is_in
from searchspaces.modules import PadChannels, TensorFlowAvgPool2d, TensorFlowConv2d, TensorFlowMaxPool2d, pair

POOLS = nn.MaxPool2d | nn.AvgPool2d
PADS_ITSELF = TensorFlowConv2d | TensorFlowMaxPool2d | TensorFlowAvgPool2d


def strided(followed: Followed, parts: Sequence[str], modules: dict[str, nn.Module]) -> tuple[tuple[str, ...], int]:
    """The layers by which the maps of `parts`, modules one after the other, are smaller than those before them, and how
    many times; none where one of them cannot keep the size, or where they are the same size.

    A pooling that is in no row of a paper by itself belongs to the part that runs next.
    """
    run = followed.order
    starts = next((n for n, name in enumerate(run) if is_in(name, parts)), len(run))
    while starts and isinstance(modules[run[starts - 1]], POOLS):
        starts -= 1
    ends = max((n for n, name in enumerate(run) if is_in(name, parts)), default=-1)
    found = tuple(name for name in run[starts : ends + 1] if _shrinks(followed, name, modules[name]))
    if not found or not all(_can_keep(modules[name]) for name in found):
        return (), 1
    before, after = followed.shapes[found[0]][0][-1], followed.shapes[found[-1]][1][-1]
    return (found, round(before / after)) if after > 1 else ((), 1)


def stridable(followed: Followed, parts: Sequence[str], modules: dict[str, nn.Module]) -> tuple[str, ...]:
    """The convolutions of a stage that keeps the size, which would halve it: the first one of more than a pixel, and a
    projection of what is added to what comes of that."""
    within = [(name, modules[name]) for name in followed.order if is_in(name, parts)]
    convs = {name: module for name, module in within if isinstance(module, nn.Conv2d)}
    windows = [name for name, conv in convs.items() if max(conv.kernel_size) > 1]
    if not windows or followed.shapes[windows[0]][1][-1] < 2 * 2:
        return ()
    first = next(iter(convs))
    projections = [
        name
        for name in convs
        if first in followed.producers  # what one filter a channel puts out has the labels of what it was given
        and name not in windows
        and name != first
        and followed.inputs.get(name) == followed.inputs.get(first)
    ]
    found = (windows[0], *projections)
    return found if all(_can_keep(convs[name]) for name in found) else ()


def set_stride(module: nn.Module, stride: int) -> nn.Module:
    """`module` with that stride, padded so that with 1 it keeps the size; what is to take its place."""
    if isinstance(module, PadChannels):
        module.subsample = stride
        return module
    assert isinstance(module, nn.Conv2d | POOLS)
    kernel = pair(module.kernel_size)
    if isinstance(module, POOLS) and stride == 1 and not _odd(kernel):
        return nn.Identity()
    if isinstance(module, nn.Conv2d):
        module.stride = stride, stride
    else:
        module.stride = stride
    if not isinstance(module, PADS_ITSELF):
        module.padding = (kernel[0] // 2, kernel[1] // 2)
        if isinstance(module, nn.Conv2d):
            module._reversed_padding_repeated_twice = [kernel[1] // 2] * 2 + [kernel[0] // 2] * 2
    return module


def _shrinks(followed: Followed, name: str, module: nn.Module) -> bool:
    given, out = followed.shapes.get(name, ((), ()))
    return isinstance(module, nn.Conv2d | POOLS | PadChannels) and len(given) == len(out) == 3 and given[-1] > out[-1]


def _can_keep(module: nn.Module) -> bool:
    """Whether it gives a map of the size that it is given, once its stride is 1."""
    if isinstance(module, PadChannels):
        return True
    assert isinstance(module, nn.Conv2d | POOLS)
    kernel = pair(module.kernel_size)
    if isinstance(module, nn.Conv2d):
        return _odd(kernel) and set(module.dilation) == {1} and module.padding_mode == "zeros"
    return _odd(kernel) or kernel == pair(module.stride)


def _odd(kernel: tuple[int, ...]) -> bool:
    return all(side % 2 == 1 for side in kernel)


def _conv(module: nn.Module) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module
