"""The part of a report that shows training images as a network sees them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from nas.data.download import Log
from nas.data.images import RGB
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import note, picture, section
from nas.training.sheet import sheet_png

TITLE = "What the network sees"


def silent(line: str) -> None:
    """A log that keeps nothing."""


def augmented(numbers: Numbers, before: Sequence[Numbers], log: Log = silent) -> Markup | None:
    """The images of a run that trained; None where a run `before` it on the page had the same, and so shows them.

    Nothing is downloaded for it. Where the images are not there, it says why they are not shown.
    """
    config = numbers.run.config
    if config.table or any(_what(numbers) == _what(other) for other in before):
        return None
    try:
        dataset = config.source.load(log, download=False)
        config.source.check_unchanged(dataset, "run")
        png = sheet_png(dataset, config.recipe)
    except (ValueError, OSError) as error:  # they were moved, say, or a disk is gone
        return section(TITLE, note(f"Its training images are not shown: {str(error).rstrip('.')}."))
    words, size = config.recipe.augment().words(), config.recipe.size_on(dataset)
    said = (
        f"Training images of {config.data} at {size} pixels. The first column shows them as they are, the others as "
        f"they were changed for the training, each time anew: {words}."
    )
    if dataset.channels > RGB:
        said += f" Of their {dataset.channels} channels the first three are shown, as red, green and blue."
    image = picture("image/png", png, said)
    return section(TITLE, note(said), tag("div", {"class": "sheet"}, image))


def _what(numbers: Numbers) -> Hashable:
    """What decides the pictures."""
    config = numbers.run.config
    return config.source, config.recipe.augment(), config.recipe.image_size, config.table
