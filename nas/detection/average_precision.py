"""What detectors are judged by: mean average precision, as COCO's code computes it.

Lin et al. 2014 (arXiv:1405.0312): the precision that a class has at 101 levels of recall, averaged over these, over ten
thresholds from which on an overlap is a hit (0.5 to 0.95), and over classes. With VOC's one threshold of 0.5 it is
`map_50`. torchmetrics has the same from pycocotools, but needs torchvision.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.detection.detector import Found
from nas.detection.objects import NONE, Objects


def mean_average_precision(
    found: Sequence[Found], objects: Sequence[Objects], class_names: Sequence[str]
) -> dict[str, Any]:
    """`map`, `map_50` and `map_75` (0..1), and `by_class`: each class's `map`, None of one that no image shows.

    `found` and `objects` are of the same batches. Raises ValueError where pycocotools is not installed, or no image
    shows any object.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ValueError("mean average precision needs pycocotools: pip install 'nas-toolkit[detection]'") from None
    true, said = _annotations(objects), _detections(found)
    if not true:
        raise ValueError("there is no mean average precision of images that show no objects")
    images = sum(len(batch.classes) for batch in objects)
    with contextlib.redirect_stdout(io.StringIO()):  # of a progress that it prints
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, images + 1)],
            "categories": [{"id": number, "name": name} for number, name in enumerate(class_names)],
            "annotations": true,
        }
        coco.createIndex()
        if not said:
            nothing = {"map": 0.0, "map_50": 0.0, "map_75": 0.0}
            shown = {item["category_id"] for item in true}
            return nothing | {"by_class": {n: 0.0 if i in shown else None for i, n in enumerate(class_names)}}
        judged = COCOeval(coco, coco.loadRes(said), "bbox")
        judged.evaluate()
        judged.accumulate()
    # [thresholds, recalls, classes, areas, counts]: all areas, and up to 100 objects an image; -1 of what is not there
    precision = judged.eval["precision"][:, :, :, 0, -1]
    return {
        "map": _mean(precision), "map_50": _mean(precision[0]), "map_75": _mean(precision[5]),
        "by_class": {
            name: _mean(precision[:, :, i]) if (precision[:, :, i] > NONE).any() else None
            for i, name in enumerate(class_names)
        },
    }  # fmt: skip


def _mean(precision: np.ndarray[Any, Any]) -> float:
    return float(precision[precision > NONE].mean())


def _annotations(objects: Sequence[Objects]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    image = 0
    for batch in objects:
        for boxes, classes in zip(batch.boxes.tolist(), batch.classes.tolist(), strict=True):
            image += 1
            for (left, top, right, bottom), of_class in zip(boxes, classes, strict=True):
                if of_class != NONE:
                    sides = right - left, bottom - top
                    made.append({
                        "id": len(made) + 1, "image_id": image, "category_id": of_class, "iscrowd": 0,
                        "bbox": [left, top, *sides], "area": sides[0] * sides[1],
                    })  # fmt: skip
    return made


def _detections(found: Sequence[Found]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    image = 0
    for batch in found:
        for boxes, scores, classes in zip(
            batch.boxes.tolist(), batch.scores.tolist(), batch.classes.tolist(), strict=True
        ):
            image += 1
            made += [
                {
                    "image_id": image,
                    "category_id": of_class,
                    "bbox": [left, top, right - left, bottom - top],
                    "score": score,
                }
                for (left, top, right, bottom), score, of_class in zip(boxes, scores, classes, strict=True)
                if of_class != NONE
            ]
    return made
