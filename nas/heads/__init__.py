"""What says something of every pixel: a head on the maps of any network (`searchspaces.backbone`), and the whole.

    fcn32, fcn16, fcn8        scores of one, two or three maps, summed    Long et al. 2015
    unet, unet_bilinear       a decoder with all maps                     Ronneberger et al. 2015
    context, context_large    dilated maps, and a context network         Yu and Koltun 2016
    aspp                      dilated maps, and a pyramid of dilations    Chen et al. 2017, DeepLab-v3

A `Head` says which maps it takes, and what it makes of them; `segmenter` puts one on a network.
"""

from __future__ import annotations

from nas.heads.aspp import ASPP
from nas.heads.context import Dilated
from nas.heads.fcn import FCN
from nas.heads.head import Head, deepest
from nas.heads.unet import UNetDecoder

__all__ = ["HEADS"]

HEADS: dict[str, Head] = {
    "fcn32": Head(FCN, deepest(1)),
    "fcn16": Head(FCN, deepest(2)),
    "fcn8": Head(FCN, deepest(3)),
    "unet": Head(UNetDecoder),
    "unet_bilinear": Head(UNetDecoder.bilinear),
    "context": Head(Dilated.basic, deepest(1), output_stride=8),
    "context_large": Head(Dilated.large, deepest(1), output_stride=8),
    "aspp": Head(ASPP, deepest(1), output_stride=16),
}
"""By the names that a person gives them."""
