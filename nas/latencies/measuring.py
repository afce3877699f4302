"""What a table measures, in which order, and the loop that does it and writes the file as it goes.

Drawn are random networks of the space, and rows of others. All are measured in one random order, in which each network
comes twice, at some distance: so a device that warms up or is busy for a while does that to all alike, and how far two
measurements of one network are apart says how exact any prediction can be.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from nas.files import resumable
from nas.latencies.table import LatencyTable, Measured
from searchspaces import Arch, Space
from searchspaces.images import for_images_of
from searchspaces.kernels import Part
from searchspaces.parts import Built, parts_of

Measure = Callable[[nn.Module, int, int], float]
"""`(module, image_size, channels) -> seconds` for one image. It raises ValueError where that cannot be measured."""

TRIES = 50  # architectures that are drawn for each that is wanted
POOL = 4  # different rows for each that is wanted, to choose from
FAILURES = 3  # measurements one after the other: then something is wrong that the next has, too
KEPT = 5.0  # seconds between two times that the file is written


class Job(NamedTuple):
    """A measurement to make: of a network, or of its part at the position `part`."""

    arch: Arch
    part: int | None


def jobs_of(table: LatencyTable, space: Space) -> list[Job]:
    """All that `table` is to have, in the order in which it is measured: the same for the same seed.

    There may be fewer rows than it wants, where networks have no rows that can be measured alone. Raises ValueError
    where the space has not so many different networks.
    """
    rng = random.Random(table.seed)
    rows, networks = table.wanted
    drawn: dict[Arch, None] = {}
    for _ in range(TRIES * networks):
        if len(drawn) < networks:
            drawn[space.canonical(space.sample(rng))] = None
    if len(drawn) < networks:
        raise ValueError(
            f"{TRIES * networks:,} random architectures of {space.name} have {len(drawn)} different networks, "
            f"{networks} are wanted: make --networks fewer"
        )
    jobs = [Job(arch, None) for arch in drawn] * 2 + _rows(table, space, rows, drawn, rng)
    rng.shuffle(jobs)
    return jobs


def built(table: LatencyTable, space: Space, arch: Arch) -> list[Built]:
    """The parts of a network as `table` has them."""
    images = table.images
    return parts_of(space, arch, images.classes, images.image_size, images.channels)


def _rows(table: LatencyTable, space: Space, wanted: int, networks: dict[Arch, None], rng: random.Random) -> list[Job]:
    """Rows of architectures that are not among `networks`, no two of them alike."""
    pool: dict[Part, Job] = {}
    for _ in range(TRIES * wanted):
        if len(pool) >= POOL * wanted:
            break
        arch = space.canonical(space.sample(rng))
        parts = [one.part for one in built(table, space, arch)]
        if len(parts) == 1:  # of such networks there is no part that is not all
            return []
        if arch not in networks:
            pool |= {part: Job(arch, number) for number, part in enumerate(parts) if part not in pool}
    return rng.sample([*pool.values()], min(wanted, len(pool)))


def left(table: LatencyTable, jobs: Sequence[Job]) -> list[Job]:
    """Those of `jobs` that `table` has not yet."""
    done = Counter({Job(one.arch, one.part): len(one.seconds) for one in table.measured})
    found = []
    for job in jobs:
        if done[job]:
            done[job] -= 1
        else:
            found.append(job)
    return found


def measure_one(table: LatencyTable, space: Space, job: Job, measure: Measure) -> Measured:
    """What `job` takes. Raises ValueError where that cannot be measured."""
    images, parts = table.images, built(table, space, job.arch)
    if job.part is not None:
        part, build = parts[job.part]
        return Measured(*job, part.macs, (measure(build(), part.side_in, part.c_in),))
    with for_images_of(images.channels):
        network = space.build(job.arch, images.classes, images.image_size)
    macs = sum(part.macs for part, _ in parts)
    return Measured(*job, macs, (measure(network, images.image_size, images.channels),))


def measure_all(
    table: LatencyTable,
    space: Space,
    jobs: Sequence[Job],
    measure: Measure,
    path: Path,
    budget: float | None = None,
    tell: Callable[[int, str], None] = lambda done, problem: None,
) -> LatencyTable:
    """`table` with what `jobs` measured within `budget` seconds; the file `path` has it all the while.

    `tell` is called after each, with how many measurements there are, and with what was wrong where one failed: that is
    left out. Raises ValueError where several fail one after the other, and for a disk that is full.
    """
    found = {Job(one.arch, one.part): one for one in table.measured}
    until = None if budget is None else time.monotonic() + budget
    written, failed = time.monotonic(), 0

    def keep() -> LatencyTable:
        with resumable(path.parent, "run the same command again"):
            kept = table.with_measured([*found.values()])
            kept.write(path)
        return kept

    try:
        for job in jobs:
            if until is not None and time.monotonic() > until:
                break
            problem = ""
            try:
                new = measure_one(table, space, job, measure)
            except ValueError as error:
                problem, failed = str(error), failed + 1
                if failed == FAILURES:
                    raise ValueError(
                        f"{failed} measurements failed one after the other, the last by this: {error}"
                    ) from None
            else:
                failed = 0
                before = found[job].seconds if job in found else ()
                found[job] = new._replace(seconds=(*before, *new.seconds))
            tell(sum(len(one.seconds) for one in found.values()), problem)
            if time.monotonic() > written + KEPT:
                keep()
                written = time.monotonic()
    finally:
        kept = keep()
    return kept
