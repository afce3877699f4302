"""Smaller and faster networks with the weights that there are: weights pruned, arithmetic in int8.

The steps are those of Han, Mao, Dally: "Deep Compression" (2015, arXiv:1510.00149), with what PyTorch gives for each:
pruning by magnitude, quantisation (torchao's PT2E, weights with a scale for each channel), and coding, for which gzip
stands. Not done: their retraining after each step, and weights that are shared rather than rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from nas.exports.formats import quietly


def prune(module: nn.Module, share: float) -> nn.Module:
    """A copy of `module` without the `share` (0..1) of its convolutions' and linear layers' weights closest to zero.

    They are zeros: the file is as large, until it is compressed. The threshold is one for the whole network.
    """
    pruned = deepcopy(module)
    layers = [part for part in pruned.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    if not layers:
        raise ValueError("--prune is of the weights of convolutions and linear layers, which this network has none of")
    with torch.no_grad():
        magnitudes = torch.cat([layer.weight.abs().flatten() for layer in layers])
        threshold = magnitudes.kthvalue(max(1, round(share * len(magnitudes)))).values
        for layer in layers:
            layer.weight[layer.weight.abs() <= threshold] = 0
    return pruned


def quantize(program: torch.export.ExportedProgram, batches: Iterable[Tensor], dynamic: bool) -> Any:
    """`program` with int8 weights and activations, as a module for ONNX and .pt2 files.

    Static: of convolutions and linear layers, activations scaled by what `batches` of images show. `dynamic`: of
    linear layers, activations scaled as they come. Raises ValueError without torchao, or where it cannot.
    """
    module = quantized_by(_x86_quantizer(dynamic), program, batches)
    if not any("dequantize" in str(node.target) for node in module.graph.nodes):
        raise ValueError("there is nothing in this network that --quantize dynamic, which is of linear layers, changes")
    return module


def quantized_by(quantizer: Any, program: torch.export.ExportedProgram, batches: Iterable[Tensor]) -> Any:
    """`program`, as a module, in int8 where a `quantizer` of PT2E says so, scaled by what `batches` of images show."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with quietly(), torch.no_grad():
        observed = prepare_pt2e(program.module(), quantizer)
        for images in batches:
            observed(images)
        module = convert_pt2e(observed)
    _forget_unused(module)
    return module


def _forget_unused(module: torch.fx.GraphModule) -> None:
    """Delete the tensors that the graph does not read: torchao keeps the float32 weights beside the int8 ones."""
    read = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in [*dict(module.named_parameters()), *dict(module.named_buffers())]:
        if name not in read:
            holder, _, last = name.rpartition(".")
            delattr(module.get_submodule(holder), last)


def _x86_quantizer(dynamic: bool) -> Any:
    """What says which layers, for x86 and what else reads ONNX and .pt2 files."""
    with quietly():
        try:
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
        except ModuleNotFoundError:
            raise ValueError("--quantize needs torchao: pip install torchao") from None
    config = x86.get_default_x86_inductor_quantization_config(is_dynamic=dynamic)
    quantizer = x86.X86InductorQuantizer()
    if dynamic:
        quantizer.set_function_type_qconfig(nn.functional.linear, config)
    else:
        quantizer.set_global(config)
    return quantizer
