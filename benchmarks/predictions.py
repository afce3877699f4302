"""What a network's latency by a table costs, by what is known of its rows, and what outlines of new rows save.

    python benchmarks/predictions.py

Random networks of `compact` and `mnas` at random widths, one after the other. "known": all of it was asked before;
"counted": its rows were followed, as when its width was found; "new": nothing of any of its rows is remembered, which
is more than a search meets, as networks share rows. The last column is how many times faster its rows are followed as
outlines (`searchspaces.outlines`) than when they are built as shapes; both come to the same.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from statistics import quantiles

from nas.cli.tables import table
from nas.latencies.predictor import Predictor, Timed
from searchspaces import Arch, get_space
from searchspaces.cost import shapes_only
from searchspaces.kernels import followed
from searchspaces.parts import parts_of
from searchspaces.scaled import RowSpace, flat, followed_row

SIZE, CLASSES = 32, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200)
    count = parser.parse_args().networks
    rows = [(name, *measured(name, count)) for name in ("compact", "mnas")]
    print(table(("space", "known, ms", "counted, ms", "new, ms", "rows built, ms", "times faster"), rows))
    print("\nProcessor time of one thread: median, and the quarters around it.")


def measured(name: str, count: int) -> list[str]:
    space, rng = get_space(name), random.Random(0)
    assert isinstance(space, RowSpace)
    networks = [(space.sample(rng), rng.uniform(0.3, 1.0)) for _ in range(count)]
    predictor = learned(space, networks)
    ways: list[list[float]] = [[], [], [], [], []]
    for arch, width in networks:

        def follow(arch: Arch = arch, width: float = width) -> None:
            parts_of(space, arch, CLASSES, SIZE, width=width)

        def predict(arch: Arch = arch, width: float = width) -> None:
            predictor.seconds([built.part for built in parts_of(space, arch, CLASSES, SIZE, width=width)])

        def forget(rows: bool) -> None:
            if predictor._rows is not None:
                predictor._rows._known.clear()
            if rows:
                followed_row.cache_clear()

        forget(rows=True)
        new = seconds(predict)
        forget(rows=False)
        counted, known = seconds(predict), seconds(predict)
        forget(rows=True)
        outlines, built = seconds(follow), seconds(lambda: build_rows(space, arch, width))  # noqa: B023
        for way, one in zip(ways, (known, counted, new, built, built / outlines), strict=True):
            way.append(one)
    return [spread([1000 * one for one in way]) for way in ways[:4]] + [spread(ways[4])]


def learned(space: RowSpace, networks: list[tuple[Arch, float]]) -> Predictor:
    """Of as many rows and networks as a table has, of made-up times."""
    parts = [[built.part for built in parts_of(space, a, CLASSES, SIZE, width=w)] for a, w in networks[:60]]
    rows = list(dict.fromkeys(part for of_network in parts for part in of_network))[:200]
    times = [Timed(tuple(of_network), 1e-4 + sum(part.macs for part in of_network) / 1e10) for of_network in parts]
    return Predictor([Timed((part,), 1e-5 + part.macs / 1e10) for part in rows], times)


def build_rows(space: RowSpace, arch: Arch, width: float) -> None:
    """Each of the network's rows built as shapes and followed, once."""
    channels, side, seen = 3, SIZE, {}
    for row in flat(space.rows(arch, width, CLASSES, SIZE)):
        key = row, channels, side
        if key not in seen:
            with shapes_only():
                module, _ = row.layer()(channels)
            seen[key] = followed(module, channels, side)[0]
        channels, side = seen[key].c_out, seen[key].side_out


def seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def spread(values: list[float]) -> str:
    low, middle, high = quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
