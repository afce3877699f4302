"""Folders of images with boxes: VOC's XML, COCO's JSON, the centre square, and boxes that move with their images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import load, load_test
from nas.data.annotations import read_coco, read_voc
from nas.data.augmentation import Augment
from nas.data.batches import TrainBatches
from nas.data.boxes import BoxFolder, has_boxes
from nas.data.images import Images
from nas.data.shapes2 import CLASS_NAMES
from nas.detection.objects import NONE, Objects

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def xml(width: int, height: int, objects: list[tuple[str, tuple[int, int, int, int]]]) -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    said = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{side}>{number}</{side}>" for side, number in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for name, box in objects
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>a.jpg</filename>{size}{said}</annotation>"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """20 images of 40 x 20 pixels, each with a cell in the middle and one that the centre square has not."""
    root = tmp_path / "cells"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    for number in range(20):
        Image.fromarray(np.full((20, 40, 3), 10 * number, np.uint8)).save(root / "JPEGImages" / f"{number}.png")
        objects = [("red", (16, 6, 25, 15)), ("white", (1, 1, 5, 5)), ("white", (28, 11, 40, 20))]
        (root / "Annotations" / f"{number}.xml").write_text(xml(40, 20, objects))
    for split, numbers in {"train": range(10), "val": range(10, 14), "test": range(14, 20)}.items():
        (root / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(map(str, numbers)) + "\n")
    return root


def quiet(text: str) -> None:
    pass


# ---------------------------------------------------------------------------- files


def test_voc_counts_from_one(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(xml(40, 20, [("red", (1, 1, 40, 20)), ("white", (3, 4, 2, 9))]))
    said = read_voc(file)
    assert said.name == "a.jpg" and said.size == (40, 20)
    assert said.objects == (("red", (0, 0, 40, 20)),) and said.left_out == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is no annotation of PASCAL VOC"),
        ("<annotation/>", "it has no size/width"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', "declares entities"),
        (xml(40, 20, []).replace("40", "forty"), "is no annotation of PASCAL VOC: invalid literal"),
        (xml(0, 20, []), "has 0 x 20 pixels"),
        (xml(40, 20, [("red", (1, 1, 5, float("nan")))]), "no four numbers"),  # type: ignore[list-item]
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_voc(file)


def coco(images: int = 12) -> dict[str, Any]:
    """Two classes of three that are used; an object in the middle of each image, and a crowd."""
    return {
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}, {"id": 11, "name": "cow"}],
        "images": [{"id": 100 + i, "file_name": f"{i}.png", "width": 20, "height": 20} for i in range(images)],
        "annotations": [
            {"id": i, "image_id": 100 + i, "category_id": 7 + 2 * (i % 2), "bbox": [5, 5, 10, 8], "iscrowd": 0}
            for i in range(images)
        ]
        + [{"id": 99, "image_id": 100, "category_id": 11, "bbox": [0, 0, 20, 20], "iscrowd": 1}],
    }


def test_coco_has_corners_and_sides(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco()))
    images = read_coco(file)
    assert [len(image.objects) for image in images] == [1] * 12
    assert images[1].objects == (("dog", (5, 5, 15, 13)),)
    assert images[0].left_out == 1
    file.write_text(json.dumps({"images": []}))
    with pytest.raises(ValueError, match=r"a\.json is no annotation of COCO: it has no 'categories'"):
        read_coco(file)
    broken = coco()
    broken["annotations"][0]["bbox"] = [1, 2, 3]
    file.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=r"a\.json is no annotation of COCO: not enough values"):
        read_coco(file)


# ---------------------------------------------------------------------------- folders


def test_a_folder_of_voc_is_read_at_its_centre_square(voc: Path) -> None:
    """The square is the columns 10 to 30 of 40, and twice as large here."""
    folder = BoxFolder(voc, 40, log=quiet)
    data = folder.dataset("cells")
    assert data.class_names == ("red", "white")
    assert [len(images) for images in (data.train, data.val, folder.test())] == [10, 4, 6]
    assert data.train.labels.shape == (10, 1, 5)  # the middles of the white ones are beyond it
    assert data.train.labels[0].tolist() == [[0.25, 0.25, 0.75, 0.75, 0]]
    resized = data.train.resize(20)
    assert resized.pixels.shape[1] == 20 and torch.equal(resized.labels, data.train.labels)


def test_another_annotation_is_other_data(voc: Path) -> None:
    before = load(f"folder:{voc}", image_size=20, log=quiet)
    assert before.kind == "detection" and before.name == f"folder:{voc.name}"
    assert len(load_test(f"folder:{voc}", image_size=20, log=quiet)) == 6
    file = voc / "Annotations" / "3.xml"
    file.write_text(file.read_text().replace("<xmax>25", "<xmax>24"))
    assert load(f"folder:{voc}", image_size=20, log=quiet).sha256 != before.sha256
    grey = load(f"folder:{voc}", image_size=20, channels=1, log=quiet)
    assert grey.channels == 1


@pytest.mark.parametrize("official", [False, True])
def test_a_folder_of_coco_is_read(tmp_path: Path, official: bool) -> None:
    folder = tmp_path / "data" / ("train2017" if official else "train")
    folder.mkdir(parents=True)
    for number in range(12):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / f"{number}.png")
    file = tmp_path / "data" / "annotations" / "instances_train2017.json" if official else folder / "annotations.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(coco()))
    said: list[str] = []
    assert has_boxes(tmp_path / "data")
    read = BoxFolder(tmp_path / "data", 20, log=said.append)
    data = read.dataset("data")
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.val), len(read.test())) == (10, 1, 1)
    torch.testing.assert_close(data.train.labels[0, 0, :4], torch.tensor([0.25, 0.25, 0.75, 0.65]))
    assert any("1 boxes without pixels, or of crowds, are left out" in line for line in said)


def test_mistakes_are_named(voc: Path, tmp_path: Path) -> None:
    assert has_boxes(voc) and not has_boxes(tmp_path)
    with pytest.raises(ValueError, match="has no images with boxes: --task detection wants JPEGImages"):
        BoxFolder(tmp_path / "nowhere", 32)
    file = voc / "Annotations" / "3.xml"
    file.write_text(xml(20, 40, [("red", (1, 1, 5, 5))]))
    with pytest.raises(ValueError, match=r"3\.png has 40 x 20 pixels, and its annotation says 20 x 40"):
        BoxFolder(voc, 32, log=quiet).dataset("cells")
    (voc / "Annotations" / "11.xml").write_text(xml(40, 20, [("blue", (1, 1, 5, 5))]))
    with pytest.raises(ValueError, match="val has blue, which no training image shows"):
        BoxFolder(voc, 32, log=quiet)
    (voc / "ImageSets/Main/val.txt").write_text("99\n")
    with pytest.raises(ValueError, match="names 99, which"):
        BoxFolder(voc, 32, log=quiet)


# ---------------------------------------------------------------------------- batches


def squares(n: int = 16, side: int = 48) -> Images:
    """Images that are dark but for one bright box of each."""
    random = torch.Generator().manual_seed(0)
    corners = torch.randint(4, 24, (n, 2), generator=random)
    boxes = torch.cat([corners, corners + torch.randint(8, 20, (n, 2), generator=random)], dim=1)
    pixels = torch.zeros(n, side, side, 3, dtype=torch.uint8)
    for image, (left, top, right, bottom) in zip(pixels, boxes.tolist(), strict=True):
        image[top:bottom, left:right] = 255
    return Images(pixels, Objects(boxes[:, None] / side, torch.zeros(n, 1, dtype=torch.int64)).rows)


@pytest.mark.parametrize(
    "augment",
    [Augment(pad=3), Augment(pad=3, flip=False), Augment(min_area=0.3), Augment(min_area=0.5, flip=False),
     Augment(min_area=0.4, color_jitter=0.1)],
)  # fmt: skip
def test_boxes_move_with_their_images(augment: Augment) -> None:
    """What is bright is what the box encloses, to the pixel that a resized border is blurred by."""
    images, seen = squares(), 0
    batches = TrainBatches(images, (0.0,) * 3, (1.0,) * 3, batch_size=8, augment=augment)
    for x, y in map(batches.batch, batches.draw(torch.Generator().manual_seed(1))):
        for image, (*box, kind) in zip(x, y[:, 0].tolist(), strict=True):
            if kind == NONE:
                continue
            rows, columns = (image[0] > 0.5).nonzero().unbind(1)
            bright = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert [48 * side for side in box] == pytest.approx([float(n) for n in bright], abs=1.1)
            seen += 1
    assert seen >= 10


def test_changes_that_boxes_do_not_follow_are_refused() -> None:
    with pytest.raises(ValueError, match="rotation does not move boxes along with their images: leave out rotation"):
        TrainBatches(squares(), (0.0,) * 3, (1.0,) * 3, batch_size=4, augment=Augment(rotation=5.0))


# ---------------------------------------------------------------------------- the built-in images


def test_boxes_of_shapes2_are_around_what_its_masks_show() -> None:
    boxes = load_test("shapes2", task="detection")
    masks, classes = load_test("shapes2", task="segmentation").labels, load_test("shapes2").labels
    assert torch.equal(boxes.labels[:, 0, 4], classes.float())  # of each something is to be seen
    for mask, (left, top, right, bottom, _) in zip(masks[:50], (boxes.labels[:50, 0] * 32).tolist(), strict=True):
        rows, columns = mask.nonzero().unbind(1)
        assert [left, top] == [columns.min(), rows.min()]
        assert [right, bottom] == [columns.max() + 1, rows.max() + 1]
    assert load("shapes2", task="detection").class_names == CLASS_NAMES
