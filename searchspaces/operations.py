"""What the sides of a cell's blocks do: the operations of NASNet's section 3, and what later papers added to them.

Each is a function of the channels that come out, the stride and the norm. All bring a state to the cell's channels,
whatever it has. Where the papers are silent:

- every convolution has ReLU before it and norm behind it, separable ones are applied twice, and padding is TensorFlow's
  SAME, which at a stride is not symmetric, as in NASNet's authors' code (tensorflow/models, research/slim/nets/nasnet);
- an operation that keeps its state's channels, pooling or the identity, ends in a 1x1 convolution where these are not
  the cell's, as there;
- of 1x3 then 3x1 the first has the stride across, the second down, and a dilated convolution takes every second pixel,
  as in AmoebaNet's authors' code (tensorflow/tpu, models/official/amoeba_net). That code also narrows these and 3x3
  convolutions to a quarter of the channels, of which no paper says anything, and with which AmoebaNet-A would have
  2.8M parameters instead of its published 3.2M: here they have all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from searchspaces.layers import Kernel, Layer, Norm, Padding, avg_pool, chain, conv, identity, max_pool

Operation = Callable[[int, int, Norm], Layer]


def separable(c: int, stride: int, norm: Norm, kernel: int) -> Layer:
    """ReLU, depthwise and 1x1 convolution, norm; all of it twice, the stride in the first."""
    return chain(_separable(c, stride, norm, kernel), _separable(c, 1, norm, kernel))


def dilated_separable(c: int, stride: int, norm: Norm, kernel: int) -> Layer:
    """DARTS's: of every second pixel, and once."""
    return _separable(c, stride, norm, kernel, dilation=2)


def _separable(c: int, stride: int, norm: Norm, kernel: int, dilation: int = 1) -> Layer:
    def layer(c_in: int) -> tuple[nn.Module, int]:
        filters = conv(c_in, kernel, stride, c_in, None, None, _padding(stride), bias=False, dilation=dilation)
        return chain({"relu": relu, "depthwise": filters, "pointwise": conv(c, 1, act=None, norm=norm)})(c_in)

    return layer


def regular(c: int, stride: int, norm: Norm, kernels: tuple[Kernel, ...], dilation: int = 1) -> Layer:
    """ReLU, convolution, norm for each kernel; of `(1, 3)` the stride is across alone, of `(3, 1)` down."""

    def filters(kernel: Kernel) -> Layer:
        steps = stride if isinstance(kernel, int) else (stride if kernel[0] > 1 else 1, stride if kernel[1] > 1 else 1)
        return chain(relu, conv(c, kernel, steps, act=None, norm=norm, padding=_padding(stride), dilation=dilation))

    return chain(*map(filters, kernels))


def pooling(c: int, stride: int, norm: Norm, pool: Callable[[int, int, Padding], Layer], kernel: int) -> Layer:
    def layer(c_in: int) -> tuple[nn.Module, int]:
        fit = [conv(c, 1, act=None, norm=norm)] if c_in != c else []
        return chain(pool(kernel, stride, _padding(stride)), *fit)(c_in)

    return layer


def keep(c: int, stride: int, norm: Norm) -> Layer:
    """The state itself; where the shape changes ReLU, 1x1 convolution and norm."""
    return lambda c_in: (identity() if c_in == c and stride == 1 else preactivated_1x1(c, stride, norm))(c_in)


def preactivated_1x1(c: int, stride: int, norm: Norm) -> Layer:
    return chain(relu, conv(c, 1, stride, act=None, norm=norm))


def relu(c_in: int) -> tuple[nn.Module, int]:
    return nn.ReLU(), c_in  # not in place: other operations read the same state


def _padding(stride: int) -> Padding:
    """SAME padding, which is symmetric without a stride."""
    return "same" if stride == 1 else "tf"


OPERATIONS: dict[str, Operation] = {
    # NASNet, section 3, in its order
    "identity": keep,
    "1x3-3x1": partial(regular, kernels=((1, 3), (3, 1))),
    "1x7-7x1": partial(regular, kernels=((1, 7), (7, 1))),
    "dil3x3": partial(regular, kernels=(3,), dilation=2),
    "avg3x3": partial(pooling, pool=avg_pool, kernel=3),
    "max3x3": partial(pooling, pool=max_pool, kernel=3),
    "max5x5": partial(pooling, pool=max_pool, kernel=5),
    "max7x7": partial(pooling, pool=max_pool, kernel=7),
    "conv1x1": preactivated_1x1,
    "conv3x3": partial(regular, kernels=(3,)),
    "sep3x3": partial(separable, kernel=3),
    "sep5x5": partial(separable, kernel=5),
    "sep7x7": partial(separable, kernel=7),
    # DARTS (Liu et al. 2018, arXiv:1806.09055), section 3.1
    "dilsep3x3": partial(dilated_separable, kernel=3),
    "dilsep5x5": partial(dilated_separable, kernel=5),
}
