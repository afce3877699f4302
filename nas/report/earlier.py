"""The part of a report that says which earlier searches a run began from, and how far it trusted them."""

from __future__ import annotations

from nas.ledger.experience import experience_of
from nas.report.charts import Axis, Point, Series, chart
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import key, note, section, text_table

TITLE = "What earlier searches were worth"
SAID = (
    "A point is a trial: how far an earlier search was trusted when it was proposed. That is how much one of its "
    "results, with its noise, goes along with what the same network is worth here: 1, entirely; 0, not at all, and the "
    "search goes on as if there were no such results."
)


def earlier(numbers: Numbers) -> Markup | None:
    """The earlier searches; None where there are none."""
    if not numbers.run.config.experience:
        return None
    try:
        runs = experience_of(numbers.run).runs
    except ValueError as error:
        return section(TITLE, note(f"{error}."))
    space = numbers.run.config.space
    rows = [
        [
            run.name,
            f"{len(run.results):,}",
            run.space,
            run.data,
            "choices and features" if run.fits(space) else "features",
            *([f"{numbers.trust[0][1][i]:.2f}", f"{numbers.trust[-1][1][i]:.2f}"] if numbers.trust else ["", ""]),
        ]
        for i, run in enumerate(runs)
    ]
    named = ["search", "networks", "space", "data", "seen by", "trusted at first", "at the end"]
    table = text_table(named, rows, (1, 5, 6))
    if not numbers.trust:
        return section(TITLE, table, note("No trial has been proposed by them yet."))
    series = [
        Series(i, [Point(trial, of[i], f"trial {trial}: {run.name} {of[i]:.2f}") for trial, of in numbers.trust])
        for i, run in enumerate(runs)
    ]
    keys = tag("p", {"class": "options"}, *(tag("span", None, key(i), run.name) for i, run in enumerate(runs)))
    drawn = chart(series, Axis("trial", "{:g}".format, whole=True), Axis("trust", "{:.2g}".format, zero=True))
    figure = tag("figure", None, tag("figcaption", None, "Trust in each earlier search"), drawn)
    return section(TITLE, table, tag("div", {"class": "charts"}, figure), keys if len(runs) > 1 else None, note(SAID))
