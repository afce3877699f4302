"""CIFAR ResNets that are trained at random depths.

Huang, Sun, Liu, Sedra, Weinberger: "Deep Networks with Stochastic Depth" (2016, arXiv:1603.09382), section 3:
ResNet-110 and -1202 with option A shortcuts, where block l of L is left out of a training step with probability
(l / L)(1 - p_L), p_L = 0.5, for the whole mini-batch; at test it is multiplied by its survival probability
(equation 5). A block that is left out costs nothing, and its parameters get no gradient from that step.

No deviations.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from nas.baselines.entry import Baseline
from nas.baselines.resnet import CIFAR_STAGES, blocks_a_stage, option_a, stages
from searchspaces.layers import Layer, chain, conv, head, network, relu, round_repeats
from searchspaces.modules import Residual


def stochastic_depth_resnet(
    num_classes: int, image_size: int, layers: int, p_last: float = 0.5, width: float = 1.0, depth: float = 1.0
) -> nn.Sequential:
    """Survival falls linearly (equation 4), from nearly 1 to `p_last`; with 1.0 it is ResNet-`layers`."""
    n = round_repeats(blocks_a_stage(layers), depth)
    survivals = iter([1 - block / (3 * n) * (1 - p_last) for block in range(1, 3 * n + 1)])
    rows = stages(lambda c, stride: _block(c, stride, next(survivals)), CIFAR_STAGES, 3 * [n], width)
    return network({"conv1": conv(max(1, round(16 * width)))}, rows, {"fc": head(num_classes)})


def _block(c: int, stride: int, survival: float) -> Layer:
    def layer(c_in: int) -> tuple[nn.Module, int]:
        body, _ = chain(conv(c, 3, stride), conv(c, 3, act=None))(c_in)
        return SurvivingResidual(body, option_a(c, stride)(c_in)[0], relu(), survival), c

    return layer


class SurvivingResidual(Residual):
    """`act(body(x) + shortcut(x))`; in training without `body` for a whole mini-batch at times, see above."""

    varies_in_python = True  # from step to step: a recording of one step would not be any other

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module, survival: float) -> None:
        super().__init__(body, shortcut, act)
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        shortcut: Tensor = self.shortcut(x)
        if self.training and torch.rand((), device="cpu").item() >= self.survival:  # a coin on the CPU: no waiting
            return shortcut  # comes from a ReLU, so needs none
        out: Tensor = self.act(self.body(x) * (1.0 if self.training else self.survival) + shortcut)
        return out

    def extra_repr(self) -> str:
        return f"survival={self.survival:g}"


def of_depth(layers: int, top1: float | None = None) -> Baseline:
    """The network of any 6n + 2 `layers`, for names such as `stochastic_depth_resnet56`."""
    blocks_a_stage(layers)
    return Baseline(
        partial(stochastic_depth_resnet, layers=layers),
        year=2016,
        paper="Huang et al., arXiv:1603.09382",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=top1,
        errors="section 4" if top1 else "",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "stochastic_depth_resnet110": of_depth(110),
    "stochastic_depth_resnet1202": of_depth(1202, 4.91),
}
