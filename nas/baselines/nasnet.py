"""NASNet-A, the result of an architecture search.

Zoph, Vasudevan, Shlens, Le: "Learning Transferable Architectures for Scalable Image Recognition" (2017,
arXiv:1707.07012): figure 4 the two cells, `searchspaces.genotypes.NASNET_A`, figure 2 how they are stacked, "N @ P"
(section 4) N cells a stage and P filters before the classifier. It is an architecture of `searchspaces.nasnet`. What
the paper leaves open is as in its authors' TF-slim code (tensorflow/models, research/slim/nets/nasnet; see
`searchspaces/cells.py`), names of the rows included:

- the reduction cell's output has its second block too, although the third adds it up;
- CIFAR's stem is a 3x3 convolution, ImageNet's one with a stride and no padding and two reduction cells of a quarter
  and half the filters;
- in `nasnet_a_large` the cell after a reduction does not see the reduction's input, but what came before it;
- batch norms are not the same on CIFAR and ImageNet: a momentum of 0.0003 is the moving averages' decay of 0.9997.

Deviations: the auxiliary classifier is there with `+aux` alone, and paths are dropped only with `+drop_path`.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.genotypes import NASNET_A
from searchspaces.layers import SMALL_IMAGE, round_repeats
from searchspaces.nasnet import STAGES, NASNet


def nasnet_a(
    num_classes: int,
    image_size: int,
    n: int,
    penultimate: int,
    stem: int,
    cifar: bool = False,
    hide_input: bool = False,
    dropout: float = 0.0,
    drop: float = 0.0,
    width: float = 1.0,
    depth: float = 1.0,
    drop_path: bool = False,
    aux: bool = False,
) -> nn.Sequential:
    """NASNet-A (`n` @ `penultimate`). Images of up to 64 pixels, and all with `cifar`, get CIFAR's stem and norms."""
    size = min(image_size, SMALL_IMAGE) if cifar else image_size
    space = NASNet(
        width=width,
        n=round_repeats(n, depth),
        filters=penultimate // (len(NASNET_A.normal.output) * 2 ** (STAGES - 1)),
        stem=stem,
        hide_input=hide_input,
        dropout=dropout,
        drop_path=drop if drop_path else 0.0,
        aux=0.4 if aux else 0.0,
        bn_momentum=0.1 if size <= SMALL_IMAGE else 3e-4,
    )
    return space.network(NASNET_A, num_classes, size)


_baseline = partial(Baseline, year=2017, paper="Zoph et al., arXiv:1707.07012", scalable=True, deepens=True)
_imagenet = partial(_baseline, cifar="a 3x3 convolution without stride as the stem, CIFAR's batch norms")
_aux = {"aux": "the auxiliary classifier, in training"}
_drop_path = {"drop_path": "paths dropped, with a probability that grows with depth and training to its authors'"}

# N @ P in the names of the paper; `stem` times 32 (on CIFAR the first cells') channels has the stem's convolution
BASELINES = {
    "nasnet_a_cifar": _baseline(
        partial(nasnet_a, n=6, penultimate=768, stem=3, cifar=True, drop=0.4),
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=3.41,
        errors="table 1",
        options=_aux | _drop_path,
    ),
    "nasnet_a_mobile": _imagenet(
        partial(nasnet_a, n=4, penultimate=1056, stem=1, dropout=0.5),
        top1=26.0,
        top5=8.4,
        errors="table 3",
        options=_aux,
    ),
    "nasnet_a_large": _imagenet(
        partial(nasnet_a, n=6, penultimate=4032, stem=3, hide_input=True, dropout=0.5, drop=0.3),
        image_size=331,
        top1=17.3,
        top5=3.8,
        errors="table 2",
        options=_aux | _drop_path,
    ),
}
