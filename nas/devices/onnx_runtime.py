"""onnxruntime on this CPU, which is what runs an ONNX file here; where it is missing, one line says what to install."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def onnx_packages() -> tuple[ModuleType, ModuleType]:
    """onnx and onnxruntime. Raises ValueError without them, or without what PyTorch writes ONNX with."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError("ONNX needs onnx, onnxscript and onnxruntime: pip install 'nas-toolkit[export]'") from None
    return onnx, onnxruntime


def onnx_session(content: bytes, threads: int, batch_size: int | None = None) -> Any:
    """What runs the .onnx file of that `content`, an `onnxruntime.InferenceSession` of `threads` threads.

    With a `batch_size` it is for batches of that size alone: what onnxruntime can work out from it, it does beforehand.
    """
    _, onnxruntime = onnx_packages()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors
    if batch_size is not None:
        options.add_free_dimension_override_by_name("batch", batch_size)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
