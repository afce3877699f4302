"""`nas show`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

from nas.checks.kinds import LINE
from nas.cli import common
from nas.options import panels
from nas.options.commands import Channels, Classes, ImageSize
from nas.options.groups import MAYBE_LINE, MAYBE_PLACE, Network, OutputOptions
from nas.options.option import Option


@dataclass(frozen=True)
class ShowOptions(OutputOptions):
    """Of `nas show`."""

    network: Network
    _: KW_ONLY
    data: Annotated[
        str | None,
        Option(MAYBE_LINE, "In the form for cifar10, cifar100, shapes2 or shapes.", panels.SHAPE, completes="data"),
    ] = None
    image_size: ImageSize = None
    classes: Classes = None
    channels: Channels = None
    form: Annotated[
        str,
        Option(
            LINE,
            "table, text, json, blocks (mnas, compact) or genotype (nasnet).",
            panels.OUTPUT,
            flags=("--format",),
        ),
    ] = "table"
    draw: Annotated[Path | None, Option(MAYBE_PLACE, "Also draw it, to a file .svg or .png.", panels.OUTPUT)] = None


def show(asked: ShowOptions) -> None:
    """Print a network as a table of rows, or in another notation, or draw it."""
    network, form, draw, as_json = str(asked.network), asked.form, asked.draw, asked.as_json
    data, runs_dir = asked.data, Path(asked.runs_dir)
    if as_json and form != "table":
        raise ValueError("--format and --json are two formats: give one of them")
    common.load_torch()
    from nas.cli.tables import network_table
    from nas.data import shape_of
    from nas.references.origin import channels_of, origin_of
    from nas.references.resolve import resolve
    from nas.references.show import choose_shape, usual_shape, written
    from nas.references.show import show as shown_of
    from nas.text.visible import visible

    found = resolve(network, runs_dir)
    picture = _pictures(draw) if draw else None
    usual = shape_of(data) if data else usual_shape(network, found, runs_dir)
    shape = choose_shape(usual, asked.classes, asked.image_size)
    origin = origin_of(network, found, runs_dir)
    channels = asked.channels or channels_of(network, origin)
    if form != "table" and not as_json:
        print(visible(written(found, form, shape, origin, channels)))
        shown = shown_of(found, shape, channels) if picture else None
    else:
        shown = shown_of(found, shape, channels)
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
