"""LeNet-5.

LeCun, Bottou, Bengio, Haffner: "Gradient-Based Learning Applied to Document Recognition" (Proceedings of the IEEE,
1998), figure 2.

Deviations, all but the first as most do today: images of three channels are made grey (`+rgb` lets C1 see all
channels that there are); the subsampling layers are plain means, without a coefficient, a bias and a squashing of
their own; tanh is not scaled; C3 sees all of S2's maps rather than those of table I; the output is linear, for
softmax, rather than distances to drawn characters.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from nas.baselines.entry import Baseline
from searchspaces.layers import avg_pool, chain, conv, flatten, linear, network


def lenet5(num_classes: int, image_size: int, rgb: bool = False) -> nn.Sequential:
    """Figure 2. What larger images leave of C5 is averaged."""
    convolution = partial(conv, kernel=5, act=nn.Tanh, norm=None, padding=0)
    subsampling = avg_pool(2, stride=2, padding=0)
    return network(
        {} if rgb else {"grey": _grey},
        {"C1": convolution(6), "S2": subsampling, "C3": convolution(16), "S4": subsampling, "C5": convolution(120)},
        {"F6": chain(flatten(), linear(84, act=nn.Tanh)), "output": linear(num_classes)},
        init=uniform_by_fan_in,
    )


def _grey(c_in: int) -> tuple[nn.Module, int]:
    """Raises ValueError where images are neither grey nor of three channels."""
    if c_in not in (1, 3):
        raise ValueError(
            f"lenet5 takes grey images or makes RGB ones grey, not {c_in} channels: lenet5+rgb sees them all"
        )
    return Grey(), 1


class Grey(nn.Module):
    """Red, green and blue as luma (ITU-R BT.601); an image of one channel stays as it is."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            return x
        return 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]


def uniform_by_fan_in(module: nn.Module) -> None:
    """Weights and biases from -2.4 / fan in to 2.4 / fan in (appendix A)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        bound = 2.4 / module.weight[0].numel()
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -bound, bound)


BASELINES = {
    "lenet5": Baseline(
        lenet5,
        year=1998,
        paper="LeCun et al., Proceedings of the IEEE 86(11)",
        image_size=32,
        num_classes=10,
        data="MNIST",
        top1=0.95,
        errors="figure 9, without distortions",
        min_size=32,
        options={"rgb": "C1 sees all input channels rather than grey"},
    )
}
