"""Image files as one uint8 array: decoded in parallel once, and from then on mapped from a cache.

Images are written as they are decoded, so that many take no more memory than few; those that are too many to be held
are read from the cache as they are needed, see `nas.data.streamed`.

The cache is of no value but speed: in the user's cache a folder `decoded/NAME-SPLIT-SIZEpx-HASH/` for each folder of
files, or each split of a CSV, and in it one for the list of files, with their sizes and times; when a file changes, all
are decoded again. Beside the pixels it has a hash of each image, by which copies are found, see `nas.data.duplicates`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.checks.limits import TEXT
from nas.checks.schema import MapOf
from nas.data.download import Log
from nas.data.duplicates import Hashes, hash_of
from nas.data.image_file import CROP, decode, why_unreadable
from nas.data.images import GREY, RGB
from nas.data.streamed import InFile, Pixels, left_in
from nas.files import cache_dir, read_json, write_atomically

VERSION = 2  # of what is cached: another number whenever files decode to other pixels
CHUNK, BYTES = 1024, 2**26  # files that are decoded before they are written, and how many bytes these take at most
REPORT_EVERY = 10  # seconds
REASONS = MapOf(TEXT)  # why files are unreadable, by their names
PIXELS, UNREADABLE, HASHES = "pixels.uint8", "unreadable.json", "phash.uint64"


Form = tuple[int, int, str]
"""What an image is made: pixels a side, channels, and how it fits the square."""


class File(NamedTuple):
    """An image file: its name within its folder, and by what a change of it is noticed."""

    name: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Decoded:
    """`pixels` is uint8 `[N, size, size, C]`, of the files that can be read, in their order.

    `hashes` are of the same images, `[N]`. `unreadable` has the reasons for the files that cannot be read, by their
    names; `report` is a file in which they stand.
    """

    pixels: Pixels
    hashes: Hashes
    unreadable: dict[str, str]
    report: Path


def decoded(
    folder: Path, files: Sequence[File], size: int, log: Log = print, workers: int | None = None, part: str = "",
    channels: int = RGB, fit: str = CROP,
) -> Decoded:  # fmt: skip
    """The images `files` of `folder`, of 3 channels or grey ones of 1, from the cache, into which they are decoded by
    `workers` threads if need be.

    By default there are as many threads as cores. Of a folder the cache has one list of files, or one for each `part`.
    Raises ValueError where the cache cannot be written.
    """
    place = _place(folder, files, size, part, channels, fit)
    if (found := _cached(place, len(files), size, channels)) is None:
        shutil.rmtree(place, ignore_errors=True)
        try:
            _fill(place, folder, files, (size, channels, fit), log, workers or _cores())
        except OSError as error:
            room = f"{len(files) * size * size * channels / 1e9:.1f} GB"
            raise ValueError(
                f"cannot keep the decoded images in {place.parents[1]} ({error.strerror or error}): "
                f"let $XDG_CACHE_HOME name a folder with room for {room}"
            ) from None
        found = _cached(place, len(files), size, channels)
        assert found is not None
    return found


def decoded_before(
    folder: Path, files: Sequence[File], size: int, part: str = "", channels: int = RGB, fit: str = CROP
) -> Decoded | None:
    """What `decoded` gives of these without decoding; None where the cache has them not."""
    return _cached(_place(folder, files, size, part, channels, fit), len(files), size, channels)


# ---------------------------------------------------------------------------- the cache


def _place(folder: Path, files: Sequence[File], size: int, part: str, channels: int, fit: str) -> Path:
    """The folder of the cache for just these files at this size; lists of another `part` are beside it."""
    folder = folder.resolve()
    listing = hashlib.sha256(repr((VERSION, [tuple(file) for file in files])).encode(errors="backslashreplace"))
    where = hashlib.sha256(os.fsencode(folder / part)).hexdigest()  # `folder` itself without a part
    form = f"{size}px", "grey" if channels == GREY else "", "" if fit == CROP else fit
    name = "-".join(filter(None, (folder.parent.name, folder.name, part, *form, where[:12])))
    return cache_dir() / "decoded" / name / listing.hexdigest()[:32]


def _cached(place: Path, files: int, size: int, channels: int) -> Decoded | None:
    """What is in `place`; None if it is not there, or not whole."""
    try:
        unreadable = REASONS.checked("unreadable", read_json(place / UNREADABLE))
        count = files - len(unreadable)
        elements = count * size * size * channels
        if (place / PIXELS).stat().st_size != elements:
            return None
        values = torch.empty(0, dtype=torch.uint8)
        if count:  # mapped privately: it fills memory only as it is read, and nobody writes to the file through it
            values = torch.from_file(str(place / PIXELS), shared=False, size=elements, dtype=torch.uint8)
    except (OSError, ValueError):
        return None
    mapped = values.view(count, size, size, channels)
    hashes = _hashes(place, mapped)
    pixels = left_in(InFile(place / PIXELS, 0, tuple(mapped.shape)), lambda: mapped) if count else mapped
    return Decoded(pixels, hashes, unreadable, place / UNREADABLE)


def _hashes(place: Path, pixels: Tensor) -> Hashes:
    """The hashes of the images in `place`, which have these `pixels`: from there, or made of them where it has none.

    It has none that was filled by an older version, or damaged; then they are kept there.
    """
    with contextlib.suppress(OSError):
        kept = (place / HASHES).read_bytes()
        if len(kept) == 8 * len(pixels):
            return np.frombuffer(kept, "<u8")
    made = np.array([hash_of(image) for image in pixels.numpy()], "<u8")
    with contextlib.suppress(OSError):  # of a full disk, say: they are made again
        write_atomically(place / HASHES, made.tobytes())
    return made


def _fill(place: Path, folder: Path, files: Sequence[File], form: Form, log: Log, workers: int) -> None:
    """Decode `files` into a new folder, renamed to `place`: older lists go."""
    place.parent.mkdir(parents=True, exist_ok=True)
    grey = ", grey" if form[1] == GREY else ""
    log(f"decoding {len(files):,} images of {folder} at {form[0]} pixels{grey}, which is done once")
    unreadable: dict[str, str] = {}
    hashes: list[int] = []
    with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parents[1]) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        with (new / PIXELS).open("wb") as out:
            said = time.monotonic()
            for number, (file, read) in enumerate(_all_decoded(folder, files, form, workers), start=1):
                if isinstance(read, str):
                    unreadable[file.name] = read
                else:
                    out.write(read[0].data)
                    hashes.append(read[1])
                if time.monotonic() - said > REPORT_EVERY:
                    said = time.monotonic()
                    log(f"{number:,} of {len(files):,}")
            out.flush()
            os.fsync(out.fileno())
        (new / HASHES).write_bytes(np.array(hashes, "<u8").tobytes())
        (new / UNREADABLE).write_text(json.dumps(unreadable, indent=2) + "\n", encoding="utf-8")
        try:
            new.rename(place)
        except OSError:
            if not place.is_dir():  # otherwise another process was as quick: what it has is the same
                raise
    for older in place.parent.iterdir():
        if older != place:
            shutil.rmtree(older, ignore_errors=True)


def _all_decoded(
    folder: Path, files: Sequence[File], form: Form, workers: int
) -> Iterator[tuple[File, tuple[npt.NDArray[np.uint8], int] | str]]:
    """Each file with its pixels and its hash, or with the reason why it has none.

    Threads are enough: while it decodes and resizes, Pillow lets go of Python's lock.
    """

    def attempt(file: File) -> tuple[npt.NDArray[np.uint8], int] | str:
        try:
            pixels = decode(folder / file.name, *form)
            return pixels, hash_of(pixels)
        except Exception as error:  # the many ways of Pillow and its codecs to say that a file is damaged
            return why_unreadable(error, folder / file.name)

    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # of odd EXIF data and of many pixels, which are no reason not to go on
        together = max(1, min(CHUNK, BYTES // (form[0] * form[0] * form[1])))
        for start in range(0, len(files), together):
            chunk = files[start : start + together]
            yield from zip(chunk, pool.map(attempt, chunk), strict=True)


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
