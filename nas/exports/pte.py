"""Networks as ExecuTorch's .pte files, for phones: the content of files, and files' content as functions.

A file takes one image, [1, C, H, W], and gives logits [1, num_classes], both in float32. Its layers are XNNPACK's,
which is what phones' CPUs run, in float32 or in int8; the portable operators of ExecuTorch do what XNNPACK has none
for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from importlib.util import find_spec
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from nas.exports.compress import quantized_by
from nas.exports.formats import NOTHING, Logits, Metadata, NotInstalled, quietly, to_program
from nas.exports.silence import silently

PTE = "pte"
METHOD = "forward"
PTE_METADATA = "nas"  # the method, of no inputs, that gives a file's metadata, JSON


def check_installed() -> None:
    """Raises NotInstalled where what writes and runs .pte files is not installed."""
    if find_spec("executorch") is None:
        raise NotInstalled("pte needs ExecuTorch, the extra `pte`: pip install executorch")


def pte_bytes(module: nn.Module, image_size: int, channels: int, metadata: Metadata = NOTHING) -> bytes:
    """A .pte file's content: `module`, in evaluation mode, for one image of `channels` and `image_size`.

    Raises ValueError without the package that it needs, and where that cannot convert the network.
    """
    check_installed()
    return _lowered(to_program(_in_order(module), image_size, channels, one_image=True), metadata)


def pte_int8_bytes(
    module: nn.Module,
    image_size: int,
    channels: int,
    calibration: Sequence[Tensor],
    metadata: Metadata = NOTHING,
) -> bytes:
    """The same in int8, as XNNPACK computes: weights, with a scale for each channel, and activations.

    These are scaled by what `calibration` shows: batches `[B, C, H, W]` of images normalised as in training. Raises
    ValueError as `pte_bytes` does.
    """
    check_installed()
    with quietly(), silently():
        from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack

        quantizer = xnnpack.XNNPACKQuantizer()
        quantizer.set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))
    quantized = quantized_by(quantizer, to_program(_in_order(module), image_size, channels), calibration)
    return _lowered(to_program(quantized, image_size, channels, one_image=True), metadata)


def _in_order(module: nn.Module) -> nn.Module:
    """A copy of `module`, in evaluation mode, with its weights channels first in memory: of what has been trained they
    may be last, which ExecuTorch's layout of maps stumbles over."""
    copy = deepcopy(module).eval()
    copy.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return copy


def _lowered(program: torch.export.ExportedProgram, metadata: Metadata) -> bytes:
    """The content of the .pte file of a `program` for one image."""
    with quietly(), silently():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            lowered = to_edge_transform_and_lower(
                program.run_decompositions({torch.ops.aten.pad.default: _cropped}),
                partitioner=[XnnpackPartitioner()],
                constant_methods={PTE_METADATA: _as_numbers(metadata)},
            )
            return bytes(lowered.to_executorch().buffer)
        except Exception as error:  # the converter's many ways
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"ExecuTorch cannot convert this network to pte: {reason}") from None


def _cropped(images: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """PyTorch's `pad` without numbers below 0 in it, as NASNet's reductions have: no kernel of ExecuTorch has these."""
    if mode != "constant" or min(pad) >= 0:
        return NotImplemented  # type: ignore[no-any-return]
    for pair in range(len(pad) // 2):  # the last axis comes first
        axis, before, after = images.dim() - 1 - pair, max(0, -pad[2 * pair]), max(0, -pad[2 * pair + 1])
        images = images.narrow(axis, before, images.shape[axis] - before - after)
    return torch.constant_pad_nd(images, [max(0, number) for number in pad], value or 0)


def _as_numbers(metadata: Metadata) -> Tensor:
    """JSON in UTF-8, a number a byte: a method gives tensors on every platform."""
    return torch.frombuffer(bytearray(json.dumps(dict(metadata)).encode()), dtype=torch.uint8)


def run_pte(content: bytes) -> Logits:
    """What the content of a .pte file computes, one image after the other, by ExecuTorch's runtime on the CPU."""
    program, alone = _program(content), Lock()  # all calls compute in the same memory

    def logits(images: Tensor) -> Tensor:
        forward = program.load_method(METHOD)  # its memory is the program's, which must live as long
        try:
            with alone, silently():
                return torch.cat([forward.execute([image[None].contiguous()])[0].clone() for image in images])
        except RuntimeError as error:
            raise ValueError(f"ExecuTorch does not run this network: {error}") from None

    return logits


def pte_metadata(content: bytes) -> dict[str, str]:
    """What the content of a .pte file says of the network; nothing in one that we did not write."""
    program = _program(content)
    if PTE_METADATA not in program.method_names:
        return {}
    (numbers,) = program.load_method(PTE_METADATA).execute([])
    return dict(json.loads(bytes(numbers.tolist())))


def _program(content: bytes) -> Any:
    """The program in the content of a .pte file, its network loaded.

    Raises ValueError without ExecuTorch, and RuntimeError where the file is damaged.
    """
    check_installed()
    with quietly(), silently():  # it says on the standard error what it found of the CPU
        from executorch.runtime import Runtime, Verification

        program = Runtime.get().load_program(content, verification=Verification.InternalConsistency)
        program.load_method(METHOD)
        return program
