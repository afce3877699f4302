"""What a fusion came to, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from nas.data.targets import CLASSIFICATION
from nas.fusion.errors import Pair
from nas.fusion.results import Alone, Fusion, Voted
from nas.statistics.differences import Interval
from nas.text.columns import table
from nas.text.units import AS_NUMBERS, format_count, format_percent, format_quality
from nas.text.visible import visible_in_line

MOST_PAIRS = 10  # more of them are in the JSON alone
MOST_CLASSES = 20  # likewise


def in_words(fusion: Fusion) -> str:
    """Tables of the networks, of their classes, of how alike they err, of the votes and of greedy selection."""
    parts = [
        f"Each network alone, by {fusion.metric}. {_images(fusion)}",
        _alone(fusion),
        *_classes(fusion),
        *_errors(fusion),
        "Votes. Weights are fitted on validation images; gain: beside the best network",
        "alone, of the same test images.",
        _votes(fusion.votes, fusion.metric),
        *_weights(fusion),
        "Greedy selection, by validation images.",
        _steps(fusion),
        "",
        _verdict(fusion),
    ]
    return "\n".join(parts)


def _images(fusion: Fusion) -> str:
    return f"Intervals are of 95 %, of {fusion.images['test']:,} test images."


def _alone(fusion: Fusion) -> str:
    rows = [
        (
            f"{one.name}{' *' if one.name == fusion.best else ''}",
            format_quality(fusion.metric, one.val),
            format_quality(fusion.metric, one.test),
            _between(one.interval, fusion.metric),
            format_count(one.size.macs),
            format_count(one.size.params),
        )
        for one in fusion.alone
    ]
    header = ("network", "val", "test", "interval", "MACs", "params")
    return f"{table(header, rows, words=('network',))}\n\n* the best by validation images\n"


def _classes(fusion: Fusion) -> list[str]:
    """By class, or label or number: what each network comes to, as columns, and which is the best."""
    what = "class" if fusion.task == CLASSIFICATION else "output"
    said = f"Validation images of each {what}, by {fusion.of_each_called}; networks in the order above."
    if len(fusion.class_names) > MOST_CLASSES:
        best = [f"{one.name} {len(one.best_on)}" for one in fusion.alone]
        return [f"Best on how many of the {len(fusion.class_names)} classes: {', '.join(best)}.\n"]
    numbers = [str(number) for number in range(1, len(fusion.alone) + 1)]
    rows = [
        (visible_in_line(name), *(_of_class(fusion, one, number) for one in fusion.alone), _best_on(fusion.alone, name))
        for number, name in enumerate(fusion.class_names)
    ]
    return [said, table((what, *numbers, "best"), rows, words=(what, "best")), ""]


def _of_class(fusion: Fusion, one: Alone, number: int) -> str:
    share = one.of_each[number]
    return f"{share:.3f}" if fusion.metric in AS_NUMBERS else format_percent(share)


def _best_on(alone: Sequence[Alone], name: str) -> str:
    return ", ".join(one.name for one in alone if name in one.best_on)


def _errors(fusion: Fusion) -> list[str]:
    shown = fusion.pairs[:MOST_PAIRS]
    more = f"; {len(fusion.pairs) - len(shown)} more pairs are in the JSON" if len(fusion.pairs) > len(shown) else ""
    known = shown[0].both_wrong is not None
    said = f"Errors on validation images, the least alike first{more}."
    any_right = "" if fusion.any_right is None else f"At least one is right: {format_percent(fusion.any_right)}.\n"
    header = ("pair", "correlation", *(("Q", "kappa", "both wrong", "by chance", "alike") if known else ()))
    numbers = {one.name: str(number) for number, one in enumerate(fusion.alone, start=1)}
    order = [numbers[one.name] for one in fusion.alone]
    rows = [(f"{order[p.first]} and {order[p.second]}", f"{p.correlation:.2f}", *_counted(p)) for p in shown]
    return [said, table(header, rows, words=("pair",)), "", *([any_right] if any_right else [])]


def _counted(pair: Pair) -> tuple[str, ...]:
    if pair.both_wrong is None:
        return ()
    shares = (pair.both_wrong, pair.by_chance, pair.alike)
    return f"{pair.q:.2f}", f"{pair.kappa:.2f}", *(format_percent(share) for share in shares)


def _votes(votes: Sequence[Voted], metric: str) -> str:
    rows = [
        (
            vote.name,
            format_quality(metric, vote.val),
            format_quality(metric, vote.test),
            _between(vote.interval, metric),
            _gain(vote.gain, metric),
            format_count(vote.size.macs),
            format_count(vote.size.params),
        )
        for vote in votes
    ]
    return table(("vote", "val", "test", "interval", "gain", "MACs", "params"), rows, words=("vote", "gain")) + "\n"


def _weights(fusion: Fusion) -> list[str]:
    """`weighted: resnet8 0.42, shufflenet 0.31, ...`: a line for each vote but those by class."""
    lines = []
    for vote in fusion.votes:
        one_each = {name: weight for name, weight in vote.weights.items() if isinstance(weight, float)}
        if vote.name != "uniform" and one_each:
            counted = [f"{name} {weight:.2f}" for name, weight in one_each.items() if weight]
            lines.append(f"{vote.name}: {', '.join(counted)}")
    return [*lines, ""]


def _steps(fusion: Fusion) -> str:
    rows = [
        (str(number), step.name, format_quality(fusion.metric, step.val), format_quality(fusion.metric, step.test))
        for number, step in enumerate(fusion.steps, start=1)
    ]
    return table(("step", "added", "val", "test"), rows, words=("added",))


def _verdict(fusion: Fusion) -> str:
    """What the vote that is best on validation images gains, and what that costs."""
    chosen = max(fusion.votes, key=lambda vote: vote.val)
    best = next(one for one in fusion.alone if one.name == fusion.best)
    times = chosen.size.macs / best.size.macs
    shows = "" if chosen.gain.shows else ", which may be none,"
    points = "" if fusion.metric in AS_NUMBERS else " points"
    return (
        f"By validation images the {chosen.name} vote is the best. It gains {_gain(chosen.gain, fusion.metric)}{points}"
        f"{shows} on {best.name} for {times:.1f} times its MACs: one network of {format_count(chosen.size.macs)} MACs "
        "may do as well, and is to be beaten first."
    )


def _between(of: Interval, metric: str) -> str:
    if metric in AS_NUMBERS:
        return f"{of.low:.3f} to {of.high:.3f}"
    return f"{100 * of.low:.1f} to {100 * of.high:.1f}"


def _gain(of: Interval, metric: str) -> str:
    """`+2.1 (1.4 to 2.8)`, in points of a percent; of r2 and spearman as they are."""
    factor, digits = (1, 3) if metric in AS_NUMBERS else (100, 1)
    values = [round(factor * value, digits) + 0.0 for value in (of.estimate, of.low, of.high)]
    return f"{values[0]:+.{digits}f} ({values[1]:.{digits}f} to {values[2]:.{digits}f})"
