"""A run's trials for a spreadsheet, R or pandas: a line each, a column for each figure and each choice."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from optuna.trial import FrozenTrial

from nas.checks.costs import in_order
from nas.ledger.run import TrialRow
from nas.text.visible import visible
from searchspaces import Space

NOTED = ("loss", "seed")  # of a trial's attributes, besides what a row has


def trials_csv(space: Space, trials: Sequence[FrozenTrial], rows: Sequence[TrialRow]) -> str:
    """`rows` of `trials` in `space` as CSV with a header, a column for each further cost. What is not known is empty.

    A choice's column has its name, behind `choice.` where a figure is called so, too.
    """
    attributes = {trial.number: trial.user_attrs for trial in trials}
    own = [name for name in TrialRow.__dataclass_fields__ if name not in ("arch", "others", "recipe")]
    costs = in_order(name for row in rows for name in row.others)
    figures = [*own, *costs, *NOTED]
    choices = [f"choice.{c.name}" if c.name in figures else c.name for c in space.choices]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*figures, *choices])
    for row in rows:
        noted = [attributes[row.number].get(name) for name in NOTED]
        options = list(space.options(row.arch).values()) if row.arch else [None] * len(choices)
        further = [row.others.get(name) for name in costs]
        writer.writerow([*(getattr(row, name) for name in own), *further, *noted, *options])
    return visible(text.getvalue())
