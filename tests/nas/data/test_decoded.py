"""Image files, many of them: damaged ones are named, and nothing is decoded twice."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.data import decoded as module
from nas.data.decoded import Decoded, File, decoded
from nas.data.image_file import decode
from nas.data.streamed import LIMIT, Streamed

RED = (200, 30, 60)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nas" / "decoded"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images of random colours, 12 x 8 pixels, and a second of each kind of file."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        Image.new("RGB", (12, 8), tuple(rng.integers(0, 256, 3).tolist())).save(folder / f"{i}.png")
    return folder


def files(folder: Path) -> list[File]:
    found = [(path, path.stat()) for path in sorted(folder.iterdir())]
    return [File(path.name, status.st_size, status.st_mtime_ns) for path, status in found]


def read(folder: Path, size: int = 8) -> Decoded:
    return decoded(folder, files(folder), size, log=lambda text: None, workers=2)


def test_images_are_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    first = decoded(folder, files(folder), 8, log=said.append)
    assert first.pixels.shape == (5, 8, 8, 3) and not first.unreadable
    assert said == [f"decoding 5 images of {folder} at 8 pixels, which is done once"]
    alone = [decode(folder / file.name, 8) for file in files(folder)]
    assert np.array_equal(first.pixels.numpy(), np.stack(alone))
    monkeypatch.setattr(module, "decode", lambda *args: pytest.fail("it decodes again"))
    again = decoded(folder, files(folder), 8, log=said.append)
    assert again.pixels.equal(first.pixels) and len(said) == 1


def test_what_is_mapped_can_be_written_to_and_the_cache_stays(folder: Path) -> None:
    before = read(folder).pixels.clone()
    read(folder).pixels.zero_()
    assert read(folder).pixels.equal(before)


def test_a_change_is_noticed_and_replaces_what_was_there(folder: Path, cache: Path) -> None:
    read(folder)
    read(folder, size=9)
    Image.new("RGB", (12, 8), RED).save(folder / "1.png")
    os.utime(folder / "1.png", ns=(0, 0))
    changed = read(folder)
    assert changed.pixels[1, 0, 0].tolist() == list(RED)
    (folder / "0.png").unlink()
    assert len(read(folder).pixels) == 4
    kept = [[place.name for place in each.iterdir()] for each in cache.iterdir()]
    assert [len(each) for each in kept] == [1, 1]  # of 8 pixels and of 9


def test_a_cache_that_was_cut_off_is_made_anew(folder: Path, cache: Path) -> None:
    first = read(folder).pixels.clone()
    (file,) = cache.glob("*/*/pixels.uint8")
    file.write_bytes(file.read_bytes()[:-1])
    assert read(folder).pixels.equal(first)
    (report,) = cache.glob("*/*/unreadable.json")
    report.unlink()
    assert read(folder).pixels.equal(first)
    for damage in ("[1]", "{", "null", '{"0.png": 5}', "\0", '{"no.png": "gone"}'):
        (report,) = cache.glob("*/*/unreadable.json")
        report.write_text(damage)
        assert read(folder).pixels.equal(first), damage


def test_an_interrupted_decoding_leaves_nothing(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, size: int, channels: int, fit: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(folder)
    assert not [path for path in cache.rglob("*") if path.is_file() or path.name.startswith(".new")]


def test_another_process_may_be_as_quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It renames its folder to the same name just before this one does."""
    fill = module._fill

    def both(*args: object) -> None:
        fill(*args)  # type: ignore[arg-type]
        fill(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_fill", both)
    assert len(read(folder).pixels) == 5


def test_a_cache_that_cannot_be_written_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(
        ValueError, match=r"cannot keep the decoded images in .*decoded \(No space left.*XDG_CACHE_HOME"
    ):
        read(folder)


def test_damaged_images_are_named_and_the_others_are_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = read(folder).pixels.clone()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(folder / "1b.jpg")
    whole = (folder / "1b.jpg").read_bytes()
    (folder / "1b.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "2b.png").write_text("not an image")
    (folder / "3b.png").write_bytes(b"")
    noise.save(folder / "4b.png", format="EPS")  # a program that draws, under a false name
    (folder / "5b.png").mkdir()
    (folder / "6b.png").symlink_to("nothing")
    listed = [File(path.name, 0, 0) for path in sorted(folder.iterdir())]
    found = decoded(folder, listed, 8, log=lambda text: None)
    assert list(found.unreadable) == ["1b.jpg", "2b.png", "3b.png", "4b.png", "5b.png", "6b.png"]
    assert "truncated" in found.unreadable["1b.jpg"] and "identify" in found.unreadable["2b.png"]
    assert found.unreadable["6b.png"] == "No such file or directory"
    assert json.loads(found.report.read_text()) == found.unreadable
    assert found.pixels.equal(good)
    monkeypatch.setattr(module, "decode", lambda *args: pytest.fail("it decodes again"))
    assert decoded(folder, listed, 8, log=lambda text: None).unreadable == found.unreadable


def test_too_many_pixels_are_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns at so many, and refuses twice as many."""
    Image.new("RGB", (40, 10)).save(folder / "5.png")
    Image.new("RGB", (40, 30)).save(folder / "6.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(folder)
    assert list(found.unreadable) == ["6.png"] and "exceeds limit" in found.unreadable["6.png"]


def test_nothing_but_damaged_images(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.png").write_text("")
    found = read(tmp_path / "only")
    assert found.pixels.shape == (0, 8, 8, 3) and len(found.unreadable) == 1


def test_images_that_are_too_many_are_read_as_they_are_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = read(folder)
    monkeypatch.setenv(LIMIT, "0")
    left = read(folder)
    assert isinstance(left.pixels, Streamed) and left.pixels[:].equal(held.pixels[:])
    assert np.array_equal(left.hashes, held.hashes)


def test_large_images_are_decoded_few_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until those are written, they are in memory."""
    expected = read(folder)
    shutil.rmtree(expected.report.parent)
    monkeypatch.setattr(module, "BYTES", 2 * 8 * 8 * 3)
    together: list[int] = []

    class Pool(ThreadPoolExecutor):
        def map(self, work: Any, chunk: Any) -> Any:
            together.append(len(chunk))
            return super().map(work, chunk)

    monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
    assert read(folder).pixels[:].equal(expected.pixels[:])
    assert together == [2, 2, 1]
