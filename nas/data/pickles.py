"""Pickles that somebody else wrote: read as data, without calling anything that is not in this file.

A pickle names the functions that it wants called, and NumPy's own are no safer than others: the state that
`numpy.dtype.__setstate__` is given may say that plain bytes are Python objects, whose addresses the author then chose.
So stand-ins take the place of all that a pickle may name. They accept what NumPy writes of an array of bytes or of a
number, check that it fits together, and keep it as bytes.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

_CORES = ("numpy.core", "numpy._core")  # NumPy's own, before version 2 and since


class _Named:
    """What a pickle may call by a name, and can do nothing else with."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it changes what it calls")


class _DType:
    """What NumPy writes of a type of plain numbers."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        self._code = _text(code)
        if not re.fullmatch("[iu][1248]|f[248]|b1", self._code) or align not in (0, 1) or copy not in (0, 1):
            raise pickle.UnpicklingError(f"it has values of the type {self._code!r}, not plain numbers")
        self._order = "="

    def __setstate__(self, state: object) -> None:
        match state:
            case (3 | 4, order, None, None, None, -1, -1, 0, *metadata) if not any(metadata):
                self._order = _text(order)
            case _:
                raise pickle.UnpicklingError("it says more of the type of its numbers than that they are plain")
        if self._order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"{self._order!r} is no order of bytes")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._order + self._code)


class Array:
    """What NumPy writes of an array of bytes: the `array`, once it is whole."""

    __slots__ = ("array",)

    array: npt.NDArray[np.uint8]

    def __setstate__(self, state: object) -> None:
        match state:
            case (1, tuple() as shape, _DType() as kind, 0 | 1 as fortran, bytes() as content):
                self.array = _array(content, kind, shape, "F" if fortran else "C")
            case _:
                raise pickle.UnpicklingError("its array is not what NumPy writes of bytes")


def _array(content: bytes, kind: _DType, shape: tuple[object, ...], order: str) -> npt.NDArray[np.uint8]:
    if kind.dtype != np.uint8:
        raise pickle.UnpicklingError(f"its array is of {kind.dtype}, not of bytes")
    lengths = [length for length in shape if isinstance(length, int) and length >= 0]
    if len(lengths) != len(shape) or len(shape) > 8 or math.prod(lengths) != len(content):
        raise pickle.UnpicklingError(f"its array of {len(content):,} bytes cannot have the shape {shape}")
    return np.frombuffer(content, np.uint8).reshape(lengths, order="F" if order == "F" else "C")


def _begun(subtype: object, shape: object, code: object) -> Array:
    """`numpy._core.multiarray._reconstruct`."""
    if subtype is not _NDARRAY:
        raise pickle.UnpicklingError("its array is none of NumPy's own")
    return Array()


def _from_buffer(content: object, kind: object, shape: object, order: object) -> Array:
    """`numpy._core.numeric._frombuffer`, of protocol 5."""
    if not (isinstance(content, bytes | bytearray) and isinstance(kind, _DType) and isinstance(shape, tuple)):
        raise pickle.UnpicklingError("its array is not what NumPy writes of bytes")
    found = Array()
    found.array = _array(bytes(content), kind, shape, _text(order))
    return found


def _scalar(kind: object, content: object) -> Any:
    """`numpy._core.multiarray.scalar`, as a number of Python's."""
    if not isinstance(kind, _DType) or not isinstance(content, bytes) or len(content) != kind.dtype.itemsize:
        raise pickle.UnpicklingError("its number is not what NumPy writes of one")
    return np.frombuffer(content, kind.dtype)[0].item()


def _encode(text: object, encoding: object) -> bytes:
    """`_codecs.encode`, by which Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("it encodes what is not text in Latin 1")
    return text.encode("latin1")


def _text(value: object) -> str:
    """Of Python 2 it is bytes."""
    text = value.decode("latin1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise pickle.UnpicklingError(f"it has {type(value).__name__} where a text should be")
    return text


def _never(*args: object) -> None:
    raise pickle.UnpicklingError("it makes an array in a way that NumPy does not")


_NDARRAY = _Named(_never)

Names = Mapping[tuple[str, str], Any]
"""What a pickle may name, by module and name, and what stands in for it."""

_BYTES: Names = {
    ("_codecs", "encode"): _Named(_encode),
    ("__builtin__", "bytes"): _Named(bytes),
    ("numpy", "dtype"): _Named(_DType),
}
ARRAYS: Names = {
    **_BYTES,
    ("numpy", "ndarray"): _NDARRAY,
    **{(f"{core}.multiarray", "_reconstruct"): _Named(_begun) for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _Named(_from_buffer) for core in _CORES},
}
"""Arrays of bytes. They come as `Array`."""

NUMBERS: Names = {
    **_BYTES,
    ("collections", "OrderedDict"): _Named(dict),
    **{(f"{core}.multiarray", "scalar"): _Named(_scalar) for core in _CORES},
}
"""NumPy's numbers, which come as Python's, and dictionaries with an order."""


def unpickled(content: bytes, names: Names, never: str, encoding: str = "ASCII") -> Any:
    """What the pickle `content` says, in lists, dictionaries, texts, numbers, and what `names` has.

    Raises any error where it is broken, and UnpicklingError where it asks for more than `names`: which it `never` does,
    in the words of the reader. `encoding` is that of Python 2's texts.
    """
    return _Unpickler(BytesIO(content), names, never, encoding).load()


class _Unpickler(pickle._Unpickler):
    """Python's own in Python: the one in C takes as much memory as a pickle of seven bytes asks it to."""

    def __init__(self, file: BytesIO, names: Names, never: str, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._names, self._never = names, never

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which {self._never}")
        return self._names[module, name]
