"""The README.md of an export: what the network is, what it was trained for, how each file is used, a model card.

It goes wherever the files go, so it names nothing of this machine, and what others chose, as names of classes, stands
in it as code, in which Markdown does nothing. Formats that are added to a folder later get their lines in the README.md
that is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

import nas
from nas.data.images import GREY, RGB
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, SEGMENTATION
from nas.data.task import Task, how
from nas.exports.card import code, front_matter, result_of, without_folders
from nas.exports.classifier import Classifier
from nas.exports.files import Written
from nas.exports.photographs import CLASSIFY, check_shares, example_photograph
from nas.exports.steps import ExportStep
from nas.exports.target import Source
from nas.files import ARCHITECTURE, WEIGHTS, read_text, write_atomically
from nas.network import is_of_image
from nas.text.units import format_quality
from searchspaces.cost import cost

README = "README.md"
NAMED = 3  # classes
USE = "- "  # begins each line on the use of a file

NEEDS = {
    "network.py": "PyTorch, NumPy and Pillow",
    WEIGHTS: "nas-toolkit",
    "network.onnx": "ONNX Runtime, NumPy and Pillow",
    "network.pt2": "nas-toolkit",
    "network.int8.onnx": "ONNX Runtime, NumPy and Pillow",
    "network.int8.pt2": "nas-toolkit",
    "network.pte": "nas-toolkit and ExecuTorch",
    "network.int8.pte": "nas-toolkit and ExecuTorch",
    "network.tflite": "nas-toolkit and LiteRT",
}
"""What must be installed where a file classifies a photograph as `_photograph` says; the order of the lines.

What is called `nas` there is to be installed as nas-toolkit."""


def beginning(source: Source, pruned: float | None, license: str | None = None) -> str:
    """All lines above those on the files: they are equal for equal networks."""
    return f"{front_matter(source, license)}{_about(source, pruned)}\n## Files\n"


def _about(source: Source, pruned: float | None) -> str:
    """What it is, in a paragraph."""
    size = cost(source.module, source.shape[1], source.channels)
    title = code(source.network.name)
    zeros = f" {100 * pruned:g} % of its weights are set to zero." if pruned else ""
    about = f"{title} is a network of {size.params:,} parameters and {size.macs:,} multiply-adds (MACs) for one image."
    channels = "" if source.channels == RGB else f" of {source.channels} channel{'s' if source.channels > 1 else ''}"
    pixels = f"It takes images of {source.shape[1]} x {source.shape[1]} pixels{channels}"
    task = source.task
    if task is None:
        state = "It is not trained" if not source.trained else "Its weights do not say how images were normalised"
        classes = f" and has {source.shape[0]} classes."
        return f"# {title}\n\n{about}{zeros}\n{state}, so no file classifies photographs.\n{pixels}{classes}\n"
    known = task.preprocessing
    shown = "a photograph" if known.channels in (GREY, RGB) else "an image, an array in a .npy file,"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (known.mean, known.std))
    return (
        f"# {title}\n\n"
        f"{about}{zeros}\n"
        f"{_says(task, shown)}: {_classes(task)}.\n"
        f"{_trained(source, task, pruned)}\n"
        f"{pixels}: {how(known.channels)}. The mean is {mean}, the standard deviation (std) {std}.\n"
    )


def _says(task: Task, shown: str) -> str:
    """What it says of what is `shown` to it, a photograph or an array."""
    count = len(task.class_names)
    if task.targets.kind == CLASSIFICATION:
        return f"It says which of {count} classes {shown} shows"
    if task.targets.kind == DETECTION:
        of = "one class" if count == 1 else f"{count} classes"
        return (
            f"It finds the objects in {shown}, of {of}. For each of many boxes it gives left, top, right and bottom as "
            "shares of the image's sides, then the probability of each class; of boxes that overlap, those of the "
            "highest probability are to be kept (non-maximum suppression), as `nas predict` does. The classes"
        )
    if task.targets.kind == SEGMENTATION:
        return f"It says of each pixel of {shown} which of {count} classes it shows"
    if task.targets.kind == MULTILABEL:
        return f"It says which of {count} labels {shown} has, those of a probability above 0.5"
    return f"It gives a number for {shown}" if count == 1 else f"It gives {count} numbers for {shown}"


def _classes(task: Task) -> str:
    """The first of them, and how many there are besides."""
    names, more = [*map(code, task.class_names[:NAMED])], len(task.class_names) - NAMED
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names)} and {more} more" if more > 0 else f"{', '.join(names[:-1])} and {names[-1]}"


def _trained(source: Source, task: Task, pruned: float | None) -> str:
    """For what task and on which data it was trained, by what it was judged, and what that was on the test images."""
    data = f" on {code(without_folders(task.data))}" if task.data else ""
    result, kind = result_of(source), task.targets.kind
    if result is None:
        return f"It was trained for {kind}{data}, and its metric is {task.metric}."
    other = source.weights is not None and source.weights.image_size not in (None, source.shape[1])
    pixels = f" at {source.weights.image_size} pixels" if source.weights and other else ""
    before = " before it was pruned" if pruned else ""
    tested: float = result.get("test_score", result["test_accuracy"])
    reached = f"{task.metric} was {format_quality(task.metric, tested)} on the test images{pixels}{before}"
    return f"It was trained for {kind}{data}, and its {reached}."


def uses(files: Sequence[Written], source: Source, steps: Sequence[ExportStep] = ()) -> list[str]:
    """A line for each of the `files` that is used by itself: what it needs, and what to call."""
    lines, there = [], {file.path.name: file for file in files}
    measured = _steps_of([*there], steps)
    of_image = is_of_image(source.network)
    for name in (name for name in NEEDS if name in there):
        how = _photograph(name, ARCHITECTURE in there, of_image) if source.task else _tensors(name, WEIGHTS in there)
        needed = NEEDS[name] if of_image or name != "network.onnx" else "nas-toolkit and ONNX Runtime"
        needs = f" needs {needed}" if source.task else ""
        if how:
            lines.append(f"{USE}`{name}`{needs}: {how}{_on_devices(there[name], source)}{_in_int8(name, measured)}")
    return lines


def _on_devices(file: Written, source: Source) -> str:
    """Of a .pte or .tflite file what a program on a device has to know."""
    pixels, channels = source.shape[1], source.channels
    if file.path.suffix == ".pte":
        return f". Its method `forward` takes one image [1, {channels}, {pixels}, {pixels}], normalised, in float32"
    if file.path.suffix != ".tflite":
        return ""
    said = (
        f". It takes one image [1, {pixels}, {pixels}, {channels}], normalised, channels last, and gives logits. Both "
        "are int8, for (int8 - zero point) * scale; the file has the zero point and the scale of each"
    )
    if file.arena is not None:
        said += f". A microcontroller needs {file.arena:,} bytes of memory to run it, by tflite-micro"
    return f"{said}. On a microcontroller: {file.reason}" if file.reason else said


def _steps_of(names: Sequence[str], steps: Sequence[ExportStep]) -> dict[str, ExportStep]:
    """Which file in int8 which step has measured: of ONNX and .pt2 the first that was written alone."""
    of_devices = {"int8, pte": "network.int8.pte", "int8, tflite": "network.tflite"}
    first = next((name for name in names if name in ("network.int8.onnx", "network.int8.pt2")), "")
    return {of_devices.get(step.name, first): step for step in steps if step.name.startswith("int8")}


def _in_int8(name: str, measured: Mapping[str, ExportStep]) -> str:
    """What became of a network's quality in int8, which its logits do not show."""
    if ".int8." not in name and name != "network.tflite":
        return ""
    step = measured.get(name)
    shares = {} if step is None else {"test": step.test_accuracy, "validation": step.val_accuracy}
    for images, share in shares.items():
        if step is not None and share is not None:
            return f". In int8 its {step.metric} was {format_quality(step.metric, share)} on the {images} images"
    return ". Its quality in int8 was not measured"


def _photograph(name: str, architecture: bool, of_image: bool) -> str:
    """What says what is on a photograph by the file `name`; nothing for weights that `network.py` alone can use.

    Of ONNX that is a file beside it, where the network says something `of_image`, of the whole of it.
    """
    if name == "network.py":
        return f"`python network.py photo.jpg`, with {WEIGHTS} beside it"
    if name == WEIGHTS:
        return "`nas predict . photo.jpg` in this folder" if architecture else ""
    if name == "network.onnx" and of_image:
        return f"`python {CLASSIFY} photo.jpg`"
    if name.endswith(".onnx") and of_image:
        return f"`python {CLASSIFY} --network {name} photo.jpg`"
    return f"`nas predict {name} photo.jpg`"


def _tensors(name: str, weights: bool) -> str:
    """What computes logits of images that are tensors, by the file `name`."""
    if name == "network.py":
        loaded = f"; network.load_state_dict(network_file.read('{WEIGHTS}'))" if weights else ""
        return f"`import network as network_file; network = network_file.network(){loaded}`"
    if name == WEIGHTS:
        return f"`safetensors.torch.load_file('{WEIGHTS}')` has its tensors by their names"
    if name.endswith(".onnx"):
        return f"`onnxruntime.InferenceSession('{name}').run(None, {{'images': images}})`"
    if name.endswith(".pte"):
        return f"`executorch.runtime.Runtime.get().load_program('{name}')` runs it"
    if name.endswith(".tflite"):
        return f"`ai_edge_litert.interpreter.Interpreter('{name}')` runs it"
    int8 = "import torch.ao.quantization.fx._decomposed; " if ".int8." in name else ""
    return f"`{int8}torch.export.load('{name}').module()(images)`"


def lines_there(folder: Path, start: str) -> list[str]:
    """The lines on the files that are in `folder` already, by its README.md.

    Raises ValueError where that is not of the network whose `start` it is given.
    """
    path = folder / README
    if not path.exists():
        return []
    text = read_text(path)
    if not text.startswith(start):
        raise ValueError(
            f"{folder} has a {README} already, not of this network and license: choose another --out, or remove it"
        )
    return [line for line in text.removeprefix(start).splitlines() if line.startswith(USE)]


def write_readme(
    folder: Path,
    start: str,
    there: Sequence[str],
    files: Sequence[Written],
    steps: Sequence[ExportStep],
    source: Source,
    module: nn.Module,
    end: str,
) -> Written:
    """Write the README.md of the files in `folder`, which are of `module`, after what is said `there` of others.

    Those lines stand between `start` and `end`; the `steps` are what was measured of the files.

    Raises ValueError where `nas predict` does not do with them what it says.
    """
    names = [file.path.name for file in files]
    if source.task:
        _check(folder, names, module, source.task)
    lines = dict.fromkeys([*there, *uses(files, source, steps)])
    text = "\n".join([start, *lines, "", end, "", f"Written by nas-toolkit {nas.__version__}.", ""])
    path = folder / README
    write_atomically(path, text)
    return Written(path, path.stat().st_size)


def _check(folder: Path, names: Sequence[str], module: nn.Module, task: Task) -> None:
    """Raises ValueError where `nas predict` gives other probabilities; network.py and classify.py were tried before."""
    targets = [folder / name for name in names if name in ("network.pt2", "network.pte")]
    if ARCHITECTURE in names:
        targets.append(folder)
    with tempfile.TemporaryDirectory() as place:
        photograph = example_photograph(Path(place), task.preprocessing.channels)
        for target in targets:
            (found,) = Classifier.load(str(target.absolute())).predict([photograph])
            check_shares(README, f"`nas predict {target}`", dict(found.classes), module, task, photograph)
