"""How a library calls the tensors of one of our networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

Rule = tuple[str, str | Callable[[re.Match[str]], str]]


@dataclass(frozen=True)
class Naming:
    """`rules` make their name of ours: regular expressions substituted one after the other.

    `extra` matches tensors of theirs that we leave out (auxiliary heads); `older` are rules that make today's name
    of one that old files of theirs carry; `eps` is their batch norms', where it is not ours.
    """

    rules: tuple[Rule, ...] = ()
    extra: str | None = None
    older: tuple[Rule, ...] = ()
    eps: float | None = None

    def load(self, module: nn.Module, checkpoint: Mapping[str, Tensor]) -> str | None:
        """Give `module` the weights of `checkpoint`; or, with it unchanged, say what the first difference is."""
        ours = our_tensors(module)
        renamed = self.in_ours(checkpoint, ours)
        if difference := self.first_difference(ours, renamed):
            return difference
        module.load_state_dict(renamed, strict=False)  # strict but for num_batches_tracked, see `our_tensors`
        for part in module.modules():
            if self.eps is not None and isinstance(part, nn.BatchNorm2d):
                part.eps = self.eps
        return None

    def theirs(self, ours: str) -> str:
        """Their name of our tensor `ours`."""
        return _substituted(ours, self.rules)

    def in_ours(self, checkpoint: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of `checkpoint` under our names; those that we have no name for keep theirs."""
        our_names = {self.theirs(key): key for key in ours}
        renamed = {}
        for key, tensor in checkpoint.items():
            today = _substituted(key, self.older)
            if not today.endswith(_COUNTER) and not (self.extra and re.match(self.extra, today)):
                renamed[our_names.get(today, key)] = tensor
        return renamed

    def first_difference(self, ours: Mapping[str, Tensor], renamed: Mapping[str, Tensor]) -> str | None:
        """What is wrong with `renamed` as our state dict, of the first tensor that differs; None if nothing is."""
        for key, tensor in ours.items():
            if key not in renamed:
                return f"it has no tensor {self.theirs(key)!r}"
            if renamed[key].shape != tensor.shape:
                return f"{self.theirs(key)!r} is {_size(renamed[key])} there and {_size(tensor)} here"
            if renamed[key].is_floating_point() != tensor.is_floating_point():
                return f"{self.theirs(key)!r} is of {renamed[key].dtype} there and of {tensor.dtype} here"
        surplus = [key for key in renamed if key not in ours]
        return f"it has a tensor {surplus[0]!r}, which the network has not" if surplus else None


def our_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state dict without batch norms' step counters, which old checkpoints lack and nothing reads."""
    return {key: tensor for key, tensor in module.state_dict().items() if not key.endswith(_COUNTER)}


_COUNTER = "num_batches_tracked"


def _substituted(name: str, rules: tuple[Rule, ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
