"""`nas predict`."""

from __future__ import annotations

import csv as csv_files
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import common, completion, panels
from nas.cli.options import Json, RunsDir, Threads
from nas.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nas.exports.classifier import Prediction


def predict(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            autocompletion=completion.networks,
            help="What was trained: RUN:best or RUN:17, nas train's folder, an exported .onnx or .pt2 file.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files, and folders of them.")],
    top: Annotated[
        int,
        typer.Option(
            "--top", "-n", help="So many classes of each image, the likeliest first.", rich_help_panel=panels.OUTPUT
        ),
    ] = 3,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="weights.safetensors of nas train, for a network that has none by its name.",
            rich_help_panel=panels.NETWORKS,
        ),
    ] = None,
    threads: Threads = 1,
    runs_dir: RunsDir = Path("runs"),
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print CSV: a line for each class of each image.", rich_help_panel=panels.OUTPUT),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is on photographs.

    They go in as the images did in the network's training: turned upright, the centre square, at its pixels.
    """
    common.load_torch()
    from nas.cli.tables import predictions_table
    from nas.devices.device import choose_device
    from nas.exports.classifier import Classifier, image_files
    from nas.text.live import passing
    from nas.training.announcement import class_list

    common.one_format(as_csv, as_json)
    choose_device("cpu", threads)
    files = image_files(images)
    classifier = Classifier.load(network, runs_dir, weights)
    task = classifier.task
    classes = f"{len(task.class_names)}: {class_list(task.class_names)}{f', as in {task.data}' if task.data else ''}"
    common.say(as_json or as_csv)(
        f"network   {classifier.words}\n"
        f"classes   {classes}\n"
        f"images    {len(files):,}, at {task.preprocessing.image_size} pixels\n"
    )
    with passing("looking at the images", sys.stderr):
        predictions = list(classifier.predict(files))
    readable = [prediction for prediction in predictions if not prediction.reason]
    if as_json:
        common.print_json([_as_json(prediction, top) for prediction in predictions])
    elif as_csv:
        _print_csv(readable, top)
    elif readable:
        common.to_stdout(predictions_table(readable, top))
    unreadable = [prediction.reason for prediction in predictions if prediction.reason]
    if unreadable:
        for reason in unreadable:
            common.to_stderr(f"nas: {reason}")
        raise typer.Exit(2)


def _as_json(prediction: Prediction, top: int) -> dict[str, object]:
    classes = [{"class": name, "probability": share} for name, share in prediction.classes[:top]]
    return {"image": str(prediction.path), "classes": classes, "reason": prediction.reason}


def _print_csv(predictions: Iterable[Prediction], top: int) -> None:
    out = csv_files.writer(sys.stdout)
    out.writerow(["image", "rank", "class", "probability"])
    for prediction in predictions:
        for rank, (name, share) in enumerate(prediction.classes[:top], start=1):
            out.writerow([visible(str(prediction.path)), rank, visible(name), f"{share:.6f}"])
