"""`nas show`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

from nas.checks.kinds import LINE, NAMED
from nas.checks.limits import Optional
from nas.cli import common
from nas.options import panels
from nas.options.commands import Channels, Classes, ImageSize
from nas.options.groups import (
    MAYBE_LINE,
    MAYBE_PLACE,
    NETWORK,
    Also,
    OutputOptions,
    SpaceSettings,
    Vary,
    space_settings,
)
from nas.options.option import Option


@dataclass(frozen=True)
class ShowOptions(OutputOptions):
    """Of `nas show`."""

    network: Annotated[Path | str | None, replace(NETWORK, kind=Optional(NAMED))] = None
    _: KW_ONLY
    space: Annotated[
        str | None,
        Option(
            MAYBE_LINE, "Show the choices of a space instead, as of around:resnet20.", panels.SHAPE, completes="spaces"
        ),
    ] = None
    settings: SpaceSettings = None
    vary: Vary = None
    also: Also = None
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
    """Print a network as a table of rows, or in another notation, or draw it; or the choices of a space."""
    if (asked.network is None) == (asked.space is None):
        raise ValueError("name a network, as RUN:best, or a space by --space, as --space around:resnet20")
    if asked.space is not None:
        _show_space(asked, asked.space)
        return
    if asked.changed("settings", "vary", "also"):
        raise ValueError("--space-set, --vary and --also are of a space: name it by --space")
    network, form, draw, as_json = str(asked.network), asked.form, asked.draw, asked.as_json
    data, runs_dir = asked.data, Path(asked.runs_dir)
    if as_json and form != "table":
        raise ValueError("--format and --json are two formats: give one of them")
    common.load_torch()
    from nas.cli.tables import network_table
    from nas.data import shape_of
    from nas.references.origin import channels_of, origin_of
    from nas.references.resolve import own_recipe, resolve
    from nas.references.show import choose_shape, usual_shape, written
    from nas.references.show import show as shown_of
    from nas.text.visible import visible

    found = resolve(network, runs_dir)
    picture = _pictures(draw) if draw else None
    usual = shape_of(data) if data else usual_shape(network, found, runs_dir)
    shape = choose_shape(usual, asked.classes, asked.image_size)
    origin = origin_of(network, found, runs_dir)
    channels, own = asked.channels or channels_of(network, origin), own_recipe(network, runs_dir)
    if form != "table" and not as_json:
        print(visible(written(found, form, shape, origin, channels, own)))
        shown = shown_of(found, shape, channels) if picture else None
    else:
        shown = shown_of(found, shape, channels)
        document = shown.to_dict() | ({"recipe": own} if own else {})
        common.print_json(document) if as_json else common.to_stdout(network_table(shown, own))
    if draw and picture and shown:
        picture.draw(shown.graphs(), draw, shown.caption, shown.details())
        common.to_stderr(f"wrote {draw}")


def _show_space(asked: ShowOptions, name: str) -> None:
    if others := asked.changed("data", "classes", "channels", "form", "draw"):
        raise ValueError(f"--space shows choices: leave out {', '.join(others)}")
    common.load_torch()
    from nas.cli.tables import space_table
    from nas.ledger.trust import around, space_of_person

    name, given = around(name, asked.runs_dir)
    pixels = {} if asked.image_size is None else {"image_size": asked.image_size}
    space = space_of_person(name, **given | pixels | space_settings(asked.settings, vary=asked.vary))
    if asked.also is not None:
        from nas.joint.fields import choices_of
        from nas.joint.space import JointSpace
        from nas.training.recipe import Recipe

        side = asked.image_size or space.settings().get("image_size", 32)
        space = JointSpace(space, choices_of(asked.also, Recipe(), side), Recipe(), side)
    choices = {choice.name: list(choice.options) for choice in space.choices}
    if asked.as_json:
        common.print_json({"space": space.reference, "settings": space.settings(), "choices": choices})
    else:
        common.to_stdout(space_table(space))


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
