"""What is in the search spaces: their size, what random architectures of each cost, and how fast one is costed.

    python benchmarks/spaces.py [--samples 500] [--plot spaces.png] [SPACE ...]

A space may have settings, as `compact@max_macs=8M` and `nasnet@n=2` do. Duplicates are random architectures whose
network was drawn before.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from nas.cli.tables import table
from nas.text.settings import parse_settings
from nas.text.units import format_count, format_seconds
from searchspaces import SPACES, Space, get_space
from searchspaces.cost import Cost, cost, shapes_only


@dataclass(frozen=True)
class Sampled:
    """Random architectures of a space: what each costs, how long it took to build and cost it, how many were new."""

    name: str
    space: Space
    costs: list[Cost]
    seconds: list[float]
    networks: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=[*sorted(SPACES), "compact@max_macs=8M"])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    sampled = [sample(name, arguments.samples) for name in arguments.spaces]
    print(table(("space", "choices", "architectures", "params", "MACs", "build and cost", "duplicates"), rows(sampled)))
    print(f"\n{arguments.samples} random architectures each, at 32 pixels; params and MACs: 5 %, median, 95 %.")
    if arguments.plot:
        plot(sampled, arguments.plot)


def sample(name: str, samples: int) -> Sampled:
    word, _, settings = name.partition("@")
    space, rng = get_space(word, **parse_settings(settings)), random.Random(0)
    costs, seconds, networks = [], [], set()
    for _ in range(samples):
        arch = space.sample(rng)
        start = time.perf_counter()
        with shapes_only():
            network = space.build(arch)
        costs.append(cost(network, 32))
        seconds.append(time.perf_counter() - start)
        networks.add(space.canonical(arch))
    return Sampled(name, space, costs, seconds, len(networks))


def rows(sampled: list[Sampled]) -> list[tuple[str, ...]]:
    return [
        (
            s.name,
            str(len(s.space.choices)),
            f"{s.space.size:.1e}",
            spread([c.params for c in s.costs]),
            spread([c.macs for c in s.costs]),
            format_seconds(median(s.seconds)),
            f"{100 * (1 - s.networks / len(s.costs)):.1f} %",
        )
        for s in sampled
    ]


def spread(counts: list[int]) -> str:
    twentieths = quantiles(counts, n=20)
    return " / ".join(format_count(value) for value in (twentieths[0], median(counts), twentieths[-1]))


def plot(sampled: list[Sampled], path: Path) -> None:
    """Every architecture as a point: its parameters against its multiply-adds."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    for s in sampled:
        axes.scatter(
            [c.macs for c in s.costs], [c.params for c in s.costs], s=6, alpha=0.4, label=s.name, edgecolors="none"
        )
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds at 32 pixels", ylabel="parameters")
    axes.grid(alpha=0.2)
    axes.legend(markerscale=3, frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
