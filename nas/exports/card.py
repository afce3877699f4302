"""The model card in an export's README.md: what the Hugging Face Hub reads of it, and what people must know.

All of it is from the weights and from the `result.json` that `nas train` wrote beside them. What these do not say is
said to be unknown; nothing is guessed, the license least of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas.checks import schema, schemas
from nas.data.images import GREY, RGB
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, REGRESSION, SEGMENTATION
from nas.data.task import Task
from nas.exports.target import Source
from nas.files import RESULT, WEIGHTS
from nas.network import Designed, Found, Headed, Network, Scaled, below_head
from nas.statistics.proportion import wilson
from nas.text.units import format_percent, format_quality, format_seconds
from nas.text.visible import visible_in_line
from nas.training.announcement import recipe_line
from nas.training.recipe import Recipe
from searchspaces.cost import cost

LOWEST = 3  # classes whose recall is said
HUB_DATA = ("cifar10", "cifar100")
"""Data sets of ours that the Hub has by the same name."""
KNOWN_DATA = {
    **dict.fromkeys(("shapes", "shapes2"), "The images are drawn by nas: no photograph is among them."),
    **dict.fromkeys(
        HUB_DATA,
        "The images are those of A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009); under "
        "which terms they may be used is not known here.",
    ),
}
"""What there is to say of the images of data sets of ours."""
HUB_METRICS = {
    "balanced-accuracy": "balanced_accuracy",
    "macro-f1": "f1",
    "auc": "roc_auc",
    "average-precision": "average_precision",
    "exact-match": "exact_match",
    "r2": "r_squared",
    "spearman": "spearmanr",
}
"""What the Hub calls a metric, where it has another name than ours."""


def result_of(source: Source) -> dict[str, Any] | None:
    """What the training of the weights came to, where its result lies beside them; None where it does not.

    Raises ValueError where that is damaged.
    """
    if source.weights is None or source.weights.path.name != WEIGHTS:
        return None  # a result.json is of the weights.safetensors beside it
    path = source.weights.path.with_name(RESULT)
    return schema.read(path, schemas.RESULT) if path.is_file() else None


def code(text: str) -> str:
    """What others chose, as names of classes, as code in which Markdown does nothing."""
    return f"`{visible_in_line(text).replace('`', chr(39))}`"


# ---------------------------------------------------------------------------- for the Hub


def front_matter(source: Source, license: str | None) -> str:
    """The YAML that a card begins with, each value as JSON, which YAML has within it."""
    task, searched = source.task, _is_searched(source.network)
    fields: dict[str, Any] = {
        "license": license or "unknown",
        "library_name": "nas-toolkit",
        "tags": ["image-classification", *(["neural-architecture-search"] if searched else [])],
    }
    if task is not None and (kind := _HUB_TASKS.get(task.targets.kind)):
        fields["tags"][0] = kind
        if kind != _HUB_TASKS[REGRESSION] and task.preprocessing.channels in (GREY, RGB):
            fields["pipeline_tag"] = kind
    elif task is not None and task.preprocessing.channels in (GREY, RGB):
        fields["pipeline_tag"] = "image-classification"
    if task is not None and task.data in HUB_DATA:
        fields["datasets"] = [task.data]
    if task is not None:
        fields["metrics"] = [_hub_metric(task.metric)]
    if task is not None and (result := result_of(source)) is not None:
        fields["model-index"] = [_index(source, task, result)]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---", ""])


def _index(source: Source, task: Task, result: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured on the test images, as the Hub shows it."""
    kind = task.data.partition(":")[0]
    name = visible_in_line(without_folders(task.data)) or "unknown"
    metrics = [
        {"type": _hub_metric(metric), "value": round(value, 4), "name": f"test {metric}"}
        for split, metric, value in _measured(task, result)
        if split == "test"
    ]
    of = {
        "task": {"type": _HUB_TASKS.get(task.targets.kind, "image-classification")},
        "dataset": {"name": name, "type": {"folder": "imagefolder"}.get(kind, kind) or "unknown", "split": "test"},
        "metrics": metrics,
    }
    return {"name": visible_in_line(source.network.name), "results": [of]}


_HUB_TASKS = {
    REGRESSION: "image-regression", SEGMENTATION: "image-segmentation", DETECTION: "object-detection",
}  # fmt: skip


def _hub_metric(metric: str) -> str:
    return HUB_METRICS.get(metric, metric)


def without_folders(data: str) -> str:
    """The name of data without the path of this machine that old runs have in it: `folder:/home/me/x`."""
    kind, colon, place = data.partition(":")
    return f"{kind}{colon}{Path(place).name}" if "/" in place else data


def _measured(task: Task, result: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """What a training's result has: on which images (`test`, `val`), by which metric, how much."""
    right = {MULTILABEL: "exact-match", SEGMENTATION: "pixel-accuracy"}.get(task.targets.kind, "accuracy")
    for split in ("test", "val"):
        if (score := result.get(f"{split}_score")) is not None:
            yield split, task.metric, score
        if (accuracy := result[f"{split}_accuracy"]) is not None and (score is None or task.metric != right):
            yield split, right, accuracy


# ---------------------------------------------------------------------------- for people


def sections(source: Source, pruned: float | None, license: str | None) -> str:
    """What stands below the lines on the files; no line of it begins as one of those does."""
    task, result = source.task, result_of(source)
    parts = {
        "Intended use": _use(task),
        "Data": _data(task, result),
        "Training": _training(source, result),
        "Results": _results(source, task, result, pruned),
        "Costs": _costs(source, result),
        "Limits": _limits(task, source.trained),
        "License": _license(license),
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items())


def _use(task: Task | None) -> str:
    if task is None:
        return "To be trained, or used by those who know how its images were prepared: that is not known here."
    said = {
        CLASSIFICATION: "It names one of its classes for every image, also where the image shows none of them.",
        MULTILABEL: "It says of each of its labels whether the image has it, and knows no others.",
        SEGMENTATION: "It names one of its classes for every pixel, also where it shows none of them.",
        DETECTION: "It finds objects of its classes alone, and says with each how sure it is.",
        REGRESSION: "It gives its numbers for every image, also where the image has nothing to do with them.",
    }[task.targets.kind]
    return f"For images like those that it was trained on. {said} Whether it is fit for any other use is not known."


def _data(task: Task | None, result: Mapping[str, Any] | None) -> str:
    if task is None or not task.data:
        return "Not known."
    counts = (result or {}).get("images")
    split = "How many images it was trained on is not known."
    if counts:
        split = (
            f"It was trained on {counts['train']:,} images, judged on {counts['validation']:,} validation images, and "
            f"tested once on {counts['test']:,} test images."
        )
    return f"{code(without_folders(task.data))}. {split} " + KNOWN_DATA.get(
        task.data, "Who made the images, under which terms, and whom or what they leave out, is not known here."
    )


def _training(source: Source, result: Mapping[str, Any] | None) -> str:
    """By which recipe, from what, on what."""
    kind = _kind(source.network)
    if not source.trained:
        return f"It is {kind}, and has random weights."
    if result is None or "recipe" not in result:
        return f"It is {kind}. How its weights were trained is not known."
    if soup := result.get("soup"):
        inside = next(len(mixed["members"]) for mixed in soup["mixed"] if mixed["name"] == soup["mix"])
        return f"It is {kind}. It is the mean of the weights that {inside} trainings of it ended with, a model soup."
    start = "weights of an earlier training" if result.get("start") else "random weights"
    taught = " It learnt from a teacher, beside the labels." if result.get("teacher") else ""
    known = result.get("versions", {})
    by = ", ".join(f"{name} {visible_in_line(known[name])}" for name in ("nas", "torch", "python") if name in known)
    return (
        f"It is {kind}. Its training: {recipe_line(Recipe(**result['recipe']))}. It began from {start}, with seed "
        f"{result.get('seed', 'unknown')}.{taught}{f' Versions: {by}.' if by else ''}"
    )


def _is_searched(network: Network) -> bool:
    return not isinstance(below_head(network), Designed)


def _kind(network: Network) -> str:
    if isinstance(network, Headed):
        does = "that finds objects" if network.detects else "for every pixel"
        return f"{_kind(network.base)} with the head {network.head} {does}"
    if isinstance(network, Designed):
        return "a hand-designed network"
    found: Found = network.base if isinstance(network, Scaled) else network
    larger = ", scaled" if isinstance(network, Scaled) else ""
    return f"an architecture of the search space {code(found.space.name)}{larger}"


def _results(source: Source, task: Task | None, result: Mapping[str, Any] | None, pruned: float | None) -> str:
    """What was measured, with the interval of each share of images."""
    if task is None or result is None:
        return "None is known here."
    counts = result.get("images", {})
    images = {"test": counts.get("test"), "val": counts.get("validation")}
    many = {split: "unknown" if count is None else f"{count:,}" for split, count in images.items()}
    rows = [
        f"| {'test' if split == 'test' else 'validation'} | {metric} | {format_quality(metric, value)} "
        f"| {_interval(metric, value, images[split])} | {many[split]} |"
        for split, metric, value in _measured(task, result)
    ]
    off = result.get("by_number")
    errors = [
        f"{code(name)} is off by {mae:.3g} on average (RMSE {rmse:.3g})."
        for name, mae, rmse in (zip(task.class_names, off["mae"], off["rmse"], strict=True) if off else ())
    ]
    changed = [f"pruned to {100 * (1 - pruned):g} % of its weights"] if pruned else []
    if source.weights is not None and source.weights.image_size not in (None, source.shape[1]):
        changed.append(f"built for {source.shape[1]} pixels in place of {source.weights.image_size}")
    before = f" These figures are from before it was {' and '.join(changed)}." if changed else ""
    return "\n".join([
        "| images | figure | value | 95 % interval | how many |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        " ".join([*_lowest(task, result), *errors, _READING + before]),
    ])  # fmt: skip


_READING = (
    "The interval (Wilson's) is of what other images like these would give. It does not cover chance in the training: "
    "this is one, and how far another seed would be from it is not known. Validation images may have chosen the "
    "network, its recipe or its epoch, and then flatter it."
)


def _interval(metric: str, share: float, count: int | None) -> str:
    """Of a share of images; other figures are none."""
    if metric not in ("accuracy", "exact-match", "top5") or not count:
        return "unknown"
    low, high = wilson(share, count)
    return f"{100 * low:.1f} to {format_percent(high)}"


def _lowest(task: Task, result: Mapping[str, Any]) -> list[str]:
    """The classes that are recognised least, since a mean does not show them."""
    by_class = result.get("by_class", {})
    if "recall" not in by_class or len(by_class["recall"]) != len(task.class_names):
        return []
    what = "pixels" if task.targets.kind == SEGMENTATION else "images"
    all_of_them = zip(by_class["recall"], by_class[what], task.class_names, strict=True)
    there = sorted(each for each in all_of_them if each[1])[:LOWEST]
    said = ", ".join(f"{code(name)} {format_percent(recall)} of {count:,.0f}" for recall, count, name in there)
    return (
        [f"Recognised least of the test images{'' if what == 'images' else f', in {what}'}: {said}."] if there else []
    )


def _costs(source: Source, result: Mapping[str, Any] | None) -> str:
    size = cost(source.module, source.shape[1], source.channels)
    text = (
        f"{size.params:,} parameters, {size.macs:,} multiply-adds and {size.activations:,} activations for one image. "
        "How long it takes on a device is not known here."
    )
    if result is not None and "seconds" in result:
        where = f" on {visible_in_line(result['device'])}" if "device" in result else ""
        count = result.get("threads") if result.get("device") == "cpu" else None
        threads = "" if count is None else f", {count} thread{'s' if count > 1 else ''}"
        text += f" Its training took {format_seconds(result['seconds'])}{where}{threads}."
    if _is_searched(source.network):
        text += " What the search for it took is not known here."
    return text


def _limits(task: Task | None, trained: bool) -> str:
    if not trained:
        return "It has learnt nothing."
    sure = {
        CLASSIFICATION: " Whether its probabilities are as often right as they say was not measured.",
        MULTILABEL: " Whether its probabilities are as often right as they say was not measured.",
    }.get(task.targets.kind if task else "", "")
    return (
        f"All figures are of the network in float32; of a file in int8 its line above says what was measured.{sure} "
        "How it does on images from elsewhere, in other light, of other people, or made to deceive it, nobody has "
        "measured."
    )


def _license(license: str | None) -> str:
    if license is not None:
        return f"{code(license)}, as was said when it was exported."
    return (
        "Not known: under which terms these weights may be used, those have to say who trained them, with those of the "
        "images in mind. It was exported without `--license`."
    )
