"""`nas scale`."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nas.checks.kinds import FLAG, GROWTH, LINE, NAMED, SUBSET, TARGET, TIME, Amount
from nas.checks.limits import BATCH, COUNT, PART, PIXELS, SEEDS, TRIALS, Number, Optional
from nas.checks.schemas import RUNTIMES
from nas.cli import common, scale_search
from nas.options import panels
from nas.options.commands import Classes
from nas.options.groups import (
    MAYBE_LINE,
    MAYBE_PLACE,
    ColumnOptions,
    DataOptions,
    MachineOptions,
    OutputOptions,
    TrainingOptions,
)
from nas.options.option import Option, number
from nas.text.units import parse_bytes

if TYPE_CHECKING:
    from nas.scale.costs import Further
    from nas.scale.family import Limit, Member


@dataclass(frozen=True, kw_only=True)
class GridOptions(ColumnOptions, DataOptions, TrainingOptions, MachineOptions, OutputOptions):
    """Of `nas scale --search`: how a grid is trained."""

    search: Annotated[
        bool, Option(FLAG, "Find alpha, beta and gamma: train the base at twice its multiply-adds.", panels.GRID)
    ] = False
    seeds: Annotated[int, Option(SEEDS, "Trainings of each network of the grid, seeds 0, 1, ...", panels.GRID)] = 3
    triples: Annotated[
        int | None, Option(Optional(COUNT), "At most so many triples in the grid.", panels.GRID, usual="all that fit")
    ] = None
    step: Annotated[float, Option(Number(0.01, 1), "Of alpha, beta and gamma in the grid.", panels.GRID)] = 0.05
    tolerance: Annotated[
        float, Option(PART, "How far from 2 the measured ratio of a triple in the grid may be.", panels.GRID)
    ] = 0.1
    trials: Annotated[int | None, Option(Optional(TRIALS), "Stop the grid after so many trainings.", panels.GRID)] = (
        None
    )
    budget: Annotated[float | str | None, Option(TIME, "Stop the grid after so long: 20m, 1h30m.", panels.GRID)] = None
    subset: Annotated[
        int | str | None,
        Option(
            Optional(SUBSET), "Training images to use: 10k, say, or all.", panels.TRAINING, usual="10k, or all if fewer"
        ),
    ] = None
    name: Annotated[
        str | None, Option(MAYBE_LINE, "Of the grid's run.", panels.OUTPUT, usual="scale-DATA-1, -2, ...")
    ] = None
    report: Annotated[
        str | None,
        Option(MAYBE_LINE, "Say what a grid has found so far.", panels.OUTPUT, metavar="RUN", completes="runs"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ScaleOptions(GridOptions):
    """Of `nas scale`."""

    base: Annotated[
        str | None,
        Option(
            Optional(NAMED),
            "What grows: a baseline (mobilenet_v2), RUN:best, mnas:... or a .json file.",
            panels.GROWTH,
            usual="efficientnet_b0, or what grew in the grid of --from",
            completes="networks",
        ),
    ] = None
    phi: Annotated[
        str | None,
        Option(MAYBE_LINE, "How much: 0 is the base, 2.5 or 3, or 0..7 for a family.", panels.GROWTH),
    ] = None
    target_macs: Annotated[
        float | str | None,
        Option(TARGET, "The largest with at most so many multiply-adds, as in 1G.", panels.GROWTH),
    ] = None
    target_latency: Annotated[
        float | str | None,
        Option(TIME, "The largest whose image takes at most so long on this device, as in 20ms.", panels.GROWTH),
    ] = None
    max_macs: Annotated[
        float | str | None,
        Option(TARGET, "The same as --target-macs; limits work together.", panels.GROWTH),
    ] = None
    max_memory: Annotated[
        float | str | None,
        Option(
            Optional(Amount(Number(1, 1e18), parse_bytes)),
            "The largest that needs at most so much memory, as in 2GB.",
            panels.GROWTH,
        ),
    ] = None
    memory_for: Annotated[
        str,
        Option(LINE, "What --max-memory is of: inference (of one image) or training (of --batch-size).", panels.GROWTH),
    ] = "inference"
    batch_size: Annotated[
        int,
        Option(
            Number(1, BATCH.most, whole=True, of="images"),
            "Images at once in training, for its memory and in the grid.",
            panels.GROWTH,
        ),
    ] = 32
    alpha: Annotated[
        float | None,
        Option(GROWTH, "What depth grows by for one of phi.", panels.COEFFICIENTS, usual="1.2, the paper's"),
    ] = None
    beta: Annotated[float | None, Option(GROWTH, "What width grows by.", panels.COEFFICIENTS, usual="1.1")] = None
    gamma: Annotated[float | None, Option(GROWTH, "What resolution grows by.", panels.COEFFICIENTS, usual="1.15")] = (
        None
    )
    compound: Annotated[
        str | None,
        Option(MAYBE_LINE, "All three, as in 1.2,1.1,1.15.", panels.COEFFICIENTS, metavar="ALPHA,BETA,GAMMA"),
    ] = None
    from_run: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Grow by the best triple of a grid, and by default its base.",
            panels.COEFFICIENTS,
            flags=("--from",),
            metavar="RUN",
            completes="runs",
        ),
    ] = None
    table: Annotated[bool, Option(FLAG, "Print a row a network; with --phi 0..7 the family.", panels.OUTPUT)] = False
    classes: Classes = None
    image_size: Annotated[
        int | None, Option(Optional(PIXELS), "Pixels at which the base is the base.", panels.SHAPE, usual="its own")
    ] = None
    time: Annotated[
        bool,
        Option(FLAG, "Measure the time for one image on this device.", panels.MACHINE, flags=("--time/--no-time",)),
    ] = True
    out: Annotated[
        Path | None,
        Option(
            MAYBE_PLACE,
            "Folder for the untrained network: architecture.json, weights.safetensors and network.py.",
            panels.OUTPUT,
        ),
    ] = None


BASE = "efficientnet_b0"  # by default
OF_GROWTH = (
    "phi", "target_macs", "target_latency", "max_macs", "max_memory", "alpha", "beta", "gamma", "compound", "from_run",
)  # fmt: skip
"""What says how large, and by what."""
OF_SEARCH = (
    "data", "data_dir", "skip_unreadable", "group_by", "channels", "task", "labels", "name", "seeds", "triples", "step",
    "tolerance", "trials", "budget", "epochs", "subset", "class_weights", "lr", "recipe", "workers", "gpus",
    "gpus_per_trial", "address",
)  # fmt: skip
"""What says how a grid is trained."""


def scale(asked: ScaleOptions) -> None:
    """Make a network larger: deeper, wider and sharper together.

    By phi as EfficientNet-B1 to B7 grew from B0, or as large as limits allow. Writes the architecture to NAME.json.
    With --search it finds what alpha, beta and gamma are best for a network: a grid of them is trained.
    """
    _check_together(asked)
    common.load_torch()
    if asked.report:
        common.conclude(scale_search.open_grid(asked.report, Path(asked.runs_dir)), asked.as_json)
    elif asked.search:
        scale_search.search(asked, asked.base or BASE)
    else:
        _grow(asked)


def _grow(asked: ScaleOptions) -> None:
    """Make it larger without training anything."""
    from nas.devices.device import choose_device
    from nas.scale.family import base_of, choose_compound, member, parse_phi, solve
    from nas.scale.tables import facts, family_table
    from nas.text.live import passing
    from scaling.compound import PAPER

    where = choose_device(asked.device, asked.threads)
    limits = _limits(asked, where)
    if (asked.phi is None) == (not limits):
        raise ValueError("say how large: by --phi 3, or by limits such as --target-macs 1G, not both")
    own = choose_compound(asked.alpha, asked.beta, asked.gamma, asked.compound)
    base, image_size, runs_dir = asked.base, asked.image_size, Path(asked.runs_dir)
    if asked.from_run:
        say = common.say(asked.as_json)
        own, base, image_size = scale_search.best_of(asked.from_run, runs_dir, own, base, image_size, say)
    grows = base_of(base or BASE, runs_dir, asked.classes, image_size)
    if asked.phi is None:
        with passing("looking for the largest", sys.stderr):
            found, ended = solve(grows, limits, own or PAPER)
        members = [found]
        common.say(asked.as_json)(f"the largest is at phi {found.phi:g}; {ended}\n")
    else:
        phis = parse_phi(asked.phi)
        with passing(f"working out {len(phis)} network{'s' * (len(phis) > 1)}", sys.stderr):
            members = [member(grows, value, own) for value in phis]
    further = _further(asked, where)
    if not asked.table and len(members) == 1:
        timed = asked.time and "latency" not in further.names  # which is that
        _one(members[0], asked.batch_size, where if timed else None, asked.out, asked.as_json, further)
    elif asked.out:
        raise ValueError("--out is for one network: leave out --table, and give one --phi")
    elif asked.as_json:
        common.print_json([facts(m, asked.batch_size, further.of(m)) for m in members])
    else:
        with passing("working out what they cost", sys.stderr):
            drawn = family_table(members, asked.batch_size, further)
        common.to_stdout(drawn)


def _further(asked: ScaleOptions, device: str) -> Further:
    """Raises ValueError where a cost is asked for that nobody can tell here."""
    from nas.scale.costs import Further, check_known
    from nas.searching.choices import choose_costs

    names = check_known(choose_costs(asked))
    if "latency" not in names and (given := asked.changed("latency_runtime")):
        raise ValueError(f"{', '.join(given)} is of --costs latency: add that, or leave it out")
    where = device if asked.latency_runtime == RUNTIMES[0] else "cpu"  # onnxruntime has no other
    return Further(names, asked.latency_runtime, where, asked.threads)


def _check_together(asked: ScaleOptions) -> None:
    """Raises ValueError where an option is given that has no use beside the others."""
    if not asked.search and (without := asked.changed(*OF_SEARCH)):
        raise ValueError(f"{', '.join(without)}: that is for a grid that is trained: add --search, or leave it out")
    if asked.search and (beside := asked.changed("memory_for", "table", "classes", "out", "time")):
        raise ValueError(f"{', '.join(beside)}: a grid that is trained has no use for that: leave it out, or --search")
    if asked.search and asked.changed(*OF_GROWTH):
        raise ValueError("--search finds alpha, beta and gamma at phi 1: leave out what says how large, or by what")
    if asked.memory_for not in ("inference", "training"):
        raise ValueError(f"--memory-for is inference or training, not {asked.memory_for!r}")
    if asked.memory_for != "inference" and asked.max_memory is None:
        raise ValueError("--memory-for says what --max-memory is of: give both")
    if asked.target_macs and asked.max_macs:
        raise ValueError("--target-macs and --max-macs are the same limit: give one")


def _limits(asked: ScaleOptions, device: str) -> list[Limit]:
    """The cheap ones to look at first."""
    from nas.scale.family import macs_within, memory_within, seconds_within

    limits = []
    if (macs := asked.target_macs or asked.max_macs) is not None:
        limits.append(macs_within(number(macs)))
    if asked.max_memory is not None:
        batch = asked.batch_size if asked.memory_for == "training" else None
        limits.append(memory_within(number(asked.max_memory), batch))
    if asked.target_latency is not None:
        limits.append(seconds_within(number(asked.target_latency), device))
    return limits


def _one(found: Member, batch_size: int, device: str | None, out: Path | None, as_json: bool, further: Further) -> None:
    """Say all about one network, and write it. It is timed on `device`, if one is given."""
    import json

    from nas.files import check_no_weights, new_folder, write_atomically
    from nas.scale.family import seconds, write_untrained
    from nas.scale.tables import explained, facts

    if out:
        check_no_weights(out)
    with new_folder(out) if out else contextlib.nullcontext():  # now, so that the work does not end with nowhere to go
        took = seconds(found, device) if device else None
        costs = further.of(found) if further.names else {}
        written = write_untrained(out, found) if out else []
    if not out:
        written = [Path(found.network.name.replace(":", "-").replace("/", "-") + ".json")]
        write_atomically(written[0], json.dumps(found.architecture(), indent=2) + "\n")
    if as_json:
        timed = {"seconds_per_image": took, "device": device}
        common.print_json(facts(found, batch_size, costs) | timed | {"written": [str(path) for path in written]})
        return
    common.to_stdout(explained(found, batch_size, took, device or "", further, costs))
    size = "" if found.data else f" --image-size {found.image_size}"  # else the file says it, and the data
    trained = f"nas train {written[0]}{size}"
    common.to_stdout(f"\nwrote {', '.join(map(str, written))}{' (untrained)' if out else ''}; `{trained}` trains it")
