"""The summary of a row without its tensors: `searchspaces.flow`, on outlines.

A search sees hundreds of rows for the first time with its first proposals. To build one and to follow PyTorch's
functions takes a millisecond or two; as an outline (`searchspaces.outlines`) a fifth of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from searchspaces.counting import Counter
from searchspaces.flow import POOLS, SCALES, traced, weighted
from searchspaces.kernels import outline_of
from searchspaces.shapes import SHAPES, Outline
from searchspaces.summary import NOTHING, POOL, Part, Summary, operation, through


def summary_of(build: Callable[[], nn.Module], channels: int, side: int, image_side: int) -> tuple[Summary, int, int]:
    """What `traced` says of the module that `build` makes. Errors are those."""
    counter = Counter(())
    counter.listener = heard = _Heard(image_side)
    ran = outline_of(build, channels, side, counter)
    if ran is None or not hasattr(ran[0], "shape"):
        return traced(build(), channels, side, image_side)
    out = ran[0]
    return through(heard.parts, heard.ends_of(out)), out.shape[1], out.shape[-1] if len(out.shape) == 4 else 1


class _Heard:
    """The parts that outlines of maps go through."""

    def __init__(self, image_side: int) -> None:
        self.parts: list[Part] = []
        self._image_side = image_side
        self._ends: dict[int, tuple[int, ...]] = {}  # by an outline's id: the parts that it is the sum of
        self._kept: list[Any] = []  # so that no other gets its id

    def ends_of(self, outline: Any) -> tuple[int, ...]:
        """Of the image there are none."""
        return self._ends.get(id(outline), (-1,))

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        if not isinstance(out, Outline):
            return
        given = [value for value in _flat((*args, *kwargs.values())) if type(value) is type(out)]
        if func in SHAPES:
            part, _ = weighted(func, args, kwargs, self._image_side)
            ends = self._add(part, self.ends_of(given[0]))
        elif func in SCALES:
            if len(given) != 2:
                raise TypeError("a product with a number may let nothing through")
            larger, gate = sorted(given, key=lambda map: -map.numel())
            ends = self._add(operation("gate"), self.ends_of(larger), self.ends_of(gate))
        else:
            ends = tuple(end for map in given for end in self.ends_of(map))
            if func in POOLS or len(given) > 1:
                ends = self._add(POOL if func in POOLS else NOTHING, ends)
        self._kept.append(out)
        self._ends[id(out)] = ends

    def _add(self, summary: Summary, reads: tuple[int, ...], beside: tuple[int, ...] = ()) -> tuple[int, ...]:
        self.parts.append(Part(summary, reads, beside))
        return (len(self.parts) - 1,)


def _flat(values: tuple[Any, ...]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, tuple | list) else (value,))]
