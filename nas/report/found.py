"""The part of a report that says what was found, of one run or of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nas.checks.costs import in_order, kind_of
from nas.data.targets import MULTILABEL, REGRESSION
from nas.ledger.run import TrialRow, costs_shown
from nas.report import alike
from nas.report.alike import Coloured
from nas.report.charts import Axis, Point, Series, chart, stairs, time_text
from nas.report.control import Control
from nas.report.markup import Markup, tag
from nas.report.network import portrait
from nas.report.numbers import Numbers
from nas.report.parts import TRIALS, key, measured, note, section, text_table
from nas.searching.pareto import front
from nas.text.units import AS_NUMBERS, format_count, format_percent, format_quality, format_reward, format_seconds


def facts(numbers: Numbers) -> list[tuple[str, str, str]]:
    """The first things to know: a name, a value, a remark."""
    best, config, budget = numbers.best, numbers.run.config, numbers.run.budget
    ends = [f"of {budget.trials:,}"] if budget.trials is not None else []
    allowed = [f"of {format_seconds(budget.seconds)}"] if budget.seconds is not None else []
    spent = max(numbers.seconds.values(), default=0.0)
    facts = [
        *_judged(numbers),
        *_costs(numbers),
        ("Networks tried", f"{len(numbers.trained):,}", " ".join(ends)),
        ("Time", format_seconds(spent), " ".join(allowed)),
    ]
    if not config.reward.is_quality:
        facts.insert(1, ("Reward", format_reward(best.reward if best else None), config.reward_in_words))
    return [(name, value, "" if value == "-" or "limit -" in remark else remark) for name, value, remark in facts]


def _costs(numbers: Numbers) -> list[tuple[str, str, str]]:
    """What the best network costs, with the limits."""
    best, limits = numbers.best, numbers.run.config.limits
    known = best.costs if best else {}
    names = {"macs": "MACs", "params": "Parameters"}
    shown = [name for name in in_order([*names, *known]) if name in names or name != "activations" or name in limits]
    return [
        (
            names.get(name, kind_of(name).title.capitalize()),
            kind_of(name).format(known.get(name)),
            f"limit {kind_of(name).format(limits.get(name))}",
        )
        for name in shown
    ]


def _judged(numbers: Numbers) -> list[tuple[str, str, str]]:
    """The best network's accuracy, and its metric where that is another; of regression the metric alone."""
    best, metric = numbers.best, numbers.run.config.recipe.metric
    if numbers.run.config.task == REGRESSION:
        return [(f"Best {metric}", format_quality(metric, best.score if best else None), measured(numbers))]
    called = "exact match" if numbers.run.config.task == MULTILABEL else "accuracy"
    facts = [(f"Best {called}", format_percent(best.accuracy if best else None), measured(numbers))]
    if best and best.score is not None:
        facts.append((f"Its {best.metric}", format_quality(best.metric, best.score), ""))
    return facts


def tiles(numbers: Numbers) -> Markup:
    tiles = [
        tag(
            "div",
            {"class": "tile"},
            tag("span", {"class": "name"}, name),
            tag("strong", None, value),
            tag("span", {"class": "remark"}, remark),
        )
        for name, value, remark in facts(numbers)
    ]
    return tag("div", {"class": "tiles"}, *tiles)


def side_by_side(several: Sequence[Numbers]) -> Markup:
    names = list(dict.fromkeys(name for numbers in several for name, _, _ in facts(numbers)))
    cells = [{name: value for name, value, _ in facts(numbers)} for numbers in several]
    strategies = ["Strategy", *(numbers.run.config.strategy for numbers in several)]
    rows = [strategies, *([name, *(facts.get(name, "-") for facts in cells)] for name in names)]
    rows += [[f"{name} is" if name == "Reward" else name, *values] for name, values in alike.differing(several).items()]
    return text_table(["", *(numbers.run.name for numbers in several)], rows, tuple(range(1, len(several) + 1)))


def curves(several: Sequence[Numbers]) -> Markup:
    """What was reached when."""
    if not any(numbers.rewarded for numbers in several):
        return section("Best so far", tag("p", None, "No trial has ended with a result yet."))
    groups = alike.by_reward(several)
    figures = [drawn for group in groups for drawn in _curves_of(group, _whose(group, groups))]
    words = " or ".join(dict.fromkeys(reward_axis(group).words for group in groups))
    said = f"A dot is a network at its {words}, the line the best so far. Point at a dot on it to see which it is."
    if len(groups) > 1:
        said += " Runs whose rewards measure different things, as the table above says, have axes of their own."
    return section("Best so far", _legend(several), tag("div", {"class": "charts"}, *figures), note(said))


def _curves_of(group: Coloured, whose: str) -> list[Markup]:
    """Of runs with the same reward; of none where no trial has ended with a result."""
    if not any(numbers.rewarded for _, numbers in group):
        return []
    reward = reward_axis(group)
    by_trial = [_progress(n, c, {row.number: i for i, row in enumerate(n.trained, 1)}) for c, n in group]
    by_time = [_progress(n, c, n.seconds) for c, n in group]
    return [
        figure(f"By networks tried{whose}", chart(by_trial, trials_axis(), reward)),
        figure(f"By time{whose}", chart(by_time, Axis("time", time_text, times=True, zero=True), reward)),
    ]


def _whose(group: Coloured, groups: Sequence[Coloured]) -> str:
    """The runs of a chart and what their reward is, where there are several charts."""
    return f": {alike.names(group)}, {group[0][1].run.config.reward_in_words}" if len(groups) > 1 else ""


def costs(several: Sequence[Numbers]) -> Markup | None:
    """What was reached at what cost, with the Pareto front."""
    if not any(numbers.front for numbers in several):
        return None
    groups = [group for group in alike.by_accuracy(several) if any(numbers.front for _, numbers in group)]
    figures = [drawn for group in groups for drawn in _costs_of(group, len(several), len(groups) > 1)]
    said = "On the front are the networks than which none was both cheaper and better."
    if len(groups) > 1:
        said += (
            " Accuracies on other data or after another training are no better or worse: they have axes of their own."
        )
    return section("Accuracy and cost", _legend(several), tag("div", {"class": "charts"}, *figures), note(said))


def _costs_of(group: Coloured, runs: int, apart: bool) -> list[Markup]:
    """Of runs whose accuracies may be compared: those, their rewards, and the front of all."""
    macs, whose = Axis("multiply-adds (MACs)", format_count), f": {alike.names(group)}" if apart else ""
    metric = group[0][1].run.config.recipe.metric
    qualities = [_against(n, c, "macs", lambda row: row.quality, n.front) for c, n in group]
    title = f"{metric.capitalize()} and the Pareto front{whose}"
    figures = [figure(title, chart(qualities, macs, Axis(metric, _written(metric))))]
    by_reward = [[group[at] for at, _ in same] for same in alike.by_reward([numbers for _, numbers in group])]
    for same in by_reward:
        if not same[0][1].run.config.reward.is_quality and any(numbers.rewarded for _, numbers in same):
            rewards = [_against(n, c, "macs", lambda row: row.reward, _best(n), line=False) for c, n in same]
            title = f"Reward{_whose(same, by_reward) or whose}"
            figures.append(figure(title, chart(rewards, macs, reward_axis(same))))
    title = "The front" if runs == 1 else f"The front of {alike.names(group) if apart else 'all'}"
    dear = [_by_cost(cost, group, whose) for cost in in_order(c for _, n in group for c in n.run.config.costs)]
    return [*figures, figure(title, _front([numbers for _, numbers in group])), *filter(None, dear)]


def _by_cost(cost: str, group: Coloured, whose: str) -> Markup | None:
    """What was reached at what other cost than multiply-adds, where that was asked for and found out."""
    if cost == "macs" or not any(cost in row.costs for _, numbers in group for row in numbers.rewarded):
        return None
    metric, kind = group[0][1].run.config.recipe.metric, kind_of(cost)
    fronts = [front(numbers.rewarded, ("accuracy", cost)) for _, numbers in group]
    series = [_against(n, c, cost, lambda row: row.quality, f) for (c, n), f in zip(group, fronts, strict=True)]
    title = f"{metric.capitalize()} and {kind.title}{whose}"
    x, y = Axis(f"{kind.title} ({kind.unit})", kind.format), Axis(metric, _written(metric))
    return figure(title, chart(series, x, y))


def _best(numbers: Numbers) -> list[TrialRow]:
    return [numbers.best] if numbers.best else []


def _front(several: Sequence[Numbers]) -> Markup:
    fronts = [(row, f"{numbers.run.name}:{row.number}") for numbers in several for row in numbers.front]
    together = front([replace(row, number=i) for i, (row, _) in enumerate(fronts)])
    macs, *others = costs_shown(together)

    def figure_of(row: TrialRow, cost: str) -> str:
        return kind_of(cost).format(row.costs.get(cost))

    rows = [
        [
            figure_of(row, macs),
            format_quality(row.metric, row.quality),
            *(figure_of(row, cost) for cost in others),
            fronts[row.number][1],
        ]
        for row in together
    ]
    titles = ["MACs", several[0].run.config.recipe.metric, *(kind_of(cost).title for cost in others)]
    return text_table([*titles, "name"], rows[-TRIALS:], range(len(titles)))


def trials_axis() -> Axis:
    return Axis("networks tried", "{:g}".format, zero=True, whole=True)


def reward_axis(group: Coloured) -> Axis:
    config = group[0][1].run.config
    return (
        Axis(config.recipe.metric, _written(config.recipe.metric))
        if config.reward.is_quality
        else Axis("reward", "{:.3g}".format)
    )


def figure(title: str | Markup, content: Markup) -> Markup:
    return tag("figure", None, tag("figcaption", None, title), content)


def _legend(several: Sequence[Numbers]) -> Markup | None:
    keys = [tag("span", None, key(colour), numbers.run.name) for colour, numbers in enumerate(several)]
    return tag("p", {"class": "legend"}, *keys) if len(several) > 1 else None


def _progress(numbers: Numbers, colour: int, at: dict[int, float] | dict[int, int]) -> Series:
    points = [Point(at[row.number], row.reward or 0.0, _named(row)) for row in numbers.rewarded]
    steps = {step.row.number for step in numbers.steps}
    marked = [p for p, row in zip(points, numbers.rewarded, strict=True) if row.number in steps]
    line = stairs([(p.x, p.y) for p in marked], max(at.values(), default=0.0))
    return Series(colour, points, marked, line)


def _against(
    numbers: Numbers,
    colour: int,
    cost: str,
    value: Callable[[TrialRow], float | None],
    marked: Sequence[TrialRow],
    line: bool = True,
) -> Series:
    known = [(row, row.costs[cost]) for row in numbers.rewarded if cost in row.costs]
    points = {row.number: Point(at, value(row) or 0.0, _named(row)) for row, at in known}
    stand_out = [points[row.number] for row in marked if row.number in points]
    places = stairs([(p.x, p.y) for p in stand_out], 0.0) if line else []
    return Series(colour, list(points.values()), stand_out, places)


def against_random(control: Control) -> Markup:
    """Whether the search was better than chance."""
    header, rows = ["best reward within"], [[control.search.run.name], [control.random.run.name], ["difference"]]
    for within in control.compared:
        budget = f"{within.budget:,} networks" if within.measure == "trials" else format_seconds(within.budget)
        header.append(f"{budget} each")
        for cells, row in zip(rows, (within.search, within.random), strict=False):
            cells.append(f"{format_reward(row.reward)} ({row.judged})")
        rows[-1].append(f"{within.difference:+.4f}")
    names, found = (control.search.run.name, control.random.run.name), control.comparison
    return section(
        f"{names[0]} against random search",
        text_table(header, rows, (1, 2)),
        note(
            (f"All networks of both resampled: {found.verdict}. " if found else "")
            + f"{names[1]} differs from {names[0]} in its strategy and seed alone. These are one search each: how much "
            "such a difference varies from seed to seed, they do not show."
        ),
    )


def best_network(numbers: Numbers) -> Markup | None:
    return section("The best network", portrait(numbers)) if numbers.best else None


def _named(row: TrialRow) -> str:
    reward = f", reward {format_reward(row.reward)}" if row.reward is not None and row.reward != row.quality else ""
    return f"trial {row.number}: {row.judged}{reward}, {format_count(row.macs)} MACs"


def _written(metric: str) -> Callable[[float], str]:
    """How an axis has values of the `metric`."""
    return "{:.3g}".format if metric in AS_NUMBERS else _percent


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
