"""Images that a CSV lists: its columns, its splits, and what is refused by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nas.data import Images, load, load_test, locate
from nas.data.csv_list import CsvFile
from nas.data.folder import ImageFolder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nas" / "decoded"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """60 images in one folder, `images/`, none like another: red says which are of class b, blue is the number."""
    images = tmp_path / "pets" / "images"
    images.mkdir(parents=True)
    for blue in range(60):
        Image.new("RGB", (9, 8), (200 * (blue % 2), 0, blue)).save(images / f"{blue}.png")
    return tmp_path / "pets"


def label(number: int) -> str:
    return "ab"[number % 2]


def split_of(number: int) -> str:
    return ("train", "train", "Valid", "train", "train", "TEST")[number // 2 % 6]


def write(root: Path, text: str, name: str = "list.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def plain(root: Path) -> Path:
    return write(root, "file,label\n" + "".join(f"images/{n}.png,{label(n)}\n" for n in range(60)))


def with_splits(root: Path) -> Path:
    rows = "".join(f"images/{n}.png,{label(n)},{split_of(n)}\n" for n in range(60))
    return write(root, "file,label,split\n" + rows)


def opened(path: Path, said: list[str] | None = None, **options: bool) -> ImageFolder:
    return ImageFolder(path, 8, log=[].append if said is None else said.append, **options)


def numbers(images: Images) -> set[int]:
    return set(images.pixels[:, 0, 0, 2].tolist())


def test_without_a_column_split_the_splits_are_made_as_for_folders(root: Path) -> None:
    said: list[str] = []
    folder = opened(plain(root), said)
    dataset, test = folder.dataset("folder:list.csv"), folder.test()
    assert dataset.class_names == ("a", "b")
    parts = [numbers(images) for images in (dataset.train, dataset.val, test)]
    assert [len(part) for part in parts] == [49, 5, 6] and len(set.union(*parts)) == 60
    assert dataset.train.labels.tolist() == [int(red > 0) for red in dataset.train.pixels[:, 0, 0, 0].tolist()]
    assert said[0] == (
        "folder:list.csv: 2 classes; validation is a tenth of the images, test another tenth of the images"
    )
    assert (
        f"{root}/list.csv: taken for the 60 images that it lists; it has no column split, so the splits are made here"
        in said
    )
    again = opened(root / "list.csv").dataset("x")
    assert numbers(again.val) == parts[1] and again.sha256 == dataset.sha256


def test_splits_are_those_of_the_column(root: Path) -> None:
    said: list[str] = []
    folder = opened(with_splits(root), said)
    dataset, test = folder.dataset("folder:list.csv"), folder.test()
    for images, spelling in ((dataset.train, "train"), (dataset.val, "Valid"), (test, "TEST")):
        assert numbers(images) == {n for n in range(60) if split_of(n) == spelling}
        assert images.labels.tolist() == [int(red > 0) for red in images.pixels[:, 0, 0, 0].tolist()]
    assert "validation is the val rows of list.csv, test the test rows of list.csv" in said[0]


def test_each_split_is_kept_in_the_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.data import decoded

    folder = opened(with_splits(root))
    folder.dataset("x"), folder.test()
    monkeypatch.setattr(decoded, "decode", lambda *args: pytest.fail("it decodes again"))
    again = opened(root / "list.csv")
    again.dataset("x"), again.test()


@pytest.mark.parametrize(
    ("delimiter", "header", "mark"),
    [
        (";", "Image;CLASS", ""),
        ("\t", "filename\tTarget", ""),
        (",", " path , category ,width", "\ufeff"),
        (",", '"file","label"', ""),
    ],
)
def test_delimiters_headers_and_marks(root: Path, delimiter: str, header: str, mark: str) -> None:
    more = [""] * (header.count(delimiter) - 1)
    rows = "".join(delimiter.join([f" images/{n}.png", label(n), *more]) + "\r\n" for n in range(60))
    path = write(root, f"{mark}{header}\r\n{rows}\r\n")
    assert opened(path).dataset("x").sha256 == opened(plain(root)).dataset("x").sha256


def test_a_folder_with_one_list_and_no_classes(root: Path) -> None:
    by_name = opened(plain(root)).dataset("x").sha256
    said: list[str] = []
    assert opened(root, said).dataset("x").sha256 == by_name
    assert any(text.startswith(f"{root}/list.csv: taken for the 60 images") for text in said)
    write(root, "name,value\na,1\n", "other.csv")  # which lists no images
    assert opened(root).dataset("x").sha256 == by_name
    write(root, "file,label\n", "second.tsv")
    with pytest.raises(ValueError, match=r"name one of its CSV files \(list.csv, second.tsv\), as in --data folder:"):
        opened(root)


def test_folders_that_are_classes_are_taken_before_a_list(root: Path) -> None:
    (root / "more").mkdir()
    for number in range(10):
        Image.new("RGB", (9, 8), (9, 9, number)).save(root / "more" / f"{number}.png")
    plain(root)
    said: list[str] = []
    assert opened(root, said).dataset("x").class_names == ("images", "more")
    assert any("left out: list.csv (--data folder:" in text for text in said)


def test_other_columns_and_names_for_one_file(root: Path) -> None:
    rows = "".join(f"{root}/images/../images/./{n}.png,{label(n)},p{n}\n" for n in range(60))
    listed = CsvFile.of(write(root, f"file,label,Patient\n{rows}"))
    assert listed.columns == ("file", "label", "Patient") and listed.rows[7].values[2] == "p7"
    assert [row.file.name for row in listed.rows] == [f"images/{n}.png" for n in range(60)]
    windows = "".join(f"images\\{n}.png,{label(n)}\n" for n in range(60))
    assert CsvFile.of(write(root, f"file,label\n{windows}")).rows[3].file.name == "images/3.png"


def test_load_takes_it_by_its_path(root: Path) -> None:
    with_splits(root)
    assert locate("folder:pets/list.csv", root.parent) == ("folder:list.csv", root)
    dataset = load("folder:list.csv", root, image_size=8, log=lambda text: None)
    assert (len(dataset.train), len(dataset.val)) == (40, 10)
    assert len(load_test("folder:list.csv", root, image_size=8, log=lambda text: None)) == 10


def test_a_validation_without_a_class(root: Path) -> None:
    rows = "".join(f"images/{n}.png,{label(n)},{'val' if n in (0, 2) else 'train'}\n" for n in range(60))
    rows += "".join(f"images/{n}.png,{label(n)},test\n" for n in ())
    dataset = opened(write(root, "file,label,split\n" + rows)).dataset("x")
    assert dataset.class_names == ("a", "b")
    test = opened(root / "list.csv").test()  # val is the test's, where there is no other
    assert test.labels.tolist() == [0, 0]


def test_unreadable_images_are_named_or_skipped(root: Path) -> None:
    (root / "images" / "3.png").write_text("damaged")
    path = with_splits(root)
    with pytest.raises(ValueError, match=r"1 of 40 images cannot be read: images/3.png .*--skip-unreadable"):
        opened(path).dataset("x")
    assert 3 not in numbers(opened(path, skip_unreadable=True).dataset("x").train)


def test_what_a_list_says_is_part_of_its_fingerprint(root: Path) -> None:
    text = with_splits(root).read_text()
    prints = [opened(root / "list.csv").dataset("x").sha256]
    for old, new in (("0.png,a", "0.png,b"), (",a,", ",c,"), ("56.png,a,train", "56.png,a,valid"), ("TEST", "train")):
        write(root, text.replace(old, new))
        prints.append(opened(root / "list.csv").dataset("x").sha256)
    assert len(set(prints)) == len(prints)


HEAD = "file,label,split\nimages/0.png,a,train\nimages/1.png,b,train\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "images/0.png,a,train\n", "line 4: images/0.png is named in line 2 already"),
        (HEAD + "images/./0.png,a,train\n", "line 4: images/0.png is named in line 2 already"),
        (HEAD + "\nimages/99.png,a,train\n", "line 5: there is no file images/99.png in "),
        (HEAD + "images,a,train\n", "line 4: images is no file"),
        (HEAD + "../cache,a,train\n", r"line 4: \.\./cache is not below the folder of the CSV"),
        (HEAD + "images/../../x.png,a,train\n", "line 4: .* is not below the folder of the CSV"),
        (HEAD + "/etc/passwd,a,train\n", "line 4: /etc/passwd is not below the folder of the CSV"),
        (HEAD + "images/2.png, ,train\n", "line 4: its label is empty"),
        (HEAD + ",a,train\n", "line 4: its file is empty"),
        (HEAD + "images/2.png,a,dev\n", "line 4: its split must be train, val or test, not 'dev'"),
        (HEAD + "images/2.png,a,\n", "line 4: its split must be train, val or test, not ''"),
        (HEAD + "images/2.png,c,test\n", "line 4: no row of split train has the label c"),
        (HEAD + "images/2.png,a\n", "line 4: it has 2 fields where the first line has 3"),
        (HEAD + "images/2.png,a,train,more\n", "line 4: it has 4 fields where the first line has 3"),
        (HEAD + '"images/2.png"x,a,train\n', "line 4: it cannot be read as CSV"),
        (HEAD + "images/2\x1b.png,a,train\n", r"line 4: there is no file images/2\\x1b.png"),
        ("file,label,split\nimages/0.png,a,val\nimages/1.png,b,test\n", "no row of split train: say which"),
        ("file,label\nimages/0.png,a\nimages/2.png,a\n", "two or more classes: it has one, a"),
        ("file,label\n", "lists no image"),
        ("", "must begin with a line that names the columns, .*: it has none"),
        ("name,label\n", "must begin with a line that names the columns, .*: it has name, label"),
        ("image,filename,label\n", r"several columns for the file \(image, filename\): call the one to take file"),
    ],
)  # fmt: skip
def test_what_is_refused(root: Path, text: str, message: str) -> None:
    path = write(root, text)
    with pytest.raises(ValueError, match=message) as caught:
        opened(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_text_that_is_not_utf_8(root: Path) -> None:
    (root / "list.csv").write_bytes(HEAD.encode() + "images/é.png,a,train\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is damaged in line 4: it is no text in UTF-8"):
        opened(root / "list.csv")
