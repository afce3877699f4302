"""Which files of a folder are images: hidden and system files are passed over, links are followed once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from nas.data.listing import Listing, Passed, holds_an_image, images_below


def files(top: Path, *names: str) -> Path:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


def names(listing: Listing) -> list[str]:
    return [file.name for file in listing.files]


def test_images_at_any_depth_sorted_and_of_what_size_they_are(tmp_path: Path) -> None:
    files(tmp_path, "cat/b.jpg", "cat/a.PNG", "cat/deep/er/c.webp", "dog/d.jpg")
    listing = images_below(tmp_path, ["cat"])
    assert names(listing) == ["cat/a.PNG", "cat/b.jpg", "cat/deep/er/c.webp"]
    assert [file.bytes for file in listing.files] == [9, 9, 18]
    assert listing.files[0].mtime_ns == (tmp_path / "cat" / "a.PNG").stat().st_mtime_ns
    assert listing.folders == {str(tmp_path.resolve() / name) for name in ("cat", "cat/deep", "cat/deep/er")}
    assert str(listing.passed) == ""


@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"],
)
@pytest.mark.parametrize("depth", ["", "some/where/"])
def test_hidden_and_system_folders_are_passed_over_at_any_depth(tmp_path: Path, name: str, depth: str) -> None:
    files(tmp_path, "cat/a.jpg", f"cat/{depth}{name}/a-checkpoint.jpg", f"cat/{depth}{name}/deeper/b.jpg")
    listing = images_below(tmp_path, ["cat"])
    assert names(listing) == ["cat/a.jpg"] and str(listing.passed) == "1 hidden or system folder"
    files(tmp_path, f"only/{depth}{name}/a.jpg")
    assert holds_an_image(tmp_path / "cat") and not holds_an_image(tmp_path / "only")


def test_hidden_and_system_files_and_other_kinds_are_counted(tmp_path: Path) -> None:
    hidden = [".DS_Store", "._a.jpg", ".hidden.jpg", "Thumbs.db", "desktop.ini"]
    files(tmp_path, *(f"cat/{name}" for name in ("a.jpg", "b.heic", "c.HEIC", "d.txt", "e", *hidden)))
    listing = images_below(tmp_path, ["cat"])
    assert names(listing) == ["cat/a.jpg"]
    assert str(listing.passed) == "5 hidden or system files, 4 files that are no images (.heic 2, .txt 1, none 1)"


def test_what_is_passed_over_adds_up() -> None:
    one, other = Passed(1, 2, 3, 4, Counter({".txt": 1})), Passed(10, 20, 30, 40, Counter({".txt": 1, ".md": 1}))
    assert one + other == Passed(11, 22, 33, 44, Counter({".txt": 2, ".md": 1}))
    assert "44 images in no class's folder" in str(one + other)


def test_linked_folders_are_read_and_each_once(tmp_path: Path) -> None:
    files(tmp_path, "elsewhere/x.jpg", "elsewhere/in/y.jpg", "train/cat/a.jpg", "train/cat/zoo/b.jpg")
    cat = tmp_path / "train" / "cat"
    (cat / "one").symlink_to(tmp_path / "elsewhere")
    (cat / "two").symlink_to(tmp_path / "elsewhere")  # once more
    (cat / "in").symlink_to(tmp_path / "elsewhere" / "in")  # a part of it
    (cat / "again").symlink_to(cat / "zoo")  # what is there anyway, and sorts before it
    listing = images_below(tmp_path / "train", ["cat"])
    assert names(listing) == ["cat/a.jpg", "cat/in/y.jpg", "cat/one/x.jpg", "cat/zoo/b.jpg"]
    assert str(listing.passed) == "3 links to folders that are read already"


def test_a_class_may_be_a_link(tmp_path: Path) -> None:
    files(tmp_path, "elsewhere/x.jpg")
    (tmp_path / "cat").symlink_to("elsewhere")
    assert names(images_below(tmp_path, ["cat"])) == ["cat/x.jpg"] and holds_an_image(tmp_path / "cat")


@pytest.mark.parametrize("target", [".", "..", "../..", "deep"])
def test_links_in_a_circle_end(tmp_path: Path, target: str) -> None:
    """Neither the link nor what lies beside its class is read."""
    files(tmp_path, "train/cat/a.jpg", "train/cat/deep/b.jpg", "train/dog/d.jpg")
    (tmp_path / "train" / "cat" / "loop").symlink_to(target)
    listing = images_below(tmp_path / "train", ["cat"])
    assert names(listing) == ["cat/a.jpg", "cat/deep/b.jpg"] and listing.passed.links == 1


def test_a_linked_folder_that_links_back(tmp_path: Path) -> None:
    files(tmp_path, "train/cat/a.jpg", "train/dog/d.jpg", "elsewhere/x.jpg")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "train" / "cat")
    (tmp_path / "train" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    listing = images_below(tmp_path / "train", ["cat"])
    assert names(listing) == ["cat/a.jpg", "cat/more/x.jpg"] and listing.passed.links == 2


def test_links_to_nothing_are_listed_and_pipes_are_not(tmp_path: Path) -> None:
    files(tmp_path, "cat/a.jpg")
    cat = tmp_path / "cat"
    (cat / "gone.jpg").symlink_to("nothing")
    (cat / "round.jpg").symlink_to("round.jpg")
    os.mkfifo(cat / "pipe.jpg")
    (cat / "piped.jpg").symlink_to("pipe.jpg")
    (cat / "folder.jpg").mkdir()
    listing = images_below(tmp_path, ["cat"])
    assert names(listing) == ["cat/a.jpg", "cat/gone.jpg", "cat/round.jpg"]
    assert [file.bytes for file in listing.files] == [9, -1, -1] and listing.passed.endings == {".jpg": 2}


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "cat/a.jpg", "cat/secret/b.jpg")

    def scandir(path: Path) -> object:
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return original(path)

    original = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ValueError, match=r"cannot read the folder .*secret: Permission denied"):
        images_below(tmp_path, ["cat"])
