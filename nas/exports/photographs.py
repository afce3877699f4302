"""What an exported file needs to classify a photograph: our own decoding, as source, and what the network is for.

So there is one preprocessing: the text of the functions that read images in training is what is shipped. It needs
Pillow and NumPy, which are imported where a photograph is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from nas.data.image_file import read_image
from nas.data.preprocessing import normalised
from nas.data.task import KIND, Task
from nas.exports.source import Sources, imports_of, run_source
from nas.exports.text import in_docstring, literal, render

CONSTANTS = {"TASK", "METRIC", "CLASS_NAMES", "MEAN", "STD", "WEIGHTS"}  # of network.py
CLASSIFY = "classify.py"  # beside network.onnx
TOLERANCE = 1e-3  # of a probability


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
    preprocessing = task.preprocessing
    constants = (
        f"TASK, METRIC = {literal(KIND)}, {literal(task.metric)}  # what it was trained for, and judged by\n"
        f"CLASS_NAMES = {render(task.class_names, 0)}\n"
        f"MEAN = {preprocessing.mean!r}  # of each channel, of pixels in 0..1\n"
        f"STD = {preprocessing.std!r}\n"
        'WEIGHTS = Path(__file__).with_name("weights.safetensors")'
    )
    return [constants, *(text.rstrip() for text in reading(for_torch=True).texts.values()), _PREDICT.strip("\n")]


_PREDICT = '''
def trained(weights: str | Path = WEIGHTS) -> nn.Module:
    """The network with the weights of a file, ready to predict."""
    model = network()
    model.load_state_dict(read(weights))
    return model.eval()


def predict(photo: str | Path | IO[bytes], model: nn.Module | None = None) -> dict[str, float]:
    """The probability of each class for the image in a file, the likeliest first. By default WEIGHTS are loaded.

    The file is named, or open, as an upload is. The image goes in as images did in training: turned as its EXIF data
    say, on white, its centre square. Raises ValueError where it cannot be read.
    """
    pixels = torch.from_numpy(read_image(photo, IMAGE_SIZE, CHANNELS).copy())[None]
    images = normalised(pixels, MEAN, STD).permute(0, 3, 1, 2)
    with torch.no_grad():
        probabilities = (trained() if model is None else model)(images).softmax(1)[0].tolist()
    return dict(sorted(zip(CLASS_NAMES, probabilities, strict=True), key=lambda pair: -pair[1]))
'''


# ---------------------------------------------------------------------------- beside network.onnx


def classify_source(title: str) -> str:
    """The text of a Python file that classifies photographs by the ONNX file beside it: `classify.py`."""
    sources = reading(for_torch=False)
    imports = {"argparse": ("argparse", ""), "json": ("json", ""), **SAY_IMPORTS, **sources.imports}
    texts = "\n\n\n".join(text.rstrip() for text in sources.texts.values())
    header = _CLASSIFY_HEADER.format(title=in_docstring(title), version=version("nas"))
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


def say(classify: Callable[[Path], dict[str, float]], photos: Sequence[Path], top: int) -> None:
    """Print what is on each photograph; those that cannot be read are named, and the exit code is 2 then."""
    sys.stdout.reconfigure(errors="backslashreplace")  # names of classes may have any character
    unreadable = 0
    for photo in photos:
        try:
            shares = list(classify(photo).items())[:top]
        except ValueError as error:
            print(error, file=sys.stderr)
            unreadable += 1
        else:
            print(f"{photo}  " + ", ".join(f"{name} {share:.1%}" for name, share in shares))
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
    """A function from an image's path, or an open file, to the probability of each class, the likeliest first."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    names, size, mean, std = (json.loads(about[name]) for name in ("class_names", "image_size", "mean", "std"))

    def classify(photo: str | Path | IO[bytes]) -> dict[str, float]:
        pixels = read_image(photo, size, len(mean))  # [size, size, channels]
        image = ((pixels / 255 - mean) / std).astype(np.float32)
        (logits,) = session.run(None, {"images": image.transpose(2, 0, 1)[None]})  # [1, channels, size, size]
        shares = np.exp(logits[0] - logits[0].max())
        shares = (shares / shares.sum()).tolist()
        return dict(sorted(zip(names, shares, strict=True), key=lambda pair: -pair[1]))

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
    say(classifier(options.network), options.photos, options.top)


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


def check_shares(
    name: str, what: str, found: Mapping[str, float], module: nn.Module, task: Task, photograph: Path
) -> None:
    """Raises ValueError where `what` gives others than `module` for the photograph: the file `name` is wrong then."""
    images = task.preprocessing.normalise(task.preprocessing.pixels(photograph)[None])
    with torch.no_grad():
        wanted = dict(zip(task.class_names, module(images).softmax(1)[0].tolist(), strict=True))
    difference = max(abs(found[c] - wanted[c]) for c in wanted) if found.keys() == wanted.keys() else 1.0
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{what} would not give the probabilities of the network for a photograph: they differ by "
            f"{difference:.2g}; {name} is not written"
        )
