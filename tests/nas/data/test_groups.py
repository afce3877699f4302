"""Groups of images: each is in one split, balanced as far as groups allow; what is no group is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Images
from nas.data.folder import ImageFolder
from nas.data.groups import hold_out


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pets(root: Path, splits: Sequence[str] = ("",), patients: int = 20, n: int = 4, first: int = 0) -> Path:
    """`n` images of each of two classes for each patient in each split; green is the patient, blue the number."""
    for number, split in enumerate(splits):
        for red, name in ((0, "cat"), (200, "dog")):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for patient in range(first + patients * number, first + patients * (number + 1)):
                for blue in range(n):
                    image = Image.new("RGB", (9, 8), (red, patient, blue))
                    image.save(folder / f"p{patient}_{blue}.png")
    return root


def listed(root: Path) -> Path:
    rows = [
        f"{path.relative_to(root)},{path.parent.name},{path.name.partition('_')[0]}"
        for path in sorted(root.rglob("*.png"))
    ]
    (root / "list.csv").write_text("file,label,Patient\n" + "\n".join(rows))
    return root / "list.csv"


def opened(path: Path, by: str | None, said: list[str] | None = None, **options: bool) -> ImageFolder:
    return ImageFolder(path, 8, log=[].append if said is None else said.append, group_by=by, **options)


def patients(images: Images) -> set[int]:
    return set(images.pixels[:, 0, 0, 1].tolist())


@pytest.mark.parametrize("by", [r"p\d+", r"/(p\d+)_", "(?i)P[0-9]+"])
def test_a_group_is_in_one_split(tmp_path: Path, by: str) -> None:
    folder = opened(pets(tmp_path / "pets"), by)
    dataset, test = folder.dataset("x"), folder.test()
    parts = [patients(images) for images in (dataset.train, dataset.val, test)]
    assert [len(part) for part in parts] == [16, 2, 2] and len(set.union(*parts)) == 20
    assert dataset.notes == (f"20 groups of images by {by}: the images of each are in one split",)
    for images in (dataset.val, test):
        assert images.labels.bincount().tolist() == [8, 8]
    again = opened(tmp_path / "pets", by)
    assert patients(again.dataset("x").val) == parts[1] and patients(again.test()) == parts[2]


def test_a_column_of_a_list_means_the_same(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    by_path = opened(listed(tmp_path / "pets"), r"p\d+").dataset("x")
    by_column = opened(tmp_path / "pets" / "list.csv", "patient").dataset("x")
    assert patients(by_path.val) == patients(by_column.val)
    assert by_column.notes == ("20 groups of images by patient: the images of each are in one split",)


def test_without_groups_they_are_not(tmp_path: Path) -> None:
    dataset = opened(pets(tmp_path / "pets"), None).dataset("x")
    assert patients(dataset.val) & patients(dataset.train) and dataset.notes == ()


def test_groups_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    path = listed(tmp_path / "pets")
    text = path.read_text()
    prints = [opened(path, by).dataset("x").sha256 for by in (None, "patient", r"p\d+", r"p\d")]
    path.write_text(text.replace("p19_0.png,cat,p19", "p19_0.png,cat,p18"))
    prints += [opened(path, "patient").dataset("x").sha256]
    assert len(set(prints)) == 5
    assert opened(path, None).dataset("x").sha256 == prints[0]


def test_splits_that_are_given_are_only_looked_at(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", ("train", "val", "test"), patients=3)
    plain = opened(root, None).dataset("x")
    dataset = opened(root, r"p\d+").dataset("x")
    assert dataset.sha256 == plain.sha256 and dataset.val.pixels.equal(plain.val.pixels)
    assert dataset.notes == (r"9 groups of images by p\d+: the images of each are in one split",)
    pets(root / "val", patients=1)
    dataset = opened(root, r"p\d+").dataset("x")
    assert dataset.notes == (
        r"9 groups of images by p\d+: 1 is in more than one of the splits that the data give, such as p0 in train and "
        "val, so accuracies may be too high",
    )


def test_a_test_split_that_is_given(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", ("train", "test"), patients=10)
    folder = opened(root, r"p\d+")
    dataset = folder.dataset("x")
    assert not patients(dataset.train) & patients(dataset.val)
    assert patients(dataset.train) | patients(dataset.val) == set(range(10))
    assert patients(folder.test()) == set(range(10, 20))
    assert dataset.notes[0].startswith("20 groups of images by")


def test_unreadable_images_of_groups(tmp_path: Path) -> None:
    root = pets(tmp_path / "pets", patients=3)
    for path in root.rglob("p2_*"):
        path.write_text("damaged")
    with pytest.raises(ValueError, match="makes 2 groups of the images that are split: 3 or more are needed"):
        opened(root, r"p\d+", skip_unreadable=True).dataset("x")


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("p(", r"--group-by 'p\(' is no regular expression: missing \)"),
        (r"p1\d", r"finds no group in 80 of 160 images: cat/p0_0.png, cat/p0_1.png, cat/p0_2.png and 77 more"),
        ("x*", "finds no group in 160 of 160 images"),
        ("(x)?p", "finds no group in 160 of 160 images"),
        ("cat|dog", "makes 2 groups of the images that are split: 3 or more are needed"),
        ("_[012]", "finds no group in 40 of 160 images"),
    ],
)
def test_what_is_refused(tmp_path: Path, by: str, message: str) -> None:
    root = pets(tmp_path / "pets")
    with pytest.raises(ValueError, match=message) as caught:
        opened(root, by).dataset("x")
    assert "\n" not in str(caught.value) and not (tmp_path / "cache").exists()


def test_columns_that_are_refused(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    path = listed(tmp_path / "pets")
    with pytest.raises(
        ValueError, match=r"--group-by 'video': .*list[.]csv has no column of that name: it has file, label"
    ):
        opened(path, "video").dataset("x")
    with pytest.raises(ValueError, match="is no regular expression and no column of "):
        opened(path, "p(").dataset("x")
    path.write_text(path.read_text().replace("p0_1.png,cat,p0", "p0_1.png,cat,"))
    with pytest.raises(ValueError, match=r"list\.csv, line 3: its Patient is empty, by which images are grouped"):
        opened(path, "Patient").dataset("x")


def test_a_class_of_one_group(tmp_path: Path) -> None:
    """What is held out has at least a group; where that is all of a class, it cannot be learned."""
    root = pets(tmp_path / "pets", patients=1, n=20)
    pets(root, patients=2, n=20, first=1)
    for path in root.glob("cat/p[12]_*"):
        path.unlink()
    for path in root.glob("dog/p0_*"):
        path.unlink()
    with pytest.raises(ValueError, match="leaves no training image of"):
        opened(root, r"p\d+").dataset("x")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 10])
def test_what_is_held_out_is_balanced(seed: int, classes: int) -> None:
    """Groups of 1 to 30 images, most of one class: the held-out tenth has each class in its share."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 31, 400)
    groups = np.repeat(np.arange(400), sizes)
    main = np.repeat(rng.integers(classes, size=400), sizes)
    labels = np.where(rng.random(len(groups)) < 0.8, main, rng.integers(classes, size=len(groups)))
    held, rest = hold_out(labels, groups, len(labels) // 10, seed)
    assert not set(groups[held]) & set(groups[rest]) and len(held) + len(rest) == len(labels)
    assert len(held) == pytest.approx(len(labels) / 10, rel=0.05)
    share = np.bincount(labels[held]) / np.bincount(labels)
    assert np.all((share > 0.07) & (share < 0.13)), share
    again, _ = hold_out(labels, groups, len(labels) // 10, seed)
    assert np.array_equal(held, again)


def test_single_images_are_groups_too() -> None:
    labels = np.arange(50) % 10
    held, _ = hold_out(labels, np.arange(50), 5, 0)
    assert len(held) == 5 and len(set(labels[held])) == 5


def test_the_held_out_groups_are_not_the_small_ones() -> None:
    groups = np.repeat(np.arange(60), np.where(np.arange(60) % 2, 1, 9))
    sizes = [np.bincount(groups)[np.unique(groups[hold_out(groups % 2, groups, 30, seed)[0]])] for seed in range(20)]
    assert sum(9 in each for each in sizes) > 15
