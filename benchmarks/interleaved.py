"""Two ways to do the same work, timed in turns within one run: what a noisy machine can say is their ratio.

Each side has a process of its own, since some of what makes a side fast is set when a process starts, and only one of
them works at a time. Times are of the CPU, so that other programs that want a core count for less, or of the wall clock
where a GPU works.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from statistics import median, quantiles

import torch

Work = Callable[[], object]


def rounds(sides: Sequence[Callable[[], Work]], count: int) -> list[list[float]]:
    """Seconds of each side `[sides][count]`; a round has one turn of each.

    A side is a picklable function that sets up and returns the work. The first two turns of each warm it up.
    """
    with contextlib.ExitStack() as stack:
        turns = [stack.enter_context(_process(side)) for side in sides]
        times = [[turn() for turn in turns] for _ in range(count + 2)][2:]
    return [list(of_side) for of_side in zip(*times, strict=True)]


def ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    """How many times faster: the median over rounds, and the quarters around it."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return f"{median(ratios):.2f} ({low:.2f} to {high:.2f})"


@contextlib.contextmanager
def _process(side: Callable[[], Work]) -> Iterator[Callable[[], float]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(side, theirs), daemon=True)
    process.start()
    theirs.close()

    def turn() -> float:
        ours.send(None)
        seconds: float = ours.recv()
        return seconds

    try:
        yield turn
    finally:
        ours.close()
        process.join()


def _serve(side: Callable[[], Work], pipe: Connection) -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    work = side()
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        began = clock()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        pipe.send(clock() - began)
