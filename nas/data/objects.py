"""Images that a program gives: a PyTorch data set, a pair or a dict of arrays, or the function `module:function`.

They are read into arrays once, and kept in the user's cache: in `arrays/NAME-HASH/`, where HASH is of what is in them.
A run names these, as `array:NAME-HASH`, so that every later command finds them. The function is called only where a
person names it: what a run says is a file's word, which imports nothing.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nas.checks.kinds import gives_items
from nas.data import arrays
from nas.data.array_files import InMemory, write_images
from nas.data.arrays import CLASS_NAMES, SPELLED, ImageArrays, content_sha256
from nas.data.download import Log
from nas.data.items import array_of, class_names_of, line_of, read_items
from nas.data.streamed import in_parts
from nas.files import cache_dir

HASH = 12  # hexadecimal digits of a name
_FUNCTION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
_KEPT = re.compile(rf"(.+)-[0-9a-f]{{{HASH}}}")
_WANTED = "a torch Dataset, a pair (images, labels), or a dict of these, as in {'train': (x, y), 'test': (x, y)}"


def is_function(name: str) -> bool:
    """Whether it is written as `module:function` is."""
    return _FUNCTION.fullmatch(name) is not None


def kept(
    given: Any, image_size: int | None, log: Log = print, channels: int | None = None, task: str | None = None
) -> tuple[str, Path]:
    """The name and the folder of the arrays as which the images of `given` are kept: of an object, or of the function
    that a person names.

    Raises ValueError, in one line, where that is no data, or the cache cannot be written. Images of several sizes are
    resized to `image_size` pixels. They have as many `channels` as are wanted, else their own. `task` is what a person
    says that the labels are.
    """
    called, stem = _names(given)
    given = _result_of(given) if isinstance(given, str) else given
    home = cache_dir() / "arrays"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=home, ignore_cleanup_errors=True) as scratch:
            values = _arrays_of(given, called, Path(scratch), image_size, log, channels)
            read = ImageArrays(InMemory(values), called, log, channels, task)
            place = _stored(read, home, stem, Path(scratch) / "new")
    except OSError as error:
        raise ValueError(
            f"cannot keep the images of {called} in {home} ({error.strerror or error}): let $XDG_CACHE_HOME name a "
            "folder with room for them"
        ) from None
    log(f"{called}: kept as {place}")
    return f"{arrays.PREFIX}{place.name}", home


def without_hash(name: str) -> str:
    """`NAME` of the `NAME-HASH` as which arrays are kept, and any other name as it is."""
    match = _KEPT.fullmatch(name)
    return match[1] if match else name


def why_gone(path: Path | str) -> str | None:
    """What to say where the arrays that were kept at `path` are there no more; None where these are others."""
    name = _KEPT.fullmatch(Path(path).name)
    if name is None or Path(path).exists():
        return None
    module, _, function = name[1].rpartition(".")
    by = (
        f"add --data {module}:{function}"
        if module
        else "give the same data, in Python as nas.open(RUN).resume(data=...)"
    )
    return f"{path}, which was the copy of a program's data, is gone: to make it again, {by}"


# ---------------------------------------------------------------------------- what is given


def _names(given: Any) -> tuple[str, str]:
    """How messages call it, and how its copy is called."""
    if isinstance(given, str):
        return given, given.replace(":", ".")
    splits = list(given.values()) if isinstance(given, Mapping) else [given]
    kind = next((type(split).__name__ for split in splits if gives_items(split)), "arrays")
    return ("the arrays" if kind == "arrays" else kind), re.sub(r"\W+", "_", kind)


def _result_of(name: str) -> Any:
    """What the function gives that a person names. Raises ValueError where there is none, or it fails."""
    match = _FUNCTION.fullmatch(name)
    assert match is not None
    if (here := str(Path.cwd())) not in sys.path:  # as for a space of one's own, see `nas.ledger.trust`
        sys.path.append(here)
    try:
        function = getattr(import_module(match[1]), match[2], None)
    except Exception as error:  # also whatever the module's code raises
        raise ValueError(f"cannot import {match[1]} of --data {name}: {line_of(error)}") from error
    if not callable(function):
        raise ValueError(f"{match[1]} has no function {match[2]!r}, which --data {name} names")
    _check_needs_nothing(function, name)
    try:
        return function()
    except Exception as error:
        raise ValueError(f"--data {name} fails: {line_of(error)}") from error


def _check_needs_nothing(function: Callable[..., Any], name: str) -> None:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ValueError(f"--data {name} must be a function that needs no arguments: {error}") from None
    except ValueError:  # of what is not written in Python nothing is known
        return


def _arrays_of(
    given: Any, called: str, scratch: Path, image_size: int | None, log: Log, channels: int | None
) -> dict[str, npt.NDArray[Any]]:
    """The arrays that `nas.data.arrays` knows by their names: of all splits, and the names of classes.

    Those of data sets are mapped from files in `scratch`.
    """
    if not isinstance(given, Mapping):
        given = {"": given}
    spelled = {spelling: split for split, spellings in SPELLED.items() for spelling in spellings}
    spelled |= {"": "", **dict.fromkeys(CLASS_NAMES, "class_names")}
    if not given or not all(isinstance(key, str) for key in given):
        raise ValueError(f"{called}: data are {_WANTED}")
    if not all(key.lower() in spelled for key in given):
        return {name: array_of(value, f"{called}: {name}") for name, value in given.items()}
    found: dict[str, npt.NDArray[Any]] = {}
    for key, value in given.items():
        split = spelled[key.lower()]
        if split == "class_names":
            found[split] = array_of(value, f"{called}: {key}")
            continue
        x, y = (f"x_{split}", f"y_{split}") if split else ("x", "y")
        if x in found:
            raise ValueError(f"{called} has the split {split} twice")
        if gives_items(value):
            named = f"{called} ({key})" if key else called
            found[x], found[y] = read_items(value, named, scratch / x, image_size, log, channels)
            if (names := class_names_of(value)) and "class_names" not in found:
                found["class_names"] = np.array(names)
        else:
            found[x], found[y] = _pair(value, called, (x, y))
    return found


def _pair(value: Any, called: str, names: tuple[str, str]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{called} has a {type(value).__name__} where data are {_WANTED}")
    if any(map(gives_items, value)):
        raise ValueError(f"{called}: of several data sets say which is which, as in {{'train': one, 'test': other}}")
    return array_of(value[0], f"{called}: {names[0]}"), array_of(value[1], f"{called}: {names[1]}")


# ---------------------------------------------------------------------------- what is kept


def _stored(read: ImageArrays, home: Path, stem: str, new: Path) -> Path:
    """The folder in `home` with all that was `read`, which is written as `new` and renamed, unless it is there."""
    splits = {split: read.split(split) for split in read.pairs}
    read.check_enough()
    sha256 = content_sha256(",".join(splits), read.class_names, *splits.values())
    place = home / f"{stem}-{sha256[:HASH]}"
    if place.exists() and _sha256_of(place, read.kind) == sha256:
        return place
    new.mkdir()
    for split, images in splits.items():
        ending = "" if read.together else f"_{split}"
        shape, parts = tuple(images.pixels.shape), in_parts(images.pixels)
        _write(new / f"x{ending}.npy", partial(write_images, shape=shape, parts=parts))
        _save(new / f"y{ending}.npy", images.labels.numpy())
    _save(new / "class_names.npy", np.array(read.class_names))
    if place.exists():  # and has been changed since
        shutil.rmtree(place)
    try:
        new.rename(place)
    except OSError:
        if not place.is_dir():  # otherwise another process was as quick: what it has is the same
            raise
    return place


def _save(path: Path, values: npt.NDArray[Any]) -> None:
    _write(path, lambda out: np.save(out, values, allow_pickle=False))


def _write(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _sha256_of(place: Path, task: str) -> str | None:
    """That of what is kept in `place`; None where it is damaged."""
    try:
        there = ImageArrays.at(place, lambda text: None, task=task)
        splits = {split: there.split(split) for split in there.pairs}
        return content_sha256(",".join(splits), there.class_names, *splits.values())
    except ValueError:
        return None
