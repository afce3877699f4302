"""Networks as LiteRT's (TensorFlow Lite's) .tflite files in int8, for phones and microcontrollers.

A file takes one image, channels last, [1, H, W, C], and gives logits [1, num_classes]. All of it is int8: the image,
the logits, the activations, and the weights, with a scale for each channel. litert-torch writes the graph,
ai-edge-quantizer rounds it, ai-edge-litert runs it. What memory a microcontroller needs is asked of tflite-micro.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.exports.formats import NOTHING, Logits, Metadata, NotInstalled, quietly
from nas.exports.silence import silently

TFLITE = "tflite"
TFLITE_METADATA = "nas"  # what a file's metadata, JSON, are called among its buffers
ALIGNMENT = 16  # bytes: what TensorFlow Lite's schema demands of the buffers that have the weights
SIGNATURE, INPUT = "serving_default", "args_0"  # what litert-torch calls them
# litert-torch's ways to find what can take channels last: each leaves transposes in networks where the other has none
PARTITIONERS = ("DEFAULT", "GREEDY")


def tflite_bytes(
    module: nn.Module,
    image_size: int,
    channels: int,
    calibration: Sequence[Tensor],
    metadata: Metadata = NOTHING,
) -> bytes:
    """A .tflite file's content: `module`, in evaluation mode, in int8, for images of `channels` and `image_size`.

    Activations are scaled by what `calibration` shows: batches `[B, C, H, W]` of images normalised as in training.
    Raises ValueError without the packages that it needs, and where the network has an operation without an int8 form.
    """
    check_installed()
    with quietly(), silently():
        try:
            float32 = _in_float32(module.eval(), torch.zeros(1, image_size, image_size, channels))
            model = _in_int8(float32, calibration)
        except Exception as error:  # the converter's many ways
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"litert-torch cannot convert this network to tflite: {reason}") from None
    _check_integer(model)
    _add_metadata(model, metadata)
    return _packed(model)


def check_installed() -> None:
    """Raises NotInstalled where what writes .tflite files is not installed."""
    if find_spec("litert_torch") is None:
        raise NotInstalled("tflite needs litert-torch, the extra `tflite`: pip install litert-torch")


def has_micro() -> bool:
    """Whether tflite-micro is installed, for `arena_bytes`."""
    return find_spec("tflite_micro") is not None


def _in_float32(module: nn.Module, image: Tensor) -> Any:
    """`module` for images like `image`, channels last, as the object of a .tflite file."""
    import litert_torch
    from ai_edge_litert.tools.flatbuffer_utils import read_model_from_bytearray

    litert_torch.config.show_progress = False
    found: list[tuple[int, int, Any]] = []
    for partitioner in PARTITIONERS:
        litert_torch.config.layout_optimize_partitioner = partitioner
        last = litert_torch.to_channel_last_io(module, args=[0]).eval()
        model = read_model_from_bytearray(_exported(litert_torch.convert(last, (image,))))
        transposes = sum(name == "TRANSPOSE" for name, _ in _operations(model))
        found.append((transposes, len(found), model))
        if not transposes:
            break
    *_, model = min(found)
    for graph in model.subgraphs:  # the paths of modules that tensors are called by are a fifth of a small file
        for number, tensor in enumerate(graph.tensors):
            tensor.name = str(number).encode()
    return model


def _exported(converted: Any) -> bytes:
    """The content of the file that litert-torch writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "float32.tflite")
        converted.export(str(path))
        return path.read_bytes()


def _in_int8(model: Any, calibration: Sequence[Tensor]) -> Any:
    """The float32 `model`, the object of a .tflite file, in int8; see `tflite_bytes`."""
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray, read_model_from_bytearray
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.quantizer import Quantizer
    from ai_edge_quantizer.recipe import static_wi8_ai8
    from ai_edge_quantizer.recipe_manager import RecipeManager
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    content, layers = bytes(convert_object_to_bytearray(model)), RecipeManager()
    layers.load_quantization_recipe(static_wi8_ai8())
    # Ranges are the widest that are seen. The quantiser's averages over images cut off what is above, which cost
    # ResNet-8 four points of accuracy on the built-in images, and this half a point
    calibrator = Calibrator(content, num_threads=torch.get_num_threads(), qsv_update_func=min_max_update)
    images = [{INPUT: image[None].numpy()} for batch in calibration for image in batch.permute(0, 2, 3, 1)]
    calibrator.calibrate({SIGNATURE: images}, layers)
    done = Quantizer(content, static_wi8_ai8()).quantize(calibrator.get_model_qsvs())
    return read_model_from_bytearray(bytes(done.quantized_model))


def _operations(model: Any) -> Iterator[tuple[str, bool]]:
    """Of each operation of `model` its name in TensorFlow Lite's schema, and whether it reads or gives float32."""
    from ai_edge_litert.schema_py_generated import TensorType
    from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name

    for graph in model.subgraphs:
        float32 = {number for number, tensor in enumerate(graph.tensors) if tensor.type == TensorType.FLOAT32}
        for step in graph.operators:
            yield opcode_to_name(model, step.opcodeIndex), not float32.isdisjoint([*step.inputs, *step.outputs])


def _check_integer(model: Any) -> None:
    """Raises ValueError, with their names, where operations of the quantised `model` compute in float32."""
    left = {name for name, float32 in _operations(model) if float32} - {"QUANTIZE", "DEQUANTIZE"}
    if left:
        raise ValueError(f"the network cannot be int8 throughout, as tflite is: {', '.join(sorted(left))} cannot")


def _add_metadata(model: Any, metadata: Metadata) -> None:
    """Put `metadata` beside what the converter says of the `model`."""
    from ai_edge_litert.schema_py_generated import BufferT, MetadataT

    buffer = BufferT()
    buffer.data = np.frombuffer(json.dumps(dict(metadata)).encode(), dtype=np.uint8)
    model.buffers.append(buffer)
    entry = MetadataT()
    entry.name, entry.buffer = TFLITE_METADATA, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def _packed(model: Any) -> bytes:
    """`model` as a file's content, its weights inside the FlatBuffer: tflite-micro does not find them behind it."""
    import flatbuffers

    class Aligned(flatbuffers.Builder):  # type: ignore[misc]
        """Its vectors of bytes begin at multiples of `ALIGNMENT`."""

        def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802
            self.StartVector(x.itemsize, x.size, ALIGNMENT)
            content = x.astype(x.dtype.newbyteorder("<"), copy=False).tobytes()
            self.head -= len(content)
            self.Bytes[self.head : self.head + len(content)] = content
            return int(self.EndVector())

    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def run_tflite(content: bytes) -> Logits:
    """What the content of a .tflite file computes: logits as float32, of images that it rounds to int8 first.

    One image after the other, by ai-edge-litert, with as many threads as PyTorch has.
    """
    interpreter = _interpreter(content)
    ((image,), (out,)) = interpreter.get_input_details(), interpreter.get_output_details()

    def logits(images: Tensor) -> Tensor:
        rounded = _rounded(images.permute(0, 2, 3, 1).numpy(), image)
        found = []
        for number in range(len(rounded)):
            interpreter.set_tensor(image["index"], rounded[number : number + 1])
            interpreter.invoke()
            found.append(interpreter.get_tensor(out["index"]))
        scale, zero = out["quantization"]
        return torch.from_numpy((np.concatenate(found).astype(np.float32) - zero) * np.float32(scale))

    return logits


def _rounded(images: Any, details: dict[str, Any]) -> Any:
    """Float32 `images` in the int8 of the input of `details`."""
    scale, zero = details["quantization"]
    return np.clip(np.round(images / scale) + zero, -128, 127).astype(np.int8)


def tflite_metadata(content: bytes) -> dict[str, str]:
    """What the content of a .tflite file says of the network; nothing in one that we did not write."""
    _interpreter(content)  # which refuses what is damaged
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(content)
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == TFLITE_METADATA.encode():
            return dict(json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()))
    return {}


def _interpreter(content: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ModuleNotFoundError:
        raise ValueError("tflite needs ai-edge-litert: pip install ai-edge-litert") from None
    # Without XNNPACK, which says on the standard error that it is there
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=content, num_threads=torch.get_num_threads(), experimental_op_resolver_type=kernels
    )
    interpreter.allocate_tensors()
    return interpreter


def arena_bytes(content: bytes) -> int:
    """The bytes of RAM, its tensor arena, that tflite-micro uses to run the content of a .tflite file.

    Raises ValueError without tflite-micro, and where it lacks an operation of the network, which it names.
    """
    if not has_micro():
        raise ValueError("what memory a microcontroller needs is asked of tflite-micro: pip install tflite-micro")
    # In a process of its own: it says what it used on the standard error alone, and a failure may end the process
    done = subprocess.run([sys.executable, "-c", _MICRO], input=content, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    if used := re.search(r"Arena allocation total (\d+) bytes", said):
        return int(used[1])
    lines = [line for line in said.splitlines() if line.strip()]
    missing = re.search(r"Didn't find op for builtin opcode '(\w+)'", said)
    reason = f"it has no {missing[1]}" if missing else lines[-1] if lines else f"it ended with {done.returncode}"
    raise ValueError(f"tflite-micro does not run this network: {reason}")


_MICRO = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
interpreter = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=1 << 30)
interpreter.set_input(np.zeros(interpreter.get_input_details(0)["shape"], np.int8), 0)
interpreter.invoke()
interpreter.print_allocations()
"""
