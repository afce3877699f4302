"""Do PyTorch, onnxruntime and onnxruntime in int8 agree on which network is fast?

    python benchmarks/runtimes.py

Random networks of `compact`, one image at a time, on one thread of this CPU. All are timed in turns, round by round, so
that other programs slow all of them down alike, and by the time that they have the CPU; a network's time is the median
over rounds. How well the rounds of even and odd numbers agree is as much as the agreement of two runtimes could show.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Callable
from statistics import median

import torch
from scipy.stats import spearmanr
from torch import Tensor

from nas.cli.tables import table
from nas.devices.latency import CALIBRATION, Effort, Measured, timed
from nas.devices.onnx_runtime import onnx_session
from nas.exports.steps import int8_bytes, program_bytes
from searchspaces import Compact
from searchspaces.cost import cost

SIZE = 32  # pixels
TURN = Effort(least=5, most=500, seconds=0.1)


class Timed:
    """A network, as each runtime takes it; `turns` are its times by them."""

    def __init__(self, space: Compact, number: int) -> None:
        torch.manual_seed(number)
        network = space.build(space.sample(random.Random(number)), 10, SIZE).eval()
        self.macs = cost(network, SIZE).macs
        float32 = program_bytes(network, SIZE, "onnx", one_image=True)
        shown = torch.randn(CALIBRATION, 3, SIZE, SIZE)
        (int8,) = int8_bytes(network, SIZE, ["onnx"], shown.split(1), one_image=True)
        network = network.to(memory_format=torch.channels_last)
        image = shown[:1].contiguous(memory_format=torch.channels_last)
        self.works: dict[str, Callable[[], object]] = {
            "pytorch": lambda: network(image),
            "onnxruntime": onnx_work(float32, shown[:1]),
            "onnxruntime-int8": onnx_work(int8, shown[:1]),
        }
        self.turns: dict[str, list[Measured]] = {runtime: [] for runtime in self.works}

    def take_a_turn(self) -> None:
        for runtime, work in self.works.items():
            self.turns[runtime].append(timed(work, TURN, clock=time.process_time))

    def seconds(self, runtime: str, rounds: slice = slice(None)) -> float:
        return median(turn.seconds for turn in self.turns[runtime][rounds])

    def spread(self, runtime: str) -> float:
        """Within a turn."""
        return median(turn.spread for turn in self.turns[runtime])


def onnx_work(content: bytes, images: Tensor) -> Callable[[], object]:
    session = onnx_session(content, threads=1)
    given = {"images": images.numpy()}
    return lambda: session.run(None, given)


def agreement(networks: list[Timed]) -> list[tuple[str, ...]]:
    """Of each runtime with itself, and of each two: Spearman's rank correlation, and how many times faster."""
    rows = []
    runtimes = list(networks[0].turns)
    for one in runtimes:
        even, odd = ([network.seconds(one, slice(first, None, 2)) for network in networks] for first in (0, 1))
        rows.append((f"{one}, even and odd rounds", f"{spearmanr(even, odd).statistic:.2f}", "-"))
    for one, other in itertools.combinations(runtimes, 2):
        slow, fast = ([network.seconds(by) for network in networks] for by in (one, other))
        ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
        said = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        rows.append((f"{one} and {other}", f"{spearmanr(slow, fast).statistic:.2f}", said))
    return rows


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = Compact(max_macs=8_000_000, image_size=SIZE)
    networks = [Timed(space, number) for number in range(options.networks)]
    for _ in range(options.rounds):
        for network in networks:
            network.take_a_turn()
    times = [
        (
            str(number),
            f"{network.macs / 1e6:.2f}M",
            *(f"{1000 * network.seconds(by):.2f} ({100 * network.spread(by):.0f} %)" for by in network.turns),
        )
        for number, network in enumerate(networks)
    ]
    print(table(("network", "MACs", *(f"{by}, ms" for by in networks[0].turns)), times))
    print("\n" + table(("", "Spearman", "times as fast"), agreement(networks)))


if __name__ == "__main__":
    main()
