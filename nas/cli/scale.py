"""`nas scale`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import common, completion, panels, scale_search
from nas.cli.options import (
    Address,
    DataDir,
    Device,
    Epochs,
    Gpus,
    GpusPerTrial,
    Json,
    Other,
    Rate,
    RunsDir,
    SkipUnreadable,
    Threads,
    Workers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.scale.family import Limit, Member

Base = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.networks,
        help="What grows: a baseline (mobilenet_v2), RUN:best, mnas:... or a .json file.",
        show_default="efficientnet_b0, or what grew in the grid of --from",
        rich_help_panel=panels.GROWTH,
    ),
]
Phi = Annotated[
    str | None,
    typer.Option(help="How much: 0 is the base, 2.5 or 3, or 0..7 for a family.", rich_help_panel=panels.GROWTH),
]
TargetMacs = Annotated[
    str | None,
    typer.Option(help="The largest with at most so many multiply-adds, as in 1G.", rich_help_panel=panels.GROWTH),
]
TargetLatency = Annotated[
    str | None,
    typer.Option(
        help="The largest whose image takes at most so long on this device, as in 20ms.", rich_help_panel=panels.GROWTH
    ),
]
MaxMacs = Annotated[
    str | None, typer.Option(help="The same as --target-macs; limits work together.", rich_help_panel=panels.GROWTH)
]
MaxMemory = Annotated[
    str | None,
    typer.Option(help="The largest that needs at most so much memory, as in 2GB.", rich_help_panel=panels.GROWTH),
]
MemoryFor = Annotated[
    str,
    typer.Option(
        help="What --max-memory is of: inference (of one image) or training (of --batch-size).",
        rich_help_panel=panels.GROWTH,
    ),
]
BatchSize = Annotated[
    int, typer.Option(help="Images at once in training, for its memory and in the grid.", rich_help_panel=panels.GROWTH)
]
Alpha = Annotated[
    float | None,
    typer.Option(
        help="What depth grows by for one of phi.", show_default="1.2, the paper's", rich_help_panel=panels.COEFFICIENTS
    ),
]
Beta = Annotated[
    float | None, typer.Option(help="What width grows by.", show_default="1.1", rich_help_panel=panels.COEFFICIENTS)
]
Gamma = Annotated[
    float | None,
    typer.Option(help="What resolution grows by.", show_default="1.15", rich_help_panel=panels.COEFFICIENTS),
]
Together = Annotated[
    str | None,
    typer.Option(
        "--compound",
        metavar="ALPHA,BETA,GAMMA",
        help="All three, as in 1.2,1.1,1.15.",
        rich_help_panel=panels.COEFFICIENTS,
    ),
]
Table = Annotated[
    bool,
    typer.Option("--table", help="Print a row a network; with --phi 0..7 the family.", rich_help_panel=panels.OUTPUT),
]
Classes = Annotated[
    int | None, typer.Option(help="How many classes.", show_default="the base's own", rich_help_panel=panels.SHAPE)
]
ImageSize = Annotated[
    int | None,
    typer.Option(help="Pixels at which the base is the base.", show_default="its own", rich_help_panel=panels.SHAPE),
]
Time = Annotated[
    bool, typer.Option(help="Measure the time for one image on this device.", rich_help_panel=panels.MACHINE)
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the untrained network: architecture.json, weights.safetensors and network.py.",
        rich_help_panel=panels.OUTPUT,
    ),
]

BASE = "efficientnet_b0"  # by default
OF_SEARCH = (
    "data", "data_dir", "skip_unreadable", "name", "seeds", "triples", "step", "tolerance", "trials", "budget",
    "epochs", "subset", "lr", "other", "workers", "gpus", "gpus_per_trial", "address",
)  # fmt: skip
"""What says how a grid is trained."""


def scale(
    base: Base = None,
    phi: Phi = None,
    target_macs: TargetMacs = None,
    target_latency: TargetLatency = None,
    max_macs: MaxMacs = None,
    max_memory: MaxMemory = None,
    memory_for: MemoryFor = "inference",
    batch_size: BatchSize = 32,
    alpha: Alpha = None,
    beta: Beta = None,
    gamma: Gamma = None,
    compound: Together = None,
    from_run: scale_search.From = None,
    table: Table = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    time: Time = True,
    device: Device = "auto",
    threads: Threads = 1,
    out: Out = None,
    search: scale_search.Search = False,
    report: scale_search.Report = None,
    data: scale_search.Data = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    name: scale_search.Name = None,
    seeds: scale_search.Seeds = 3,
    triples: scale_search.Triples = None,
    step: scale_search.Step = 0.05,
    tolerance: scale_search.Tolerance = 0.1,
    trials: scale_search.Trials = None,
    budget: scale_search.TimeBudget = None,
    epochs: Epochs = 1,
    subset: scale_search.GridSubset = None,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Make a network larger: deeper, wider and sharper together.

    By phi as EfficientNet-B1 to B7 grew from B0, or as large as limits allow. Writes the architecture to NAME.json.
    With --search it finds what alpha, beta and gamma are best for a network: a grid of them is trained.
    """
    _check_together(dict(locals()))
    common.load_torch()
    if report:
        common.conclude(scale_search.open_grid(report, runs_dir), as_json)
        return
    if search:
        scale_search.search(
            given=(phi, target_macs, target_latency, max_macs, max_memory, alpha, beta, gamma, compound, from_run),
            base=base or BASE, data=data, data_dir=data_dir, skip_unreadable=skip_unreadable, name=name,
            seeds=seeds, triples=triples, step=step, tolerance=tolerance, trials=trials, budget=budget, epochs=epochs,
            subset=subset, image_size=image_size, batch_size=batch_size, lr=lr, other=other, workers=workers, gpus=gpus,
            gpus_per_trial=gpus_per_trial, address=address, device=device, threads=threads, runs_dir=runs_dir,
            as_json=as_json,
        )  # fmt: skip
        return
    from nas.devices.device import choose_device
    from nas.scale.family import base_of, choose_compound, member, parse_phi, solve
    from nas.scale.tables import facts, family_table
    from nas.text.live import passing
    from scaling.compound import PAPER

    if target_macs and max_macs:
        raise ValueError("--target-macs and --max-macs are the same limit: give one")
    where = choose_device(device, threads)
    limits = _limits(target_macs or max_macs, target_latency, max_memory, memory_for, batch_size, where)
    if (phi is None) == (not limits):
        raise ValueError("say how large: by --phi 3, or by limits such as --target-macs 1G, not both")
    own = choose_compound(alpha, beta, gamma, compound)
    if from_run:
        own, base, image_size = scale_search.best_of(from_run, runs_dir, own, base, image_size, common.say(as_json))
    grows = base_of(base or BASE, runs_dir, classes, image_size)
    if phi is None:
        with passing("looking for the largest", sys.stderr):
            found, ended = solve(grows, limits, own or PAPER)
        members = [found]
        common.say(as_json)(f"the largest is at phi {found.phi:g}; {ended}\n")
    else:
        phis = parse_phi(phi)
        with passing(f"working out {len(phis)} network{'s' * (len(phis) > 1)}", sys.stderr):
            members = [member(grows, value, own) for value in phis]
    if not table and len(members) == 1:
        _one(members[0], batch_size, where if time else None, out, as_json)
    elif out:
        raise ValueError("--out is for one network: leave out --table, and give one --phi")
    elif as_json:
        common.print_json([facts(m, batch_size) for m in members])
    else:
        with passing("working out their memory", sys.stderr):
            drawn = family_table(members, batch_size)
        common.to_stdout(drawn)


def _check_together(given: Mapping[str, Any]) -> None:
    """Raises ValueError where an option is `given` that has no use beside the others."""
    if not given["search"] and (without := common.idle(scale, given, OF_SEARCH)):
        raise ValueError(f"{', '.join(without)}: that is for a grid that is trained: add --search, or leave it out")
    if given["search"] and (beside := common.idle(scale, given, ("memory_for", "table", "classes", "out", "time"))):
        raise ValueError(f"{', '.join(beside)}: a grid that is trained has no use for that: leave it out, or --search")
    if given["memory_for"] != "inference" and given["max_memory"] is None:
        raise ValueError("--memory-for says what --max-memory is of: give both")


def _limits(
    macs: str | None, latency: str | None, memory: str | None, memory_for: str, batch_size: int, device: str
) -> list[Limit]:
    """The cheap ones to look at first."""
    from nas.scale.family import macs_within, memory_within, seconds_within
    from nas.text.units import parse_bytes, parse_count, parse_seconds, parsed

    if memory_for not in ("inference", "training"):
        raise ValueError(f"--memory-for is inference or training, not {memory_for!r}")
    limits = []
    if macs is not None:
        limits.append(macs_within(parsed("--target-macs", parse_count, macs)))
    if memory is not None:
        limits.append(memory_within(parse_bytes(memory), batch_size if memory_for == "training" else None))
    if latency is not None:
        limits.append(seconds_within(parsed("--target-latency", parse_seconds, latency), device))
    return limits


def _one(found: Member, batch_size: int, device: str | None, out: Path | None, as_json: bool) -> None:
    """Say all about one network, and write it. It is timed on `device`, if one is given."""
    import json

    from nas.files import check_no_weights, new_folder, write_atomically
    from nas.scale.family import seconds, write_untrained
    from nas.scale.tables import explained, facts

    if out:
        check_no_weights(out)
    with new_folder(out) if out else contextlib.nullcontext():  # now, so that the work does not end with nowhere to go
        took = seconds(found, device) if device else None
        written = write_untrained(out, found) if out else []
    if not out:
        written = [Path(found.network.name.replace(":", "-").replace("/", "-") + ".json")]
        write_atomically(written[0], json.dumps(found.architecture(), indent=2) + "\n")
    if as_json:
        timed = {"seconds_per_image": took, "device": device}
        common.print_json(facts(found, batch_size) | timed | {"written": [str(path) for path in written]})
        return
    common.to_stdout(explained(found, batch_size, took, device or ""))
    size = "" if found.data else f" --image-size {found.image_size}"  # else the file says it, and the data
    trained = f"nas train {written[0]}{size}"
    common.to_stdout(f"\nwrote {', '.join(map(str, written))}{' (untrained)' if out else ''}; `{trained}` trains it")
