"""`nas predict`."""

from __future__ import annotations

import csv as csv_files
import sys
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.checks.kinds import FLAG, PLACE
from nas.checks.limits import COUNT, Optional
from nas.cli import common
from nas.options import commands, panels
from nas.options.groups import PrintOptions
from nas.options.option import Option, path, several
from nas.text.visible import visible, visible_in_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.exports.classifier import Classifier, Prediction


@dataclass(frozen=True)
class PredictOptions(PrintOptions, commands.PredictOptions):
    """Of `nas predict`."""

    _: KW_ONLY
    top: Annotated[
        int,
        Option(
            COUNT,
            "So many classes of each image, the likeliest first; labels, numbers and objects are all said.",
            panels.OUTPUT,
            flags=("--top", "-n"),
        ),
    ] = 3
    draw: Annotated[
        Path | str | None,
        Option(
            Optional(PLACE),
            "Of a network that says the classes of pixels, or finds objects: write each photograph with these over it "
            "to a new folder.",
            panels.OUTPUT,
            metavar="FOLDER",
        ),
    ] = None
    as_csv: Annotated[
        bool,
        Option(FLAG, "Print CSV: a line for each class of each image.", panels.OUTPUT, flags=("--csv",)),
    ] = False


def predict(asked: PredictOptions) -> None:
    """Say what is on photographs.

    That is the likeliest classes, or the labels above 50 %, or numbers in their units, or objects. They go in
    as the images did in the network's training: turned upright, the centre square, at its pixels.
    """
    common.load_torch()
    from nas.cli.tables import predictions_table
    from nas.devices.device import choose_device
    from nas.exports.classifier import Classifier, check_target, image_files
    from nas.exports.overlays import check_draws, draw
    from nas.text.live import passing

    common.one_format(asked.as_csv, asked.as_json)
    choose_device("cpu", asked.threads)
    if asked.draw is not None and Path(asked.draw).exists():
        raise ValueError(f"{asked.draw} exists: --draw names a new folder")
    weights = path(asked.weights)
    check_target(str(asked.network))
    files, passed = image_files(several(asked.images))
    classifier = Classifier.load(str(asked.network), asked.runs_dir, weights)
    if asked.draw is not None:
        check_draws(classifier.task)
    common.say(asked.as_json or asked.as_csv)(_heading(classifier, len(files), passed))
    with passing("looking at the images", sys.stderr):
        predictions = list(classifier.predict(files))
    readable = [prediction for prediction in predictions if not prediction.reason]
    if asked.as_json:
        common.print_json([_as_json(prediction, asked.top) for prediction in predictions])
    elif asked.as_csv:
        _print_csv(readable, asked.top)
    elif readable:
        common.to_stdout(predictions_table(readable, asked.top))
    if asked.draw is not None:
        draw(readable, classifier.task, Path(asked.draw))
        common.say(asked.as_json or asked.as_csv)(f"wrote {asked.draw}/")
    unreadable = [prediction.reason for prediction in predictions if prediction.reason]
    if unreadable:
        for reason in unreadable:
            common.to_stderr(f"nas: {reason}")
        raise typer.Exit(2)


OUTPUTS = {
    "classification": "classes", "multilabel": "labels", "regression": "numbers", "segmentation": "of pixels",
    "detection": "objects",
}  # fmt: skip


def _heading(classifier: Classifier, count: int, passed: str) -> str:
    """The network and its classes; what it was judged by, where that is not accuracy; how many images there are."""
    from nas.data.task import METRIC
    from nas.training.announcement import class_list

    task = classifier.task
    names = f"{len(task.class_names)}: {class_list(task.class_names)}"
    lines = [
        f"network   {classifier.words}",
        f"{OUTPUTS[task.targets.kind]:10}{names}{f', as in {task.data}' if task.data else ''}",
        *([] if task.metric == METRIC else [f"metric    {visible_in_line(task.metric)}, by which it was judged"]),
        f"images    {count:,}, at {task.preprocessing.image_size} pixels{f'; passed over: {passed}' if passed else ''}",
    ]
    return "\n".join([*lines, ""])


def _as_json(prediction: Prediction, top: int) -> dict[str, object]:
    if prediction.kind == "regression":
        numbers = dict(prediction.classes)
        return {"image": str(prediction.path), "numbers": numbers, "reason": prediction.reason}
    if prediction.kind == "detection":
        objects = [{"class": one.name, "score": one.score, "box": list(one.box)} for one in prediction.objects]
        return {"image": str(prediction.path), "objects": objects, "reason": prediction.reason}
    share_is = "share" if prediction.kind == "segmentation" else "probability"
    classes = [{"class": name, share_is: share} for name, share in prediction.classes[:top]]
    if prediction.kind == "multilabel":
        classes = [{"label": name, "probability": share} for name, share in prediction.classes]
        labels = list(prediction.labels)
        return {"image": str(prediction.path), "labels": labels, "probabilities": classes, "reason": prediction.reason}
    return {"image": str(prediction.path), "classes": classes, "reason": prediction.reason}


def _print_csv(predictions: Sequence[Prediction], top: int) -> None:
    out = csv_files.writer(sys.stdout)
    kind = predictions[0].kind if predictions else "classification"
    if kind == "regression":
        out.writerow(["image", "number", "value"])
        for prediction in predictions:
            for name, value in prediction.classes:
                out.writerow([visible(str(prediction.path)), visible(name), f"{value:.9g}"])
        return
    if kind == "detection":
        out.writerow(["image", "class", "score", "left", "top", "right", "bottom"])
        for prediction in predictions:
            for one in prediction.objects:
                box = [f"{side:.1f}" for side in one.box]
                out.writerow([visible(str(prediction.path)), visible(one.name), f"{one.score:.6f}", *box])
        return
    share_is = "share" if kind == "segmentation" else "probability"
    out.writerow(["image", "rank", "label" if kind == "multilabel" else "class", share_is])
    for prediction in predictions:
        for rank, (name, share) in enumerate(prediction.classes[: None if kind == "multilabel" else top], start=1):
            out.writerow([visible(str(prediction.path)), rank, visible(name), f"{share:.6f}"])
