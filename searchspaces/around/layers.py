"""The layers of each stage as stages of their own, for a search in which each is as wide as it is by itself."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from searchspaces.around.stages import Original, Stage, distinct_names


@lru_cache(maxsize=64)
def by_layer(original: Original) -> tuple[Stage, ...]:
    """Below each stage, which keeps its number of blocks and its stride, its layers from top to bottom.

    How many groups a convolution has stays, as its neighbours' channels must come apart in these.
    """
    below = {stage.name: _layers(original, stage) for stage in original.stages}
    taken = [(name,) for name in below]
    words = distinct_names([*taken, *(layer.parts for layers in below.values() for layer in layers)])[len(taken) :]
    named = iter(words)
    found = [
        layer
        for stage in original.stages
        for layer in (_whole(stage), *(replace(layer, name=next(named)) for layer in below[stage.name]))
    ]
    return tuple(layer for layer in found if layer.varies)


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


def _layers(original: Original, stage: Stage) -> list[Stage]:
    """Those of a stage that can change, by their modules' names; channels that meet are the first producer's."""
    own = {*stage.outer, *stage.inner}
    meeting = {group[0]: group for group in original.widths.groups if own.issuperset(group)}
    places = {name: (where, name) for where, name in stage.gateable}
    changing = {*meeting, *places, *stage.windows, *stage.gates}
    return [
        Stage(
            name,
            (name,),
            outer=meeting.get(name, ()),
            windows=(name,) if name in stage.windows else (),
            kernel=stage.kernel,
            depthwise=stage.depthwise,
            gates=(name,) if name in stage.gates else (),
            gateable=(places[name],) if name in places else (),
        )
        for name in original.modules
        if name in changing
    ]
