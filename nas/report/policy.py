"""The part of a report that says how a strategy's policy learned."""

from __future__ import annotations

from collections.abc import Sequence

from nas.report.charts import Axis, Point, Series, chart
from nas.report.found import trials_axis
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import note, section, text_table
from nas.samplers import has_policy
from nas.samplers.strategy import Update

LISTED = 8  # updates, from the first to the last

FIGURES = {  # fields of `Update`, as a person reads them
    "entropy": "entropy, nats",
    "baseline": "baseline",
    "advantage_mean": "mean advantage",
    "loss": "loss",
    "kl": "KL, nats",
    "clip_fraction": "ratios beyond the clip",
}
MORE = {"mean_reward": "mean reward", "mean_score": "mean score", "advantage_std": "its deviation"}


def policy(numbers: Numbers) -> Markup | None:
    """What each update of the policy did; None of a strategy without one."""
    config = numbers.run.config
    if not has_policy(config.strategy):
        return None
    title = "How the policy learned"
    if not numbers.updates:
        return section(title, note(_why_none(numbers)))
    figures = [_figure(numbers, name, words) for name, words in FIGURES.items()]
    said = (
        f"Each dot is an update of the policy, {len(numbers.updates):,} in all, after so many networks. Entropy is "
        "of a choice, on the mean: 0 when the policy is certain. Advantages are the scores of a batch, by the rewards' "
        "ranks or powers, less the baseline. KL is between the policy before and after the update, in nats of a whole "
        "architecture; the last is the share of probability ratios beyond 1 ± clip."
    )
    return section(title, tag("div", {"class": "charts"}, *figures), _table(numbers), note(said))


def _why_none(numbers: Numbers) -> str:
    run = numbers.run
    if run.config.objectives:
        return "With several objectives the policy is begun anew for each trial, and its updates are not noted."
    if not numbers.rewarded:
        return "The policy has made no update yet."
    return (
        "No update is noted: the policy has not had a whole batch of results yet, or an older version made this run. "
        f"nas resume {run.name} notes those that its trials made."
    )


def _figure(numbers: Numbers, name: str, words: str) -> Markup:
    points = [
        Point(tried, getattr(update, name), f"update {i}, after trial {update.trial}: {words} {_text(update, name)}")
        for i, (update, tried) in enumerate(zip(numbers.updates, numbers.tried, strict=True), start=1)
    ]
    series = Series(0, points, line=[(point.x, point.y) for point in points])
    y = Axis(words, "{:.3g}".format, zero=name in ("entropy", "kl", "clip_fraction"))
    drawn = chart([series], trials_axis(), y)
    return tag("figure", None, tag("figcaption", None, words[0].upper() + words[1:]), drawn)


def _table(numbers: Numbers) -> Markup:
    named = {"trial": "after trial"} | FIGURES | MORE
    rows = [
        [f"{position + 1:,}", *(_text(numbers.updates[position], name) for name in named)]
        for position in _spread(len(numbers.updates))
    ]
    return text_table(["update", *named.values()], rows, tuple(range(len(named) + 1)))


def _spread(count: int) -> Sequence[int]:
    """Positions of the first, the last, and some between."""
    listed = min(count, LISTED)
    return [round(i * (count - 1) / max(1, listed - 1)) for i in range(listed)]


def _text(update: Update, name: str) -> str:
    value = getattr(update, name)
    return f"{value}" if name == "trial" else f"{value:.3g}"
