"""Pixels that are too many to be held: they stay in a file, or in memory beside a GPU, and are read as they are needed.

The file is mapped, so all processes of a machine share the one copy that the system keeps of what was read, and the
system drops it where memory is wanted for something else. A `Streamed` answers as the tensor `[N, H, W, C]` of all
images would, with copies of those that are asked for, on the device that trains. The next batches are read in a thread
while the device works.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from mmap import ACCESS_COPY, MADV_RANDOM, MADV_WILLNEED, PAGESIZE, mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from searchspaces.bounded import memory_here

SHARE, GPU_SHARE = 8, 4
"""A split that takes more than one part in so many of the memory, or of a GPU's, is not held there.

Of a split that is held there may be three copies in memory: its own, that of Ray, and the part that a recipe takes.
"""
LIMIT = "NAS_RESIDENT_GB"
"""The variable of the environment that gives this limit in GB in place of the share."""
AHEAD = 2  # batches that are read before they are asked for
CHUNK, VALUES = 1024, 2**27
"""Images that are in floating point at a time, where a whole split is worked on, and of how many values at most."""


@dataclass(frozen=True)
class InFile:
    """Where images lie: uint8 of that `shape` `[N, H, W, C]`, from byte `offset` of the file `path` on."""

    path: Path
    offset: int
    shape: tuple[int, ...]

    def mapped(self) -> Mapped:
        """The images, mapped privately: nobody writes to the file through it. OSError or ValueError if it is gone."""
        with self.path.open("rb") as file:
            memory = mmap(file.fileno(), 0, access=ACCESS_COPY)
        memory.madvise(MADV_RANDOM)  # else the system would read 50 times as much as a batch needs
        values = np.frombuffer(memory, np.uint8, math.prod(self.shape), self.offset)
        return Mapped(torch.from_numpy(values).view(self.shape), memory, self)

    def identity(self) -> str:
        """By what a change of the file is noticed."""
        return repr((file_identity(self.path), self.offset, self.shape))


@dataclass(frozen=True, eq=False)
class Mapped:
    """A `file` of images in memory, as the tensor `table` `[M, H, W, C]`."""

    table: Tensor
    memory: mmap
    file: InFile

    def expect(self, rows: slice | Tensor) -> None:
        """Have the system read these rows from the disk, all at once: as they are touched it reads page by page.

        Measured with 64 images of 27 kB at a time: 13,000 a second in place of 940.
        """
        numbers = np.arange(len(self.table))[rows] if isinstance(rows, slice) else rows.numpy()
        size = math.prod(self.file.shape[1:])
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            if len(run):
                begins, ends = (self.file.offset + size * int(row) for row in (run[0], run[-1] + 1))
                begins -= begins % PAGESIZE
                self.memory.madvise(MADV_WILLNEED, begins, ends - begins)


def file_identity(path: Path) -> str:
    """By what a change of a file is noticed: its path, size and time."""
    found = path.stat()
    return repr((str(path.resolve()), found.st_size, found.st_mtime_ns))


@dataclass(frozen=True, eq=False)
class Streamed:
    """Images of `table`, uint8 `[M, H, W, C]` on the CPU, which are given on `device` as they are asked for.

    `rows` are which ones, int64 `[N]` on the CPU; None: all of them. They are resized to each of `sizes` in turn, in
    pixels a side, as they are read: a resized copy on the disk would have to be made and kept for every size, and a
    batch is resized while the device works on the one before. `mapped` is the file that the table is, if it is one. So
    many processes are `sharing` the memory that what is taken from it may be held in. Before they are resized they are
    converted to so many `channels`; None: they keep their own.
    """

    table: Tensor
    device: torch.device
    rows: Tensor | None = None
    sizes: tuple[int, ...] = ()
    mapped: Mapped | None = None
    sharing: int = 1
    channels: int | None = None

    @classmethod
    def of(cls, file: InFile) -> Streamed:
        """Those of a file, on the CPU. OSError or ValueError if it is gone."""
        mapped = file.mapped()
        return cls(mapped.table, torch.device("cpu"), mapped=mapped)

    # ------------------------------------------------------------------ what a tensor says

    @property
    def shape(self) -> tuple[int, ...]:
        _, height, width, channels = self.table.shape
        return (len(self), *(self.sizes[-1:] * 2 or (height, width)), self.channels or channels)

    def __len__(self) -> int:
        return len(self.table) if self.rows is None else len(self.rows)

    @property
    def dtype(self) -> torch.dtype:
        return self.table.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape)

    def is_contiguous(self) -> bool:
        return True

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        """Those images on the device. What is not written to may be the file's own."""
        if isinstance(index, int):
            return self[index : index + 1 or None][0]
        return self.read(index).to(self.device, non_blocking=True)

    # ------------------------------------------------------------------ reading

    def read(self, index: slice | Tensor) -> Tensor:
        """Those images on the CPU: uint8 `[n, H, W, C]`, in memory from which a GPU copies by itself."""
        pinned = self.device.type == "cuda"
        rows = self._rows(index)
        if self.mapped:
            self.mapped.expect(rows)
        if isinstance(rows, slice) and not pinned:
            found = self.table[rows]
        else:
            if isinstance(rows, slice):
                rows = torch.arange(len(self.table))[rows]
            found = torch.empty((len(rows), *self.table.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
            if len(rows):
                torch.index_select(_flat(self.table), 0, rows, out=_flat(found))
        if self.channels is not None:
            found = converted(found, self.channels)
        for size in self.sizes:
            found = resized(found, size)
        return found

    def _rows(self, index: slice | Tensor) -> slice | Tensor:
        """Which rows of the table these images are."""
        if isinstance(index, Tensor):
            index = index.cpu()
        return index if self.rows is None else self.rows[index]

    def ahead(self, batches: Sequence[slice | Tensor]) -> Iterator[Tensor]:
        """The images of each of these `batches`, on the device; a thread reads the next ones meanwhile."""
        with ThreadPoolExecutor(1, "nas-read") as reader:
            waiting: deque[Future[Tensor]] = deque()
            try:
                for number in range(len(batches) + AHEAD):
                    if number < len(batches):
                        waiting.append(reader.submit(self.read, batches[number]))
                    if number >= AHEAD:
                        yield waiting.popleft().result().to(self.device, non_blocking=True)
            finally:
                for future in waiting:
                    future.cancel()

    # ------------------------------------------------------------------ what is made of it

    def at(self, places: np.ndarray) -> Pixels:
        """The images at these `places`: in memory, if they fit there."""
        index = torch.from_numpy(places)
        return replace(self, rows=index if self.rows is None else self.rows[index]).held_if_it_fits()

    def resized(self, size: int) -> Pixels:
        """All images at `size` x `size` pixels: in memory, if they fit there."""
        return replace(self, sizes=(*self.sizes, size)).held_if_it_fits()

    def with_channels(self, channels: int) -> Pixels:
        """All images with so many channels, as `converted` makes them: in memory, if they fit there."""
        assert not self.sizes, "channels are converted before images are resized"
        return replace(self, channels=channels).held_if_it_fits()

    def to(self, device: torch.device | str, sharing: int = 1) -> Pixels:
        """The same on `device`, where so many processes are `sharing` its memory."""
        return replace(self, device=torch.device(device), sharing=sharing).held_if_it_fits()

    def held_if_it_fits(self) -> Pixels:
        """The images in the device's memory, where there is room; else they stay where they are."""
        return self.held() if fits(self.nbytes, self.device, self.sharing) else self

    def held(self) -> Tensor:
        """A tensor of all images, on the device, which is filled part by part."""
        held = torch.empty(self.shape, dtype=torch.uint8, device=self.device)
        for part in parts(self):
            held[part] = self[part]
        return held

    def identity(self) -> str | None:
        """By what it is known again which pixels these are; None where they are in no file."""
        if self.mapped is None:
            return None
        rows = b"" if self.rows is None else self.rows.numpy().tobytes()
        return repr((self.mapped.file.identity(), hashlib.sha256(rows).hexdigest(), self.sizes, self.channels))

    def packed(self) -> Packed:
        """What another process needs to read the same."""
        assert self.mapped is not None
        return Packed(self.mapped.file, self.rows, self.sizes, self.channels)


@dataclass(frozen=True, eq=False)
class Packed:
    """`Streamed` images, on their way to a process that maps their file itself. Fields as there."""

    file: InFile
    rows: Tensor | None
    sizes: tuple[int, ...]
    channels: int | None

    def opened(self, sharing: int) -> Pixels:
        """The images on the CPU of the machine here. OSError or ValueError where it has not their file."""
        whole = Streamed.of(self.file)
        found = replace(whole, rows=self.rows, sizes=self.sizes, sharing=sharing, channels=self.channels)
        return found.held_if_it_fits()


Pixels = Tensor | Streamed
"""Those of a split: all in memory, or read as they are needed."""


# ---------------------------------------------------------------------------- what fits


def fits(size: int, device: torch.device | str = "cpu", sharing: int = 1) -> bool:
    """Whether `size` bytes of images may be held on `device`, whose memory so many processes are `sharing`.

    Raises ValueError where the environment has a limit that is no number.
    """
    return size <= limit(torch.device(device)) // sharing


def limit(device: torch.device) -> int:
    """Bytes of a split that may be held on `device`."""
    said = os.environ.get(LIMIT)
    if said:
        try:
            gigabytes = float(said)
            if not 0 <= gigabytes < math.inf:
                raise ValueError
        except ValueError:
            raise ValueError(f"${LIMIT} is {said!r}: give the GB of images that may be held in memory, as 4") from None
        return round(gigabytes * 1e9)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // GPU_SHARE
    return memory_here() // SHARE


def left_in(file: InFile, pixels: Callable[[], Tensor] | None = None) -> Pixels:
    """The images of `file`: `Streamed` where they are too many, else mapped as a tensor, or as `pixels` maps them."""
    if not fits(math.prod(file.shape)):
        return Streamed.of(file)
    return pixels() if pixels else file.mapped().table


def said(pixels: Pixels) -> str:
    """`5.5 GB of images stay on disk and are read as they are needed`; "" where they are held."""
    if not isinstance(pixels, Streamed):
        return ""
    stay = "on disk" if pixels.mapped else "in memory beside the GPU"
    return f"{pixels.nbytes / 1e9:.3g} GB of images stay {stay} and are read as they are needed"


def moved(pixels: Pixels, device: torch.device | str, sharing: int = 1) -> Pixels:
    """`pixels` on `device`; those that a GPU has no room for stay in this machine's memory."""
    device = torch.device(device)
    if isinstance(pixels, Streamed):
        return pixels.to(device, sharing)
    if device.type == "cuda" and pixels.device.type == "cpu" and not fits(pixels.nbytes, device, sharing):
        return Streamed(pixels, device, sharing=sharing)
    return pixels.to(device)


def read_ahead(pixels: Pixels, batches: Sequence[slice]) -> Iterator[Tensor]:
    """The images of each of `batches`."""
    return pixels.ahead(batches) if isinstance(pixels, Streamed) else (pixels[part] for part in batches)


# ---------------------------------------------------------------------------- part by part


def parts(pixels: Pixels | npt.NDArray[Any], values: int | None = None) -> Iterator[slice]:
    """Which images are worked on together, so that large ones take no more memory than small ones.

    They have `values` at most, `VALUES` where nothing is said.
    """
    together = max(1, min(CHUNK, (values or VALUES) // max(1, math.prod(pixels.shape[1:]))))
    return (slice(start, start + together) for start in range(0, len(pixels), together))


def in_parts(pixels: Pixels) -> Iterator[np.ndarray]:
    """All images on the CPU, one part after the other."""
    return (pixels[part].numpy(force=True) for part in parts(pixels))


def resized_in_parts(pixels: Tensor, size: int) -> Tensor:
    """Images `[N, H, W, C]` at `size` x `size` pixels."""
    found = pixels.new_empty((len(pixels), size, size, pixels.shape[3]))
    for part in parts(pixels):
        found[part] = resized(pixels[part], size)
    return found


def resized(pixels: Tensor, size: int) -> Tensor:
    """A few images `[n, H, W, C]` at `size` x `size` pixels: bilinear, antialiased, still uint8."""
    chunk = pixels.permute(0, 3, 1, 2).float()
    chunk = F.interpolate(chunk, size=(size, size), mode="bilinear", antialias=True)
    return chunk.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def converted_in_parts(pixels: Tensor, channels: int) -> Tensor:
    """Images `[N, H, W, C]` with so many channels."""
    found = pixels.new_empty((*pixels.shape[:3], channels))
    for part in parts(pixels):
        found[part] = converted(pixels[part], channels)
    return found


def converted(pixels: Tensor, channels: int) -> Tensor:
    """A few images `[n, H, W, C]`: RGB ones as grey, or grey ones as red, green and blue, whichever are wanted.

    Grey is luma as Pillow's "L" has it (ITU-R 601-2), to the last bit.
    """
    if pixels.shape[3] == 1:
        return pixels.expand(-1, -1, -1, channels).contiguous()
    red, green, blue = pixels.int().unbind(3)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[..., None]


def _flat(images: Tensor) -> Tensor:
    return images.view(len(images), -1)
