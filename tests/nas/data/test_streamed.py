"""Pixels that are read as they are needed: the same images as those that are held, batches and resizing included."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data import Augment, Dataset, Images, eval_batches, streamed
from nas.data.batches import TrainBatches
from nas.data.streamed import LIMIT, InFile, Streamed, fits, left_in, limit, moved, said
from searchspaces.bounded import memory_here

N, SIDE = 50, 8
CPU = torch.device("cpu")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def none_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "0")


@pytest.fixture
def held() -> Images:
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8))
    return Images(pixels, torch.arange(N) % 4)


@pytest.fixture
def on_disk(held: Images, tmp_path: Path, none_held: None) -> Images:
    """The same images in a file, after seven other bytes."""
    assert isinstance(held.pixels, torch.Tensor)
    (tmp_path / "pixels").write_bytes(b"7 bytes" + held.pixels.numpy().tobytes())
    pixels = left_in(InFile(tmp_path / "pixels", 7, (N, SIDE, SIDE, 3)))
    assert isinstance(pixels, Streamed)
    return Images(pixels, held.labels)


def same(one: Images, other: Images) -> bool:
    assert one.pixels.shape == other.pixels.shape and len(one.pixels) == len(other.pixels)
    return one.pixels[:].equal(other.pixels[:]) and one.labels.equal(other.labels)


# ------------------------------------------------------------------ the same images


@pytest.mark.parametrize("index", [3, -1, slice(2, 5), slice(None), torch.tensor([9, 0, 9])])
def test_it_gives_what_a_tensor_gives(held: Images, on_disk: Images, index: int | slice | torch.Tensor) -> None:
    assert on_disk.pixels[index].equal(held.pixels[index])
    some, few = (
        held.at(np.array([4, 40, 7, 3, 21, 6, 8, 9, 1, 2])),
        on_disk.at(np.array([4, 40, 7, 3, 21, 6, 8, 9, 1, 2])),
    )
    assert isinstance(few.pixels, Streamed) and few.pixels[index].equal(some.pixels[index])


def test_parts_of_it_are_lists_of_rows(held: Images, on_disk: Images) -> None:
    """Nothing is copied."""
    for found, expected in zip(on_disk.divide(20, 3), held.divide(20, 3), strict=True):
        assert isinstance(found.pixels, Streamed) and found.pixels.table is on_disk.pixels.table  # type: ignore[union-attr]
        assert same(found, expected)
    assert same(on_disk.divide(20, 3)[1].take(7, 1), held.divide(20, 3)[1].take(7, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_its_channels_are_converted_as_it_is_read(channels: int, held: Images, on_disk: Images, tmp_path: Path) -> None:
    """Also where it is resized after that, and in another process."""
    if channels == 3:
        held = held.with_channels(1)
        (tmp_path / "grey").write_bytes(held.pixels[:].numpy().tobytes())
        on_disk = Images(left_in(InFile(tmp_path / "grey", 0, (N, SIDE, SIDE, 1))), held.labels)
    found, expected = on_disk.with_channels(channels), held.with_channels(channels)
    assert isinstance(found.pixels, Streamed) and found.channels == channels and same(found, expected)
    assert found.channel_statistics() == expected.channel_statistics()
    small = found.take(20, 0).resize(5)
    assert same(small, expected.take(20, 0).resize(5))
    assert isinstance(small.pixels, Streamed)
    assert small.pixels.packed().opened(1)[:].equal(small.pixels[:])


def test_it_is_resized_as_it_is_read(held: Images, on_disk: Images) -> None:
    for sizes in ((5,), (12,), (5, 11)):
        small, expected = on_disk.take(30, 0), held.take(30, 0)
        for size in sizes:
            small, expected = small.resize(size), expected.resize(size)
        assert isinstance(small.pixels, Streamed) and same(small, expected)
    assert on_disk.resize(SIDE) is on_disk


def test_its_statistics_are_the_same_and_remembered(
    held: Images, on_disk: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_disk.channel_statistics() == held.channel_statistics()
    other = on_disk.take(30, 0)
    assert other.channel_statistics() == held.take(30, 0).channel_statistics()
    monkeypatch.setattr(Images, "_channel_statistics", lambda images: pytest.fail("all are read again"))
    on_disk.channel_statistics()
    status = (tmp_path / "pixels").stat()
    os.utime(tmp_path / "pixels", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(pytest.fail.Exception, match="read again"):
        on_disk.channel_statistics()


@pytest.mark.parametrize(
    "augment",
    [Augment(), Augment(pad=0, flip=False), Augment(min_area=0.3), Augment(min_area=0.3, color_jitter=0.4),
     Augment(cutout=3, mixup=0.2, quarter_turns=True), Augment(policy="randaugment", cutmix=1.0)],
)  # fmt: skip
@pytest.mark.parametrize("batch_size", [16, 500])
def test_batches_are_bit_for_bit_the_same(held: Images, on_disk: Images, augment: Augment, batch_size: int) -> None:
    found = []
    for images in (held, on_disk):
        batches = TrainBatches(images, MEAN, STD, batch_size=batch_size, augment=augment)
        generator = torch.Generator().manual_seed(1)
        found.append([batches.batch(draw) for _ in range(2) for draw in batches.draw(generator)])
    assert len(found[0]) == len(found[1]) == 2 * max(1, N // batch_size)
    for (x, y), (other_x, other_y) in zip(*found, strict=True):
        assert x.equal(other_x) and y.equal(other_y)
        assert x.stride() == other_x.stride()


def test_evaluation_reads_the_same_in_order(held: Images, on_disk: Images) -> None:
    one, other = (list(eval_batches(images, MEAN, STD, batch_size=16)) for images in (held, on_disk))
    assert len(one) == len(other) == 4
    assert all(x.equal(other_x) and y.equal(other_y) for (x, y), (other_x, other_y) in zip(one, other, strict=True))


# ------------------------------------------------------------------ reading ahead


def test_the_next_batches_are_read_ahead_and_no_more(on_disk: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[slice] = []
    pixels = on_disk.pixels
    assert isinstance(pixels, Streamed)
    monkeypatch.setattr(Streamed, "read", lambda self, part: read.append(part) or torch.zeros(1))
    batches = [slice(start, start + 5) for start in range(0, N, 5)]
    reading = pixels.ahead(batches)
    next(reading)
    reading.close()
    assert read == batches[: len(read)] and len(read) <= 1 + streamed.AHEAD
    read.clear()
    assert len(list(pixels.ahead(batches))) == len(read) == len(batches)


def test_what_cannot_be_read_is_raised_where_it_is_asked_for(on_disk: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Streamed, "read", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        list(eval_batches(on_disk, MEAN, STD, batch_size=16))


# ------------------------------------------------------------------ what fits is held


def test_what_is_taken_and_fits_is_held(held: Images, on_disk: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, str(10 * SIDE * SIDE * 3 / 1e9))
    few, many = on_disk.divide(10, 0)
    assert isinstance(few.pixels, torch.Tensor) and isinstance(many.pixels, Streamed)
    assert same(few, held.take(10, 0))
    assert isinstance(on_disk.resize(3).pixels, torch.Tensor)
    assert same(on_disk.resize(3), held.resize(3))


def test_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    assert limit(CPU) == memory_here() // 8
    assert fits(memory_here() // 8) and not fits(memory_here() // 8, sharing=2)
    monkeypatch.setenv(LIMIT, "1.5")
    assert limit(CPU) == limit(torch.device("cuda")) == 1_500_000_000
    for wrong in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv(LIMIT, wrong)
        with pytest.raises(ValueError, match=rf"\$NAS_RESIDENT_GB is '{wrong}': give the GB"):
            limit(CPU)


def test_several_processes_share_the_memory(on_disk: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(on_disk.pixels, Streamed)
    packed = on_disk.pixels.packed()
    monkeypatch.setenv(LIMIT, str(N * SIDE * SIDE * 3 / 1e9))
    assert isinstance(packed.opened(1), torch.Tensor)
    assert isinstance(there := packed.opened(2), Streamed)
    assert isinstance(there.at(np.arange(N // 2)), torch.Tensor) and isinstance(there.at(np.arange(30)), Streamed)


def test_images_that_a_gpu_has_no_room_for_stay_beside_it(held: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "fits", lambda size, device, sharing=1: device.type == "cpu")
    found = moved(held.pixels, "cuda")
    assert isinstance(found, Streamed) and found.table is held.pixels and found.device.type == "cuda"
    assert said(found) == "9.6e-06 GB of images stay in memory beside the GPU and are read as they are needed"
    assert said(held.pixels) == ""


def test_a_data_set_moves_with_its_device(on_disk: Images) -> None:
    dataset = Dataset.split("some", ("a", "b", "c", "d"), on_disk)
    there = dataset.to("meta")
    assert there.train.pixels.device.type == there.train.labels.device.type == "meta"
    assert said(dataset.train.pixels).endswith("of images stay on disk and are read as they are needed")
