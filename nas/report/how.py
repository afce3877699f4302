"""The part of a report that says how a run found it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from nas.checks.costs import kind_of
from nas.joint.space import JointSpace
from nas.ledger.run import TrialRow, costs_shown, rank
from nas.report.charts import option_colour, strip
from nas.report.markup import Markup, join, tag
from nas.report.numbers import ENOUGH, SHUFFLES, Numbers, Proposed
from nas.report.parts import TRIALS, judged, measured, note, section, text_table
from nas.text.units import format_many, format_quality, format_reward, format_seconds

BARS = 15  # choices, by their importance


def proposals(numbers: Numbers) -> Markup | None:
    """How the strategy's proposals moved: choices of one kind together, under the options that they share."""
    if not numbers.proposed:
        return None
    policy = any(value is not None for p in numbers.proposed for value in p.probabilities)
    said = (
        f"A row is a choice, a column some {len(numbers.windows[0])} trials, from the first to the last; "
        "the colours are the shares of its options among these trials. At the right, the option that was proposed "
        "most at the end."
    )
    if policy:
        said += " Below it, the mean probability that the policy gave to what it chose, at first and at last."
    kinds = sorted(numbers.proposed, key=lambda p: [q.choice.kind for q in numbers.proposed].index(p.choice.kind))
    groups = [
        _kind(list(group), _spans(numbers))
        for _, group in groupby(kinds, key=lambda p: (p.choice.kind, p.choice.options))
    ]
    return section("How its proposals moved", note(said), tag("div", {"class": "kinds"}, *groups))


def _spans(numbers: Numbers) -> list[str]:
    return [f"trials {numbers.rows[w[0]].number} to {numbers.rows[w[-1]].number}" for w in numbers.windows]


def _kind(several: list[Proposed], spans: list[str]) -> Markup:
    choice = several[0].choice
    options = [
        tag("span", None, tag("i", {"style": f"background:{option_colour(i, len(choice.options))}"}), option)
        for i, option in enumerate(choice.options)
    ]
    names = [p.choice.group for p in several]
    if len(set(names)) < len(names) or not all(names):
        names = [p.choice.name for p in several]
    rows = [_strip(p, name, spans) for p, name in zip(several, names, strict=True)]
    title = tag("h3", None, choice.kind)
    return tag("div", {"class": "kind"}, title, tag("p", {"class": "options"}, *options), *rows)


def _strip(p: Proposed, name: str, spans: list[str]) -> Markup:
    titles = []
    for span, shares in zip(spans, p.shares, strict=True):
        chosen = [f"{option} {share:.0%}" for option, share in zip(p.choice.options, shares, strict=True) if share]
        titles.append(f"{p.choice.name}, {span}: {', '.join(chosen)}")
    known = [value for value in p.probabilities if value is not None]
    moved = f"{known[0]:.2f} → {known[-1]:.2f}" if known else ""
    option, share = p.choice.options[p.leading], p.shares[-1][p.leading]
    last = tag("span", {"class": "last"}, tag("b", None, option), f" {share:.0%}")
    end = tag("span", {"class": "end"}, last, tag("span", {"class": "moved"}, moved) if moved else None)
    return tag("div", {"class": "row"}, _name(name), strip(p.shares, titles), end)


def importances(numbers: Numbers) -> Markup | None:
    found = numbers.importances
    title = "Which choices mattered"
    if found is None:
        return (
            section(title, note(f"That takes {ENOUGH} networks with a result, not all alike."))
            if numbers.best
            else None
        )
    luck = found.by_luck or 1.0
    best = list(found.values.items())[:BARS]
    full = max(1.0, best[0][1] / luck) * 1.05
    bars = [
        tag(
            "div",
            {"class": "row"},
            _name(name),
            tag(
                "span",
                {"class": "bar"},
                tag("i", {"style": f"width:{value / luck / full:.1%}", "class": "" if value > luck else "weak"}),
                tag("b", {"style": f"left:{1 / full:.1%}"}),
            ),
            tag("span", {"class": "end"}, f"{value / luck:.2f}"),
        )
        for name, value in best
    ]
    clear = [name for name, value in best if value > luck]
    said = (
        f"What sets the best quarter of the networks apart, by PED-ANOVA. The line at 1 is what luck alone makes: the "
        f"greatest importance of any choice after the rewards were shuffled, in all but one of {SHUFFLES} times. "
    )
    said += (
        f"Beyond it: {', '.join(clear)}."
        if clear
        else "No choice is beyond it: these networks do not show which matter."
    )
    return section(title, note(said), tag("div", {"class": "bars"}, *bars))


def trials(numbers: Numbers) -> Markup:
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(numbers.states.items())) or "none yet"
    parts = [tag("p", None, f"{len(numbers.rows):,} trials: {counts}." if numbers.rows else "No trial yet.")]
    for title, reasons in (
        ("Why trials failed", numbers.failures),
        ("Trained step by step, since a recorded step would be another one", numbers.single_steps),
    ):
        rows = [[f"{count:,}", reason] for reason, count in reasons.most_common(TRIALS)]
        parts += [tag("h3", None, title), text_table(["trials", "reason"], rows, (0,))] if rows else []
    if told := sum(row.told for row in numbers.rows):
        parts.append(note(f"{told:,} results were told from outside, not trained by the recipe."))
    best = [row for row in rank(numbers.trained) if row.reward is not None][:TRIALS]
    if best:
        costs = costs_shown(best)
        chosen = list(best[0].recipe)
        titles = [*(kind_of(name).title for name in costs), *chosen]
        header = ["trial", "id", numbers.run.config.recipe.metric, "reward", *titles, "time"]
        cells = [_cells(row, costs, chosen) for row in best]
        parts += [tag("h3", None, "The best"), text_table(header, cells, (0, *range(2, len(header))))]
    return section("Trials", *parts)


def _cells(row: TrialRow, costs: Sequence[str], chosen: Sequence[str]) -> list[str]:
    figures = [kind_of(name).format(row.costs.get(name)) for name in costs]
    figures += [str(row.recipe.get(name, "-")) for name in chosen]
    judged = format_quality(row.metric, row.quality), format_reward(row.reward)
    named = f"{row.id} (told from outside)" if row.told else row.id
    return [str(row.number), named, *judged, *figures, format_seconds(row.seconds)]


def how(numbers: Numbers) -> Markup:
    """All that it takes to repeat it."""
    config, space = numbers.run.config, numbers.run.config.space
    said = {k: v for k, v in space.settings().items() if not isinstance(v, list)} | space.changed_settings()
    recipe = {name: value for name, value in asdict(config.recipe).items() if value is not None}
    many = format_many(space.size)
    facts = {
        "Command": _command(numbers.command) if numbers.command else "not noted by the version that began this run",
        "Space": f"{space.title}: {_listed(said)}; {len(space.choices)} choices, {many} architectures",
        "Data": f"{config.data}. Accuracies are {measured(numbers)}; no test image was seen.{judged(numbers)}",
        "Training": f"looked up in a table, SHA-256 {config.table_sha256}" if config.table else _listed(recipe),
        **({"Of its own": f"each trial has {', '.join(space.asked)}"} if isinstance(space, JointSpace) else {}),
        "Reward": f"of several objectives: {', '.join(config.objectives)}" if config.objectives else str(config.reward),
        "Strategy": f"{config.strategist}, seed {config.seed}; that of every training, too; pruner {config.pruner}",
        "Hardware": f"{_hardware(numbers)}, {config.threads} threads a training; {_listed(_machine(numbers))}",
        "Versions": _listed({k: v for k, v in numbers.document["versions"].items() if k not in _MACHINE}),
    }
    items = [join(tag("dt", None, name), tag("dd", None, value)) for name, value in facts.items()]
    return section("How it was searched", tag("dl", None, *items))


_MACHINE = ("platform", "cpus")


def _hardware(numbers: Numbers) -> str:
    """On what the trials ran, as each noted it; of an older version's, what they were to run on."""
    if not numbers.hardware:
        return numbers.run.config.device
    if len(numbers.hardware) == 1:
        return next(iter(numbers.hardware))
    return ", ".join(f"{name} ({count:,} trials)" for name, count in numbers.hardware.most_common())


def _machine(numbers: Numbers) -> dict[str, str]:
    return {name: value for name, value in numbers.document["versions"].items() if name in _MACHINE}


def _name(choice: str) -> Markup:
    """Where it is too long for its place, broken after a dot."""
    return tag("span", {"class": "name"}, *(join(tag("wbr"), part) for part in re.split(r"(?<=[._])", choice)))


def _command(text: str) -> Markup:
    """Broken between its words alone."""
    return tag("code", None, *(join(tag("span", {"class": "word"}, word), " ") for word in text.split(" ")))


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int | float) and value >= 1000 else json.dumps(value)
