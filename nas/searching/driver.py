"""From a run to its end: an engine evaluates what the search asks for, until nothing is left to ask."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import optuna

from nas.data.images import Dataset
from nas.devices.halted import DeviceFault, Halted
from nas.devices.process import prepare
from nas.engines import local
from nas.files import resumable
from nas.ledger import repeats
from nas.ledger.config import Budget
from nas.ledger.run import Run, TrialRow
from nas.searching.gauge import gauge_of
from nas.searching.loop import Progress, Search
from nas.searching.progress import Output, Telling
from nas.searching.published import Published, table_of
from nas.searching.terminal import watch_search

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def to_the_end(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, output: Output,
    on_trial: Callable[[TrialRow], None] | None = None, cost_workers: int | None = None,
) -> str:  # fmt: skip
    """Drive `run` until its end, and the runs that follow it; returns what was done last and why it ended.

    `dataset` has its test images where its workload `tests`; `on_trial` is told of the trials of `run` alone.
    So many `cost_workers` measure its networks by commands; None: as the runs say.
    KeyboardInterrupt passes, with a note of how to go on. Raises ValueError where the ledger cannot be written, and
    DeviceFault where the device is broken.
    """
    prepare()
    trust = " --trust-commands" if run.config.measuring.commands else ""
    goes_on = f"`nas resume {repeats.name_of(run)}{run.permissions}{trust}` continues"
    try:
        with resumable(run.path, goes_on):
            if run.config.workload.is_over(run, budget):
                ended = f"{run.name} had ended"
            else:
                ended = _watched(run, budget, dataset, device, cluster, output, on_trial, cost_workers)
            for then in run.config.workload.after(run, budget):
                output.say(f"\n{ended}.\n\n{then.words}:\n")
                ended = _watched(then.run, then.budget, dataset, device, cluster, output, None, cost_workers)
    except DeviceFault as fault:
        raise DeviceFault(f"{fault}. No trial has failed of it: {goes_on}, in a new process") from fault
    except KeyboardInterrupt as stop:
        output.say("\n" + " ".join([*getattr(stop, "__notes__", ["stopped."]), f"{goes_on}."]))
        stop.add_note(f"{goes_on}, and so does nas.open({str(run.path)!r}).resume()")
        raise
    except Halted as halt:
        raise Halted(f"{halt} {goes_on}.") from None
    return ended


def _watched(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, output: Output,
    on_trial: Callable[[TrialRow], None] | None = None, cost_workers: int | None = None,
) -> str:  # fmt: skip
    """Drive `run` under the eyes of whoever has the `output`."""
    shown = watch_search(output.kind, run.name)
    with contextlib.closing(shown if on_trial is None else Telling(shown, on_trial)) as watched:
        return drive(run, budget, dataset, device, cluster, watched, cost_workers)


def drive(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, progress: Progress,
    cost_workers: int | None = None,
) -> str:  # fmt: skip
    """Have the trials of `run` evaluated until its end; returns what was done and why it ended."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = table_of(run.config)
    run.config.source.check_unchanged(dataset, "run")
    with run.driving() as study, gauge_of(run.config, dataset, progress.noted, cost_workers) as gauge:
        search = run.config.workload.trials(run, study, budget, progress, dataset, table, gauge)
        evaluate(search, dataset, device, cluster)
        search.note_end()
    result = f"{_published_result(table, search.best)}\n" if table and search.best else ""
    return f"{result}{search.done} trials done: {search.ended}"


def evaluate(search: Search, dataset: Dataset, device: str, cluster: Cluster | None) -> None:
    """Have an engine evaluate what `search` asks for. A KeyboardInterrupt passes, with a note of what it cost.

    So does a DeviceFault, after which what was under way has not begun.
    """
    try:
        if cluster is None:
            local.run(search, dataset.to(device))
        else:
            from nas.engines import ray_tune

            search.progress.waiting(f"starting {cluster}")
            ray_tune.run(search, dataset, cluster)
    except DeviceFault:
        search.device_failed()
        raise
    except KeyboardInterrupt as stop:
        search.take_back()
        stop.add_note(search.interrupted)
        raise
    except Halted as halt:
        search.take_back()
        raise Halted(f"{halt}: {search.interrupted}") from None


def _published_result(table: Published, best: TrialRow) -> str:
    return (
        f"published of the best, trial {best.number}: {table.reported[table.key(best.arch)]:.2f} % "
        f"{table.benchmark.reported}; the best in the table has {max(table.reported.values()):.2f} %"
    )
