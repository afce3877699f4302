"""Networks as captum's methods need them, and for which networks those are defined.

Captum's guided backpropagation and deconvnet change what goes back through `nn.ReLU`: they hook modules, and they do so
at the tensor that a module was given. So a copy of the network is made that has nothing in place and whose ReLUs each
have an input of their own: where a shortcut or another branch reads the same tensor, what goes back through that would
be changed, too, or lost. ReLU6 is a ReLU whose output is cut at 6.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Apart(nn.Module):
    """Gives a copy: whoever reads it is the only one that does."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class Ceiling(nn.Module):
    """What is above 6 is 6."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(max=6.0)


def readied(network: nn.Module) -> nn.Module:
    """A copy of `network` that gives the same, in evaluation mode, and whose ReLUs captum may hook.

    Its modules have the names that they have in `network`.
    """
    copy = deepcopy(network).eval().requires_grad_(False)
    for module in list(copy.modules()):
        for name, part in list(module.named_children()):
            if type(part) is nn.ReLU:
                setattr(module, name, nn.Sequential(Apart(), nn.ReLU()))
            elif type(part) is nn.ReLU6:
                setattr(module, name, nn.Sequential(Apart(), nn.ReLU(), Ceiling()))
            elif hasattr(part, "inplace"):
                setattr(part, "inplace", False)  # noqa: B010, whose type nobody says
    return copy


def undefined(network: nn.Module, image: Tensor) -> str:
    """Why guided backpropagation and the deconvnet are not defined for `network`, in words; "" where they are.

    They are where all activations are ReLU or ReLU6, each a module: a function of the forward is none that captum can
    hook. Sigmoids and softmaxes are gates here, through which the gradient goes as it is. `image` is `[1, C, H, W]`.
    """
    with torch.no_grad(), _Called() as called:
        readied(network)(image)
    if called.others:
        return f"the network has {', '.join(sorted(called.others))}, and they are defined for ReLU alone"
    if called.relus > called.hooked:
        return "the forward of the network calls ReLU as a function, and captum can change modules alone"
    return "" if called.relus else "the network has no ReLU"


class _Called(TorchFunctionMode):
    """Which activations a forward calls: `relus`, how many of these are of the modules of `readied`, and others."""

    def __init__(self) -> None:
        super().__init__()
        self.relus = self.hooked = 0
        self.others: set[str] = set()
        self._apart: set[int] = set()
        self._kept: list[Any] = []  # so that no other tensor gets its id

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is Tensor.clone:
            self._apart.add(id(out))
            self._kept.append(out)
        elif func in _RELUS:
            self.relus += 1
            self.hooked += id(args[0]) in self._apart
        elif func in _OTHERS:
            self.others.add(_OTHERS[func])
        return out


_RELUS = {
    F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6,
}  # fmt: skip
_OTHERS: dict[Any, str] = {
    F.silu: "SiLU",
    F.gelu: "GELU",
    F.hardswish: "hard swish",
    F.hardtanh: "a hard tanh",
    F.elu: "ELU",
    F.celu: "CELU",
    F.selu: "SELU",
    F.leaky_relu: "leaky ReLU",
    F.prelu: "PReLU",
    F.mish: "Mish",
    F.softplus: "softplus",
    torch.tanh: "tanh",
    Tensor.tanh: "tanh",
}
