"""EfficientDet by its names, D0 to D7: what finds objects. The networks are those of `nas.detection.efficientdet`.

Tan, Pang, Le: "EfficientDet: Scalable and Efficient Object Detection" (2020, arXiv:1911.09070), table 1.
"""

from __future__ import annotations

from functools import partial

from nas.baselines.entry import Baseline
from nas.detection.efficientdet import TABLE_1, EfficientDet, Row, of_row


def efficientdet(num_classes: int, image_size: int, row: Row) -> EfficientDet:
    """That of the `row` of table 1 for images of `image_size` pixels, which may be fewer or more than the table's."""
    return of_row(row._replace(image_size=image_size), num_classes)


DETECTORS = {
    f"efficientdet_{name}": Baseline(
        partial(efficientdet, row=row),
        year=2020,
        paper="Tan et al., arXiv:1911.09070",
        image_size=row.image_size,
        num_classes=90,
        data="COCO",
        min_size=65,  # networks for smaller images have other strides
    )
    for name, row in TABLE_1.items()
}
"""Networks of the zoo that find objects; `BASELINES` are those that say a class of the image."""

CLASSIFIERS = {f"efficientdet_{name}": f"efficientnet_{row.backbone}" for name, row in TABLE_1.items()}
"""The network of the zoo that each stands on, by their names: whose weights may begin it."""
