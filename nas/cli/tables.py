"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nas.baselines.listing import Listed
from nas.baselines.zoo import find
from nas.checks.costs import kind_of
from nas.exports.classifier import Prediction
from nas.joint.fields import as_text
from nas.joint.space import networks_of
from nas.ledger.repeats import Summary, spread_of
from nas.ledger.run import TrialRow, costs_shown
from nas.network import Found, Headed, Scaled
from nas.references.show import Shown, choices_by_group, format_size
from nas.text.columns import table
from nas.text.units import (
    format_count,
    format_many,
    format_percent,
    format_quality,
    format_reward,
    format_seconds,
    format_spread,
)
from searchspaces import Space
from searchspaces.around.space import MEANINGS, AroundSpace
from searchspaces.cost import RowCost
from searchspaces.layers import SMALL_IMAGE
from searchspaces.space import Option


def trials_table(rows: Sequence[TrialRow]) -> str:
    """What `nas top` prints.

    There is a column for each cost that was found out, but for activations, and for each field of a trial's own recipe.
    """
    costs = costs_shown(rows)
    metric = next((row.metric for row in rows if row.score is not None), "")
    chosen = tuple(dict.fromkeys(name for row in rows for name in row.recipe))
    judged = ("accuracy", *filter(None, [metric]))
    titles = (*(kind_of(name).title for name in costs), *chosen)
    header = ("trial", "state", *judged, "reward", *titles, "time", "id", "reason")
    return table(
        header,
        [
            (
                str(row.number),
                str(row.state),
                format_percent(row.accuracy),
                *([format_quality(metric, row.score)] if metric else []),
                format_reward(row.reward),
                *(kind_of(name).format(row.costs.get(name)) for name in costs),
                *(str(row.recipe.get(name, "-")) for name in chosen),
                format_seconds(row.seconds),
                row.id,
                row.reason if row.duplicate_of is None else f"the network of trial {row.duplicate_of}",
            )
            for row in rows
        ],
    )


def predictions_table(predictions: Sequence[Prediction], top: int) -> str:
    """What `nas predict` prints: of each image the most probable class, then the next ones.

    Or its labels with their probabilities, or its numbers, a column for each, or its objects, a line for each.
    """
    if predictions[0].kind == "detection":
        return _objects_table(predictions)
    if predictions[0].kind == "regression":
        names = [name for name, _ in predictions[0].classes]
        numbers = [(str(p.path), *(f"{value:.6g}" for _, value in p.classes)) for p in predictions]
        return table(("image", *names), numbers, words=("image",))
    if predictions[0].kind == "multilabel":
        said = [[f"{name} {format_percent(share)}" for name, share in p.classes[: len(p.labels)]] for p in predictions]
        labels = [(str(p.path), ", ".join(has) or "none") for p, has in zip(predictions, said, strict=True)]
        return table(("image", "labels"), labels, words=("image", "labels"))
    then = [", ".join(f"{name} {format_percent(share)}" for name, share in p.classes[1:top]) for p in predictions]
    rows = [
        (
            str(p.path),
            p.name,
            format_percent(p.classes[0][1]),
            *([others] if top > 1 else []),
        )
        for p, others in zip(predictions, then, strict=True)
    ]
    share = "of the pixels" if predictions[0].kind == "segmentation" else "probability"
    header = ("image", "class", share, *(["then"] if top > 1 else []))
    return table(header, rows, words=("image", "class", "then"))


def _objects_table(predictions: Sequence[Prediction]) -> str:
    """The objects of a score of `SURE` or more, and where they are in pixels; how many others there are."""
    from nas.data.drawn_boxes import SURE

    rows: list[tuple[str, ...]] = []
    for p in predictions:
        sure = [one for one in p.objects if one.score >= SURE]
        rows += [
            (str(p.path), one.name, format_percent(one.score), *(f"{side:.0f}" for side in one.box)) for one in sure
        ]
        rows += [] if sure else [(str(p.path), "none", "", "", "", "", "")]
    header = ("image", "object", "score", "left", "top", "right", "bottom")
    others = sum(one.score < SURE for p in predictions for one in p.objects)
    less = f"\n\n{others:,} boxes of a score below {100 * SURE:.0f} % are left out; --json has them." if others else ""
    return f"{table(header, rows, words=('image', 'object'))}{less}"


def set_table(summary: Summary) -> str:
    """What `nas search --seeds` prints."""
    rows = [
        (name, format_reward(best.reward), format_percent(best.accuracy), format_count(best.macs), str(best.number))
        if best
        else (name, "-", "-", "-", "-")
        for name, best in summary.bests.items()
    ]
    said = table(("run", "best reward", "accuracy", "MACs", "trial"), rows)
    reward = spread_of(summary.figures("reward"))
    if reward is None:
        return f"{said}\n\nno search has a network that was trained to the end."
    together = f"{reward.mean:.4f}" if reward.deviation is None else f"{reward.mean:.4f} ± {reward.deviation:.4f}"
    accuracies = summary.figures("accuracy")
    beside = f", best accuracy {format_spread(accuracies)}" if accuracies else ""
    searches = f"{reward.n} of {len(summary.bests)} searches"
    said_of = f"of {searches}" if reward.n == 1 else f"mean ± standard deviation over {searches}"
    return f"{said}\n\nbest reward {together}{beside}: {said_of}."


SORTS: dict[str, Callable[[Listed], Any]] = {
    "year": lambda n: n.baseline.year,
    "name": lambda n: n.name,
    "params": lambda n: n.cost.params,
    "macs": lambda n: n.cost.macs,
    "top1": lambda n: n.baseline.top1,
    "top5": lambda n: n.baseline.top5,
}


def order_of_baselines(by: str) -> Callable[[Listed], Any]:
    """The key of one of `SORTS`, by which those without a value are last. Raises ValueError for another."""
    if by not in SORTS:
        raise ValueError(f"--sort is one of {', '.join(SORTS)}, not {by!r}")
    return lambda network: (SORTS[by](network) is None, SORTS[by](network))


def baselines_table(networks: Sequence[Listed]) -> str:
    """What `nas baselines` prints."""
    header = ("name", "year", "params", "MACs", "pixels", "MACs at 32", "top-1", "top-5", "of", "paper")
    rows = [
        (
            n.name,
            str(n.baseline.year),
            format_count(n.cost.params),
            format_count(n.cost.macs),
            str(n.image_size),
            format_count(n.cifar10.macs if n.cifar10 else None),
            _error(n.baseline.top1),
            _error(n.baseline.top5),
            n.baseline.data,
            n.baseline.paper,
        )
        for n in networks
    ]
    return (
        f"{table(header, rows)}\n\n{len(rows)} networks. MACs: multiply-adds of convolutions and linear layers for one "
        "image; at 32: of the form for CIFAR-10.\ntop-1, top-5: errors in percent on what they were published of, each "
        "as its paper measured it; `nas baselines show NAME` says how."
    )


def baseline_table(network: Listed, rows: Sequence[RowCost]) -> str:
    """What `nas baselines show` prints."""
    b = network.baseline
    said = [
        f"{network.name}: {b.paper}, {b.year}",
        f"{network.image_size} pixels, {network.num_classes} classes: {network.cost.params:,} parameters, "
        f"{network.cost.macs:,} multiply-adds, {network.cost.activations:,} activations",
    ]
    errors = [f"{kind} {error:g} %" for kind, error in (("top-1", b.top1), ("top-5", b.top5)) if error is not None]
    if errors:
        said.append(f"published error on {b.data}: {', '.join(errors)} ({b.errors})")
    if b.cifar:
        said.append(f"images of up to {SMALL_IMAGE} pixels: {b.cifar}")
    elif b.min_size > 1:
        said.append(f"least image: {b.min_size} pixels")
    said += [f"+{option}: {effect}" for option, effect in b.options.items()]
    return "\n".join(said) + "\n\n" + rows_table(rows)


def rows_table(rows: Sequence[RowCost], words: Sequence[str] = ()) -> str:
    """What each row of a network puts out and costs; with `words` also what it does."""
    header = ("row", "output", "params", "MACs", "layers" if words else "")
    cells = [
        (row.name, format_size(row.output), format_count(row.cost.params), format_count(row.cost.macs), said)
        for row, said in zip(rows, words or [""] * len(rows), strict=True)
    ]
    return table(header, cells, words=["layers"])


def network_table(shown: Shown, own: Mapping[str, Option] = MappingProxyType({})) -> str:
    """What `nas show` prints; `own` is what the network has of a recipe by itself."""
    lines = [shown.title]
    if isinstance(shown.network, Found):
        identity = f"short id {shown.network.space.short_id(shown.network.arch)}"
        lines += [identity, f"{shown.network.text}{as_text(own)}"]
    elif isinstance(shown.network, Scaled | Headed):
        lines.append(shown.network.text)
    else:
        baseline = find(shown.network.name)
        lines.append(f"{baseline.paper}, {baseline.year}")
    lines.append(
        f"{shown.image_size} pixels, {shown.num_classes} classes: {shown.cost.params:,} parameters, "
        f"{shown.cost.macs:,} multiply-adds, {shown.cost.activations:,} activations"
    )
    parts = ["\n".join(lines), rows_table(shown.rows, shown.words)]
    if isinstance(shown.network, Found):
        header, rows = choices_by_group(shown.network)
        parts.insert(1, table(header, rows, words=header))
    return "\n\n".join(parts)


def space_table(space: Space) -> str:
    """What `nas show --space` prints: each choice with its options, and of a space around a network what that has."""
    rows = [[choice.name, _joined(choice.options)] for choice in space.choices]
    header, notes = ["choice", "options"], []
    title = f"{space.title}: {len(space.choices)} choices, {format_many(space.size)} architectures"
    networks = networks_of(space)
    if isinstance(networks, AroundSpace):
        own = networks.options(networks.as_is)
        rows = [
            [*row, str(own.get(row[0], "")), MEANINGS.get(row[0].rpartition(".")[2], "of the recipe")] for row in rows
        ]
        header += ["as it is", "is"]
        notes = [f"left as it is: {name}, since {why}" for name, why in {**networks.held, **networks.left_out}.items()]
    return "\n\n".join([title, table(header, rows, words=header), *(["\n".join(notes)] if notes else [])])


def _joined(options: Sequence[Any]) -> str:
    return ", ".join(f"{option:g}" if isinstance(option, float) else str(option) for option in options)


def _error(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.2f}".rstrip("0").rstrip(".")
