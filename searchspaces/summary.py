"""A network in some thirty figures of its shape, which say more of its accuracy than the choices that made it.

Two cells that differ in half of their choices may compute nearly the same, and two that differ in one may not: what
counts is what lies on a path from the image to the classes. So a surrogate (`nas.samplers.surrogate`) is given, beside
the choices, figures of the network itself, as GRAF (Kadlecová et al. 2024, arXiv:2404.13004) does: counts of operations
that are alive, and paths. They are of any network, in any space, and equal where two architectures build the same one.

A part of a network has a `Summary`, which is `sums` over all operations on its live paths (multiply-adds, parameters,
operations by kind, multiply-adds by resolution), and of its paths how many there are, and the `most` and the `least`
weighted layers, spatial kernels and pixels of reach on one. Of parts one after the other all of these add up: so the
rows of a `RowSpace` are summarised once each, and a network of them costs some additions. Where parts branch and join
(`through`), the paths are followed, and what lies on none is not counted.

`traced` finds the summary of any module by its forward, without weights or numbers. Norms and activations are no
operations here. A gate (squeeze-and-excitation, where one tensor scales another) is one of the operations, and its own
layers are on no path. A forward does not show an identity: those are counted (`skip`) where a space says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from searchspaces.shapes import KEEPS_SHAPE, SHAPES, UNCOUNTED

Vector = NDArray[np.float64]

KINDS = ("conv", "pointwise", "depthwise", "linear", "pool", "gate", "skip")
HALVINGS = 5  # resolutions by which multiply-adds are told apart: as large as the image, half, quarter, ...
SUMS = ("macs", "params", "activations", "depthwise macs", *KINDS, *(f"macs/{2**i}" for i in range(HALVINGS)))
PATHS = ("layers", "spatial", "reach")
FIGURES = (
    *("log macs", "log params", "log activations"),
    *KINDS,
    *(f"share of macs/{2**i}" for i in range(HALVINGS)),
    "share of depthwise macs",
    "log paths",
    *(f"most {name}" for name in PATHS),
    *(f"least {name}" for name in PATHS),
    "alive",
)
"""Of `Summary.figures`, in their order."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Of a part of a network; `a + b` is that of `a` and then `b`. `paths` 0: nothing gets through."""

    sums: Vector  # [len(SUMS)]
    most: Vector  # [len(PATHS)] on one path; `reach` in pixels of the network's image
    least: Vector
    paths: float = 1.0

    def __add__(self, after: Summary) -> Summary:
        return Summary(
            self.sums + after.sums, self.most + after.most, self.least + after.least, self.paths * after.paths
        )

    def widened(self, ratio: float) -> Summary:
        """At the width at which it has `ratio` times the multiply-adds: about, as if all of it went with the square."""
        factors = np.ones(len(SUMS))
        factors[[0, 1, 3, *range(len(SUMS) - HALVINGS, len(SUMS))]] = ratio
        factors[2] = math.sqrt(ratio)
        return Summary(self.sums * factors, self.most, self.least, self.paths)

    def times(self, repeats: int) -> Summary:
        """So many of it, one after the other."""
        return Summary(repeats * self.sums, repeats * self.most, repeats * self.least, self.paths**repeats)

    def figures(self) -> Vector:
        """`[len(FIGURES)]` finite numbers; those of a network that nothing gets through are zeros."""
        if not self.paths:
            return np.zeros(len(FIGURES))
        macs, params, activations, depthwise = self.sums[:4]
        kinds, by_resolution = self.sums[4 : 4 + len(KINDS)], self.sums[4 + len(KINDS) :]
        return np.array(
            [
                *(math.log1p(macs), math.log1p(params), math.log1p(activations)),
                *kinds,
                *(by_resolution / max(macs, 1)),
                depthwise / max(macs, 1),
                math.log(self.paths),
                *self.most,
                *self.least,
                1.0,
            ]
        )


def operation(kind: str, paths: Sequence[float] = (0.0, 0.0, 0.0), side: float = 1.0, **sums: float) -> Summary:
    """One operation: its `kind`, what it adds to a path (layers, spatial kernels, reach), and other sums by name.

    `side` is how many times smaller than the image what it puts out is.
    """
    given = dict(sums) | {kind: 1.0} if kind else dict(sums)
    if macs := given.get("macs", 0.0):
        given[f"macs/{2 ** min(max(round(math.log2(side)), 0), HALVINGS - 1)}"] = macs
        if kind == "depthwise":
            given["depthwise macs"] = macs
    on_path = np.asarray(paths, dtype=float)
    return Summary(np.array([given.get(name, 0.0) for name in SUMS]), on_path, on_path)


NOTHING = operation("")
DEAD = Summary(NOTHING.sums, NOTHING.most, NOTHING.least, 0.0)
SKIP, POOL = operation("skip"), operation("pool")


def series(parts: Sequence[Summary]) -> Summary:
    """Of parts one after the other."""
    return Summary(
        np.sum([part.sums for part in parts], axis=0),
        np.sum([part.most for part in parts], axis=0),
        np.sum([part.least for part in parts], axis=0),
        math.prod(part.paths for part in parts),
    )


class Part(NamedTuple):
    """A part that reads what others put out, by their positions; -1 is what goes into all of it.

    What it reads is added or joined as channels. `beside` are those that it reads and no path goes through.
    """

    summary: Summary
    reads: tuple[int, ...]
    beside: tuple[int, ...] = ()


def through(parts: Sequence[Part], ends: Sequence[int]) -> Summary:
    """Of `parts`, each of which reads earlier ones, where `ends` are joined as what comes out."""
    most: list[Vector] = []
    least: list[Vector] = []
    paths: list[float] = []

    def joined(reads: Sequence[int]) -> tuple[Vector, Vector, float]:
        alive = [i for i in reads if i < 0 or paths[i]]
        if len(alive) == 1:
            (one,) = alive
            return (NOTHING.most, NOTHING.least, 1.0) if one < 0 else (most[one], least[one], paths[one])
        if not alive:
            return NOTHING.most, NOTHING.least, 0.0
        tops = [NOTHING.most if i < 0 else most[i] for i in alive]
        bottoms = [NOTHING.least if i < 0 else least[i] for i in alive]
        return np.maximum.reduce(tops), np.minimum.reduce(bottoms), sum(1.0 if i < 0 else paths[i] for i in alive)

    for summary, reads, _ in parts:
        top, bottom, count = joined(reads)
        most.append(top + summary.most)
        least.append(bottom + summary.least)
        paths.append(min(count * summary.paths, MOST_PATHS))
    top, bottom, count = joined(ends)
    used = {i for i in ends if i >= 0 and paths[i]}
    for i in reversed(range(len(parts))):
        if i in used:
            used |= {j for j in (*parts[i].reads, *parts[i].beside) if j >= 0 and paths[j]}
    sums = np.sum([parts[i].summary.sums for i in used], axis=0) if used and count else NOTHING.sums
    return Summary(sums, top, bottom, min(count, MOST_PATHS))


MOST_PATHS = 1e100  # of a deep network of residual blocks there are more than a number holds


# ---------------------------------------------------------------------------- of any module


def traced(module: nn.Module, channels: int, side: int, image_side: int | None = None) -> tuple[Summary, int, int]:
    """The summary of `module`, and the channels and the side of what it puts out, for a map `[channels, side, side]`.

    `image_side` is that of the network's image, where the module is a part of one; by default its own. Raises
    ValueError where its forward needs numbers, or the map does not fit.
    """
    flow = _Flow(image_side or side)
    image = torch.empty(1, channels, side, side, device="meta")
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), flow:
            out = module(flow.begin(image))
    except (RuntimeError, IndexError, TypeError, NotImplementedError) as error:
        raise ValueError(f"the {type(module).__name__} has no summary: {error}") from error
    finally:
        module.train(training)
    out = out[-1] if isinstance(out, tuple | list) else out
    summary = through(flow.parts, flow.ends_of(out))
    return summary, out.shape[1], out.shape[-1] if out.ndim == 4 else 1


class _Flow(TorchFunctionMode):
    """Follows tensors without numbers through a forward: which operation reads which."""

    def __init__(self, image_side: int) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self.image_side = image_side
        self._ends: dict[int, tuple[int, ...]] = {}  # what a tensor, by its id, is the sum of
        self._kept: list[Any] = []  # so that no other gets its id

    def begin(self, image: Tensor) -> Tensor:
        self._noted(image, (-1,))
        return image

    def ends_of(self, tensor: Tensor) -> tuple[int, ...]:
        return self._ends.get(id(tensor), ())

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [t for t in _tensors((*args, *kwargs.values())) if id(t) in self._ends]
        if not given or getattr(func, "__name__", "") == "__get__":  # a property, such as a shape
            return func(*args, **kwargs)
        if func in SHAPES:
            return self._weighted(func, args, kwargs)
        if func in _SCALES:
            return self._scaled(func, args, kwargs, given)
        if func in KEEPS_SHAPE and len(given) == 1:
            return given[0]
        reads = tuple(end for tensor in given for end in self._ends[id(tensor)])
        if len(given) > 1 or func in _POOLS:
            reads = (self._add(POOL if func in _POOLS else NOTHING, reads),)
        return self._noted(self._run(func, args, kwargs), reads)

    def _weighted(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """A convolution or a linear layer."""
        given, weight = (kwargs[name] if name in kwargs else args[i] for i, name in enumerate(("input", "weight")))
        shape, macs = SHAPES[func](*args, **kwargs)
        out = torch.empty(shape, device="meta")
        kernel = max(weight.shape[2:], default=1)
        kind = "linear" if func is F.linear else "pointwise" if kernel == 1 else "conv"
        if weight.ndim == 4 and weight.shape[1] < given.shape[1]:
            kind = "depthwise" if weight.shape[1] == 1 else kind
        stretch = self.image_side / given.shape[-1] if given.ndim == 4 else 0
        dilation = kwargs.get("dilation", args[5] if len(args) > 5 else 1)
        reach = (kernel - 1) * (dilation if isinstance(dilation, int) else max(dilation)) * stretch
        part = operation(
            kind,
            (1.0, float(kernel > 1), reach),
            self._side(out),
            macs=float(math.prod(shape) * macs),
            params=float(weight.numel()),
            activations=float(math.prod(shape)),
        )
        self._noted(out, (self._add(part, self._ends[id(given)]),))
        return out

    def _scaled(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
        """A product: by zero nothing gets through, and of two tensors the smaller one is a gate of the other."""
        if len(tensors) == 2:
            larger, gate = sorted(tensors, key=lambda t: -t.numel())
            number = self._add(operation("gate"), self._ends[id(larger)], self._ends[id(gate)])
            return self._noted(torch.empty(larger.shape, device="meta"), (number,))
        if any(isinstance(arg, int | float) and not arg for arg in args):
            return self._noted(torch.empty(args[0].shape, device="meta"), ())
        return self._noted(self._run(func, args, kwargs), self._ends[id(tensors[0])] if tensors else ())

    def _add(self, summary: Summary, reads: tuple[int, ...], beside: tuple[int, ...] = ()) -> int:
        self.parts.append(Part(summary, reads, beside))
        return len(self.parts) - 1

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in UNCOUNTED and (shape := UNCOUNTED[func](*args, **kwargs)) is not None:
            return torch.empty(shape, device="meta")
        with torch.device("meta"):
            return func(*args, **kwargs)

    def _noted(self, out: Any, ends: tuple[int, ...]) -> Any:
        self._kept.append(out)
        for tensor in _tensors((out,)):
            self._ends[id(tensor)] = ends
        return out

    def _side(self, out: Tensor) -> float:
        return self.image_side / max(out.shape[-1], 1) if out.ndim == 4 else float(self.image_side)


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
    return found


_SCALES = {Tensor.mul, Tensor.mul_, torch.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__}
_POOLS = {F.max_pool2d, F.avg_pool2d, torch.max_pool2d, torch._C._nn.avg_pool2d, F.adaptive_avg_pool2d}
