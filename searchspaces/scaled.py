"""Spaces with a width: one multiplier of all channels, or for each architecture the one at which it fits a limit.

Of two architectures that are to be compared at 8M multiply-adds, each is built as wide as 8M allow: so neither wins or
loses by its size, and a search is about shapes alone. With `max_macs` the width is no longer a setting and not a choice
either, but follows from the architecture: the widest, in small steps, that costs at most so much at the space's
`image_size` and `num_classes`. Built for other images or classes the network keeps that width, and its weights' shapes.
Parameters, activations, and a microcontroller's flash and memory (`searchspaces.footprint`) are limited in the same
way: with several limits each architecture is as wide as all of them allow.

So is latency, in seconds, which no layer tells: whoever limits it by `max_latency` gives what predicts it, too
(`predicted_by`). That is no setting, so what builds a network elsewhere, without it, is `alone`: the same space with as
many multiply-adds for its limit as that network has.

What is put on each network in the place of its classifier (`completed_by`), a head for another task, counts, too, and
is no setting either.

A space whose networks are one layer after the other gives these as values (`RowSpace`), which makes widths cheap to
find: each layer is costed once. For others a few networks are built as shapes alone.
"""

from __future__ import annotations

import copy
import itertools
import math
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import nn

from searchspaces import kernels, sketched
from searchspaces.bounded import check_settings
from searchspaces.cost import Cost, cost, shapes_only
from searchspaces.flow import traced
from searchspaces.footprint import FIRST, Before, Footprint, Part, footprint, footprint_of_parts, part_of_row
from searchspaces.images import MOST_CHANNELS, RGB, for_images_of, image_channels
from searchspaces.layers import Layer, chain, network, round_channels
from searchspaces.space import Arch, Space
from searchspaces.summary import Summary, series

WIDEST = 100
LARGEST_IMAGE = 16_384  # pixels a side
GUESSES = 8  # by interpolation, before an interval is halved
COSTS = ("macs", "params", "activations", "flash", "memory")  # that can be limited, by `max_macs` and so on
LATENCY = "latency"  # likewise, where something predicts it
_ON_DEVICE = ("flash", "memory")
FLASH, MEMORY = 1.2, 0.5  # bytes per parameter and activation; in forty of `compact` 1.26, 0.65, of `mnas` 1.15, 0.4
AHEAD, FURTHER = 16, 1.3  # steps that are looked at beyond the first too slow one, up to so many times the width
GROWTH = 1.0  # the power of the width that latency goes with: by PyTorch 0.4 to 1.2, the more the wider a network is


class Predicts(Protocol):
    """Seconds that the network of `arch` takes for one image, at a `width`. Equal ones say the same, and hash alike."""

    def __call__(self, space: ScaledSpace, arch: Arch, width: float, /) -> float: ...

    def __hash__(self) -> int: ...


class Completes(Protocol):
    """Makes a network of a space into what is trained, as by a head. Equal ones do the same, and hash alike."""

    def __call__(self, network: nn.Module, num_classes: int, image_size: int, /) -> nn.Module: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class ScaledSpace(Space):
    """A space whose channels all scale: subclasses give the `network_at` a width.

    `width` is that of every architecture. With `max_macs`, or another limit, each has its own instead, see above; where
    even the narrowest costs more it is built so, which `nas search` refuses to train. Limits count a classifier for
    `num_classes`, 10 if not given, and a first layer for `image_channels`, 3 if not given. `max_flash` and `max_memory`
    are in bytes, `max_latency` is in seconds.
    """

    image_size: int = 32
    width: float = 1.0
    max_macs: int | None = None
    max_params: int | None = None
    max_activations: int | None = None
    max_flash: int | None = None
    max_memory: int | None = None
    num_classes: int | None = None
    image_channels: int | None = None
    max_latency: float | None = None

    _predicts: ClassVar[Predicts | None] = None  # of a space that is `predicted_by` something, its own
    _completes: ClassVar[Completes | None] = None  # likewise, of one that is `completed_by` something

    def __post_init__(self) -> None:
        check_settings(self.name, self.bounds())
        if not 0 < self.width <= WIDEST:
            raise ValueError(f"{self.name}: width must be above 0 and at most {WIDEST}, not {self.width:g}")
        if self.limited and self.width != 1.0:
            (limit, *_) = self.limits
            raise ValueError(f"{self.name}: max_{limit} decides the width: give no width with it")
        for counted in ("num_classes", "image_channels"):
            if getattr(self, counted) is not None and not self.limited:
                raise ValueError(f"{self.name}: {counted} goes with max_macs, which counts them: give both")

    def bounds(self) -> dict[str, tuple[float, float, float]]:
        """Of settings that are whole numbers: (value, least, most). What is more takes all of anybody's time."""
        return {
            "image_size": (self.image_size, 1, LARGEST_IMAGE),
            **{f"max_{cost}": (1 if limit is None else limit, 1, 10**18) for cost, limit in self._given.items()},
            "max_latency": (1 if self.max_latency is None else self.max_latency, 1e-9, 1e6),
            "num_classes": (1 if self.num_classes is None else self.num_classes, 1, 1_000_000),
            "image_channels": (1 if self.image_channels is None else self.image_channels, 1, MOST_CHANNELS),
        }

    @abstractmethod
    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        """What `build` gives, of a given `width`, and with `depth` times the layers, rounded up.

        No layer gets cheaper, and there are not fewer, as these grow.
        """

    def whole_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        """The `network_at` a width with what completes it."""
        network = self.network_at(arch, width, num_classes, image_size, depth)
        return network if self._completes is None else self._completes(network, num_classes, image_size)

    @property
    def _given(self) -> dict[str, int | None]:
        return {cost: getattr(self, f"max_{cost}") for cost in COSTS}

    @cached_property
    def limits(self) -> dict[str, float]:
        """The most that a network may cost, by the names of `COSTS` and "latency"; those that are given."""
        given = self._given | {LATENCY: self.max_latency}
        return {cost: limit for cost, limit in given.items() if limit is not None}

    @cached_property
    def limited(self) -> bool:
        """Whether each architecture has its own width."""
        return bool(self.limits)

    def costs_at(self, arch: Arch, width: float, costs: Collection[str] = COSTS) -> dict[str, int]:
        """What limits are about: those `costs`, by the names of `COSTS`, of the network of `arch` at `width`."""
        channels = self.image_channels or RGB
        with for_images_of(channels), shapes_only():
            network = self.whole_at(arch, width, self.num_classes or 10, self.image_size)
        return _costs_of(network, self.image_size, channels, costs)

    # ------------------------------------------------------------------ what completes networks, and what is predicted

    def completed_by(self, completes: Completes) -> Self:
        """This space, with what each of its networks is completed by: that is built, and is within the limits.

        What is seen of a network without building it, `summary`, stays that of the network alone.
        """
        space = copy.copy(self)
        object.__setattr__(space, "_completes", completes)
        return space

    def changed(self, **settings: Any) -> Self:
        """This space with other `settings`, and with what completes its networks and predicts their latency."""
        space = replace(self, **settings)
        object.__setattr__(space, "_completes", self._completes)
        object.__setattr__(space, "_predicts", self._predicts)
        return space

    @property
    def is_completed(self) -> bool:
        """Whether something is put on its networks, so that their rows do not tell all that they cost."""
        return self._completes is not None

    def predicted_by(self, predicts: Predicts) -> Self:
        """This space, with what says whether a network is within `max_latency`."""
        space = copy.copy(self)
        object.__setattr__(space, "_predicts", predicts)
        return space

    def latency_at(self, arch: Arch, width: float) -> float:
        """Seconds that are predicted for the network of `arch` at `width`. Raises ValueError where nothing does."""
        if self._predicts is None:
            raise ValueError(
                f"{self.name}: max_latency is of predicted latency, and there is no table that predicts it here: give "
                "--latency-table with --max-latency, or max_macs instead"
            )
        return self._predicts(self, arch, width)

    def alone(self, arch: Arch) -> Self:
        """A space that builds `arch` as this one does, and needs no prediction for it, without what completes it."""
        if self.max_latency is None and not self.is_completed:
            return self
        width, plain = self.width_of(arch), self._plain
        return plain.within(plain.costs_at(arch, width, ("macs",))["macs"]) if self.limited else plain

    def within(self, macs: int) -> Self:
        """This space with so many multiply-adds as its only limit.

        What has exactly so many is built by it as by this one: no wider network has as few.
        """
        return replace(self, **self._no_limits | {"max_macs": macs})

    @property
    def _plain(self) -> Self:
        """This space without what completes its networks."""
        if not self.is_completed:
            return self
        space = copy.copy(self)
        object.__setattr__(space, "_completes", None)
        return space

    @property
    def _no_limits(self) -> dict[str, Any]:
        return dict.fromkeys(f"max_{cost}" for cost in self.limits)

    def short_id(self, arch: Arch) -> str:
        alone = self.alone(arch)
        return super().short_id(arch) if alone is self else alone.short_id(arch)

    # ------------------------------------------------------------------ what is seen of it

    def summary(self, arch: Arch) -> Summary:
        """With a limit that of width 1, as if it were wider: to find the width takes a hundred times as long.

        Flash and memory are taken for what they typically are of parameters and activations: their exact figures would
        take twice the time of all else that is summarised.
        """
        if not self.limited:
            return self.summary_at(arch, self.width)
        nominal = self.summary_at(arch, 1.0)
        costs = dict(zip(("macs", "params", "activations"), nominal.sums.tolist(), strict=False))
        costs |= {"flash": FLASH * costs["params"], "memory": MEMORY * costs["activations"]}
        ratios = [  # the others go with the square of the width
            (limit / max(costs[name], 1.0)) ** (2 if name in ("activations", "memory") else 1)
            for name, limit in self.limits.items()
            if name != LATENCY
        ]
        if self.max_latency is not None and (seconds := self._quick_latency(arch)) is not None:
            ratios.append((self.max_latency / seconds) ** (2 / GROWTH))
        return nominal.widened(min(ratios, default=1.0))

    def _quick_latency(self, arch: Arch) -> float | None:
        """That of width 1; None where it takes too long to be asked of thousands, and widths are seen without it."""
        return None

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """Of the network of `arch` at `width`; it is built, as shapes alone, where a space knows nothing quicker."""
        with shapes_only():
            module = self.network_at(arch, width, self.num_classes or 10, self.image_size)
        return traced(module, self.image_channels or image_channels(), self.image_size)[0]

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.whole_at(arch, self.width_of(arch), num_classes, image_size or self.image_size)

    def scaled(
        self, arch: Arch, width: float, depth: float, num_classes: int = 10, image_size: int | None = None
    ) -> nn.Module:
        return self.whole_at(arch, self.width_of(arch) * width, num_classes, image_size or self.image_size, depth)

    def simplified(self, arch: Arch) -> Arch:
        """With a limit, what is merged is the same network at any width, and no width has to be found for that."""
        return self._at_any_width.canonical(arch) if self.limited else self.canonical(arch)

    @cached_property
    def _at_any_width(self) -> Self:
        """This space without limits, so wide that rounding makes few layers equal."""
        unlimited = self._no_limits | {"num_classes": None, "image_channels": None}
        return replace(self, width=float(WIDEST), **unlimited)

    def width_of(self, arch: Arch) -> float:
        """The width multiplier at which `arch` is built."""
        return self.width_at(self.step_of(arch))

    # ------------------------------------------------------------------ widths, in steps

    @property
    def fineness(self) -> int:
        """Steps up to a width of 1, with a limit."""
        return 256

    @property
    def steps(self) -> range:
        """The widths that there are: one, or with a limit many."""
        return range(1, WIDEST * self.fineness + 1) if self.limited else range(1)

    def width_at(self, step: int) -> float:
        return step / self.fineness if self.limited else self.width

    def step_of(self, arch: Arch) -> int:
        """The step at which `arch` is built."""
        return _widest_step(self, (self._predicts, self._completes), arch) if self.limited else self.steps[0]

    def is_built_in(self, arch: Arch, steps: range) -> bool:
        """Whether `step_of(arch)` is one of `steps`, some in a row: two looks tell, as costs do not fall.

        But for memory, which in rare cases is less at a greater width, see docs/microcontrollers.md, and for latency.
        """
        if self.max_memory is not None or self.max_latency is not None:
            return self.step_of(arch) in steps
        return (steps[-1] == self.steps[-1] or not self._fits(arch, steps[-1] + 1)) and (
            steps[0] == self.steps[0] or self._fits(arch, steps[0])
        )

    def _fits(self, arch: Arch, step: int) -> bool:
        return all(_cost_at(self, arch, name, step) <= limit for name, limit in self.limits.items())

    @property
    def multiple(self) -> int:
        """Of which all channels are one: of 8, or with a limit of 2, so that it can be met closely."""
        return 2 if self.limited else 8

    def channels(self, nominal: float, width: float) -> int:
        """`nominal` channels at `width`: a `multiple`."""
        return round_channels(nominal * width, self.multiple)

    def steps_giving(self, channels: int, nominal: float, among: range) -> range:
        """The steps of `among` at which `nominal` channels are `channels`: by it `canonical` knows equal networks."""

        def at(step: int) -> int:
            return self.channels(nominal, self.width_at(step))

        if len(among) == 1:  # without a limit, where hundreds of architectures are asked for at a time
            return among if at(among[0]) == channels else among[:0]
        return among[bisect_left(among, channels, key=at) : bisect_right(among, channels, key=at)]


@lru_cache(maxsize=1 << 14)
def _widest_step(space: ScaledSpace, unequal: tuple[Predicts | None, Completes | None], arch: Arch) -> int:
    """The last step at which `arch` is within all limits; the first where none is.

    `unequal` is what equal spaces may differ in: what predicts latency, and what completes networks.

    One limit after the other: what is beyond one need not be looked at for the next, which often is kept there anyway.
    With latency it is the last of those that are looked at, see docs/latency_table.md.
    """
    steps, start = space.steps, space.fineness
    for name, limit in space.limits.items():
        cost_at = partial(_cost_at, space, arch, name)
        start = last_within(limit, steps, start, cost_at)
        if name == LATENCY:
            start = _further_within(limit, range(start, steps[-1] + 1), cost_at)
        steps = range(steps[0], start + 1)
    if space.max_latency is not None and space.max_memory is not None:  # which may be more at a lesser width
        start = next((step for step in reversed(steps) if space._fits(arch, step)), steps[0])
    return start


def _further_within(limit: float, steps: range, cost_at: Callable[[int], float]) -> int:
    """The last of some of `steps` that costs at most `limit`, else the first.

    Latency falls where channels come to fill a runtime's blocks: beyond a step that is too slow are others that are
    not.
    """
    for number in range(AHEAD, 0, -1):
        step = round(steps[0] * math.pow(FURTHER, number / AHEAD))
        if step in steps[1:] and cost_at(step) <= limit:
            return step
    return steps[0]


def _cost_at(space: ScaledSpace, arch: Arch, name: str, step: int) -> float:
    if name == LATENCY:
        return space.latency_at(arch, space.width_at(step))
    return space.costs_at(arch, space.width_at(step), (name,))[name]


def last_within(limit: float, steps: range, start: int, cost_at: Callable[[int], float]) -> int:
    """The last of `steps` that costs at most `limit`, the first where all cost more; looking at `start` first.

    Costs must not fall from one step to the next; where they do, it is one after which comes one above the limit. They
    are nearly a w^2 + b w in the width w, so that two looks tell where the limit is, but for rounded channels: some
    five are enough, where halving needs fifteen.
    """
    low, high = steps[0], steps[-1] + 1  # costs at most the limit, or is the first; costs more
    guess, far = start, (0, 0.0)  # a step, and its cost divided by it
    for number in itertools.count():
        if high - low <= 1:
            break
        step = min(max(guess if number < GUESSES else (low + high) // 2, low + 1), high - 1)
        found = cost_at(step)
        low, high = (step, high) if found <= limit else (low, step)
        guess = _step_of(limit, far, (step, found / step))
        far = far if number else (step, found / step)
    return low


def _step_of(limit: float, far: tuple[int, float], near: tuple[int, float]) -> int:
    """The step w at which a w^2 + b w, by the values of a w + b at two steps, is `limit`."""
    a = (near[1] - far[1]) / (near[0] - far[0])
    b = near[1] - a * near[0]
    if a <= 0:
        return int(limit / near[1])
    return int((math.sqrt(b * b + 4 * a * limit) - b) / (2 * a))


# ---------------------------------------------------------------------------- networks of rows


class Row(NamedTuple):
    """One layer of a network, `make(*args)`, as a value: equal rows are equal layers."""

    make: Callable[..., Layer]
    args: tuple[Any, ...]

    def layer(self) -> Layer:
        return self.make(*self.args)


class Rows(NamedTuple):
    """Several as one child of the network, one after the other."""

    rows: tuple[Row, ...]

    def layer(self) -> Layer:
        return chain(*[row.layer() for row in self.rows])


class Placed(NamedTuple):
    """A row of a network: its `name` there, its `place` in the space, and the channels that it gets."""

    name: str
    place: str
    row: Row
    c_in: int


@dataclass(frozen=True)
class RowSpace(ScaledSpace):
    """One whose networks are rows, one after the other."""

    @abstractmethod
    def rows(
        self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0
    ) -> Sequence[Row | Rows]:
        """The network of `arch` at `width` and `depth`, top to bottom. None gets cheaper or fewer as these grow."""

    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        return network(*[row.layer() for row in self.rows(arch, width, num_classes, image_size, depth)])

    def placed(self, arch: Arch, num_classes: int, image_size: int) -> Iterator[Placed]:
        """Each row of `arch`, and where it stands: what stands at one place are alternatives to each other.

        By default the place is the row's name in the network: the number of a child and, in `Rows`, of a row in it. A
        space whose rows come and go in one list says where they stand.
        """
        c_in = image_channels()
        for number, child in enumerate(self.rows(arch, self.width_of(arch), num_classes, image_size)):
            for i, row in enumerate(child.rows if isinstance(child, Rows) else (child,)):
                name = f"{number}.{i}" if isinstance(child, Rows) else str(number)
                yield Placed(name, name, row, c_in)
                c_in = channels_after(row, c_in)

    def costs_at(self, arch: Arch, width: float, costs: Collection[str] = COSTS) -> dict[str, int]:
        rows = self.rows(arch, width, self.num_classes or 10, self.image_size)
        channels = self.image_channels or RGB
        if self._completes is not None:
            shape = (self.num_classes or 10, self.image_size, channels)
            return _costs_completed(tuple(rows), self._completes, shape, tuple(costs))
        if tuple(costs) == ("macs",):
            return {"macs": macs_of(rows, self.image_size, channels)}
        found: dict[str, int] = {}
        if not set(costs) <= set(_ON_DEVICE):
            found |= asdict(cost_of_rows(rows, self.image_size, channels))
        if not set(costs).isdisjoint(_ON_DEVICE):
            found |= asdict(footprint_of(rows, self.image_size, channels))
        return {name: found[name] for name in costs}

    @property
    def quick_features(self) -> bool:
        return True

    def _quick_latency(self, arch: Arch) -> float | None:
        return self.latency_at(arch, 1.0)

    def summary_at(self, arch: Arch, width: float) -> Summary:
        rows = self.rows(arch, width, self.num_classes or 10, self.image_size)
        return summary_of(rows, self.image_size, self.image_channels or image_channels())


def macs_of(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> int:
    """The multiply-adds of a network of `rows` for images of so many channels.

    Each row is costed once in a process, for one shape that goes in.
    """
    total, pixels = 0, image_size
    for row in flat(rows):
        part, found = followed_row(row, channels, pixels)
        total, channels, pixels = total + found.macs, part.c_out, part.side_out
    return total


def cost_of_rows(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> Cost:
    """As `macs_of`, and parameters and activations."""
    params = macs = activations = 0
    pixels = image_size
    for row in flat(rows):
        part, found = followed_row(row, channels, pixels)
        channels, pixels = part.c_out, part.side_out
        params, macs, activations = params + found.params, macs + found.macs, activations + found.activations
    return Cost(params, macs, activations)


def footprint_of(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> Footprint:
    """What a network of `rows` needs on a microcontroller; each row is looked at once, as in `macs_of`."""
    parts, elements = list[Part](), channels * image_size**2
    pixels, before = image_size, FIRST
    for row in flat(rows):
        part, channels, pixels, before = _part_of(row, channels, pixels, before)
        parts.append(part)
    return footprint_of_parts(parts, elements)


def summary_of(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> Summary:
    """Of a network of `rows`, each of which is followed once in a process, as in `macs_of`."""
    parts, pixels = [], image_size
    for row in rows:
        summary, channels, pixels = _summary_of_child(row, channels, pixels, image_size)
        parts.append(summary)
    return series(parts)


@lru_cache(maxsize=1 << 12)
def _costs_completed(
    rows: tuple[Row | Rows, ...], completes: Completes, shape: tuple[int, int, int], costs: tuple[str, ...]
) -> dict[str, int]:
    """What a network of `rows` costs with what `completes` it, by its classes, pixels and channels.

    It is built for that, once: many architectures have the same rows, and `canonical` looks at all of them.
    """
    num_classes, image_size, channels = shape
    with for_images_of(channels), shapes_only():
        plain = network(*[row.layer() for row in rows])
        return _costs_of(completes(plain, num_classes, image_size), image_size, channels, costs)


def _costs_of(module: nn.Module, image_size: int, channels: int, costs: Collection[str]) -> dict[str, int]:
    """Those `costs` of a `module`, by the names of `COSTS`."""
    found: dict[str, int] = {}
    if not set(costs) <= set(_ON_DEVICE):
        found |= asdict(cost(module, image_size, channels))
    if not set(costs).isdisjoint(_ON_DEVICE):
        found |= asdict(footprint(module, image_size, channels))
    return {name: found[name] for name in costs}


@lru_cache(maxsize=1 << 17)
def _summary_of_child(child: Row | Rows, channels: int, pixels: int, image_size: int) -> tuple[Summary, int, int]:
    """As `summary_of_row`, of several rows together, too."""
    if isinstance(child, Row):
        return summary_of_row(child, channels, pixels, image_size)
    parts = []
    for row in child.rows:
        summary, channels, pixels = summary_of_row(row, channels, pixels, image_size)
        parts.append(summary)
    return series(parts), channels, pixels


def flat(rows: Sequence[Row | Rows]) -> Iterator[Row]:
    """One after the other."""
    for row in rows:
        if isinstance(row, Rows):
            yield from row.rows
        else:
            yield row


@lru_cache(maxsize=1 << 17)
def channels_after(row: Row, c_in: int) -> int:
    """The channels that come out of `row` where so many go in."""
    with shapes_only():
        return row.layer()(c_in)[1]


@lru_cache(maxsize=1 << 17)
def summary_of_row(row: Row, channels: int, pixels: int, image_size: int) -> tuple[Summary, int, int]:
    """And the channels and pixels that come out."""

    def build() -> nn.Module:
        with shapes_only():
            return row.layer()(channels)[0]

    return sketched.summary_of(build, channels, pixels, image_size)


@lru_cache(maxsize=1 << 17)
def followed_row(row: Row, channels: int, pixels: int) -> tuple[kernels.Part, Cost]:
    """What it runs, the channels and pixels that come out among that, and what it costs."""

    def build() -> nn.Module:
        with shapes_only():
            return row.layer()(channels)[0]

    return kernels.followed_outline(build, channels, pixels) or kernels.followed(build(), channels, pixels)


@lru_cache(maxsize=1 << 17)
def _part_of(row: Row, channels: int, pixels: int, before: Before) -> tuple[Part, int, int, Before]:
    """What it needs on a microcontroller, and the channels and pixels that come out, and from what operator."""
    with shapes_only():
        module, c = row.layer()(channels)
    part, output, after = part_of_row(module, pixels, channels, before)
    return part, c, output[-1], after
