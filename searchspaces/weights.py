"""How weights start. Each is a function of one module, for `network(..., init=...)`, which applies it to all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeVar

from torch import nn

from searchspaces.modules import Residual, SqueezeExcite

Module = TypeVar("Module", bound=nn.Module)


def he_normal(mode: Literal["fan_in", "fan_out"] = "fan_out") -> Callable[[nn.Module], None]:
    """Kaiming-normal convolutions, classifier at N(0, 1/sqrt(fan in)), biases zero; norms stay at identity."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        else:
            return
        if module.bias is not None:
            nn.init.zeros_(module.bias)

    return init


def he_normal_per_group(module: nn.Module) -> None:
    """As MnasNet's and EfficientNet's code: Kaiming-normal by one group's fan out, classifier uniform, biases zero."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def normal(std: float, bias: float = 0.0) -> Callable[[nn.Module], None]:
    """Every convolution and linear layer at N(0, std), its bias constant."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.constant_(module.bias, bias)

    return init


def truncated_normal(std: float) -> Callable[[nn.Module], None]:
    """Every convolution and linear layer at N(0, std) without what is beyond 2 std, biases zero (TensorFlow's)."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    return init


def start_as_identity(module: Module) -> Module:
    """Residual bodies that give zero at the start (Goyal et al. 2017, section 5.1: the last norm's scale is zero).

    A body that ends in a convolution or linear layer, as preactivated ones do, has that at zero: after a norm at zero
    its activation would be dead.
    """
    for residual in (part for part in module.modules() if isinstance(part, Residual)):
        gates = [part for part in residual.body.modules() if isinstance(part, SqueezeExcite)]
        inside = {part for gate in gates for part in gate.modules()}
        layers = [
            part
            for part in residual.body.modules()
            if isinstance(part, nn.BatchNorm2d | nn.Conv2d | nn.Linear) and part not in inside
        ]
        nn.init.zeros_(layers[-1].weight)
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)
    return module
