"""The moving average of a network's weights, which is better than the last of them where the steps are large."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Average:
    """Of the weights and statistics of `network`: exponential, as EfficientNet's (Tan & Le 2019, section 5.2).

    After each step it goes by 1 - `decay` towards the weights, at first by more: random weights would stay in it for
    long (`(1 + step) / (10 + step)` of it is kept at most, as in TensorFlow's `ExponentialMovingAverage`).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = {name: t for name, t in network.state_dict().items() if t.is_floating_point()}
        self.tensors = {name: tensor.clone() for name, tensor in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After `step` of the training, counted from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.tensors.values()), list(self._weights.values()), share)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the average within, and its own weights again behind."""
        own = {name: tensor.clone() for name, tensor in self._weights.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(self._weights, own)

    def apply(self) -> None:
        """Give the network the average, for good."""
        _copy(self._weights, self.tensors)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Be as it was when `tensors` were taken. Raises KeyError where these are of another network."""
        _copy(self.tensors, {name: tensors[name] for name in self.tensors})


@torch.no_grad()
def _copy(to: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in to.items():
        tensor.copy_(values[name])
