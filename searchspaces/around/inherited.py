"""The original's weights in a changed network: what of a layer is still there keeps its numbers.

Of a stage that is narrower the channels with the largest weights are kept, the same ones in all layers that meet in it;
one that is wider has some of them twice, and what reads these halves its weights, so it computes the same (Net2Net:
Chen, Goodfellow, Shlens 2016). Kernels are cut or get a border of zeros. A block that was added has the weights of the
one that it is a copy of. Layers of another operation, and squeeze-and-excitations that were put in, start anew.

Which weights of a layer belong to which channel is found by following the original's channels through the changed
network (`searchspaces.around.channels`), so it is right behind splits, shuffles and concatenations, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.around.changes import Shapes
from searchspaces.around.channels import NONE, NORMS, follow
from searchspaces.around.stages import Original


def inherited(
    original: Original, shapes: Shapes, weights: Mapping[str, Tensor], channels: int, side: int
) -> dict[str, Tensor]:
    """The tensors of the changed network, fitted `shapes`, that come of the original's `weights`, by their names.

    Those that are new are not among them.
    """
    kept = _Kept(original, weights)
    sources = shapes.sources()
    labels = 1 + max((producer.labels[-1] for producer in original.widths.producers.values()), default=0)
    reads = follow(
        shapes.module, channels, side, lambda name, number: kept.labels(sources.get(name, ""), number), labels
    ).reads
    found: dict[str, Tensor] = {}
    for name, source in sources.items():
        part = shapes.module.get_submodule(name)
        own = {key: weights[f"{source}.{key}"] for key in _tensors(part) if f"{source}.{key}" in weights}
        taken: Mapping[str, Tensor | None]
        if isinstance(part, nn.Conv2d | nn.Linear):
            taken = _layer(part, own, kept, source, reads.get(name, ()))
        elif isinstance(part, NORMS):
            taken = _norm(own, kept.positions(reads.get(name, ()), source))
        else:
            taken = {key: kept.vector(source, key, own[key], _tensors(part)[key]) for key in own}
        fitting = {key: t for key, t in taken.items() if t is not None and t.shape == _tensors(part)[key].shape}
        found |= {f"{name}.{key}" if name else key: tensor for key, tensor in fitting.items()}
    return found


class _Kept:
    """Which channels of the original are kept."""

    def __init__(self, original: Original, weights: Mapping[str, Tensor]) -> None:
        self._original = original
        self._importance = self._norms(weights)

    def labels(self, producer: str, number: int) -> list[int] | None:
        """The labels of the `number` channels that a producer has now; None of one that is new."""
        if producer not in self._original.widths.producers:
            return None
        own = list(self._original.widths.producers[producer].labels)
        sizes = [size for size, _ in self._original.widths.segments[producer]]
        found, start = list[int](), 0
        for size, now in zip(sizes, _shared(number, sizes), strict=True):
            found += self._chosen(own[start : start + size], now)
            start += size
        return found

    def positions(self, reads: Sequence[int], layer: str) -> list[int] | None:
        """Where among the channels that `layer` was given those are that it `reads` now; None where one was not."""
        before: dict[int, list[int]] = defaultdict(list)
        for position, label in enumerate(self._original.followed.reads.get(layer, ())):
            before[self._original.followed.find(label)].append(position)
        seen: Counter[int] = Counter()
        found = []
        for label in reads:
            known = before.get(self._original.followed.find(label) if label in self._all else -1)
            if known is None:
                return None
            found.append(known[seen[label] % len(known)])
            seen[label] += 1
        return found or None

    def vector(self, module: str, key: str, tensor: Tensor, like: Tensor) -> Tensor | None:
        """Of a module's own tensor: as it is, or with a number for each channel of a producer, those that are kept."""
        producer = self._original.followed.vectors.get((module, key))
        if producer is None:
            return tensor
        axis = like.shape.index(like.numel())
        labels = self.labels(producer, like.numel()) or []
        return tensor.index_select(axis, torch.tensor([self.index(producer, label) for label in labels]))

    def index(self, producer: str, label: int) -> int:
        return label - self._original.widths.producers[producer].labels[0]

    @property
    def _all(self) -> range:
        return range(NONE, 1 + max(p.labels[-1] for p in self._original.widths.producers.values()))

    def _chosen(self, labels: list[int], number: int) -> list[int]:
        """Those with the largest weights, in their order; where there are to be more, all, and some twice."""
        if number >= len(labels):
            return [labels[n % len(labels)] for n in range(number)]
        by_importance = sorted(labels, key=lambda label: -self._importance[self._original.followed.find(label)])
        return sorted(by_importance[:number])

    def _norms(self, weights: Mapping[str, Tensor]) -> dict[int, float]:
        """By classes: the sum of the norms of the filters that make the channels which meet in it."""
        found: dict[int, float] = defaultdict(float)
        for name, producer in self._original.widths.producers.items():
            if (weight := weights.get(f"{name}.weight")) is not None and len(weight) == len(producer.labels):
                for label, norm in zip(producer.labels, weight.flatten(1).norm(dim=1).tolist(), strict=True):
                    found[self._original.followed.find(label)] += norm
        return found


def _layer(
    part: nn.Conv2d | nn.Linear, own: Mapping[str, Tensor], kept: _Kept, source: str, reads: Sequence[int]
) -> Mapping[str, Tensor | None]:
    given = kept.positions(reads, source)
    if "weight" not in own or given is None:
        return {}
    weight = own["weight"]
    if isinstance(part, nn.Conv2d):
        if part.kernel_size == (1, 1) and max(weight.shape[2:]) > 1:  # the second half of what became separable
            return {}
        weight = _of_kernel(weight, part.kernel_size[0])
        if part.groups == part.in_channels > 1 and weight.shape[1] == 1:
            return {key: tensor[given] for key, tensor in {**own, "weight": weight}.items()}
    labels = kept.labels(source, part.weight.shape[0])
    if labels is None:
        return {}
    out = [kept.index(source, label) for label in labels]
    groups = part.groups if isinstance(part, nn.Conv2d) else 1
    bias = {"bias": own["bias"][out]} if "bias" in own else {}
    if groups > 1:
        return {"weight": _of_groups(weight, out, given, groups), **bias}
    times = Counter(given)
    halved = torch.tensor([1.0 / times[position] for position in given])
    taken = weight[out][:, given] * halved.reshape(-1, *[1] * (weight.ndim - 2))
    return {"weight": taken, **bias}


def _of_groups(weight: Tensor, out: Sequence[int], given: Sequence[int], groups: int) -> Tensor | None:
    """The weights of a convolution in as many groups as before; what an output did not read before is zero."""
    reads, per_group = len(given) // groups, len(out) // groups
    before = weight.shape[1]
    made = weight.new_zeros(len(out), reads, *weight.shape[2:])
    first = [o // max(1, len(weight) // groups) * before for o in out]  # channel of the group that it was in
    for n, o in enumerate(out):
        its = given[n // per_group * reads : (n // per_group + 1) * reads]
        for m, position in enumerate(its):
            if 0 <= position - first[n] < before:
                made[n, m] = weight[o, position - first[n]] / its.count(position)
    return made


def _of_kernel(weight: Tensor, kernel: int) -> Tensor:
    """Cut to so many pixels a side, or with a border of zeros."""
    border = (kernel - weight.shape[-1]) // 2
    return F.pad(weight, [border] * 4) if border else weight


def _norm(own: Mapping[str, Tensor], given: list[int] | None) -> Mapping[str, Tensor | None]:
    if given is None:
        return {}
    return {key: tensor if tensor.ndim == 0 or len(tensor) == 1 else tensor[given] for key, tensor in own.items()}


def _shared(number: int, sizes: Sequence[int]) -> list[int]:
    """`number` shared out as `sizes` are: what is left over goes to the last."""
    found = [number * size // sum(sizes) for size in sizes]
    return [*found[:-1], number - sum(found[:-1])]


def _tensors(part: nn.Module) -> dict[str, Tensor]:
    """A module's own parameters and buffers."""
    return {key: t for key, t in [*part._parameters.items(), *part._buffers.items()] if t is not None}
