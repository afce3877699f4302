"""Arrays in files, by their names: an `.npz` file, or a folder of `.npy` files.

Shapes and kinds are known from the headers, and no values are read but of the arrays that are asked for. Python objects
in such files are pickles, which could run any code when they are read: they never are.

Images that are too many to be held are mapped from a file: that of a folder, or a copy in the user's cache, in
`mapped/`, which is written part by part. The cache is of no value but speed, and has one copy of each array.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from nas.data.download import Log
from nas.data.streamed import InFile, file_identity, fits
from nas.files import cache_dir
from nas.text.visible import visible_in_line
from searchspaces.bounded import memory_here

ENDING = ".npy"
PART = 2**22  # bytes that are copied at a time
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

    def images(self, name: str, log: Log) -> npt.NDArray[Any]:
        """As `read`; mapped from a file where they are too many to be held."""
        ...

    def identity(self, name: str) -> str | None:
        """By what a change of one is noticed; None where it is in no file."""
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

    def images(self, name: str, log: Log) -> npt.NDArray[Any]:
        return self.values[name]

    def identity(self, name: str) -> str | None:
        return None


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

    def images(self, name: str, log: Log) -> npt.NDArray[Any]:
        header = self.headers[name]
        size = math.prod(header.shape) * header.dtype.itemsize
        if fits(size):
            return self.read(name)

        def unpack(out: IO[bytes]) -> None:
            log(f"{self.path}: unpacking {visible_in_line(name)}, {size / 1e9:.3g} GB, which is done once")
            member = name + ENDING
            with (
                _said_in_one_line(self.path, name),
                zipfile.ZipFile(self.path) as archive,
                archive.open(member) as held,
            ):
                shutil.copyfileobj(held, out, PART)  # to its end, where zipfile checks its sum

        return kept(self.path, name, self.identity(name), size, unpack)

    def identity(self, name: str) -> str:
        return file_identity(self.path)


@dataclass(frozen=True)
class _InFolder:
    """The arrays of a folder: each fills memory only as it is used, and nobody writes to its file through it."""

    path: Path
    headers: Mapping[str, Header]

    def read(self, name: str) -> npt.NDArray[Any]:
        with _said_in_one_line(self.path / f"{name}{ENDING}", name):
            values: npt.NDArray[Any] = np.load(self.path / f"{name}{ENDING}", mmap_mode="c", allow_pickle=False)
            return values

    def images(self, name: str, log: Log) -> npt.NDArray[Any]:
        return self.read(name)

    def identity(self, name: str) -> str:
        return file_identity(self.path / f"{name}{ENDING}")


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


# ---------------------------------------------------------------------------- copies in the cache


def kept(path: Path, name: str, how: str, size: int, write: Callable[[IO[bytes]], None]) -> npt.NDArray[Any]:
    """The .npy file that `write` makes of the array `name` of `path`, mapped; from the cache if it is there.

    It takes about `size` bytes. `how` is what else it depends on. Raises ValueError where the cache cannot be written.
    """
    home = cache_dir() / "mapped"
    of = f"{path.resolve()}\n{name}".encode(errors="surrogateescape")
    place = home / f"{path.stem}-{name}-{hashlib.sha256(of).hexdigest()[:12]}"
    file = place / f"{hashlib.sha256(how.encode(errors='surrogateescape')).hexdigest()[:32]}{ENDING}"
    try:
        if not file.exists():
            home.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(home).free < size:  # before, since a small file can unpack to any size
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with tempfile.TemporaryDirectory(prefix=".new-", dir=home, ignore_cleanup_errors=True) as scratch:
                new = Path(scratch) / file.name
                with new.open("wb") as out:
                    write(out)
                    out.flush()
                    os.fsync(out.fileno())
                place.mkdir(exist_ok=True)
                new.replace(file)
            for older in place.iterdir():
                if older != file:
                    older.unlink(missing_ok=True)
        values: npt.NDArray[Any] = np.load(file, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        raise ValueError(
            f"cannot keep {visible_in_line(name)} of {path} in {home} ({error.strerror or error}): let $XDG_CACHE_HOME "
            f"name a folder with room for {size / 1e9:.1f} GB"
        ) from None
    return values


def write_images(out: IO[bytes], shape: tuple[int, ...], parts: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write the .npy file of uint8 images `shape`, which are given part by part."""
    npy.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    for part in parts:
        out.write(np.ascontiguousarray(part).data)


def in_file(images: npt.NDArray[Any]) -> InFile | None:
    """Where `images` lie that are mapped as they are trained on: uint8, in the order of their shape; else None.

    They are a whole array: NumPy says of a part of one that it begins where the whole does.
    """
    if not isinstance(images, np.memmap) or images.filename is None or images.dtype != np.uint8:
        return None
    return InFile(Path(images.filename), images.offset, images.shape) if images.flags.c_contiguous else None


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
