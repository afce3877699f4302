"""Text is read in one way, whoever wrote it; what is damaged is named with its line."""

from __future__ import annotations

import codecs
import errno
import fcntl
import threading
from pathlib import Path

import pytest

from nas.files import is_busy, new_folder, read_json, read_text, resumable, sole_process

DOCUMENT = '{\n"café": 1}\n'


@pytest.mark.parametrize(
    "content",
    [
        DOCUMENT.encode(),
        codecs.BOM_UTF8 + DOCUMENT.encode(),
        codecs.BOM_UTF16_LE + DOCUMENT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + DOCUMENT.encode("utf-16-be"),
        DOCUMENT.replace("\n", "\r\n").encode(),
    ],
)
def test_text_is_read_with_and_without_a_mark(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert read_json(path) == {"café": 1}
    assert read_text(path).splitlines() == DOCUMENT.splitlines()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged in line 1: no JSON, Expecting value"),
        (b'{"a":\n', "damaged in line 2: no JSON, Expecting value"),
        (b'{"a": 1,\n"b": \0\0\0\0', "damaged in line 2: it has NUL bytes"),
        (b"\0\0\0\0", "damaged in line 1: it has NUL bytes"),
        ('{"a": 1,\n\n"é": 1}'.encode("latin-1"), "damaged in line 3: it is no text in UTF-8"),
        (codecs.BOM_UTF16_LE + b"{\0}", "damaged in line 1: it is no text in UTF-16-LE"),
        (b"[1, 2]", "it has a list where an object should be"),
        (b"7.5", "it has a number where an object should be"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"a.json is .*{said}"):
        read_json(path)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ValueError, match=f"cannot read {path}: {why}"):
            read_text(path)


def test_a_lock_is_one_process_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        sole_process(lock, "busy here"),
        pytest.raises(ValueError, match="another process is busy here: wait for it, or stop it first"),
        sole_process(lock, "busy here"),
    ):
        pass
    with sole_process(lock, "busy here"):  # it is free again, and the file no matter
        assert lock.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_said(tmp_path: Path, number: int) -> None:
    said = pytest.raises(ValueError, match=r"cannot write to .*\. Free some space, then x continues")
    with said, resumable(tmp_path, "x continues"):
        raise OSError(number, "no")


@pytest.mark.parametrize("other", [OSError(errno.EIO, "no"), BrokenPipeError(), KeyboardInterrupt()])
def test_what_is_no_such_disk_passes(tmp_path: Path, other: BaseException) -> None:
    with pytest.raises(type(other)), resumable(tmp_path, "x continues"):
        raise other


def test_who_looks_whether_a_lock_is_held_refuses_nobody(tmp_path: Path) -> None:
    lock = tmp_path / "driver"
    assert not is_busy(lock)
    lock.touch()
    with lock.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, looking.close).start()
        with sole_process(lock, "busy here"):
            assert is_busy(lock)
    assert not is_busy(lock)


def test_a_number_that_python_does_not_read_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": ' + "9" * 5_000 + "}")
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        read_json(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_finite_number_is_damage_wherever_it_stands(tmp_path: Path, number: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'{{"a": [{{"b": {number}}}]}}')
    with pytest.raises(ValueError, match=rf"a\.json is damaged: it has {number} where a finite number should be"):
        read_json(path)


def test_a_new_folder_is_gone_again_where_nothing_came_of_it(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for folder in (tmp_path / "new", old, tmp_path / "kept"):
        with pytest.raises(ValueError, match="no"), new_folder(folder):
            if folder.name == "kept":
                (folder / "file").touch()
            raise ValueError("no")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "old"]
    with new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new").is_dir()
    with pytest.raises(ValueError, match="cannot make the folder"), new_folder(tmp_path / "kept" / "file" / "below"):
        pass
