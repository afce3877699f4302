"""Auxiliary classifiers: heads on the middle rows of a deep network that only its training runs.

They bring a second gradient to the lower rows (Szegedy et al. 2014, section 5). In training mode such a network
returns a tuple, its logits and then those of every head, top to bottom; the loss is that of the logits plus
`aux_weight` times that of each head. In evaluation mode it returns its logits alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn


class Tapped(nn.Module):
    """A row and the head that reads its output. Called by itself it is the row."""

    def __init__(self, row: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.row, self.head = row, head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.row(x)
        return out


class WithAuxiliary(nn.Sequential):
    """The rows of `network`, with `heads` by the names of the rows that they read."""

    def __init__(self, network: nn.Sequential, heads: Mapping[str, nn.Module], aux_weight: float) -> None:
        rows = network.named_children()
        super().__init__(OrderedDict((name, Tapped(row, heads[name]) if name in heads else row) for name, row in rows))
        self.aux_weight = aux_weight

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        auxiliary = []
        for row in self:
            x = row(x)
            if self.training and isinstance(row, Tapped):
                auxiliary.append(row.head(x))
        return (x, *auxiliary) if auxiliary else x
