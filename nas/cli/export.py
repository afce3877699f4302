"""`nas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import common
from nas.cli.options import DataDir, Json, RunsDir, SkipUnreadable, Threads


def export(
    network: Annotated[
        str,
        typer.Argument(help="RUN:best, RUN:17, a baseline (resnet20), mnas:..., a .json file, or nas train's folder"),
    ],
    to: Annotated[
        str, typer.Option(help="Formats, joined by commas: standalone (a Python file), state_dict, onnx, pt2.")
    ] = "standalone,state_dict",
    out: Annotated[Path | None, typer.Option(help="Folder for the files. [default: NAME-exported]")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="weights.safetensors of nas train, or a published checkpoint.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels. [default: the weights', run's, space's or publication's]")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="[default: the weights', run's, space's or publication's]")
    ] = None,
    fold_bn: Annotated[bool, typer.Option("--fold-bn", help="Have convolutions do what batch norms do.")] = False,
    prune: Annotated[
        float | None, typer.Option(help="Set this share of the weights to zero, the smallest: 0.5, say.")
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(help="Also in int8: static (needs --data), or dynamic (linear layers alone).")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Measure accuracy and speed on its validation images: as of nas train.")
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    test: Annotated[bool, typer.Option("--test", help="Also test accuracy, before and after.")] = False,
    threads: Threads = 1,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Write a network for use elsewhere.

    Each file is read back and must give the network's logits.
    """
    from dataclasses import asdict

    from nas import launch
    from nas.export.job import Changes, data_for, run
    from nas.export.steps import steps_table
    from nas.export.target import read_source
    from nas.units import format_bytes, parse_names

    if test and data is None:
        raise ValueError("--test needs --data: the data set whose test images are meant")
    launch.choose_device("cpu", threads)
    formats, changes = list(dict.fromkeys(parse_names(to))), Changes(fold_bn, prune, quantize)
    changes.check(formats, data is not None)
    source = read_source(network, weights, runs_dir, classes, image_size)
    pixels = source.shape[1]
    loaded = data_for(source, common.load_data(data, data_dir, pixels, skip_unreadable)) if data else None
    tested = common.load_test_data(data, data_dir, pixels, skip_unreadable).resize(pixels) if data and test else None
    say = common.say(as_json)
    trained = f"weights of {source.weights.path}" if source.weights else "UNTRAINED: give --weights for trained ones"
    say(f"{source.network.text}: {pixels} pixels, {source.shape[0]} classes, {trained}")
    folder = out or Path(source.network.name.replace(":", "-") + "-exported")
    written, steps = run(folder, formats, source, changes, loaded, tested, say)
    if as_json:
        files = [asdict(file) | {"path": str(file.path)} for file in written]
        common.print_json({"trained": source.weights is not None, "files": files, "steps": [asdict(s) for s in steps]})
        return
    for file in written:
        checked = f"  max logit difference {file.difference:.2g}" if file.difference is not None else ""
        largest = f" of logits up to {file.largest:.2g}" if file.difference and file.largest else ""
        print(f"wrote {file.path}  {format_bytes(file.bytes)}{checked}{largest}")
    if steps:
        form = "onnxruntime" if "onnx" in formats else "PyTorch"
        print(f"\n{steps_table(steps)}\n\naccuracy and images/s by {form}, batches of 100, on {threads} CPU thread(s)")
