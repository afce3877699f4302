"""NASNet-A, the result of an architecture search.

Zoph, Vasudevan, Shlens, Le: "Learning Transferable Architectures for Scalable Image Recognition" (2017,
arXiv:1707.07012): figure 4 the two cells, figure 2 how they are stacked, "N @ P" (section 4) N cells a stage and P
filters before the classifier. What the paper leaves open is as in its authors' TF-slim code (tensorflow/models,
research/slim/nets/nasnet; see `searchspaces/cells.py`), names of the rows included:

- the reduction cell's output has its second block too, although the third adds it up;
- CIFAR's stem is a 3x3 convolution, ImageNet's one with a stride and no padding and two reduction cells of a quarter
  and half the filters;
- in `nasnet_a_large` the cell after a reduction does not see the reduction's input, but what came before it;
- batch norms are not the same on CIFAR and ImageNet: a momentum of 0.0003 is the moving averages' decay of 0.9997.

Deviations: the auxiliary classifier is left out. Paths are dropped only with `+drop_path`, and then from the first
step on: over the first steps the authors raise the probability to the table's, which a network cannot know.
"""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.cells import Cell, Genotype, cell, cell_network
from searchspaces.layers import SMALL_IMAGE, conv, head

# Figure 4: a block is a state, an operation, a state, an operation. State 0 is h_i, 1 is h_i-1, 2 to 6 are the blocks.
NASNET_A = Genotype(
    normal=Cell(
        blocks=[
            (0, "sep5x5", 1, "sep3x3"),
            (1, "sep5x5", 1, "sep3x3"),
            (0, "avg3x3", 1, "identity"),
            (1, "avg3x3", 1, "avg3x3"),
            (0, "sep3x3", 0, "identity"),
        ],
        output=[1, 2, 3, 4, 5, 6],
    ),
    reduction=Cell(
        blocks=[
            (0, "sep5x5", 1, "sep7x7"),
            (0, "max3x3", 1, "sep7x7"),
            (0, "avg3x3", 1, "sep5x5"),
            (3, "identity", 2, "avg3x3"),
            (2, "sep3x3", 0, "max3x3"),
        ],
        output=[3, 4, 5, 6],
    ),
)

STAGES = 3  # of N normal cells; each after the first starts with a reduction cell and has twice the filters
CIFAR_NORM = partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
IMAGENET_NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=3e-4)


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
    drop_path: bool = False,
) -> nn.Sequential:
    """NASNet-A (`n` @ `penultimate`). Images of up to 64 pixels, and all with `cifar`, get CIFAR's stem and norms."""
    small = cifar or image_size <= SMALL_IMAGE
    filters = penultimate // (len(NASNET_A.normal.output) * 2 ** (STAGES - 1))
    c = 4 * max(1, round(filters * width / 4))  # the first stem cell has a quarter of them
    norm = CIFAR_NORM if small else IMAGENET_NORM
    if small:
        conv0 = conv(c * stem, 3, act=None, norm=norm)
    else:
        conv0 = conv(max(1, round(32 * stem * width)), 3, stride=2, act=None, norm=norm, padding=0)
    normal, reduction = (partial(cell, plan, norm=norm) for plan in NASNET_A)
    rows = {} if small else {f"cell_stem_{i}": partial(reduction, c // 4 * 2**i, 2) for i in range(2)}
    for stage in range(STAGES):
        c_stage = c * 2**stage
        if stage:
            rows[f"reduction_cell_{stage - 1}"] = partial(reduction, c_stage, 2, hide_input=hide_input)
        rows |= {f"cell_{i}": partial(normal, c_stage) for i in range(stage * n, stage * n + n)}
    top = drop if drop_path else 0.0  # of the last cell, in proportion to its depth of the others
    cells = {name: make(drop=top * i / len(rows)) for i, (name, make) in enumerate(rows.items(), start=1)}
    return cell_network(("conv0", conv0), cells, ("final_layer", head(num_classes, dropout)), _init)


def _init(module: nn.Module) -> None:
    """Variance 2 / fan out, which of a depthwise filter is its own kernel alone; biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        groups = module.groups if isinstance(module, nn.Conv2d) else 1
        nn.init.normal_(module.weight, std=math.sqrt(2 * groups / module.weight[:, 0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_baseline = partial(Baseline, year=2017, paper="Zoph et al., arXiv:1707.07012", scalable=True)
_imagenet = partial(_baseline, cifar="a 3x3 convolution without stride as the stem, CIFAR's batch norms")
_drop_path = {"drop_path": "paths dropped, in the last cell with the probability that the authors' training ends with"}

# N @ P in the names of the paper; `stem` times 32 (on CIFAR the first cells') channels has the stem's convolution
BASELINES = {
    "nasnet_a_cifar": _baseline(
        partial(nasnet_a, n=6, penultimate=768, stem=3, cifar=True, drop=0.4),
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=3.41,
        errors="table 1",
        options=_drop_path,
    ),
    "nasnet_a_mobile": _imagenet(
        partial(nasnet_a, n=4, penultimate=1056, stem=1, dropout=0.5), top1=26.0, top5=8.4, errors="table 3"
    ),
    "nasnet_a_large": _imagenet(
        partial(nasnet_a, n=6, penultimate=4032, stem=3, hide_input=True, dropout=0.5, drop=0.3),
        image_size=331,
        top1=17.3,
        top5=3.8,
        errors="table 2",
        options=_drop_path,
    ),
}
