"""Pickles of strangers: every way in which NumPy writes bytes is read, and nothing that it does not write."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.data.pickles import ARRAYS, NUMBERS, unpickled

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


class Calls:
    """An object that a pickle makes by calling `function` with `args`, and then gives `state`."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.reduced = function, args, state

    def __reduce__(self) -> Any:
        return self.reduced if self.reduced[2] is not None else self.reduced[:2]


def read(value: object, protocol: int = 4) -> Any:
    return unpickled(pickle.dumps(value, protocol), ARRAYS | NUMBERS, "never")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", [PIXELS, np.asfortranarray(PIXELS), PIXELS[:, ::2], PIXELS[:0], PIXELS[0]])
def test_bytes_are_what_they_were(array: np.ndarray, protocol: int) -> None:
    found = read({"data": array, "empty": b""}, protocol)
    assert np.array_equal(found["data"].array, array) and found["empty"] == b""


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("number", [np.float64(1.5), np.float32(0.5), np.int64(-3), np.uint8(7), np.bool_(True)])
def test_numbers_are_python_s(number: Any, protocol: int) -> None:
    found = read(OrderedDict(a=number), protocol)
    assert found == {"a": number} and type(found["a"]) is type(number.item())


@pytest.mark.parametrize("array", [PIXELS.astype(">i4"), np.array([None]), np.array(["a"]), PIXELS.astype("M8[s]")])
@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_something_else_are_refused(array: np.ndarray, protocol: int) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"not of bytes|not plain numbers"):
        read(array, protocol)


def test_bytes_beside_the_pickle_are_refused() -> None:
    beside: list[pickle.PickleBuffer] = []
    content = pickle.dumps(PIXELS, 5, buffer_callback=beside.append)
    with pytest.raises(pickle.UnpicklingError, match="out-of-band"):
        unpickled(content, ARRAYS, "never")


def poisoned(flags: int, code: str = "u1") -> Any:
    """A type that says of its bytes that they are objects, by `flags`."""
    return Calls(np.dtype, code, False, True, state=(3, "|", None, None, None, -1, -1, flags))


RECONSTRUCT = np.empty(0).__reduce__()[0]  # type: ignore[index]


def array(kind: Any, shape: Any = (8,), content: Any = b"\x10" * 8, fortran: Any = False) -> Any:
    return Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, shape, kind, fortran, content))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        array(poisoned(63)),
        array(poisoned(1)),
        array(poisoned(63, "O")),
        array(poisoned(63, "V8")),
        Calls(np.dtype, "u1", False, True, state=(3, "|", ("u1", (2,)), None, None, -1, -1, 63)),
        Calls(np.dtype, "u1", False, True, state=(4, "|", None, None, None, -1, -1, 0, {"metadata": 1})),
        Calls(np.dtype, "u1", False, True, state=(3, "?", None, None, None, -1, -1, 0)),
        array(np.dtype("u1"), (9,)),
        array(np.dtype("u1"), (-8, -1)),
        array(np.dtype("u1"), (2**64, 0, "x")),
        array(np.dtype("u1"), (8,), "text"),
        array(np.dtype("u1"), (8,), [b"a"] * 8),
        array(Calls(np.dtype, "u1", False, True, state=(3, "|", None, None, None, -1, -1, 0)), (8,), b"12345678", 7),
        Calls(RECONSTRUCT, np.dtype, (0,), b"b"),
        Calls(np.ndarray, (1,), np.dtype("u1")),
        Calls(np.float64(1).__reduce__()[0], np.dtype("f8"), b"1234"),  # type: ignore[index]
        Calls(np.float64(1).__reduce__()[0], poisoned(63, "O"), b"12345678"),  # type: ignore[index]
    ],
)
def test_what_numpy_does_not_write_is_refused(value: Any, protocol: int) -> None:
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        read(value, protocol)


@pytest.mark.parametrize("state", [{"_call": len}, (None, {"_call": len}), 5])
def test_a_pickle_cannot_change_what_stands_in(state: Any) -> None:
    changed = pickle.PROTO + b"\x04" + b"c_codecs\nencode\n" + pickle.dumps(state, 4)[2:-1] + pickle.BUILD + b"."
    with pytest.raises(pickle.UnpicklingError):
        unpickled(changed, ARRAYS, "never")


def test_only_latin_1_is_encoded() -> None:
    import codecs

    with pytest.raises(pickle.UnpicklingError, match="Latin 1"):
        read(Calls(codecs.encode, "x", "idna"))


def test_a_pickle_of_seven_bytes_takes_no_memory() -> None:
    with pytest.raises(EOFError):  # the reader in C asks for 64 GB first
        unpickled(b"\x80\x04Nr\xff\xff\xff\xff", ARRAYS, "never")


def test_the_process_lives_through_addresses_that_an_author_chose(tmp_path: Path) -> None:
    """NumPy's own `__setstate__` took these bytes for eight objects, and crashed with rc 139."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    evil = array(poisoned(63, "u8"), (1, 384), b"\x41" * 3072)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({b"data": evil, b"labels": [0]}, protocol=2))
    command = [
        sys.executable,
        "-c",
        "from nas.cli import main; main()",
        "train",
        "resnet8",
        "--data-dir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "data_batch_1 is not a CIFAR batch" in done.stderr and done.stderr.count("\n") == 1
