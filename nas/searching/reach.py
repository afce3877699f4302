"""What sizes a space's networks have, beside what a search asks for: found out before anything is trained or timed."""

from __future__ import annotations

import contextlib
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from statistics import fmean, median
from typing import TypeGuard

from torch import nn

from nas.checks.costs import CostKind, in_order, kind_of, option
from nas.joint.space import JointSpace, networks_of
from nas.ledger.config import Config
from nas.searching.counted import counted
from searchspaces import Arch, Space
from searchspaces.cost import shapes_only
from searchspaces.images import RGB
from searchspaces.scaled import LATENCY, RowSpace, ScaledSpace, macs_of
from searchspaces.space import Option

MODULES = 10_000  # in all networks that are looked at: about a second
CHEAPER = 4  # of spaces whose layers are known one by one, so many times as much
RUNS = 5  # of a network whose maps are found, so that a head can be put on it
PREDICTED = 50  # networks whose latency is predicted: in a tenth of a second, in slow spaces a second or two
FAR = 2.0  # times the largest of them, or a half of the least: a target there is out of reach

_Figure = Callable[[Arch], float]


def check_reach(config: Config, num_classes: int, image_size: int, channels: int = RGB) -> list[str]:
    """What is to be said of the limits and the targets of a search that its networks' layers tell, as lines.

    Raises ValueError where no network is within a limit, as far as a short search for the least one tells, or where a
    target is for multiply-adds, say, of which there are none.
    """
    asked = in_order([*config.limits, *config.reward.targets])
    lines = [
        line
        for cost in asked
        if kind_of(cost).counted
        for line in _of_cost(cost, config, num_classes, image_size, channels)
    ]
    return [*lines, *_of_predicted(config.networks)]


def _of_predicted(space: Space) -> Iterator[str]:
    """What is said where few networks are within a limit of predicted latency, however narrow they are built."""
    if not isinstance(space, ScaledSpace) or space.max_latency is None:
        return
    rng, narrow = random.Random(0), space.width_at(space.steps[0])
    sizes = [space.latency_at(space.sample(rng), narrow) for _ in range(PREDICTED)]
    within = sum(size <= space.max_latency for size in sizes)
    if 10 * within < len(sizes):
        kind = kind_of(LATENCY)
        asked, typical = kind.format(space.max_latency), kind.format(median(sizes))
        yield (
            f"note      only {within} of {len(sizes)} random networks are within --max-latency {asked} where they are "
            f"narrowest, a typical one has {typical}: most proposals will not be trained"
        )


def _of_cost(cost: str, config: Config, num_classes: int, image_size: int, channels: int) -> Iterator[str]:
    space, rng = config.space, random.Random(0)
    figure = partial(narrowest, space, cost=cost, num_classes=num_classes, image_size=image_size, channels=channels)
    tries = _tries(space, num_classes, image_size)
    archs = [space.sample(rng) for _ in range(max(8, min(tries // 4, 100)))]
    sizes = {arch: size for arch in archs if (size := figure(arch)) < math.inf}
    if not sizes:
        return  # the search says what is wrong with them
    if cost in config.reward.targets:
        yield from _of_target(cost, config.reward.targets[cost], [*sizes.values()], space)
    if cost in config.limits:
        yield from _of_limit(cost, config.limits[cost], sizes, figure, space, tries)


def narrowest(
    space: Space, arch: Arch, num_classes: int, image_size: int, channels: int = RGB, cost: str = "macs"
) -> float:
    """What `arch` has of a `cost`, at the least width at which `space` builds it; infinite where it does not.

    With a resolution of its own that is for images of so many pixels.
    """
    if isinstance(space, JointSpace):
        image_size = space.pixels_of(arch)
        space, arch = space.parts(arch)
    try:
        if cost == "macs" and _tells_by_rows(space):
            rows = space.rows(arch, space.width_at(space.steps[0]), num_classes, image_size)
            return macs_of(rows, image_size, channels)
        build = partial(_narrowest, space, arch, num_classes, image_size)
        return counted(build, image_size, channels, (cost,))[cost]
    except (ValueError, RuntimeError):  # in a search, a failed trial and no more
        return math.inf


def _narrowest(space: Space, arch: Arch, num_classes: int, image_size: int) -> nn.Module:
    if isinstance(space, ScaledSpace):
        return space.whole_at(arch, space.width_at(space.steps[0]), num_classes, image_size)
    return space.build(arch, num_classes, image_size)


def _of_target(cost: str, target: float, sizes: Sequence[float], space: Space) -> Iterator[str]:
    low, high, kind = min(sizes), max(sizes), kind_of(cost)
    if not high:
        raise ValueError(
            f"networks of {space.name} cost 0 {kind.title}, which no target can be made of: see docs/macs.md"
        )
    if not low / FAR <= target <= high * FAR:
        yield (
            f"note      {option('target', cost)} {kind.format(target)} is out of reach: {len(sizes)} random networks "
            f"have {kind.format(low)} to {kind.format(high)} {kind.title}"
        )


def _of_limit(
    cost: str, limit: float, sizes: dict[Arch, float], figure: _Figure, space: Space, tries: int
) -> Iterator[str]:
    within = sum(size <= limit for size in sizes.values())
    if 10 * within >= len(sizes):
        return
    kind = kind_of(cost)
    asked, typical = f"--max-{cost} {kind.format(limit)}", kind.format(median(sizes.values()))
    if within:
        yield (
            f"note      only {within} of {len(sizes)} random networks are within {asked}, a typical one has {typical}: "
            "most proposals will not be trained"
        )
        return
    least = least_found(space, sizes, figure, tries, limit)
    if least <= limit:
        yield (
            f"note      none of {len(sizes)} random networks is within {asked}, a typical one has {typical}: the "
            f"search may end with nothing trained; {_remedy(space)}give a higher --max-{cost}"
        )
        return
    raise ValueError(
        f"no network of {space.name} is within {asked}: the least found has {kind.format(least)} {kind.title}, "
        f"a typical one {typical}; {_remedy(space)}give --max-{cost} {_at_least(least, kind)} or more"
    )


def _remedy(space: Space) -> str:
    """What else than a higher limit would help."""
    space = networks_of(space)
    fixed = isinstance(space, ScaledSpace) and not space.limited and "width" in space.settings()
    return "leave out --width, or " if fixed and space.settings()["width"] != 1 else ""


def least_found(space: Space, sizes: dict[Arch, float], figure: _Figure, tries: int, enough: float = 0) -> float:
    """The least of a cost that a short search finds, beginning with random architectures of known `sizes`.

    From the options that go with small sizes, by kinds of choice, it goes down by a choice at a time, or by several. It
    stops at no more than `enough`, and after some `tries`.
    """
    looked = dict(sizes)

    def look(arch: Arch) -> float:
        if arch not in looked:
            looked[arch] = figure(arch)
        return looked[arch]

    best = min((_of_small_options(space, sizes), min(sizes, key=sizes.__getitem__)), key=look)
    while look(best) > enough and (left := len(sizes) + tries - len(looked)) > 0:
        steps = [arch for arch in islice(_one_choice_away(space, best), left) if look(arch) < look(best)]
        if not steps:
            break
        best = _together(best, steps, look)
    return look(best)


def _of_small_options(space: Space, sizes: dict[Arch, float]) -> Arch:
    """Of each choice the option that, among the choices of its kind, stands in the smallest networks on average."""
    seen: dict[tuple[str, tuple[Option, ...], int], list[float]] = defaultdict(list)
    for arch, size in sizes.items():
        for choice, index in zip(space.choices, arch, strict=True):
            seen[choice.kind, choice.options, index].append(size)
    means = {key: fmean(found) for key, found in seen.items()}
    return tuple(
        min(
            range(len(choice.options)),
            key=lambda index: means.get((choice.kind, choice.options, index), float("inf")),
        )
        for choice in space.choices
    )


def _one_choice_away(space: Space, arch: Arch) -> Iterator[Arch]:
    for position, choice in enumerate(space.choices):
        for index in range(len(choice.options)):
            if index != arch[position]:
                yield (*arch[:position], index, *arch[position + 1 :])


def _together(arch: Arch, steps: Sequence[Arch], look: _Figure) -> Arch:
    """All of the `steps` away from `arch` at once, the best of each choice, where that is better than any alone."""
    joined = list(arch)
    for step in sorted(steps, key=look, reverse=True):
        (position,) = [i for i, (a, b) in enumerate(zip(arch, step, strict=True)) if a != b]
        joined[position] = step[position]
    return min((tuple(joined), *steps), key=look)


def _tries(space: Space, num_classes: int, image_size: int) -> int:
    """How many networks of `space` can be looked at in about a second."""
    modules, space = MODULES, networks_of(space)
    with contextlib.suppress(ValueError, RuntimeError), shapes_only():
        network = _narrowest(space, space.sample(random.Random(0)), num_classes, image_size)
        modules = sum(1 for _ in network.modules())
    if isinstance(space, ScaledSpace) and space.is_completed:
        modules *= RUNS
    return max(24, MODULES * (CHEAPER if _tells_by_rows(space) else 1) // modules)


def _tells_by_rows(space: Space) -> TypeGuard[RowSpace]:
    """Whether the rows of its networks tell all that these cost."""
    return isinstance(space, RowSpace) and not space.is_completed


def _at_least(least: float, kind: CostKind) -> str:
    """`least`, rounded up to what a person would type: 12,345 -> `13k`, of bytes `13kB`."""
    step = 10 ** max(0, len(f"{least:.0f}") - 2)
    text = kind.format(math.ceil(least / step) * step).replace(" ", "")
    return text if kind.parse(text) >= least else f"{least:.0f}"
