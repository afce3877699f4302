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
from nas.ledger.run import Row, Run
from nas.searching.loop import Progress, Search
from nas.searching.progress import Output, Telling
from nas.searching.published import Published, table_of
from nas.searching.terminal import watch_search

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def to_the_end(
    run: Run, control: Run | None, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None,
    output: Output, on_trial: Callable[[Row], None] | None = None, trials: type[Search] = Search,
) -> str:  # fmt: skip
    """Search until the end, then the control's; returns what was done last and why it ended.

    `trials` is what is asked for them and told of them, where that is more than a search.

    KeyboardInterrupt passes, with a note of how to go on. Raises ValueError where the ledger cannot be written, and
    DeviceFault where the device is broken.
    """
    prepare()
    goes_on = f"`nas resume {repeats.name_of(run)}{run.permissions}` continues"
    ended = ""
    try:
        with resumable(run.path, goes_on):
            for driven in (run, control) if control else (run,):
                if driven is control:
                    output.say(f"\n{ended}.\n\nnow random search with an equal budget, as {driven.name}:\n")
                shown = watch_search(output.kind, driven.name)
                watched = shown if on_trial is None or driven is control else Telling(shown, on_trial)
                with contextlib.closing(watched):
                    ended = drive(driven, budget, dataset, device, cluster, watched, trials)
    except DeviceFault as fault:
        raise DeviceFault(f"{fault}. No trial has failed of it: {goes_on}, in a new process") from fault
    except KeyboardInterrupt as stop:
        output.say("\n" + " ".join([*getattr(stop, "__notes__", ["stopped."]), f"{goes_on}."]))
        stop.add_note(f"{goes_on}, and so does nas.open({str(run.path)!r}).resume()")
        raise
    except Halted as halt:
        raise Halted(f"{halt} {goes_on}.") from None
    return ended


def drive(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, progress: Progress,
    trials: type[Search] = Search,
) -> str:  # fmt: skip
    """Run the search until its end; returns what was done and why it ended. `trials` as in `to_the_end`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = table_of(run.config)
    run.config.source.check_unchanged(dataset, "run")
    with run.driving() as study:
        search = trials(run, study, budget, progress, dataset, table)
        _evaluate(search, dataset, device, cluster)
        search.note_end()
    result = f"{_published_result(table, search.best)}\n" if table and search.best else ""
    return f"{result}{search.done} trials done: {search.ended}"


def _evaluate(search: Search, dataset: Dataset, device: str, cluster: Cluster | None) -> None:
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


def _published_result(table: Published, best: Row) -> str:
    return (
        f"published of the best, trial {best.number}: {table.reported[table.key(best.arch)]:.2f} % "
        f"{table.benchmark.reported}; the best in the table has {max(table.reported.values()):.2f} %"
    )
