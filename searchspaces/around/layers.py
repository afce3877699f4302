"""The layers of each stage as stages of their own, for a search in which each is as wide as it is by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from searchspaces.around.stages import Original, Stage, distinct_names


def by_layer(original: Original) -> tuple[Stage, ...]:
    """Below each stage, which keeps its number of blocks and its stride, its layers from top to bottom.

    How many groups a convolution has stays, as its neighbours' channels must come apart in these.
    """
    found = [(name,) for stage in original.stages for name in _names(original, stage)]
    words = iter(distinct_names([*((stage.name,) for stage in original.stages), *found])[len(original.stages) :])
    return tuple(
        layer
        for stage in original.stages
        for layer in (_whole(stage), *(_layer(original, stage, name, next(words)) for name in _names(original, stage)))
        if layer.varies
    )


def _names(original: Original, stage: Stage) -> Iterator[str]:
    """Of a stage's layers that can change: of those whose channels meet, the first one."""
    own = {*stage.outer, *stage.inner}
    first = {group[0] for group in original.widths.groups if own.issuperset(group)}
    gated = {name for _, name in stage.gateable}
    changing = first | gated | {*stage.windows, *stage.gates}
    return (name for name in original.modules if name in changing)


def _whole(stage: Stage) -> Stage:
    """What is left of it."""
    return Stage(
        stage.name,
        stage.parts,
        repeat=stage.repeat,
        strided=stage.strided,
        stride=stage.stride,
        stridable=stage.stridable,
    )


def _layer(original: Original, stage: Stage, name: str, word: str) -> Stage:
    """The layer called `name` of `stage`, which a choice calls `word`."""
    meeting = next((group for group in original.widths.groups if group[0] == name), ())
    own = {*stage.outer, *stage.inner}
    return replace(
        stage,
        name=word,
        parts=(name,),
        outer=meeting if own.issuperset(meeting) else (),
        inner=(),
        repeat=None,
        windows=tuple(window for window in stage.windows if window == name),
        grouped=(),
        gates=tuple(gate for gate in stage.gates if gate == name),
        gateable=tuple(place for place in stage.gateable if place[1] == name),
        strided=(),
        stride=1,
        stridable=(),
    )
