"""The report: one HTML file that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence

from nas.data.download import Log
from nas.report.augmented import augmented, silent
from nas.report.control import controls
from nas.report.earlier import earlier
from nas.report.finalists import final_network
from nas.report.found import against_random, best_network, costs, curves, side_by_side, tiles
from nas.report.frame import framed
from nas.report.how import how, importances, proposals, trials
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import key
from nas.report.policy import policy
from nas.report.seeds import over_seeds
from nas.report.trained import trained


def page(several: Sequence[Numbers], log: Log = silent) -> str:
    """The report on one run, or on several side by side. `log` is told what is slow in reading their images."""
    names = ", ".join(numbers.run.name for numbers in several)
    parts = [
        _title(several),
        tiles(several[0]) if len(several) == 1 else side_by_side(several),
        curves(several),
        over_seeds(several),
        costs(several),
    ]
    parts += [against_random(control) for control in controls(several)]
    for colour, numbers in enumerate(several):
        if len(several) > 1:
            parts.append(tag("h2", {"class": "run"}, key(colour), numbers.run.name))
        parts += [best_network(numbers), final_network(numbers), trained(numbers), earlier(numbers)]
        parts += [proposals(numbers), policy(numbers), importances(numbers), trials(numbers)]
        parts += [augmented(numbers, several[:colour], log), how(numbers)]
    return framed(f"{names}: nas report", *parts)


def _title(several: Sequence[Numbers]) -> Markup:
    about = []
    for numbers in several:
        config = numbers.run.config
        unfinished = numbers.states["running"]
        still = f" {unfinished} trial{'s' * (unfinished > 1)} had not ended when this was written." * bool(unfinished)
        name = f"{numbers.run.name}: " if len(several) > 1 else ""
        line = f"{name}the space {config.space.name} on {config.data}, searched by {config.strategy}.{still}"
        about.append(tag("p", {"class": "lead"}, line[0].upper() + line[1:] if not name else line))
    return tag("header", None, tag("h1", None, ", ".join(n.run.name for n in several)), *about)
