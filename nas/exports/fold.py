"""Batch norms folded: the layer before one takes over its scale and shift, where nothing else would notice.

In evaluation mode a batch norm is `x * scale + shift` of each channel, which the weights of the convolution or linear
layer before it can do as well. That is right only where the norm is all that reads the layer's output, and the layer
all that reads its weights. So it is not looked up in how modules are nested, but in the graph of all the operations of
a forward, which `torch.export` traces for batches of any size and any values of the pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Node

from nas.exports.formats import to_program
from searchspaces.images import RGB
from searchspaces.modules import TensorFlowConv2d

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.Linear, TensorFlowConv2d)
"""Their weights alone decide what they compute. A subclass may do more, and stays."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
EXACT = (torch.float32, torch.float64)  # rounding weights of fewer bits once more would be seen in the logits

_aten = torch.ops.aten
_LAYERS = frozenset(
    {_aten.conv1d, _aten.conv2d, _aten.conv3d}
    | {_aten.conv_transpose1d, _aten.conv_transpose2d, _aten.conv_transpose3d, _aten.linear}
)


class Folding(NamedTuple):
    """A network in which `folded` of its `norms` batch norms are done by the layers before them."""

    module: nn.Module
    folded: int
    norms: int


def fold_batch_norms(module: nn.Module, image_size: int, channels: int = RGB) -> Folding:
    """A copy of `module`, for evaluation, without the batch norms whose work the layers before them can do.

    Raises ValueError where `torch.export` cannot trace the network.
    """
    copy = deepcopy(module).cpu().eval()
    norms = sum(isinstance(part, NORMS) for part in copy.modules())
    if not norms:
        return Folding(copy, 0, 0)
    pairs = [pair for pair in _pairs(copy, image_size, channels) if _fold(copy, *pair)]
    return Folding(copy, len(pairs), norms)


def _pairs(module: nn.Module, image_size: int, channels: int) -> list[tuple[str, str]]:
    """The names of a layer and of the norm whose work it can do, for each such pair."""
    program = to_program(module, image_size, channels)
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    found = []
    for node in program.graph.nodes:
        if (
            node.target == _aten.batch_norm.default
            and _is_a_layer(before := node.args[0])
            and [*before.users] == [node]
        ):
            layer, norm = (_module_of(one, names) for one in (before, node))
            if layer is not None and norm is not None:
                found.append((layer, norm))
    alone = _held_once(module)
    return [pair for pair in found if alone.issuperset(pair)]


def _is_a_layer(node: Node) -> bool:
    """Whether `node` is a convolution or linear layer whose channels are those of a batch norm behind it."""
    if getattr(node.target, "overloadpacket", None) not in _LAYERS:
        return False
    weight = _tensors(node)["weight"]
    return weight is not None and node.meta["val"].ndim == weight.meta["val"].ndim  # a linear layer's [B, T, C] is not


def _module_of(node: Node, names: Mapping[str, str]) -> str | None:
    """The name of the module that has all the tensors of the layer or norm `node`, if no other operation reads them.

    `names` are those of the graph's inputs in the module.
    """
    tensors = {what: tensor for what, tensor in _tensors(node).items() if tensor is not None}
    if any([*tensor.users] != [node] or tensor.name not in names for tensor in tensors.values()):
        return None
    owners = {names[tensor.name].removesuffix(what) for what, tensor in tensors.items()}
    (owner,) = owners if len(owners) == 1 else ("",)  # `body.0.`
    return owner[:-1] if owner.endswith(".") else None


def _tensors(node: Node) -> dict[str, Node | None]:
    """What the layer or norm `node` reads beside its input, by what a module calls it."""
    given: Any = (*node.args[1:5], None)  # where there is no bias, it may be left out
    is_norm = node.target == _aten.batch_norm.default
    what = ("weight", "bias", "running_mean", "running_var") if is_norm else ("weight", "bias")
    return dict(zip(what, given, strict=False))


def _held_once(module: nn.Module) -> set[str]:
    """The names of the modules that have one place in `module`, as have their parameters, and no hooks."""
    places = Counter(id(part) for _, part in module.named_modules(remove_duplicate=False))
    tied = Counter(id(tensor) for _, tensor in module.named_parameters(remove_duplicate=False))
    return {
        name
        for name, part in module.named_modules()
        if places[id(part)] == 1
        and all(tied[id(tensor)] == 1 for tensor in part.parameters(recurse=False))
        and not any(value for attribute, value in vars(part).items() if attribute.endswith("_hooks"))
    }


def _fold(module: nn.Module, layer_name: str, norm_name: str) -> bool:
    """Have the layer do what the norm does, and put an Identity in its place; False where that is not to be had."""
    layer: Any = module.get_submodule(layer_name)
    norm: Any = module.get_submodule(norm_name)
    if type(layer) not in FOLDABLE or type(norm) not in NORMS or norm.training or norm.running_var is None:
        return False
    weight, old_bias = layer.weight, layer.bias
    if weight.dtype not in EXACT or norm.running_var.dtype != weight.dtype:
        return False
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = (variance + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.double())
    shift = -mean * scale + (0 if norm.bias is None else norm.bias.double())
    scaled = (weight.double() * _over(layer, scale)).to(weight.dtype)
    bias = (shift if old_bias is None else shift + old_bias.double() * scale).to(weight.dtype)
    if not (scaled.isfinite().all() and bias.isfinite().all()):
        return False
    layer.weight, layer.bias = (nn.Parameter(new.detach(), weight.requires_grad) for new in (scaled, bias))
    parent, _, last = norm_name.rpartition(".")
    setattr(module.get_submodule(parent), last, nn.Identity())
    return True


def _over(layer: Any, scale: Tensor) -> Tensor:
    """`scale`, one number an output channel, in a shape that multiplies the weights of `layer`."""
    ones = (1,) * (layer.weight.ndim - 2)
    if type(layer) not in TRANSPOSED:
        return scale.view(-1, 1, *ones)
    of_groups = scale.view(layer.groups, 1, -1).expand(-1, layer.in_channels // layer.groups, -1)
    return of_groups.reshape(layer.in_channels, -1, *ones)  # its weights are [in, out / groups, ...]
