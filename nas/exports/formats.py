"""Networks as ONNX and as `torch.export`'s programs: content of files, and files' content as functions again.

Both take batches of any size. ONNX is run by onnxruntime, a program by PyTorch. Both carry metadata, texts by names:
what the network is for, see `nas.data.task`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from nas.devices.onnx_runtime import onnx_packages, onnx_session
from nas.exports.inspected import checked_pt2
from searchspaces.images import RGB


class NotInstalled(ValueError):
    """What to install for a format."""


Logits = Callable[[Tensor], Tensor]  # images [B, C, H, W] -> logits [B, num_classes]
Metadata = Mapping[str, str]
NOTHING: Metadata = MappingProxyType({})
PT2_METADATA = "metadata.json"  # among the extra files of a .pt2


def to_program(
    module: nn.Module, image_size: int, channels: int = RGB, one_image: bool = False
) -> torch.export.ExportedProgram:
    """`module`, in evaluation mode, as `torch.export` traces it. Raises ValueError where it cannot.

    With `one_image` it takes batches of one image alone, and is traced and exported in half the time.
    """
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
    # Of one image the batch's size would be taken for a constant
    images = torch.zeros(1 if one_image else 2, channels, image_size, image_size, dtype=dtype)
    open_axis = None if one_image else ({0: torch.export.Dim("batch")},)
    try:
        with quietly():
            return torch.export.export(module, (images,), dynamic_shapes=open_axis)
    except Exception as error:  # the tracer's many ways
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"torch.export cannot trace this network for batches of any size: {reason}; a forward must not branch on "
            "values, and the batch's size is x.shape[0], not len(x)"
        ) from None


def pt2_bytes(program: torch.export.ExportedProgram, metadata: Metadata = NOTHING) -> bytes:
    """A .pt2 file's content."""
    file = io.BytesIO()
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where in whose files it was traced
    with quietly():
        torch.export.save(program, file, extra_files={PT2_METADATA: json.dumps(dict(metadata))})
    return file.getvalue()


def run_pt2(content: bytes) -> Logits:
    """What the content of a .pt2 file computes."""
    module = _load_pt2(content, {}).module()

    def logits(images: Tensor) -> Tensor:
        with torch.no_grad():
            out: Tensor = module(images)
        return out

    return logits


def pt2_metadata(content: bytes) -> dict[str, str]:
    """What the content of a .pt2 file says of the network; nothing in one that we did not write."""
    found = {PT2_METADATA: ""}
    _load_pt2(content, found)
    return dict(json.loads(found[PT2_METADATA] or "{}"))


def _load_pt2(content: bytes, extra_files: dict[str, str]) -> torch.export.ExportedProgram:
    """The program in the content of a .pt2 file; `extra_files` are filled."""
    import torch.ao.quantization.fx._decomposed  # whose operations int8 is of: PyTorch knows them from then on

    with quietly():
        return torch.export.load(io.BytesIO(content), extra_files=extra_files)


def onnx_bytes(program: torch.export.ExportedProgram, metadata: Metadata = NOTHING) -> bytes:
    """A .onnx file's content: `images` [batch, C, H, W] -> `logits` [batch, num_classes].

    Raises ValueError without the packages that it needs.
    """
    onnx, _ = onnx_packages()
    with quietly():
        exported = torch.onnx.export(
            program, dynamo=True, input_names=["images"], output_names=["logits"], verbose=False
        )
        assert exported is not None
        model = exported.model_proto
        for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
            node.ClearField("metadata_props")  # where in whose files it was traced
            node.ClearField("doc_string")
        _name_batch(model)
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _name_batch(model: Any) -> None:
    """Call the open axis of the ONNX `model` `batch` throughout: the tracer calls it by a number, `s31`."""
    graph = model.graph
    symbol = re.compile(rf"\b{re.escape(graph.input[0].type.tensor_type.shape.dim[0].dim_param)}\b")
    inner = [value for function in model.functions for value in function.value_info]
    for value in [*graph.input, *graph.output, *graph.value_info, *inner]:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:  # the symbol alone, or in an expression: 2*s31
                axis.dim_param = symbol.sub("batch", axis.dim_param)


def run_onnx(content: bytes) -> Logits:
    """What the content of a .onnx file computes, by onnxruntime on the CPU, with as many threads as PyTorch has."""
    session = onnx_session(content, torch.get_num_threads())

    def logits(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"images": images.contiguous().numpy()})[0])

    return logits


def onnx_metadata(content: bytes) -> dict[str, str]:
    """What the content of a .onnx file says of the network."""
    return dict(onnx_session(content, threads=1).get_modelmeta().custom_metadata_map)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without what the exporters say of packages that are not needed, and of their own next versions."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_TALKATIVE = ("torch.onnx._internal.exporter._registration", "torch.utils._pytree", "torchao")


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Of two tensors of logits; not a number where they are not finite."""
    return (one - other).abs().max().item()


def unchecked(content: bytes) -> bytes:
    """`content` as it is, of a format in which nothing can be harmful."""
    return content


@dataclass(frozen=True)
class Runnable:
    """How a format's files are run, and asked what the network in them is for."""

    run: Callable[[bytes], Logits]
    metadata: Callable[[bytes], dict[str, str]]
    checked: Callable[[bytes], bytes]  # of a file that anybody may have written, before it is run or asked


@dataclass(frozen=True)
class Program(Runnable):
    """Also how they are made."""

    to_bytes: Callable[[torch.export.ExportedProgram, Metadata], bytes]


PROGRAMS = {
    "onnx": Program(run_onnx, onnx_metadata, unchecked, onnx_bytes),
    "pt2": Program(run_pt2, pt2_metadata, checked_pt2, pt2_bytes),
}
