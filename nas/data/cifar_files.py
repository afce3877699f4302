"""One file of CIFAR, in the Python or the binary layout, to arrays.

Nothing in a file is trusted: what is not exactly as https://www.cs.toronto.edu/~kriz/cifar.html says is a
`ValueError` that names the file, and a pickle can call nothing, see `nas.data.pickles`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.data.pickles import ARRAYS, Array, unpickled

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Pixels `[N, 3072]` (1,024 red, 1,024 green, 1,024 blue, each row by row) and labels `[N]`."""

PIXELS = 3 * 32 * 32  # bytes of one image


def read_pickle(path: Path, *, label_key: str, num_classes: int) -> Arrays:
    """The Python layout: a pickled dictionary with `data` and `label_key`, written by Python 2 or 3."""
    try:
        content = unpickled(path.read_bytes(), ARRAYS, "a CIFAR batch never does", encoding="bytes")
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f"{path} is not a CIFAR batch, or is cut off: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a CIFAR batch: it holds no dictionary but {type(content).__name__}")
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    for key in ("data", label_key):
        if key not in fields:
            raise ValueError(f"{path} is not a CIFAR batch: it has no {key!r}")
    pixels, labels = fields["data"], fields[label_key]
    pixels = getattr(pixels, "array", None) if isinstance(pixels, Array) else pixels
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        raise ValueError(f"{path}: 'data' must be uint8 [N, {PIXELS}], not {_described(pixels)}")
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise ValueError(f"{path}: {label_key!r} must be a list of whole numbers")
    if len(labels) != len(pixels):
        raise ValueError(f"{path}: it has {len(pixels):,} images but {len(labels):,} labels")
    _check_labels(path, labels, num_classes)
    return pixels, np.array(labels, dtype=np.int64)


def read_binary(path: Path, *, label_bytes: int, num_classes: int) -> Arrays:
    """The binary layout: records of `label_bytes` labels, the last of them the image's class, and its pixels."""
    record = label_bytes + PIXELS
    content = np.fromfile(path, dtype=np.uint8)
    if len(content) % record:
        raise ValueError(f"{path} is cut off or no CIFAR batch: {len(content):,} bytes are no multiple of {record:,}")
    records = content.reshape(-1, record)
    labels = records[:, label_bytes - 1].astype(np.int64)
    _check_labels(path, labels, num_classes)
    return records[:, label_bytes:], labels


def _check_labels(path: Path, labels: list[int] | npt.NDArray[np.int64], num_classes: int) -> None:
    if not len(labels):
        raise ValueError(f"{path} holds no images")
    if not 0 <= min(labels) <= max(labels) < num_classes:
        raise ValueError(f"{path}: labels go from {min(labels)} to {max(labels)}, not within 0 to {num_classes - 1}")


def _described(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
