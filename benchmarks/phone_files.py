"""How fast .pte files run beside onnxruntime and PyTorch, in float32 and in int8.

    python benchmarks/phone_files.py [NETWORK ...]

With the extras `pte` and `export`. One image at a time on one thread of this CPU, which is no phone's: an x86 says
whether the files are sound and what int8 does, not what a phone takes. All are timed in turns, round by round, by the
time that they have the CPU, so that other programs slow all of them down alike. int8 is scaled by random images, as
the time does not depend on what it says.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import Tensor

from nas.cli.tables import table
from nas.devices.latency import CALIBRATION, Effort, timed
from nas.devices.onnx_runtime import onnx_session
from nas.exports.pte import METHOD, pte_bytes, pte_int8_bytes
from nas.exports.silence import silently
from nas.exports.steps import int8_bytes, program_bytes
from nas.references.resolve import resolve

NETWORKS = ("resnet8", "resnet20", "mobilenet_v2@0.5")
SIZE, CLASSES = 32, 10
TURN = Effort(least=5, most=500, seconds=0.1)

Work = Callable[[], object]


def works(name: str) -> dict[str, Work]:
    """What is timed of the network of that name."""
    torch.manual_seed(0)
    network = resolve(name, Path()).build(CLASSES, SIZE).eval()
    shown = torch.randn(CALIBRATION, 3, SIZE, SIZE)
    (int8,) = int8_bytes(network, SIZE, ["onnx"], shown.split(1), one_image=True)
    found = {
        "pte": pte_work(pte_bytes(network, SIZE, 3), shown[:1]),
        "pte, int8": pte_work(pte_int8_bytes(network, SIZE, 3, [shown]), shown[:1]),
        "onnxruntime": onnx_work(program_bytes(network, SIZE, "onnx", one_image=True), shown[:1]),
        "onnxruntime, int8": onnx_work(int8, shown[:1]),
    }
    network = network.to(memory_format=torch.channels_last)
    image = shown[:1].contiguous(memory_format=torch.channels_last)
    return found | {"PyTorch": lambda: network(image)}


def pte_work(content: bytes, image: Tensor) -> Work:
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    with silently():
        portable_lib._unsafe_reset_threadpool(1)
        program = Runtime.get().load_program(content)
        forward = program.load_method(METHOD)
    return lambda: (program, forward.execute([image]))  # the method's memory is the program's


def onnx_work(content: bytes, image: Tensor) -> Work:
    session = onnx_session(content, threads=1)
    given = {"images": image.numpy()}
    return lambda: session.run(None, given)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.networks:
        sides = works(name)
        rounds = [
            [timed(work, TURN, clock=time.process_time).seconds for work in sides.values()]
            for _ in range(options.rounds)
        ]
        rows.append((name, *[spread([1000 * seconds for seconds in of_side]) for of_side in zip(*rounds, strict=True)]))
    print(table(("network", *[f"{side}, ms" for side in sides]), rows))
    print("\nMedian over rounds, and the quarters around it.")


def spread(values: list[float]) -> str:
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
