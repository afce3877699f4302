"""The space around a network: of each of its stages other widths, depths, kernels, operations, and the network itself.

The original is one of its architectures, `as-is`, and the first that a search trains, so a search confirms it or beats
it. Widths are factors of the original's channels: with a limit (`max_macs` and so on) every other network is made as
wide as that allows, and the original stays what it is.
"""

from __future__ import annotations

import itertools
import math
import random
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from math import gcd, lcm

from torch import Tensor, nn

from searchspaces.around.changes import Changes, Gate, Shapes, changed
from searchspaces.around.channels import OUTPUT
from searchspaces.around.inherited import inherited
from searchspaces.around.layers import by_layer
from searchspaces.around.sketch import Alone, Sketch
from searchspaces.around.stages import ACTIVATIONS, Original, Stage
from searchspaces.around.widths import is_in
from searchspaces.cost import shapes_only
from searchspaces.flow import traced
from searchspaces.images import for_images_of, image_channels
from searchspaces.layers import round_repeats
from searchspaces.scaled import COSTS, ScaledSpace
from searchspaces.space import Arch, Choice, Option
from searchspaces.summary import Summary

AS_IS = "as-is"
WIDTHS = (0.5, 0.75, 1.0, 1.25, 1.5)  # of a stage's channels
INNER = (0.5, 0.75, 1.0, 1.5)  # of the channels within its blocks, on top of that
DEPTHS = (0.5, 0.75, 1.0, 1.25, 1.5)  # of a stage of many blocks; one of few has up to two more or fewer
FEW = 6
KERNELS = {False: (3, 5), True: (3, 5, 7)}  # pixels a side, by whether there is one filter a channel
GATED = 0.25  # squeezed channels in a squeeze-and-excitation, of those that a block is given
MEANINGS = {
    "width": "times its channels",
    "expand": "times those within its blocks, on top",
    "depth": "blocks",
    "kernel": "pixels a side, of its convolutions",
    "op": "its convolutions as they are, or one filter a channel and a 1x1",
    "groups": "of its convolutions in groups",
    "se": "with squeeze-and-excitation, or plain",
    "stride": "times smaller than the map before",
    "activation": "of the whole network",
}
"""What each kind of choice is about a stage."""
VARIED = tuple(MEANINGS)
USUAL = tuple(kind for kind in VARIED if kind != "stride")
"""Without strides: a network of twice the pixels costs four times as much, so a search has them where that is asked."""
STAGE, LAYER = "stage", "layer"
OF_PATHS = ("depth", "kernel", "op", "se", "stride")  # kinds that change what a path goes through
TRIED = 4  # random networks, before any is searched


@dataclass(frozen=True)
class AroundSpace(ScaledSpace):
    """Networks that are the `original` but for some layers of its stages.

    `vary` are the kinds of choices that there are, of `VARIED`; the `USUAL` ones if empty. They are made for each
    `stage`, or `by` each `layer`: only the number of blocks and the stride are still a stage's.

    Raises ValueError, where its choices are first asked for, of a network that cannot be followed.
    """

    vary: tuple[str, ...] = ()
    by: str = STAGE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by not in (STAGE, LAYER):
            raise ValueError(f"{self.name}: by is {STAGE} or {LAYER}, not {self.by!r}")
        if unknown := [kind for kind in self.vary if kind not in VARIED]:
            raise ValueError(f"{self.name}: vary takes {', '.join(VARIED)}, not {unknown[0]!r}")

    @abstractmethod
    def original(self, num_classes: int, image_size: int) -> nn.Module:
        """The network around which the space is."""

    @property
    @abstractmethod
    def original_text(self) -> str:
        """What a person calls that."""

    @property
    def title(self) -> str:
        return f"{self.name} {self.original_text}"

    # ------------------------------------------------------------------ what can be chosen

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        found = tuple(choice for choice in self._possible if choice.name not in self.left_out)
        if not found:
            raise ValueError(f"{self.name}: nothing can be varied, {self._why_nothing()}")
        self._check_together(found)
        return found

    def _check_together(self, choices: Sequence[Choice]) -> None:
        """Raises ValueError where one of a few random networks does not run, so that no search begins on such."""
        rng = random.Random(0)
        for _ in range(TRIED):
            if why := self._misfit({choice.name: rng.choice(choice.options) for choice in choices}):
                raise ValueError(
                    f"{self.name}: what varies in {self.original_text} does not go together, {why}: say what is to "
                    "vary, as in --vary depth,kernel"
                )

    @cached_property
    def _possible(self) -> tuple[Choice, ...]:
        """By what the stages have, whether or not the code between its layers goes along."""
        found = tuple(choice for stage in self._stages(self._here) for choice in self._choices_of(stage))
        if "activation" in self._varied and (kind := self._activation):
            found += (Choice("activation", tuple(dict.fromkeys((kind, "relu", "silu", "hardswish")))),)
        return found

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Choices that cannot be had, by their names, and why: the network's code counts on how it is.

        All are tried at once, and only where that fails each by itself.
        """
        options = {choice.name: choice.options for choice in self._possible}
        own = {choice.name: self._own_option(choice) for choice in self._possible}
        far = [own | {name: its[end] for name, its in options.items() if its[end] != own[name]} for end in (0, -1)]
        if not any(map(self._misfit, far)):
            return {}
        found = {}
        for name, its in options.items():
            wrong = [why for option in its if option != own[name] and (why := self._misfit(own | {name: option}))]
            if wrong:
                found[name] = wrong[0]
        return found

    @property
    def held(self) -> dict[str, str]:
        """Layers whose channels stay as many as they are, but for the network's output, and why."""
        return {name: why for name, why in self._here.widths.fixed.items() if why != OUTPUT}

    def _misfit(self, chosen: Mapping[str, Option]) -> str:
        """Why the network with what is `chosen` does not run; nothing where it does."""
        try:
            self._with(chosen)
        except ValueError as error:
            return str(error)
        return ""

    def _with(self, chosen: Mapping[str, Option]) -> nn.Module:
        """The network with what is `chosen`, at its own width, for images of the search, without numbers."""
        changes = self._changes_by(chosen, 1.0, 1.0, self._here)
        if changes is None:
            return self._here.module
        channels, image_size = self._image
        return self._changed(self._here, changes, self.num_classes or 10, image_size, channels, weights=False)

    def _choices_of(self, stage: Stage) -> Iterator[Choice]:
        kinds: list[tuple[str, str, Sequence[Option]]] = []
        if stage.outer:
            kinds.append(("width", "w", WIDTHS))
        if stage.inner:
            kinds.append(("expand", "e", INNER))
        if stage.repeat:
            kinds.append(("depth", "d", _depths(stage.repeat.blocks, len(stage.repeat.keys))))
        if stage.windows:
            kinds.append(("kernel", "k", sorted({*KERNELS[stage.depthwise], stage.kernel})))
            if not stage.depthwise and all(self._conv(name).groups == 1 for name in stage.windows):
                kinds.append(("op", "", ("conv", "sep")))
        if stage.grouped:
            groups = {self._conv(name).groups for name in stage.grouped}
            if len(groups) == 1:
                kinds.append(("groups", "g", self._cardinalities(stage, *groups)))
        if stage.gates or stage.gateable:
            kinds.append(("se", "", ("se", "plain") if stage.gates else ("plain", "se")))
        if stage.shrinking:
            kinds.append(("stride", "s", (1, max(2, stage.stride))))
        for kind, tag, options in kinds:
            if kind in self._varied and len(options) > 1:
                yield Choice(f"{stage.name}.{kind}", tuple(options), tag=tag)

    @property
    def _varied(self) -> tuple[str, ...]:
        return self.vary or USUAL

    def _stages(self, original: Original) -> tuple[Stage, ...]:
        """What there are choices for."""
        return by_layer(original) if self.by == LAYER else original.stages

    def _conv(self, name: str) -> nn.Conv2d:
        conv = self._here.modules[name]
        assert isinstance(conv, nn.Conv2d)
        return conv

    def _cardinalities(self, stage: Stage, groups: int) -> tuple[int, ...]:
        """Half as many and twice as many, where the channels come apart so."""
        convs = [self._conv(name) for name in stage.grouped]
        both = [gcd(conv.in_channels, conv.out_channels) for conv in convs]
        return tuple(n for n in (groups // 2, groups, 2 * groups) if n > 0 and all(c % n == 0 and c > n for c in both))

    @cached_property
    def _activation(self) -> str:
        names = self._here.activations
        kinds = {kind: name for name, kind in ACTIVATIONS.items()}
        return kinds[type(self._here.modules[names[0]])] if names else ""

    def _why_nothing(self) -> str:
        if self.vary:
            return f"by {' or '.join(self.vary)}: leave --vary out for all that there is"
        reasons = dict.fromkeys(self._here.widths.fixed.values())
        return f"since of its channels {'; '.join(reasons)}" if reasons else "since it has no convolutions"

    # ------------------------------------------------------------------ the original

    @cached_property
    def as_is(self) -> Arch:
        """The architecture that is the original."""
        return tuple(choice.options.index(self._own_option(choice)) for choice in self.choices)

    def _own_option(self, choice: Choice) -> Option:
        """The original's."""
        name, _, kind = choice.name.rpartition(".")
        if not name:
            return self._activation
        stage = next(stage for stage in self._stages(self._here) if stage.name == name)
        own: dict[str, Option] = {
            "width": 1.0, "expand": 1.0, "op": "conv", "kernel": stage.kernel, "se": "se" if stage.gates else "plain",
            "depth": stage.repeat.blocks if stage.repeat else 0,
            "groups": self._conv(stage.grouped[0]).groups if stage.grouped else 1, "stride": stage.stride,
        }  # fmt: skip
        return own[kind]

    def fixed(self, number: int) -> dict[str, Option]:
        """The first trial is of the original."""
        return self.options(self.as_is) if number == 0 else {}

    def format(self, arch: Arch) -> str:
        return AS_IS if arch == self.as_is else super().format(arch)

    def parse(self, text: str) -> Arch:
        return self.as_is if text.strip() == AS_IS else super().parse(text)

    # ------------------------------------------------------------------ networks

    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        channels = image_channels()
        original = self._at(num_classes, image_size, channels)
        changes = self._changes(arch, width, depth, original)
        if changes is None:
            return self.original(num_classes, image_size)
        return self._changed(original, changes, num_classes, image_size, channels, weights=not _only_shapes())

    def _changed(
        self, original: Original, changes: Changes, num_classes: int, image_size: int, channels: int, weights: bool
    ) -> nn.Module:
        build = self._builder(num_classes, image_size, channels)
        return changed(build, original, changes, channels, image_size, weights)

    def _builder(self, num_classes: int, image_size: int, channels: int) -> Callable[[], nn.Module]:
        """What builds the original."""

        def build() -> nn.Module:
            with for_images_of(channels):
                return self.original(num_classes, image_size)

        return build

    def inherited(
        self, arch: Arch, weights: Mapping[str, Tensor], num_classes: int, image_size: int
    ) -> dict[str, Tensor]:
        """What the network of `arch` has of the original's `weights`: see `searchspaces.around.inherited`."""
        channels = image_channels()
        original = self._at(num_classes, image_size, channels)
        changes = self._changes(arch, self.width_of(arch), 1.0, original)
        if changes is None:
            return dict(weights)
        shapes = Shapes(self._builder(num_classes, image_size, channels), original, changes)
        shapes.fit(changes.channels, channels, image_size)
        return inherited(original, shapes, weights, channels, image_size)

    def costs_at(self, arch: Arch, width: float, costs: Collection[str] = COSTS) -> dict[str, int]:
        if self.is_completed or not set(costs) <= {"macs", "params", "activations"}:
            return super().costs_at(arch, width, costs)
        changes = self._changes(arch, width, 1.0, self._here)
        shapes = _shapes(self, arch)
        found = asdict(shapes.fit(changes.channels if changes else {}, *self._image))
        return {name: found[name] for name in costs}

    @property
    def _image(self) -> tuple[int, int]:
        """Channels and pixels of an image of the search."""
        return self.image_channels or image_channels(), self.image_size

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """Close to that of the network, which is not built: see `searchspaces.around.sketch`."""
        whole = _alone(self)
        changes = self._changes(arch, width, 1.0, self._here)
        if changes is None:
            return whole
        chosen, own = self.options(arch), self.options(self.as_is)
        stages = {stage.name: stage for stage in self._stages(self._here)}
        others = [choice for choice in self.choices if chosen[choice.name] != own[choice.name]]
        of_paths = [choice for choice in others if choice.kind in OF_PATHS]
        alone = [
            Alone(_alone(self, choice.name, chosen[choice.name]), _layers(stages[choice.group], choice.kind))
            for choice in of_paths
        ]
        strides = {choice.name: stages[choice.group] for choice in of_paths if choice.kind == "stride"}
        smaller = {stage.shrinking[0]: int(chosen[name]) / stage.stride for name, stage in strides.items()}
        return _sketch(self).summary(whole, changes, alone, smaller)

    def step_of(self, arch: Arch) -> int:
        """That of the original is its own width, whatever the limits."""
        return self.fineness if self.limited and arch == self.as_is else super().step_of(arch)

    def width_of(self, arch: Arch) -> float:
        return 1.0 if arch == self.as_is else super().width_of(arch)

    def canonical(self, arch: Arch) -> Arch:
        """The first of those that are the same network by other factors of channels, which are rounded.

        With a limit all factors may be larger and the width smaller, so it is looked for among those of all stages.
        """
        return _canonical(self, self.check(arch))

    def _first_alike(self, arch: Arch) -> Arch:
        if arch == self.as_is:
            return arch
        step = self.step_of(arch)
        if self._key(arch, step) is None:
            return self.as_is
        arch = self._without_idle(arch)
        alike = [self._alike(stage, arch, step) for stage in self._stages(self._here)]
        for chosen, steps in _combined(alike, self.steps):
            other = tuple(chosen.get(position, index) for position, index in enumerate(arch))
            if other == arch or self.is_built_in(other, steps):
                return other
        return arch

    def _alike(self, stage: Stage, arch: Arch, step: int) -> list[tuple[dict[int, int], range]]:
        """A stage's factors, by the positions of choices, and the steps at which it has the channels of `arch`."""
        positions = self._factors.get(stage.name, ())
        chosen = self.options(arch)
        own, gone = _own(stage, chosen), self._gone(self._here, chosen)
        wanted = self._channels_of(stage, own, self.width_at(step), self._here, gone)
        found = []
        for indices in itertools.product(*(range(len(self.choices[position].options)) for position in positions)):
            factors = [self.choices[position] for position in positions]
            other = own | {choice.kind: choice.options[index] for choice, index in zip(factors, indices, strict=True)}
            if steps := self._steps_of(stage, other, wanted, gone):
                found.append((dict(zip(positions, indices, strict=True)), steps))
        return found

    def _steps_of(
        self, stage: Stage, own: Mapping[str, Option], wanted: Mapping[str, int], gone: Sequence[str]
    ) -> range:
        """The steps at which a stage's producers have the channels that are `wanted`: they never get fewer."""

        def at(step: int) -> dict[str, int]:
            return self._channels_of(stage, own, self.width_at(step), self._here, gone)

        total, steps = sum(wanted.values()), self.steps
        first = bisect_left(steps, total, key=lambda step: sum(at(step).values()))
        last = bisect_right(steps, total, first, key=lambda step: sum(at(step).values()))
        return steps[first:last] if first < last and at(steps[first]) == wanted else range(0)

    @cached_property
    def _factors(self) -> dict[str, tuple[int, ...]]:
        """The positions of each stage's factors of channels, by the stage's name."""
        found: dict[str, list[int]] = {}
        for position, choice in enumerate(self.choices):
            if choice.kind in ("width", "expand"):
                found.setdefault(choice.group, []).append(position)
        return {stage: tuple(positions) for stage, positions in found.items()}

    def simplified(self, arch: Arch) -> Arch:
        return self.check(arch)

    def _key(self, arch: Arch, step: int) -> object:
        changes = self._changes(arch, self.width_at(step), 1.0, self._here)
        return changes.key if changes else None

    def _changes(self, arch: Arch, width: float, depth: float, original: Original) -> Changes | None:
        """What is other in the network of `arch`; None where nothing is."""
        if arch == self.as_is and width == depth == 1.0:
            return None
        return self._changes_by(self.options(arch), width, depth, original)

    def _changes_by(
        self, chosen: Mapping[str, Option], width: float, depth: float, original: Original
    ) -> Changes | None:
        found, gone = Changes(), self._gone(original, chosen, depth)
        for stage in self._stages(original):
            found |= self._changes_of(stage, _own(stage, chosen), width, depth, original, gone)
        kind = str(chosen.get("activation", self._activation))
        if kind != self._activation:
            found |= Changes(activation=(original.activations, kind))
        return None if found == Changes() else found

    def _changes_of(
        self, stage: Stage, own: Mapping[str, Option], width: float, depth: float, original: Original,
        gone: Sequence[str],
    ) -> Changes:  # fmt: skip
        """What is other in a stage, by the options of its `own` choices."""
        kernel, groups = int(own.get("kernel", stage.kernel)), int(own.get("groups", 0))
        blocks, stride = _blocks(stage, own, depth), int(own.get("stride", stage.stride))
        gate, channels = own.get("se"), self._channels_of(stage, own, width, original, gone)
        windows = [name for name in stage.windows if not is_in(name, gone)]
        gateable = [(where, name) for where, name in stage.gateable if not is_in(name, gone)]
        return Changes(
            {} if stage.repeat is None or blocks == stage.repeat.blocks else {stage.name: (stage.repeat, blocks)},
            {name: n for name, n in channels.items() if n != len(original.widths.producers[name].labels)},
            dict.fromkeys(windows, kernel) if kernel != stage.kernel else {},
            {name: groups for name in stage.grouped if groups not in (0, original.modules[name].groups)},
            frozenset(windows if own.get("op") == "sep" else ()),
            frozenset(name for name in stage.gates if gate == "plain" and not is_in(name, gone)),
            {name: self._gate(original, where, name) for where, name in gateable} if gate == "se" else {},
            strides=dict.fromkeys(stage.shrinking, stride) if stride != stage.stride else {},
        )

    def _gone(self, original: Original, chosen: Mapping[str, Option], depth: float = 1.0) -> tuple[str, ...]:
        """The blocks that are left out by what is `chosen`."""
        repeats = [(stage, stage.repeat) for stage in original.stages if stage.repeat is not None]
        return tuple(
            block for stage, repeat in repeats for block in repeat.left_out(_blocks(stage, _own(stage, chosen), depth))
        )

    def _without_idle(self, arch: Arch) -> Arch:
        """`arch` with the first option of each choice that is of left out blocks alone, as some are of a layer."""
        gone = self._gone(self._here, self.options(arch))
        idle = {stage.name for stage in self._stages(self._here) if all(is_in(part, gone) for part in stage.parts)}
        return tuple(0 if choice.group in idle else index for choice, index in zip(self.choices, arch, strict=True))

    def _channels_of(
        self, stage: Stage, own: Mapping[str, Option], width: float, original: Original, gone: Sequence[str]
    ) -> dict[str, int]:
        """Of the stage's producers that are not `gone`, by their names."""
        outer, groups = width * float(own.get("width", 1.0)), int(own.get("groups", 1))
        inner = outer * float(own.get("expand", 1.0))
        factors = dict.fromkeys(stage.outer, outer) | dict.fromkeys(stage.inner, inner)
        return {
            name: self._channels(original, name, factor, groups)
            for name, factor in factors.items()
            if not is_in(name, gone)
        }

    def _channels(self, original: Original, name: str, factor: float, groups: int) -> int:
        """Of a producer, `factor` times the original's: run by run, each the multiple that groups and blocks need."""
        finest = 2 if self.limited else 8
        found = 0
        for number, needs in original.widths.segments[name]:
            multiple = lcm(needs, groups if needs > 1 else 1, gcd(number, finest))
            as_it_is = factor == 1.0 and number % multiple == 0
            found += number if as_it_is else _rounded(number * factor, multiple)
        return found

    def _gate(self, original: Original, where: str, name: str) -> Gate:
        """As wide inside as a share of what the block is given: before the projection of an MBConv that is expanded."""
        conv = original.modules[name]
        if where == "before" and isinstance(conv, nn.Conv2d):
            return Gate(where, conv.in_channels, GATED * min(1.0, conv.out_channels / conv.in_channels))
        return Gate(where, original.followed.shapes[name][1][0], GATED)

    # ------------------------------------------------------------------ originals, followed once

    @property
    def _here(self) -> Original:
        """For the images that the space searches at."""
        return self._at(self.num_classes or 10, self.image_size, self.image_channels or image_channels())

    def _at(self, num_classes: int, image_size: int, channels: int) -> Original:
        return _followed(self, num_classes, image_size, channels)


@lru_cache(maxsize=1 << 14)
def _canonical(space: AroundSpace, arch: Arch) -> Arch:
    return space._first_alike(arch)


@lru_cache(maxsize=1 << 10)
def _alone(space: AroundSpace, name: str | None = None, option: Option = AS_IS) -> Summary:
    """Of the original with one choice changed, or none, at its own width; it is built and followed."""
    chosen = space.options(space.as_is) | ({} if name is None else {name: option})
    return traced(space._with(chosen), *space._image)[0]


@lru_cache(maxsize=16)
def _sketch(space: AroundSpace) -> Sketch:
    return Sketch.of(space._here, space.image_size)


@lru_cache(maxsize=16)
def _shapes(space: AroundSpace, arch: Arch) -> Shapes:
    """The network of `arch`, whose widths can be set: several are looked at, one after the other."""
    changes = space._changes(arch, 1.0, 1.0, space._here) or Changes()
    channels, image_size = space._image
    return Shapes(space._builder(space.num_classes or 10, image_size, channels), space._here, changes)


@lru_cache(maxsize=64)
def _followed(space: AroundSpace, num_classes: int, image_size: int, channels: int) -> Original:
    with shapes_only():
        module = space._builder(num_classes, image_size, channels)()
    return Original(module, channels, image_size)


def _only_shapes() -> bool:
    """Whether modules are made without numbers now."""
    return nn.Linear(1, 1).weight.device.type == "meta"


def _own(stage: Stage, chosen: Mapping[str, Option]) -> dict[str, Option]:
    """What is chosen of a stage, by the kind."""
    prefix = f"{stage.name}."
    return {name.removeprefix(prefix): option for name, option in chosen.items() if name.startswith(prefix)}


def _layers(stage: Stage, kind: str) -> tuple[str, ...]:
    """What a choice of that kind changes of a stage, for each block."""
    if kind == "se":
        return stage.gates or tuple(name for _, name in stage.gateable)
    return stage.windows if kind in ("kernel", "op") else ()


def _blocks(stage: Stage, own: Mapping[str, Option], depth: float) -> int:
    """How many a stage has, of those that can be more or fewer."""
    return 0 if stage.repeat is None else round_repeats(int(own.get("depth", stage.repeat.blocks)), depth)


def _combined(
    alike: Sequence[Sequence[tuple[dict[int, int], range]]], steps: range
) -> Iterator[tuple[dict[int, int], range]]:
    """One of each, in order, where there are steps that all have: what is chosen together, and these steps."""
    if not alike:
        yield {}, steps
        return
    for chosen, its in alike[0]:
        common = range(max(steps.start, its.start), min(steps.stop, its.stop))
        if common:
            for others, left in _combined(alike[1:], common):
                yield chosen | others, left


def _depths(blocks: int, alike: int) -> tuple[int, ...]:
    least = blocks - alike + (alike == blocks)
    few = range(blocks - 2, blocks + 3)
    wanted = few if blocks <= FEW else sorted({math.ceil(blocks * depth) for depth in DEPTHS})
    return tuple(n for n in wanted if n >= max(1, least))


def _rounded(channels: float, multiple: int) -> int:
    """To a multiple, at least one, and of no less than nine tenths (MobileNet's rule)."""
    found = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return found + multiple if found < 0.9 * channels else found
