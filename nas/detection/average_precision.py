"""What detectors are judged by: mean average precision, as COCO's code computes it.

Lin et al. 2014 (arXiv:1405.0312): the precision that a class has at 101 levels of recall, averaged over these, over ten
thresholds from which on an overlap is a hit (0.5 to 0.95), and over classes. With VOC's one threshold of 0.5 it is
`map_50`. torchmetrics has the same from pycocotools, but needs torchvision.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from nas.detection.detector import Found
from nas.detection.objects import NONE, Objects


def check_installed() -> None:
    """Raises ValueError, with what to install, where there is no pycocotools."""
    try:
        import pycocotools.coco  # noqa: F401
    except ImportError:
        raise ValueError("mean average precision needs pycocotools: pip install 'nas-toolkit[detection]'") from None


def mean_average_precision(found: Found, objects: Objects, num_classes: int) -> dict[str, Any]:
    """`map`, `map_50` and `map_75` (0..1), and `by_class`: of each class its `map` and `map_50`, None of one that no
    image shows, and how many `objects` are of it.

    `found` and `objects` are of the same images. All is 0 where these show no object. Raises ValueError where
    pycocotools is not installed.
    """
    check_installed()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    true, said = _annotations(objects), _detections(found)
    counts = [sum(item["category_id"] == number for item in true) for number in range(num_classes)]
    if not true or not said:
        none = [0.0 if count else None for count in counts]
        by_class = {"map": none, "map_50": none, "objects": counts}
        return {"map": 0.0, "map_50": 0.0, "map_75": 0.0, "by_class": by_class}
    with contextlib.redirect_stdout(io.StringIO()):  # of a progress that it prints
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(objects.classes) + 1)],
            "categories": [{"id": number, "name": str(number)} for number in range(num_classes)],
            "annotations": true,
        }
        coco.createIndex()
        judged = COCOeval(coco, coco.loadRes(said), "bbox")
        judged.params.areaRng, judged.params.areaRngLbl = judged.params.areaRng[:1], judged.params.areaRngLbl[:1]
        judged.params.maxDets = judged.params.maxDets[-1:]
        judged.evaluate()
        judged.accumulate()
    # [thresholds, recalls, classes, 1, 1]: of all areas, and up to 100 objects an image; -1 of what is not there
    precision = judged.eval["precision"][:, :, :, 0, 0]
    of_each = [precision[:, :, number] if count else None for number, count in enumerate(counts)]
    return {
        "map": _mean(precision), "map_50": _mean(precision[0]), "map_75": _mean(precision[5]),
        "by_class": {
            "map": [None if of_one is None else _mean(of_one) for of_one in of_each],
            "map_50": [None if of_one is None else _mean(of_one[0]) for of_one in of_each],
            "objects": counts,
        },
    }  # fmt: skip


def _mean(precision: np.ndarray[Any, Any]) -> float:
    return float(precision[precision > NONE].mean())


def _annotations(objects: Objects) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for image, (boxes, classes) in enumerate(zip(objects.boxes.tolist(), objects.classes.tolist(), strict=True), 1):
        for (left, top, right, bottom), of_class in zip(boxes, classes, strict=True):
            if of_class != NONE:
                sides = right - left, bottom - top
                made.append({
                    "id": len(made) + 1, "image_id": image, "category_id": of_class, "iscrowd": 0,
                    "bbox": [left, top, *sides], "area": sides[0] * sides[1],
                })  # fmt: skip
    return made


def _detections(found: Found) -> list[dict[str, Any]]:
    of_images = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [
        {
            "image_id": image,
            "category_id": of_class,
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        for image, (boxes, scores, classes) in enumerate(of_images, start=1)
        for (left, top, right, bottom), score, of_class in zip(boxes, scores, classes, strict=True)
        if of_class != NONE
    ]
