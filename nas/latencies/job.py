"""`nas.latency_table`, step by step: what is measured by what, what is said before, meanwhile and after."""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import nn

from nas.devices.command import CostCommand
from nas.devices.device import choose_device
from nas.devices.latency import PYTORCH, Effort, measure_latency
from nas.latencies.measuring import Job, Measure, left, measure_all, measure_one
from nas.latencies.predictor import Error
from nas.latencies.table import Images, LatencyTable, Target
from nas.options.commands import LatencyTableOptions
from nas.options.option import number, path
from nas.text.units import format_about, format_count, format_percent, format_seconds
from searchspaces import Space
from searchspaces.images import RGB
from searchspaces.scaled import ScaledSpace

if TYPE_CHECKING:
    from nas.searching.progress import Output

EFFORT = Effort(least=10, most=300, seconds=0.3)
COST = "latency"
USUAL_CLASSES = 10  # those that a space with `max_macs` counts where it is told none
TOLD = 10  # times that something is said of how far it is
NOISY = 0.2  # of a device that has other things to do


# ---------------------------------------------------------------------------- what is asked for


def choose_space(asked: LatencyTableOptions) -> Space:
    """The space as a search with the same options has it. Raises ValueError where there is no such one."""
    from nas.ledger.trust import space_of_person  # of a floor above, as much of a search is

    given = asked.space_settings
    if isinstance(asked.space, Space):
        if given:
            raise ValueError("space is one that has its settings: leave out settings and width")
        return _within(asked, asked.space)
    if asked.width is not None and "width" in (asked.settings or {}):
        raise ValueError("--width is the setting width of the space: give one of them")
    if "image_size" in space_of_person(asked.space, **given).settings():
        given = {"image_size": asked.image_size} | given
    return _within(asked, space_of_person(asked.space, **given))


def _within(asked: LatencyTableOptions, space: Space) -> Space:
    """`space` with the limit of multiply-adds. Raises ValueError where that decides nothing."""
    if asked.max_macs is None:
        return space
    if not isinstance(space, ScaledSpace) or asked.width is not None:
        why = f"networks of {space.name} have none" if asked.width is None else "--width sets one for all"
        raise ValueError(f"--max-macs decides the width of each network, and {why}: leave it out")
    classes = None if asked.classes == USUAL_CLASSES else asked.classes
    channels = None if asked.channels == RGB else asked.channels
    return replace(space, max_macs=int(number(asked.max_macs)), num_classes=classes, image_channels=channels)


def choose_target(asked: LatencyTableOptions) -> Target:
    """What measures. Raises ValueError where it cannot."""
    if asked.cost_command is not None:
        if others := asked.changed("latency_runtime", "device", "threads"):
            raise ValueError(f"--cost-command measures by itself: leave out {', '.join(others)}")
        command = _command(asked.cost_command)
        return Target("command", 1, "command", str(command))
    place = choose_device(asked.device if asked.latency_runtime == PYTORCH else "cpu", asked.threads)
    if asked.latency_runtime != PYTORCH and asked.device not in ("auto", "cpu"):
        raise ValueError(f"--latency-runtime {asked.latency_runtime} is on the CPU: leave out --device {asked.device}")
    name = torch.cuda.get_device_name(place) if place.startswith("cuda") else _processor()
    return Target(asked.latency_runtime, asked.threads, place, None, name)


def _command(text: str) -> CostCommand:
    command = CostCommand.parse(text)
    if COST not in command.costs:
        raise ValueError(f"--cost-command measures {', '.join(command.costs)}, and a table is of {COST}: name that")
    return command


def _processor() -> str:
    """What the CPU is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def choose_measure(asked: LatencyTableOptions, target: Target, classes: int) -> Measure:
    """What gives a module's seconds on `target`."""
    if asked.cost_command is not None:
        return _by_command(_command(asked.cost_command), classes)

    def measure(module: nn.Module, image_size: int, channels: int) -> float:
        found = measure_latency(
            module, image_size, target.runtime, target.threads, target.place, channels, effort=EFFORT
        )
        return found.seconds

    return measure


def _by_command(command: CostCommand, classes: int) -> Measure:
    from nas.exports.measured import written  # of a floor above

    def measure(module: nn.Module, image_size: int, channels: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            files = written(command, module, "a part of a network", (classes, image_size, channels), Path(folder))
            return command.measure(files)[COST]

    return measure


def choose_file(asked: LatencyTableOptions) -> Path:
    """Where the table goes. Raises ValueError where no file can be."""
    space = asked.space if isinstance(asked.space, str) else asked.space.name
    out = path(asked.out) or Path(f"{space.rpartition(':')[2]}-latency.json")
    if out.is_dir() or not out.parent.is_dir():
        reason = "it is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise ValueError(f"--out {out} is to be the table's file, and {reason}: give another")
    return out


def new_table(asked: LatencyTableOptions, space: Space, target: Target) -> LatencyTable:
    """What is to be measured; nothing is yet."""
    from nas.ledger.run import versions  # of a floor above

    images = Images(asked.image_size, asked.channels, asked.classes)
    wanted = asked.rows, asked.networks
    command = ("nas", *sys.argv[1:]) if Path(sys.argv[0]).name == "nas" else ()
    return LatencyTable(
        space.reference, space.settings(), images, target, asked.seed, wanted, versions=versions(), command=command
    )


def begun(table: LatencyTable, out: Path) -> LatencyTable:
    """What the file `out` has of `table` so far. Raises ValueError where it has something else."""
    if not out.exists():
        return table
    found = LatencyTable.read_unfinished(out)
    if _asked(found) != _asked(table):
        raise ValueError(f"{out} is another table, of {_words(found)}: give another --out, or remove it")
    return replace(found, error=None)


def _asked(table: LatencyTable) -> tuple[object, ...]:
    settings = sorted((name, str(value)) for name, value in table.settings.items())
    return table.space, settings, table.images, table.target.identity, table.seed, tuple(table.wanted)


def _words(table: LatencyTable) -> str:
    rows, networks = table.wanted
    return f"{rows} rows and {networks} networks of {table.space} by {table.target}"


# ---------------------------------------------------------------------------- doing it


def run(
    table: LatencyTable, space: Space, jobs: Sequence[Job], measure: Measure, out: Path, budget: float | None,
    output: Output,
) -> LatencyTable:  # fmt: skip
    """Measure what is left of `jobs`, keep it in the file `out`, say what came of it; returns the finished table.

    A KeyboardInterrupt passes, with a note of how to go on.
    """
    waiting = left(table, jobs)
    with output.busy("measuring a network and a row, to know how long it takes"):
        seconds = time_needed(table, space, waiting, measure)
    output.say(announcement(table, space, jobs, waiting, seconds, budget, out))
    tell = _Progress(len(jobs) - len(waiting), len(jobs), output)
    try:
        table = measure_all(table, space, waiting, measure, out, budget, tell)
    except KeyboardInterrupt as stop:
        goes_on = f"the same command goes on from {out}"
        output.say(f"\nstopped: {goes_on}")
        stop.add_note(goes_on)
        raise
    with output.busy("learning to predict"):
        table = table.finished(space)
        table.write(out)
        text = report(table, space, out)
    output.say(text)
    return table


def time_needed(table: LatencyTable, space: Space, jobs: Sequence[Job], measure: Measure) -> float:
    """About how many seconds `jobs` take: some are done for it, and do not count, since they may wake up the device."""
    seconds = 0.0
    for of_kind in ([job for job in jobs if job.part is None], [job for job in jobs if job.part is not None]):
        if of_kind:
            measure_one(table, space, of_kind[0], measure)
            start = time.monotonic()
            measure_one(table, space, of_kind[0], measure)
            seconds += len(of_kind) * (time.monotonic() - start)
    return seconds


class _Progress:
    """Says some times how many measurements there are, and each time that one failed."""

    def __init__(self, done: int, wanted: int, output: Output) -> None:
        self._begun, self._wanted, self._output = done, wanted, output
        self._start = time.monotonic()
        self._said = done

    def __call__(self, done: int, problem: str) -> None:
        if problem:
            self._output.log(f"left out, since it could not be measured: {problem}")
        elif done >= self._said + self._wanted / TOLD or done == self._wanted:
            self._said = done
            each = (time.monotonic() - self._start) / max(1, done - self._begun)
            left_over = f", about {format_about(each * (self._wanted - done))} left" if done < self._wanted else ""
            self._output.say(f"measured  {done} of {self._wanted}{left_over}")


def announcement(
    table: LatencyTable, space: Space, jobs: Sequence[Job], waiting: Sequence[Job], seconds: float,
    budget: float | None, out: Path,
) -> str:  # fmt: skip
    """What will be done, in so many `seconds`."""
    rows = sum(job.part is not None for job in jobs)
    networks = (len(jobs) - rows) // 2
    limit = getattr(space, "max_macs", None)
    width = f", each network as wide as {format_count(limit)} multiply-adds allow" if limit else ""
    what = f"{rows} rows, and {networks} networks twice: {len(jobs)} measurements"
    if not rows and table.wanted[0]:
        what += ". Its networks are no chains of rows, so they are measured as a whole alone"
    long = f"about {format_about(seconds)}" + ("" if budget is None else f", and no longer than {format_about(budget)}")
    there = f", which has {len(jobs) - len(waiting)} of them already" if len(waiting) < len(jobs) else ""
    return "\n".join(
        [
            f"space     {table.space}{width}",
            f"images    {table.images}",
            f"target    {table.target}",
            f"measures  {what}",
            f"takes     {long}",
            f"writes    {out}{there}",
        ]
    )


def report(table: LatencyTable, space: Space, out: Path) -> str:
    """What came of it: how far predictions are off, beside what that can be at best and what is simpler."""
    assert table.error is not None
    noise = table.noise()
    lines = [
        f"error     {_figures(table.error)}, of {len(table.networks)} networks that the predictor had not seen",
        *([f"noise     {_figures(noise)}: the same networks measured twice"] if noise else []),
        *(f"beside    {_figures(error)}, by {name}" for name, error in table.rivals(space).items()),
        *([_BUSY] if noise and noise.mape > NOISY else []),
        f"\nwrote {out}; a search takes it by:\n  {_search(table, out)}",
    ]
    return "\n".join(lines)


_BUSY = (
    "The device was busy with other things, or its clock changed: no prediction can be better than the noise. Measure "
    "again when nothing else runs there."
)


def _figures(error: Error) -> str:
    return f"{format_percent(error.mape)}, rank correlation {error.spearman:.2f}"


def _search(table: LatencyTable, out: Path) -> str:
    """The command that searches with it, for networks that take as long as its median one."""
    wanted = format_seconds(median(measured.least for measured in table.networks))
    limit = table.settings.get("max_macs")
    macs = f" --max-macs {format_count(limit)}" if limit else ""
    return f"nas search --space {table.space}{macs} --target-latency {wanted} --latency-table {shlex.quote(str(out))}"


def summary(table: LatencyTable, space: Space, out: Path) -> dict[str, object]:
    """The same for programs."""
    assert table.error is not None
    noise = table.noise()
    return {
        "table": str(out),
        "rows": len(table.rows),
        "networks": len(table.networks),
        "measurements": table.measurements,
        "error": table.error._asdict(),
        "noise": None if noise is None else noise._asdict(),
        "beside": {name: error._asdict() for name, error in table.rivals(space).items()},
    }
