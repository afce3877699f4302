"""A run's best network in a report: drawn, and as tables."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path

from nas.joint.fields import in_words
from nas.network import Found
from nas.references.show import Shown, choices_by_group, format_size, show, usual_shape
from nas.report.markup import Markup, join, tag
from nas.report.numbers import Numbers
from nas.report.parts import note, picture, text_table
from nas.text.units import format_count

NEXT = (
    ("show", " prints it, "),
    ("compare", " judges it, "),
    ("train", " trains it on the images that it was searched on, "),
    ("export", " then writes it for use elsewhere."),
)
"""Commands for the best network, in the order in which they are used, and what they do."""


def portrait(numbers: Numbers) -> Markup:
    """The best network of a run that has one: its text, its picture, its rows, its choices."""
    assert numbers.best is not None
    run = numbers.run
    network = run.network(numbers.best)
    name = f"{run.name}:best"
    try:
        shown = show(network, usual_shape(name, network, run.path.parent), run.config.channels)
    except ValueError as error:  # a data set that is gone, say
        return note(f"It is not drawn: {error}.")
    own = f" It was trained by its own recipe: {in_words(numbers.best.recipe)}." if numbers.best.recipe else ""
    caption = (
        f"Trial {numbers.best.number}, id {numbers.best.id}: {shown.cost.params:,} parameters, {shown.cost.macs:,} "
        f"multiply-adds and {shown.cost.activations:,} activations at {shown.image_size} pixels, "
        f"{shown.num_classes} classes.{own}"
    )
    parts = [tag("p", None, caption), _picture(shown), _rows(shown)]
    if isinstance(network, Found):
        header, cells = choices_by_group(network)
        text = tag("pre", {"class": "wrap"}, run.text_of(numbers.best))
        summary = tag("summary", None, "Its choices, and its text")
        parts.append(tag("details", None, summary, text_table(header, cells), text))
    said = [part for what, does in NEXT for part in (tag("code", None, f"nas {what} {name}"), does)]
    parts.append(tag("p", {"class": "note"}, *said))
    return join(*parts)


def _rows(shown: Shown) -> Markup:
    rows = [
        [row.name, format_size(row.output), format_count(row.cost.params), format_count(row.cost.macs), words]
        for row, words in zip(shown.rows, shown.words, strict=True)
    ]
    return text_table(["row", "output", "params", "MACs", "layers"], rows, numbers=(1, 2, 3))


def _picture(shown: Shown) -> Markup:
    """As an image within the page, so that its styles are its own."""
    try:
        draw = import_module("nas.drawing.draw")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        return note("Its picture needs matplotlib: pip install matplotlib.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.svg"
        draw.draw(shown.graphs(), path, details=shown.details())
        image = picture("image/svg+xml", path.read_bytes(), f"The network {shown.network.name}")
    return tag("div", {"class": "scroll picture"}, image)
