"""The heads that find objects, by the names that a person gives them: each makes a detector of any network.

    ssdlite          SSDLite, whose smallest boxes are a fifth of the image's side
    ssdlite_small    the same, and they are a tenth of it
    bifpn            the pyramid and the heads of EfficientDet-D0

EfficientDet itself is in the zoo, `nas.baselines.efficientdet`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nas.detection.detector import Detector
from nas.detection.efficientdet import TABLE_1, EfficientDet, with_pyramid
from nas.detection.ssdlite import ssdlite

SMALL = 0.1  # of the image's side


def bifpn(network: nn.Module, num_classes: int, image_size: int) -> EfficientDet:
    """`network` with the pyramid of D0, for images of `image_size` pixels. Raises ValueError as `with_pyramid`."""
    return with_pyramid(network, num_classes, TABLE_1["d0"]._replace(image_size=image_size))


HEADS: dict[str, Callable[[nn.Module, int, int], Detector]] = {
    "ssdlite": ssdlite,
    "ssdlite_small": partial(ssdlite, smallest=SMALL),
    "bifpn": bifpn,
}
"""Each puts a head on a network, for so many classes and pixels a side of an image. Raises ValueError where that has
not the maps for it."""
