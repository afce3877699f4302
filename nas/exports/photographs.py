"""What an exported file needs to classify a photograph: our own decoding, as source, and what the network is for.

So there is one preprocessing: the text of the functions that read images in training is what is shipped. It needs
Pillow and NumPy, which are imported where a photograph is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn

import nas
from nas.data.image_file import read_image
from nas.data.preprocessing import normalised
from nas.data.targets import CLASSIFICATION, MULTILABEL, REGRESSION
from nas.data.task import Task
from nas.exports.source import Sources, imports_of, run_source
from nas.exports.text import in_docstring, literal, render
from nas.training.evaluation import framed

CONSTANTS = {"TASK", "METRIC", "CLASS_NAMES", "MEAN", "STD", "FIT", "TARGET_MEAN", "TARGET_STD", "WEIGHTS"}  # its own
CLASSIFY = "classify.py"  # beside network.onnx
TOLERANCE = 1e-3  # of a probability, or of a number in standard deviations


@cache
def reading(for_torch: bool) -> Sources:
    """The definitions that turn a file into pixels, and with PyTorch also pixels into a network's input."""
    sources = Sources([])
    for function in (read_image, normalised) if for_torch else (read_image,):
        sources.add(function)
    return sources


# ---------------------------------------------------------------------------- in network.py


def for_network(task: Task) -> list[str]:
    """The parts of a Python file by which its network classifies photographs."""
    preprocessing, targets = task.preprocessing, task.targets
    numbers = (
        f"TARGET_MEAN = {targets.mean!r}  # of each number, by which it was standardised\n"
        f"TARGET_STD = {targets.std!r}\n"
    )
    constants = (
        f"TASK, METRIC = {literal(targets.kind)}, {literal(task.metric)}  # what it was trained for, and judged by\n"
        f"CLASS_NAMES = {render(task.class_names, 0)}\n"
        f"MEAN = {preprocessing.mean!r}  # of each channel, of pixels in 0..1\n"
        f"STD = {preprocessing.std!r}\n"
        f"FIT = {literal(preprocessing.fit)}  # of an image that is no square: crop, its centre, or pad, all of it\n"
        f"{numbers if targets.kind == REGRESSION else ''}"
        'WEIGHTS = Path(__file__).with_name("weights.safetensors")'
    )
    return [
        constants,
        *(text.rstrip() for text in reading(for_torch=True).texts.values()),
        _predict(targets.kind).strip("\n"),
    ]


def _predict(kind: str) -> str:
    """The functions of a network.py that give what its task has."""
    said = _SAID[kind]
    return _PREDICT.replace("WHAT_IS_GIVEN", said.given).replace("WHAT_IT_IS", said.computed)


@dataclass(frozen=True)
class _Said:
    """What a network's outputs say, as text of programs: in words, and as computed by PyTorch."""

    given: str
    computed: str


_SORTED = "dict(sorted(zip(CLASS_NAMES, probabilities, strict=True), key=lambda pair: -pair[1]))"
_SAID = {
    CLASSIFICATION: _Said(
        "The probability of each class for the image in a file, the likeliest first.",
        f"probabilities = outputs.softmax(1)[0].tolist()\n    return {_SORTED}",
    ),
    MULTILABEL: _Said(
        "The probability of each label for the image in a file, the likeliest first: above 0.5 the image has it.",
        f"probabilities = outputs.sigmoid()[0].tolist()\n    return {_SORTED}",
    ),
    REGRESSION: _Said(
        "Each number, in its units, for the image in a file.",
        "numbers = outputs[0] * torch.tensor(TARGET_STD) + torch.tensor(TARGET_MEAN)\n"
        "    return dict(zip(CLASS_NAMES, numbers.tolist(), strict=True))",
    ),
}


_PREDICT = '''
def trained(weights: str | Path = WEIGHTS) -> nn.Module:
    """The network with the weights of a file, ready to predict."""
    model = network()
    model.load_state_dict(read(weights))
    return model.eval()


def predict(photo: str | Path | IO[bytes], model: nn.Module | None = None) -> dict[str, float]:
    """WHAT_IS_GIVEN

    By default WEIGHTS are loaded. The file is named, or open, as an upload is. The image goes in as images did in
    training: turned as its EXIF data say, on white, made square by FIT. Raises ValueError where it cannot be read.
    """
    pixels = torch.from_numpy(read_image(photo, IMAGE_SIZE, CHANNELS, FIT).copy())[None]
    images = normalised(pixels, MEAN, STD).permute(0, 3, 1, 2)
    with torch.no_grad():
        outputs = (trained() if model is None else model)(images)
    WHAT_IT_IS
'''


# ---------------------------------------------------------------------------- beside network.onnx


def classify_source(title: str) -> str:
    """The text of a Python file that classifies photographs by the ONNX file beside it: `classify.py`."""
    sources = reading(for_torch=False)
    imports = {"argparse": ("argparse", ""), "json": ("json", ""), **SAY_IMPORTS, **sources.imports}
    texts = "\n\n\n".join(text.rstrip() for text in sources.texts.values())
    header = _CLASSIFY_HEADER.format(title=in_docstring(title), version=nas.__version__)
    return (
        f"{header}\n\n{imports_of(imports, sources.for_types)}\n\n{texts}\n\n\n{SAY.strip()}\n\n\n{_CLASSIFY.strip()}\n"
    )


_CLASSIFY_HEADER = '''"""What is on a photograph, by network.onnx: python classify.py PHOTO...

It needs ONNX Runtime, NumPy and Pillow, and neither PyTorch nor nas. Classes, pixels, mean and deviation are in the
metadata of network.onnx. Of {title}. Written by nas {version}.
"""'''

SAY = '''
def need(packages: dict[str, str]) -> None:
    """End with what to install, by the modules that are wanted, where one of them is missing."""
    if missing := [package for module, package in packages.items() if find_spec(module) is None]:
        sys.exit(f"photographs need what is not installed here: pip install {' '.join(missing)}")


def words(task: str, said: dict[str, float], top: int) -> str:
    """What is printed of an image: its likeliest classes, the labels that it has, or its numbers."""
    if task == "regression":
        return ", ".join(f"{name} {number:.6g}" for name, number in said.items())
    shares = list(said.items())[:top]
    if task == "multilabel":
        shares = [(name, share) for name, share in said.items() if share > 0.5]
    return ", ".join(f"{name} {share:.1%}" for name, share in shares) or "none of the labels"


def say(classify: Callable[[Path], dict[str, float]], task: str, photos: Sequence[Path], top: int) -> None:
    """Print what is on each photograph; those that cannot be read are named, and the exit code is 2 then."""
    sys.stdout.reconfigure(errors="backslashreplace")  # names of classes may have any character
    unreadable = 0
    for photo in photos:
        try:
            said = classify(photo)
        except ValueError as error:
            print(error, file=sys.stderr)
            unreadable += 1
        else:
            print(f"{photo}  {words(task, said, top)}")
    if unreadable:
        sys.exit(2)
'''
SAY_IMPORTS = {
    "sys": ("sys", ""),
    "find_spec": ("importlib.util", "find_spec"),
    "Callable": ("collections.abc", "Callable"),
    "Sequence": ("collections.abc", "Sequence"),
}

_CLASSIFY = '''
def classifier(file: str | Path = Path(__file__).with_name("network.onnx")) -> Any:
    """A function from an image's path, or an open file, to what the network says of it.

    That is the probability of each class, or of each label, the likeliest first, or each number in its units. `task` is
    an attribute of it: classification, multilabel or regression.
    """
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    names, size, mean, std = (json.loads(about[name]) for name in ("class_names", "image_size", "mean", "std"))
    task = about.get("task", "classification")

    def classify(photo: str | Path | IO[bytes]) -> dict[str, float]:
        pixels = read_image(photo, size, len(mean), about.get("fit", "crop"))  # [size, size, channels]
        image = ((pixels / 255 - mean) / std).astype(np.float32)
        (logits,) = session.run(None, {"images": image.transpose(2, 0, 1)[None]})  # [1, channels, size, size]
        if task == "regression":
            numbers = logits[0] * json.loads(about["target_std"]) + json.loads(about["target_mean"])
            return dict(zip(names, numbers.tolist(), strict=True))
        if task == "multilabel":
            shares = (1 / (1 + np.exp(-logits[0].astype(float)))).tolist()
        else:
            shares = np.exp(logits[0] - logits[0].max())
            shares = (shares / shares.sum()).tolist()
        return dict(sorted(zip(names, shares, strict=True), key=lambda pair: -pair[1]))

    classify.task = task
    return classify


def main() -> None:
    parser = argparse.ArgumentParser(description="Say what is on photographs.")
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument("--network", type=Path, default=Path(__file__).with_name("network.onnx"))
    parser.add_argument("--top", type=int, default=3, help="so many classes, the likeliest first")
    options = parser.parse_args()
    need({"numpy": "numpy", "PIL": "pillow", "onnxruntime": "onnxruntime"})
    if not options.network.is_file():
        sys.exit(f"there is no file {options.network}")
    classify = classifier(options.network)
    say(classify, classify.task, options.photos, options.top)


if __name__ == "__main__":
    main()
'''


# ---------------------------------------------------------------------------- checked before it is written


def check_network(source: str, module: nn.Module, task: Task) -> None:
    """Raises ValueError where `predict` of a network.py's text does not say of a photograph what `module` does."""
    with tempfile.TemporaryDirectory() as folder:
        photograph = example_photograph(Path(folder), task.preprocessing.channels)
        found = run_source(source, Path(folder, "network.py")).predict(photograph, module)
        check_shares("network.py", "network.py", found, module, task, photograph)


def check_classify(source: str, onnx: bytes, module: nn.Module, task: Task) -> None:
    """Raises ValueError where a classify.py's text, beside the file `onnx`, does not say what `module` does."""
    with tempfile.TemporaryDirectory() as folder:
        photograph = example_photograph(Path(folder), task.preprocessing.channels)
        file = Path(folder, "network.onnx")
        file.write_bytes(onnx)
        found = run_source(source, file).classifier(file)(photograph)
        check_shares(CLASSIFY, CLASSIFY, found, module, task, photograph)


def example_photograph(folder: Path, channels: int = 3) -> Path:
    """A file in `folder`: oblong, lying on its side, partly transparent; an array where no photograph will do."""
    import numpy as np
    from PIL import Image

    if channels not in (1, 3):
        values = torch.randint(256, (40, 56, channels), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        np.save(folder / "image.npy", values.numpy())
        return folder / "image.npy"
    pixels = torch.randint(256, (40, 56, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is on the right
    path = folder / "photograph.png"
    Image.fromarray(pixels.numpy(), "RGBA").save(path, exif=exif)
    return path


def _given(task: Task) -> str:
    return "numbers" if task.targets.kind == REGRESSION else "probabilities"


def check_shares(
    name: str, what: str, found: Mapping[str, float], module: nn.Module, task: Task, photograph: Path
) -> None:
    """Raises ValueError where `what` gives others than `module` for the photograph: the file `name` is wrong then."""
    images = task.preprocessing.normalise(task.preprocessing.pixels(photograph)[None])
    with torch.no_grad():
        said = task.without_bars(framed(task.targets.said(module(images)), images)[0], photograph)
    wanted = dict(zip(task.class_names, task.shares(said), strict=True))
    units = dict(zip(task.class_names, task.targets.std or [1.0] * len(wanted), strict=True))  # a number's, in its own
    difference = max(abs(found[c] - wanted[c]) / units[c] for c in wanted) if found.keys() == wanted.keys() else 1.0
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{what} would not give the {_given(task)} of the network for a photograph: they differ by "
            f"{difference:.2g}; {name} is not written"
        )
