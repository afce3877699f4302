"""Arrays in files, by their names: an `.npz` file, or a folder of `.npy` files.

Shapes and kinds are known from the headers, and no values are read but of the arrays that are asked for. Python objects
in such files are pickles, which could run any code when they are read: they never are.
"""

from __future__ import annotations

import contextlib
import math
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from nas.text.visible import visible_in_line
from searchspaces.bounded import memory_here

ENDING = ".npy"
_NUMPY = b"\x93NUMPY"  # with which each of these begins


class Header(NamedTuple):
    """What is known of an array before its values are read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Arrays(Protocol):
    """Arrays by their names."""

    @property
    def headers(self) -> Mapping[str, Header]:
        """What each is."""
        ...

    def read(self, name: str) -> npt.NDArray[Any]:
        """The values of one. Raises ValueError, in one line, where they cannot be read."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Arrays that a program has."""

    values: Mapping[str, npt.NDArray[Any]]

    @property
    def headers(self) -> Mapping[str, Header]:
        return {name: Header(array.shape, array.dtype) for name, array in self.values.items()}

    def read(self, name: str) -> npt.NDArray[Any]:
        return self.values[name]


@dataclass(frozen=True)
class _InZip:
    """The arrays of an .npz file."""

    path: Path
    headers: Mapping[str, Header]

    def read(self, name: str) -> npt.NDArray[Any]:
        header = self.headers[name]
        with _said_in_one_line(self.path, name), np.load(self.path, allow_pickle=False) as file:
            if math.prod(header.shape) * header.dtype.itemsize > memory_here():  # a small file can unpack to any size
                raise MemoryError
            values: npt.NDArray[Any] = file[name + ENDING]
            return values


@dataclass(frozen=True)
class _InFolder:
    """The arrays of a folder: each fills memory only as it is used, and nobody writes to its file through it."""

    path: Path
    headers: Mapping[str, Header]

    def read(self, name: str) -> npt.NDArray[Any]:
        with _said_in_one_line(self.path / f"{name}{ENDING}", name):
            values: npt.NDArray[Any] = np.load(self.path / f"{name}{ENDING}", mmap_mode="c", allow_pickle=False)
            return values


def open_arrays(path: Path) -> Arrays:
    """The arrays in the .npz file or the folder `path`. Raises ValueError, in one line, where it is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    if stat.S_ISDIR(mode):
        return _InFolder(path, _headers_in_folder(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is a device or a pipe: array:PATH is an .npz file, or a folder of .npy files")
    return _InZip(path, _headers_in_zip(path))


def _headers_in_folder(path: Path) -> dict[str, Header]:
    with _said_in_one_line(path):
        files = sorted(file for file in path.iterdir() if file.suffix == ENDING and not file.name.startswith("."))
    found = {}
    for file in files:
        if not file.is_file():  # a pipe, which would be waited for, or a link to nothing
            raise ValueError(f"{path}: {visible_in_line(file.name)} is no file")
        with _said_in_one_line(file, file.stem), file.open("rb") as stream:
            found[file.stem] = _header(stream, file.stat().st_size)
    return found


def _headers_in_zip(path: Path) -> dict[str, Header]:
    with _said_in_one_line(path):
        with path.open("rb") as file:
            begins = file.read(len(_NUMPY))
        is_zip = zipfile.is_zipfile(path)
    if begins == _NUMPY:
        raise ValueError(f"{path} is a single array: put it in a folder with its labels, as x.npy and y.npy")
    if not is_zip:
        raise ValueError(f"{path} is no .npz file, or a damaged one: numpy.savez writes them")
    found: dict[str, Header] = {}
    with _said_in_one_line(path), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(ENDING)
            if name != member.filename and name in found:
                raise ValueError(f"it has {visible_in_line(name)} twice")
            if name != member.filename:
                with archive.open(member) as stream:
                    found[name] = _header(stream, member.file_size)
    return found


def _header(stream: IO[bytes], size: int) -> Header:
    """What the `size` bytes of a .npy file say that they are. Raises ValueError where they are not."""
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError("an array has a version of the format that is not known, or named fields")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that Python 2 wrote
        shape, _, dtype = readers[version](stream)
    if not dtype.hasobject and stream.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError("an array has more or fewer bytes than its shape says")
    return Header(shape, dtype)


@contextlib.contextmanager
def _said_in_one_line(path: Path, name: str = "") -> Iterator[None]:
    """Whatever zip files, NumPy and the system say of what cannot be read is a ValueError of one line."""
    of = f": {visible_in_line(name)}" if name else ""
    try:
        yield
    except MemoryError:
        raise ValueError(f"{path}{of} does not fit into memory: a folder of .npy files is read as it is used") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}{of}: {error.strerror or error}") from None
    except Exception as error:  # the many ways of zipfile, zlib and NumPy to say that a file is damaged
        reason = visible_in_line(str(error).partition("\n")[0])[:200] or type(error).__name__
        raise ValueError(f"{path}{of} is damaged: {reason}") from None
