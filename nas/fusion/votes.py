"""How networks vote: a weighted mean of what they say, its weights fitted on validation images alone.

uniform             all count the same
weighted            a weight for each network, at least 0, that sum to 1: those of the lowest validation loss
weighted by class   such weights for each class, label or number
greedy              how often each network was added (Caruana et al. 2004), from which `Step`s tell
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.data.targets import CLASSIFICATION
from nas.fusion.judging import LEAST, VAL, Judging

ITERATIONS = 500
MOST_STEPS = 25  # of greedy selection, in which a network may be added again


@dataclass(frozen=True)
class Vote:
    """`weights` are float64 `[M]`, of each network, or `[M, K]`, of each network and output."""

    name: str
    weights: Tensor

    @classmethod
    def uniform(cls, networks: int) -> Vote:
        return cls("uniform", torch.full((networks,), 1 / networks, dtype=torch.float64))

    @property
    def voters(self) -> list[int]:
        """The numbers of the networks that count at all: the others need not be computed."""
        return [number for number, weight in enumerate(self.weights) if weight.max() > 0]

    def said(self, of_each: Tensor, kind: str) -> Tensor:
        """What all say together, float64 `[N, K]`, where each says one of `of_each`, `[M, N, K]`."""
        return together(self.weights, of_each.double(), kind)


def together(weights: Tensor, of_each: Tensor, kind: str) -> Tensor:
    """The mean of `of_each` `[M, N, K]` by `weights` `[M]` or `[M, K]`.

    Where each class has weights of its own, the probabilities of an image's classes are made to sum to 1 again.
    """
    if weights.ndim == 1:
        return torch.einsum("m,mnk->nk", weights, of_each)
    mean = torch.einsum("mk,mnk->nk", weights, of_each)
    return mean / mean.sum(1, keepdim=True).clamp(min=LEAST) if kind == CLASSIFICATION else mean


def fitted(of_each: Tensor, judging: Judging, by_class: bool = False) -> Vote:
    """The weights of the lowest loss on the validation images, of which each network said one of `of_each` `[M, N, K]`.

    One weight a network makes the loss convex, so there is one lowest. They are sought as a softmax, by L-BFGS from
    equal weights on; those below a thousandth are 0, since a network that hardly counts costs as much as another.
    """
    of_each = of_each.double()
    networks, _, outputs = of_each.shape
    free = torch.zeros((networks, outputs) if by_class else (networks,), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = judging.loss(together(free.softmax(0), of_each, judging.kind))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    weights = free.detach().softmax(0)
    weights = weights.where(weights >= 1e-3, 0)
    return Vote("by class" if by_class else "weighted", weights / weights.sum(0))


@dataclass(frozen=True)
class Step:
    """One of greedy selection: the number of the network that it `added`, and the `quality` of all so far."""

    added: int
    quality: float
    counts: tuple[int, ...]  # how often each network is in


def greedy(of_each: Tensor, judging: Judging) -> list[Step]:
    """Add one network after the other, each time the one with which the vote is the best on validation images.

    From Caruana et al. (2004): it begins with the best one, and a network may be added again, which gives it more
    weight. Of equal qualities the lower loss decides. It ends where nothing makes the vote better, so no step is below
    the one before. `of_each` is `[M, N, K]`.
    """
    of_each = of_each.double()
    total, counts = torch.zeros_like(of_each[0]), [0] * len(of_each)
    steps: list[Step] = []
    reached = (-float("inf"), -float("inf"))
    while len(steps) < MOST_STEPS:
        tried = [_standing((total + said) / (len(steps) + 1), judging) for said in of_each]
        best = max(range(len(tried)), key=lambda number: tried[number])
        if tried[best] <= reached:
            break
        reached, total = tried[best], total + of_each[best]
        counts[best] += 1
        steps.append(Step(best, reached[0], tuple(counts)))
    return steps


def _standing(said: Tensor, judging: Judging) -> tuple[float, float]:
    return judging.quality(said, VAL), -judging.loss(said).item()


def of_counts(name: str, counts: Sequence[int]) -> Vote:
    """The vote in which each network counts so often."""
    weights = torch.tensor(counts, dtype=torch.float64)
    return Vote(name, weights / weights.sum())
