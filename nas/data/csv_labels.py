"""What the label columns of a CSV mean: one class an image, any number of labels, or numbers.

    file,label               a class                        classification
    file,labels              car;tree;road                  multilabel: one column with all labels of an image
    file,car,tree,road       0 or 1 in each                 multilabel: a column for each label
    file,age  file,x,y       numbers in their own units     regression: a column for each number

The first two are known by their names; other columns a person names. What the cells cannot tell, such as whether 3 is a
class or a number, is not guessed: then the task must be said.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.data.splits import some
from nas.data.targets import CLASSIFICATION, MULTILABEL, REGRESSION
from nas.text.units import is_number
from nas.text.visible import visible_in_line

SEVERAL = "labels"  # a column of this name has any number of labels
SEPARATORS = (";", "|", ",")
"""What parts the labels in a cell; without any of these spaces do."""

Cells = Sequence[str]
Wrong = Callable[[int, str], ValueError]
"""Makes the error of the row of that place."""
Target = tuple[float, ...]


@dataclass(frozen=True)
class Meaning:
    """The task, the `names` of labels or numbers, each row's `targets`, and in words how the columns were `read`.

    Of classification there are no targets, and the names are known from the rows.
    """

    kind: str
    names: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    read: str = ""


def meaning_of(columns: Sequence[str], rows: Sequence[Cells], task: str | None, wrong: Wrong) -> Meaning:
    """Of label `columns`, whose cells are `rows`; `task` is what a person says that it is, None where nobody does.

    Raises ValueError where the cells are not what the task needs, or do not tell which task it is.
    """
    kind = task or _inferred(columns, rows)
    if kind == REGRESSION:
        return _numbers(columns, rows, wrong)
    if kind == MULTILABEL:
        return _of_columns(columns, rows, wrong) if len(columns) > 1 else _of_cells(columns[0], rows, wrong)
    if len(columns) > 1:
        raise ValueError(
            f"classification has one column, and these are {len(columns)}: {some(columns)}. Name one by --labels, or "
            f"say --task {MULTILABEL} or {REGRESSION}"
        )
    return Meaning(CLASSIFICATION)


def _inferred(columns: Sequence[str], rows: Sequence[Cells]) -> str:
    """The task that the cells can only mean. Raises ValueError where there are several."""
    cells = [cell for row in rows for cell in row]
    numbers = all(map(_is_finite, cells))
    fractions = numbers and not all(float(cell).is_integer() for cell in cells)
    if len(columns) > 1:
        if all(cell in ("0", "1") for cell in cells):
            return MULTILABEL
        if numbers:
            return REGRESSION
        raise _unclear(columns, "of 0 and 1 alone they would be labels, of numbers alone regression")
    if columns[0].lower() == SEVERAL:
        if any(separator in cell for cell in cells for separator in SEPARATORS) or not all(cells):
            return MULTILABEL
        raise _unclear(columns, "no cell has several labels, or none")
    if fractions:
        return REGRESSION
    if numbers:
        raise _unclear(columns, "whole numbers may be classes, or what is to be predicted")
    if any(separator in cell for cell in cells for separator in SEPARATORS[:2]):
        return MULTILABEL
    return CLASSIFICATION


def _unclear(columns: Sequence[str], why: str) -> ValueError:
    several = len(columns) > 1
    return ValueError(
        f"the column{'s' if several else ''} {some(columns)} may be read in several ways ({why}): say --task "
        + (f"{MULTILABEL} or {REGRESSION}" if several else f"{CLASSIFICATION}, {MULTILABEL} or {REGRESSION}")
    )


def _numbers(columns: Sequence[str], rows: Sequence[Cells], wrong: Wrong) -> Meaning:
    targets = _targets(columns, rows, wrong, _is_finite, "regression needs a number")
    return Meaning(REGRESSION, tuple(columns), targets, f"the number{'s' if len(columns) > 1 else ''} {some(columns)}")


def _of_columns(columns: Sequence[str], rows: Sequence[Cells], wrong: Wrong) -> Meaning:
    """A column for each label, of 0 and 1."""
    targets = _targets(columns, rows, wrong, ("0", "1").__contains__, "must be 0 or 1")
    return Meaning(MULTILABEL, tuple(columns), targets, f"a column of 0 and 1 for each label: {some(columns)}")


def _targets(
    columns: Sequence[str], rows: Sequence[Cells], wrong: Wrong, fits: Callable[[str], bool], need: str
) -> tuple[Target, ...]:
    """The numbers in the cells. Raises what `wrong` makes where one does not fit what they `need` to be."""
    for place, row in enumerate(rows):
        for column, cell in zip(columns, row, strict=True):
            if not fits(cell):
                raise wrong(place, f"its {visible_in_line(column)} is {_shown(cell)}, and {need}")
    return tuple(tuple(map(float, row)) for row in rows)


def _of_cells(column: str, rows: Sequence[Cells], wrong: Wrong) -> Meaning:
    """One column with all labels of an image; an empty cell is an image that has none."""
    cells = [unicodedata.normalize("NFC", row[0]) for row in rows]
    there = [separator for separator in SEPARATORS if any(separator in cell for cell in cells)]
    if len(there) > 1:
        raise ValueError(
            f"the column {visible_in_line(column)} has both {there[0]} and {there[1]}, and either may part its labels: "
            "use one of them"
        )
    separator = there[0] if there else None  # None: spaces
    found = [[part.strip() for part in cell.split(separator) if part.strip()] for cell in cells]
    for place, labels in enumerate(found):
        if len(set(labels)) < len(labels):
            raise wrong(place, f"it has a label twice: {_shown(cells[place])}")
    names = tuple(sorted({label for labels in found for label in labels}))
    if not names:
        raise ValueError(f"the column {visible_in_line(column)} is empty in every row: no image has a label")
    targets = tuple(tuple(float(name in labels) for name in names) for labels in map(set, found))
    parted = f"{separator!r}" if separator else "spaces"
    return Meaning(MULTILABEL, names, targets, f"the column {visible_in_line(column)}, its labels parted by {parted}")


def _is_finite(cell: str) -> bool:
    return is_number(cell) and math.isfinite(float(cell))


def _shown(cell: str) -> str:
    return visible_in_line(repr(cell)) if cell else "empty"
