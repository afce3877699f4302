"""NFNets: residual networks without normalisation.

Brock, De, Smith, Simonyan: "High-Performance Large-Scale Image Recognition Without Normalization" (2021,
arXiv:2102.06171), table 1 and section 4; the block is figure 3, its signal propagation that of Brock et al.
(arXiv:2101.08692). Every convolution's weights are standardised and have a gain; a block's input is divided by
the standard deviation that it has at the start, which is known from the depth, and its body is added alpha = 0.2
times. Paddings are TensorFlow's, the authors' framework's. Images were 192 pixels in training and 256 in the test, of
which the published errors and FLOPs are.

Deviation, as in timm, where the published weights run: standardisation adds 1e-5 to the weights' variance, where the
authors bound variance times fan in from below by 1e-4.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.baselines.entry import Baseline
from searchspaces.layers import Layer, avg_pool, chain, head, network, squeeze_excite
from searchspaces.modules import StochasticDepth, TensorFlowConv2d
from searchspaces.weights import he_normal

# The stem's convolutions: c, s
STEM = [(16, 2), (32, 1), (64, 1), (128, 2)]
# Table 1: channels and stride of the stages, and F0's blocks in each
STAGES = [(256, 1), (512, 2), (1536, 2), (1536, 2)]
BLOCKS = [1, 2, 6, 3]
LAST = 3072  # of the last 1x1 convolution, twice the last stage's

ALPHA = 0.2
GROUP_WIDTH = 128
GAMMA = 1.7015043497085571  # 1 / the standard deviation of GELU(x) for x ~ N(0, 1)


def nfnet(num_classes: int, image_size: int) -> nn.Sequential:
    """NFNet-F0 for images of any size. Blocks are dropped with up to 0.25, in proportion to their depth."""
    stem = [layer for c, s in STEM for layer in (scaled_conv(c, 3, s), act)][:-1]
    stages, depth = {}, 0
    for i, ((c, s), n) in enumerate(zip(STAGES, BLOCKS, strict=True)):
        # A stage's first block has a shortcut that is normalised too, which starts the variance anew.
        variances = [1 + BLOCKS[i - 1] * ALPHA**2 if i else 1.0] + [1 + j * ALPHA**2 for j in range(1, n)]
        drops = [0.25 * (depth + j) / sum(BLOCKS) for j in range(n)]
        blocks = [nf_block(c, s if j == 0 else 1, variances[j], drops[j]) for j in range(n)]
        stages[f"stage{i + 1}"] = chain(*blocks)
        depth += n
    last = {"conv_last": chain(scaled_conv(LAST, 1), act), "head": head(num_classes, dropout=0.2)}
    return network({"stem": chain(*stem)}, stages, last, init=_init)


def nf_block(c: int, stride: int, variance: float, drop: float) -> Layer:
    """Figure 3: 1x1, two grouped 3x3, 1x1, squeeze-excite; a shortcut of its own in a stage's first block."""
    c_mid = c // 2
    grouped = partial(scaled_conv, c_mid, 3, groups=c_mid // GROUP_WIDTH)
    body = chain(
        *(scaled_conv(c_mid, 1), act),
        *(grouped(stride=stride), act),
        *(grouped(), act),
        scaled_conv(c, 1),
        squeeze_excite(c // 2),
    )

    def layer(c_in: int) -> tuple[nn.Module, int]:
        shortcut = None
        if stride > 1 or c_in != c:
            pool = [avg_pool(2, stride, padding=0, ceil=True)] if stride > 1 else []
            shortcut, _ = chain(*pool, scaled_conv(c, 1))(c_in)
        return NFBlock(body(c_in)[0], shortcut, variance**-0.5, drop), c

    return layer


def scaled_conv(c: int, kernel: int, stride: int = 1, groups: int = 1) -> Layer:
    return lambda c_in: (ScaledStdConv2d(c_in, c, kernel, stride, groups=groups), c)


def act(c: int) -> tuple[nn.Module, int]:
    return ScaledGELU(), c


class NFBlock(nn.Module):
    """`shortcut + ALPHA * gain * 2 * body`, on the input activated and divided by its standard deviation.

    The 2 makes up for squeeze-excite's gate, which is a half on average; `gain` is zero at the start (SkipInit).
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module | None, beta: float, drop: float) -> None:
        super().__init__()
        self.act, self.body, self.shortcut, self.beta = ScaledGELU(), body, shortcut, beta
        self.drop = StochasticDepth(drop) if drop else nn.Identity()
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        activated = self.act(x) * self.beta
        kept: Tensor = self.shortcut(activated) if self.shortcut else x
        body: Tensor = self.drop(self.body(activated))
        return kept + 2 * ALPHA * self.gain * body


class ScaledStdConv2d(TensorFlowConv2d):
    """A convolution whose filters have mean 0 and variance `gain`^2 / fan in."""

    def __init__(self, c_in: int, c: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__(c_in, c, kernel, stride, groups=groups)
        self.gain = nn.Parameter(torch.ones(c, 1, 1, 1))

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        standard = F.layer_norm(weight, weight.shape[1:], eps=1e-5)
        out: Tensor = super()._conv_forward(x, standard * (self.gain / math.sqrt(weight[0].numel())), bias)
        return out


class ScaledGELU(nn.Module):
    """GELU with variance 1 for an input of N(0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) * GAMMA


def _init(module: nn.Module) -> None:
    he_normal("fan_in")(module)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)


BASELINES = {
    "nfnet_f0": Baseline(
        nfnet,
        year=2021,
        paper="Brock et al., arXiv:2102.06171",
        image_size=256,
        top1=16.4,
        top5=3.2,
        errors="table 3, at 256 pixels",
    )
}
