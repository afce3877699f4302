"""`nas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas import api
from nas.cli import common, completion, panels
from nas.cli.options import DataDir, Json, RunsDir, SkipUnreadable, Threads


def export(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            autocompletion=completion.networks,
            help="RUN:best, RUN:17, a baseline (resnet20), mnas:..., a .json file, or nas train's folder",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="Formats, joined by commas: standalone (a Python file, and its weights), state_dict, onnx, pt2.",
            rich_help_panel=panels.FORMATS,
        ),
    ] = "standalone,state_dict",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the files.", show_default="NAME-exported", rich_help_panel=panels.OUTPUT),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="weights.safetensors of nas train, or a published checkpoint.",
            show_default="what nas train made of it",
            rich_help_panel=panels.FORMATS,
        ),
    ] = None,
    untrained: Annotated[
        bool,
        typer.Option(
            "--untrained",
            help="Write random weights: the network as it is before any training.",
            rich_help_panel=panels.FORMATS,
        ),
    ] = False,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Pixels.", show_default="the weights', run's, space's or publication's", rich_help_panel=panels.SHAPE
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            help="How many classes.",
            show_default="the weights', run's, space's or publication's",
            rich_help_panel=panels.SHAPE,
        ),
    ] = None,
    fold_bn: Annotated[
        bool,
        typer.Option("--fold-bn", help="Have convolutions do what batch norms do.", rich_help_panel=panels.CHANGES),
    ] = False,
    prune: Annotated[
        float | None,
        typer.Option(
            help="Set this share of the weights to zero, the smallest: 0.5, say.", rich_help_panel=panels.CHANGES
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="Also in int8: static (needs --data), or dynamic (linear layers alone).",
            rich_help_panel=panels.CHANGES,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.data,
            help="Measure accuracy and speed on its validation images.",
            show_default="what it was trained on, where --test or --quantize static need images",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    test: Annotated[
        bool, typer.Option("--test", help="Also test accuracy, before and after.", rich_help_panel=panels.DATA)
    ] = False,
    threads: Threads = 1,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Write a network for use elsewhere.

    Each file is read back and must give the network's logits.
    """
    common.load_torch()
    from dataclasses import asdict

    from nas.exports.steps import steps_table
    from nas.text.units import format_bytes

    done = api.export(
        network,
        to=to,
        out=out,
        weights=weights,
        untrained=untrained,
        image_size=image_size,
        classes=classes,
        fold_bn=fold_bn,
        prune=prune,
        quantize=quantize,
        data=data,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        test=test,
        threads=threads,
        runs_dir=runs_dir,
        progress="json" if as_json else "lines",
    )
    if as_json:
        files = [asdict(file) | {"path": str(file.path)} for file in done.files]
        common.print_json({"trained": done.trained, "files": files, "steps": [asdict(s) for s in done.steps]})
        return
    for file in done.files:
        checked = f"  max logit difference {file.difference:.2g}" if file.difference is not None else ""
        original = f" ({file.from_original:.2g} from the original)" if file.from_original is not None else ""
        largest = f" of logits up to {file.largest:.2g}" if (file.difference or file.from_original) else ""
        common.to_stdout(f"wrote {file.path}  {format_bytes(file.bytes)}{checked}{original}{largest}")
    if done.steps:
        form = "onnxruntime" if "onnx" in to else "PyTorch"
        common.to_stdout(f"\n{steps_table(done.steps)}\n")
        common.to_stdout(f"accuracy and images/s by {form}, batches of 100, on {threads} CPU thread(s)")
