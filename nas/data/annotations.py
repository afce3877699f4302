"""Files that say which objects an image shows: PASCAL VOC's XML, a file an image, and COCO's JSON, one for all.

Boxes are left, top, right and bottom in pixels of the image's file, from 0 on; VOC counts pixels from 1, and its right
and bottom are the last ones within. Boxes without pixels are left out and counted, as are COCO's crowds, which are no
single objects. What VOC calls difficult is an object like the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from nas.files import read_json
from nas.text.visible import visible_in_line

Box = tuple[float, float, float, float]


class Labelled(NamedTuple):
    """An image's file by its name, its pixels (width, height), and its objects: the name of each and its box."""

    name: str
    size: tuple[int, int]
    objects: tuple[tuple[str, Box], ...]
    left_out: int = 0


def read_voc(file: Path) -> Labelled:
    """What an XML file of PASCAL VOC says; `name` is that which it gives the image.

    Raises ValueError where it is no such file.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}") from None
    if b"<!ENTITY" in content:  # of which a short file can make a text that fills the memory
        raise ValueError(f"{file} declares entities, which no annotation needs: remove them")
    try:
        root = ElementTree.fromstring(content)
        size = int(_text(root, "size/width")), int(_text(root, "size/height"))
        said = [(_text(item, "name").strip(), _voc_box(item)) for item in root.iter("object")]
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"{file} is no annotation of PASCAL VOC: {error}") from None
    return _labelled(root.findtext("filename") or "", size, said, file)


def _voc_box(item: ElementTree.Element) -> Box:
    left, top, right, bottom = (float(_text(item, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return left - 1, top - 1, right, bottom


def _text(item: ElementTree.Element, path: str) -> str:
    text = item.findtext(path)
    if text is None:
        raise LookupError(f"it has no {path}")
    return text


def read_coco(file: Path) -> list[Labelled]:
    """What a JSON file of COCO says of each image. Raises ValueError where it is none."""
    content = read_json(file)
    try:
        names = {item["id"]: str(item["name"]) for item in content["categories"]}
        images = {item["id"]: item for item in content["images"]}
        said: dict[Any, list[tuple[str, Box]]] = {number: [] for number in images}
        crowds = dict.fromkeys(images, 0)
        for item in content["annotations"]:
            if item.get("iscrowd"):
                crowds[item["image_id"]] += 1
            else:
                said[item["image_id"]].append((names[item["category_id"]], _coco_box(item)))
        of_images = {
            number: (str(of["file_name"]), (int(of["width"]), int(of["height"]))) for number, of in images.items()
        }
    except LookupError as error:
        raise ValueError(f"{file} is no annotation of COCO: it has no {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{file} is no annotation of COCO: {error}") from None
    found = []
    for number, (name, size) in of_images.items():
        labelled = _labelled(name, size, said[number], file)
        found.append(labelled._replace(left_out=labelled.left_out + crowds[number]))
    return found


def _coco_box(item: Mapping[str, Any]) -> Box:
    left, top, width, height = (float(number) for number in item["bbox"])
    return left, top, left + width, top + height


def _labelled(name: str, size: tuple[int, int], said: list[tuple[str, Box]], file: Path) -> Labelled:
    if min(size) < 1:
        raise ValueError(f"{file} says that {visible_in_line(name)} has {size[0]} x {size[1]} pixels: mend it")
    for label, box in said:
        if not all(map(math.isfinite, box)):
            raise ValueError(f"{file} has a box of {visible_in_line(label)} that is no four numbers: mend it")
    objects = tuple(_within(said, size))
    return Labelled(name, size, objects, len(said) - len(objects))


def _within(said: list[tuple[str, Box]], size: tuple[int, int]) -> Iterator[tuple[str, Box]]:
    """The objects that have pixels of the image, and of each what is in it."""
    for label, (left, top, right, bottom) in said:
        box = max(left, 0.0), max(top, 0.0), min(right, float(size[0])), min(bottom, float(size[1]))
        if box[0] < box[2] and box[1] < box[3]:
            yield label, box
