"""`nas show`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from nas.cli import common, completion, panels
from nas.cli.options import Json, RunsDir

Form = Annotated[
    str,
    typer.Option(
        "--format",
        help="table, text, json, blocks (mnas, compact) or genotype (nasnet).",
        rich_help_panel=panels.OUTPUT,
    ),
]
Draw = Annotated[
    Path | None, typer.Option("--draw", help="Also draw it, to a file .svg or .png.", rich_help_panel=panels.OUTPUT)
]


def show(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            autocompletion=completion.networks,
            help="RUN:best, RUN:17, a baseline (resnet20), mnas:..., or a .json file",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.data,
            help="In the form for cifar10, cifar100 or shapes.",
            rich_help_panel=panels.SHAPE,
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Pixels.", show_default="the run's, space's or publication's", rich_help_panel=panels.SHAPE),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            help="How many classes.", show_default="the run's, space's or publication's", rich_help_panel=panels.SHAPE
        ),
    ] = None,
    form: Form = "table",
    draw: Draw = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Print a network as a table of rows, or in another notation, or draw it."""
    if as_json and form != "table":
        raise ValueError("--format and --json are two formats: give one of them")
    common.load_torch()
    from nas.cli.tables import network_table
    from nas.data import shape_of
    from nas.references.origin import origin_of
    from nas.references.resolve import resolve
    from nas.references.show import choose_shape, usual_shape, written
    from nas.references.show import show as shown_of
    from nas.text.visible import visible

    found = resolve(network, runs_dir)
    picture = _pictures(draw) if draw else None
    usual = shape_of(data) if data else usual_shape(network, found, runs_dir)
    shape = choose_shape(usual, classes, image_size)
    if form != "table" and not as_json:
        print(visible(written(found, form, shape, origin_of(network, found, runs_dir))))
        shown = shown_of(found, shape) if picture else None
    else:
        shown = shown_of(found, shape)
        common.print_json(shown.to_dict()) if as_json else common.to_stdout(network_table(shown))
    if draw and picture and shown:
        picture.draw(shown.graphs(), draw, shown.caption, shown.details())
        common.to_stderr(f"wrote {draw}")


def _pictures(path: Path) -> ModuleType:
    """What draws a picture to `path`, before anything is printed. Raises ValueError where that cannot be."""
    try:
        draw = import_module("nas.drawing.draw")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ValueError("--draw needs matplotlib: pip install matplotlib") from None
    draw.check(path)
    return draw
