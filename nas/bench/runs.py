"""A bench: which table, what counts, and its searches in parallel processes."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from statistics import median

import optuna
import torch

from nas.bench.costs import macs_of
from nas.bench.searches import Curve, Result, Setup, Task, search
from nas.reward import Reward
from nas.searching.published import Published
from nas.text.units import format_seconds

SHARES = 8  # into which a setup's searches are split, for processes to take


def choose_task(table: Published, reward: str, target_macs: float | None, w: float, say: Callable[[str], None]) -> Task:
    """By the name of its reward: accuracy, or mnas with a target that is the median network's MACs if it is None."""
    if reward not in ("accuracy", "mnas"):
        raise ValueError(f"--reward is accuracy or mnas, not {reward!r}")
    if reward == "accuracy":
        if target_macs is not None:
            raise ValueError("--target-macs is of --reward mnas: add that")
        return Task(table, table.observed, table.reported)
    macs = macs_of(table, say)
    mnas = Reward({"macs": float(median(macs.values())) if target_macs is None else target_macs}, w, w)
    seen, judged = (
        {arch: mnas(accuracy, {"macs": macs[arch]}) for arch, accuracy in accuracies.items()}
        for accuracies in (table.observed, table.reported)
    )
    return Task(table, seen, judged, mnas)


def run(
    task: Task, setups: Sequence[Setup], seeds: Sequence[int], evaluations: int, jobs: int, say: Callable[[str], None]
) -> list[Result]:
    """Each setup's searches, one a seed, in `jobs` processes of one thread each. `say` hears of each that is done."""
    shares = [seeds[i::SHARES] for i in range(min(SHARES, len(seeds)))]
    results = []
    with _workers(jobs) as submit:
        began = time.monotonic()
        futures = {setup: [submit(_searches, task, setup, share, evaluations) for share in shares] for setup in setups}
        for setup, parts in futures.items():
            result = Result.of(setup, _in_order(seeds, shares, [part() for part in parts]))
            results.append(result)
            who = setup.title if setup.workers == 1 else f"{setup.title}, {setup.workers} workers"
            say(f"{who}: {len(seeds)} searches done, {format_seconds(time.monotonic() - began)} since the start")
    return results


def _in_order(seeds: Sequence[int], shares: Sequence[Sequence[int]], parts: Sequence[list[Curve]]) -> list[Curve]:
    by_seed = dict(
        pair for share, curves in zip(shares, parts, strict=True) for pair in zip(share, curves, strict=True)
    )
    return [by_seed[seed] for seed in seeds]


def _searches(task: Task, setup: Setup, seeds: Sequence[int], evaluations: int) -> list[Curve]:
    """In whichever process: one thread is what a strategy is timed with, and its sums depend on it."""
    threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return [search(task, setup, seed, evaluations) for seed in seeds]
    finally:
        torch.set_num_threads(threads)
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., Callable[[], list[Curve]]]]:
    """What takes a function and its arguments and gives what waits for its result: here, if `jobs` is 1."""
    if jobs == 1:
        yield lambda function, *arguments: lambda: function(*arguments)
        return
    # Spawned, since a fork of a process with torch's threads may hang; Ctrl-C is the parent's business.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))

    def submit(function: Callable[..., list[Curve]], *arguments: object) -> Callable[[], list[Curve]]:
        future: Future[list[Curve]] = pool.submit(function, *arguments)
        return future.result

    try:
        yield submit
    finally:
        pool.shutdown(cancel_futures=True)
