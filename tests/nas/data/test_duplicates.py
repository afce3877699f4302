"""Copies of training images among the held-out ones: found, few false alarms, said in a line, and quickly."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from nas.data import decoded as module
from nas.data.duplicates import NO_HASH, hash_of, twins
from nas.data.folder import ImageFolder
from nas.data.judging import warnings_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nas" / "decoded"


def picture(seed: int, size: int = 48) -> Image.Image:
    """Smooth random colours, as photographs have."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def photos(root: Path, splits: tuple[str, ...] = ("",), n: int = 30) -> Path:
    """`n` images of each of two classes in each split, none like another."""
    for at, split in enumerate(splits):
        for label, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(n):
                picture(1000 * at + 100 * label + number).save(folder / f"{number}.png")
    return root


def opened(path: Path, said: list[str] | None = None, **options: str) -> ImageFolder:
    return ImageFolder(path, 24, log=[].append if said is None else said.append, **options)


def test_copies_have_near_hashes_and_others_have_not() -> None:
    image = picture(0, 192)
    saved = io.BytesIO()
    image.save(saved, "JPEG", quality=75)
    changed = (Image.open(saved), image.resize((96, 96)).resize((150, 150)), ImageEnhance.Color(image).enhance(0))
    original = np.array([hash_of(np.asarray(image))], np.uint64)
    for copy in changed:
        assert twins(np.array([hash_of(np.asarray(copy.convert("RGB")))], np.uint64), original)
    others = np.array([hash_of(np.asarray(picture(seed))) for seed in range(1, 300)], np.uint64)
    assert twins(others, original) is None and len(set(others.tolist())) == 299


def test_flat_images_are_nobody_s_copies() -> None:
    flat = [np.full((8, 8, 3), grey, np.uint8) for grey in (0, 7, 255)]
    assert {hash_of(image) for image in flat} == {NO_HASH}
    none = np.full(5, NO_HASH, np.uint64)
    assert twins(none, none) is None


def test_each_near_pair_is_found_and_no_other() -> None:
    """As by comparing all with all, on hashes of which many are near."""
    rng = np.random.default_rng(0)
    base = rng.integers(1, 2**63, 40, dtype=np.uint64)
    flips = [np.bitwise_xor.reduce(np.uint64(1) << rng.integers(64, size=k, dtype=np.uint64), initial=0) for k in
             rng.integers(1, 5, 400)]  # fmt: skip
    hashes = rng.choice(base, 400) ^ np.array(flips, np.uint64)
    for train, held_out in ((hashes[:300], hashes[300:]), (hashes[:5], hashes[5:]), (base, hashes), (hashes, base[:1])):
        bits = np.array([[bin(int(a) ^ int(b)).count("1") for b in held_out] for a in train])
        found = twins(train, held_out)
        near = int((bits.min(1) <= 2).sum())
        assert (found.count if found else 0) == near
        assert found is None or bits[found.train, found.held_out] <= 2
    assert twins(base[:0], base) is None and twins(base, base[:0]) is None


def test_many_images_take_no_time() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**63, 60_000, dtype=np.uint64)
    hashes[:20_000] = hashes[0] ^ (rng.integers(0, 2**13, 20_000, dtype=np.uint64))  # many that are much alike
    began = time.monotonic()
    assert twins(hashes[:50_000], hashes[50_000:]) is None
    assert time.monotonic() - began < 20


def test_copies_in_splits_that_are_made_are_a_note(tmp_path: Path) -> None:
    root = photos(tmp_path / "pets")
    assert opened(root).dataset("x").notes == ()
    for number in range(30):
        picture(number).save(root / "cat" / f"{number}-copy.jpg", quality=95)
    dataset = opened(root).dataset("x")
    (note,) = dataset.notes
    assert note in warnings_of(dataset)
    count, _, rest = note.partition(" of ")
    assert 1 <= int(count) <= 20, note
    assert rest.startswith(f"{len(dataset.train)} training images ") and "nearly the same as validation or test" in rest
    assert "\n" not in note and "cat/" in note and note.endswith("or keep them in one split with --group-by")
    by = opened(root, group_by=r"(?:cat|dog)/\d+").dataset("x")
    assert len(by.notes) == 1 and "copies" not in by.notes[0]


def test_copies_in_splits_that_are_given(tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", ("train", "val", "test"))
    picture(7, 60).save(root / "val" / "cat" / "copy.png")
    picture(8, 60).save(root / "test" / "dog" / "copy.png")
    (note,) = opened(root).dataset("x").notes
    assert note == (
        "1 of 60 training images is nearly the same as validation images, such as train/cat/7.png and "
        "val/cat/copy.png: accuracies look better than they are. Remove the copies"
    )
    said: list[str] = []
    opened(root, said).test()
    assert [text for text in said if "train/cat/8.png and test/dog/copy.png" in text]


def test_a_test_split_alone_decodes_no_training_images(tmp_path: Path) -> None:
    said: list[str] = []
    opened(photos(tmp_path / "pets", ("train", "test")), said).test()
    assert len([text for text in said if text.startswith("decoding")]) == 1


def test_hashes_are_kept_and_older_caches_get_them(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos(tmp_path / "pets")
    picture(0).save(root / "dog" / "copy.png")
    first = opened(root).dataset("x").notes
    monkeypatch.setattr(module, "decode", lambda *args: pytest.fail("it decodes again"))
    (kept,) = cache.glob("*/*/phash.uint64")
    whole = kept.read_bytes()
    assert len(whole) == 8 * 61
    for spoil in (kept.unlink, lambda: kept.write_bytes(whole[:-1])):
        spoil()
        assert opened(root).dataset("x").notes == first and kept.read_bytes() == whole
    monkeypatch.setattr(module, "hash_of", lambda *args: pytest.fail("it hashes again"))
    assert opened(root).dataset("x").notes == first
