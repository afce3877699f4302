"""What is on a photograph: a trained network, given images as it was in its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch

from nas.data.image_file import is_image, upright_size
from nas.data.listing import Passed, images_below
from nas.data.moved_boxes import out_of_square
from nas.data.splits import no_images
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, REGRESSION, SEGMENTATION, THRESHOLD
from nas.data.task import Task
from nas.detection.detector import Found
from nas.detection.objects import NONE
from nas.exports.formats import Logits, NotInstalled
from nas.exports.runnable import RUNNABLE
from nas.exports.target import read_source
from nas.files import ARCHITECTURE
from nas.training.evaluation import framed

BATCH = 100


@dataclass(frozen=True)
class Object:
    """What a detector found: its class, how sure it is (0..1), and where: left, top, right, bottom in pixels.

    They are those of the photograph, upright, from its left upper corner.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Prediction:
    """The classes of an image, the most probable first: their names and probabilities, which sum to 1.

    In a task of another `kind` (`nas.data.targets`) labels, each with its own probability, the most probable first; or
    numbers in their units, in their order. Of pixels the classes have their shares of these, and `mask` the class of
    each, uint8 `[size, size]` of the square that the network saw, 255 in the bars beside the image. In detection there
    are the `objects` that were found, the surest first, and the classes have the score of their surest one, 0 where
    there is none. Of a file that cannot be read it has the `reason`, and no classes.
    """

    path: Path
    classes: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    kind: str = CLASSIFICATION
    mask: npt.NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    objects: tuple[Object, ...] = ()

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.classes[0][0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the image has, with a probability above a half; empty of other tasks."""
        if self.kind != MULTILABEL:
            return ()
        return tuple(name for name, probability in self.classes if probability > THRESHOLD)


@dataclass(frozen=True)
class Classifier:
    """`logits` of images that went through the `task`'s preprocessing; `words` say whose they are."""

    logits: Logits
    task: Task
    words: str

    @classmethod
    def load(cls, target: str, runs_dir: str | Path = "runs", weights: str | Path | None = None) -> Classifier:
        """A trial that was trained (`RUN:best`), the folder of a training, an exported `.onnx`, `.pt2`, `.pte` or
        `.tflite`.

        With `weights` any network. Raises ValueError where it is untrained, or nothing says what it was trained for.
        """
        path = Path(target)
        if path.suffix[1:] in RUNNABLE:
            return cls._of_program(path)
        check_target(target)
        source = read_source(target, Path(weights) if weights else None, Path(runs_dir))
        task = source.known_task()
        assert source.weights is not None
        module = source.module.eval()

        def logits(images: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                out: torch.Tensor = module(images)
            return out

        return cls(logits, task, f"{source.network.name}, weights of {source.weights.path}")

    @classmethod
    def _of_program(cls, path: Path) -> Classifier:
        program = RUNNABLE[path.suffix[1:]]
        try:
            content = program.checked(path.read_bytes())
            task, logits = Task.from_metadata(program.metadata(content)), program.run(content)
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        except NotInstalled:
            raise
        except Exception as error:  # the many ways of the libraries to say that a file is damaged
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"{path} is no network that nas exported: {reason}") from None
        if task is None:
            raise ValueError(f"{path} does not say which classes it knows: export it again, from trained weights")
        return cls(logits, task, str(path))

    def classify(self, photo: str | Path | IO[bytes]) -> dict[str, float]:
        """The probability of each class for the image in a file, named or open, as an upload is; the likeliest first.

        Of numbers each in its units, in their order.
        Raises ValueError where it cannot be read as an image. Several threads may call it at once.
        """
        pixels = self.task.preprocessing.pixels(photo)[None]
        return dict(self._ranked(self._said(pixels)[0]))

    def predict(self, paths: Sequence[str | Path]) -> Iterator[Prediction]:
        """What is on each image, in this order."""
        files = [Path(path) for path in paths]
        for start in range(0, len(files), BATCH):
            yield from self._batch(files[start : start + BATCH])

    def _batch(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        pixels, reasons = dict[Path, torch.Tensor](), dict[Path, str]()
        for path in paths:
            try:
                pixels[path] = self.task.preprocessing.pixels(path)
            except ValueError as error:
                reasons[path] = str(error)
        said = dict[Path, torch.Tensor]()
        if pixels:
            said = dict(zip(pixels, self._said(torch.stack(list(pixels.values()))), strict=True))
        kind = self.task.targets.kind
        said = {path: self.task.without_bars(of_one, path) for path, of_one in said.items()}
        for path in paths:
            if path in reasons:
                yield Prediction(path, reason=reasons[path], kind=kind)
            else:
                mask = said[path].numpy(force=True) if kind == SEGMENTATION else None
                objects = self._objects(said[path], path) if kind == DETECTION else ()
                yield Prediction(path, self._ranked(said[path]), kind=kind, mask=mask, objects=objects)

    def _said(self, pixels: torch.Tensor) -> torch.Tensor:
        """The probabilities of the classes, in their order, for each of the images that have these pixels; or what the
        task has in their place."""
        images = self.task.preprocessing.normalise(pixels)
        return framed(self.task.targets.said(self._logits(images)), images)

    def _objects(self, said: torch.Tensor, path: Path) -> tuple[Object, ...]:
        """Those of `Found.rows` of one image, in the pixels of the photograph."""
        preprocessing = self.task.preprocessing
        size = upright_size(path, preprocessing.channels)
        found = Found.of_rows(said)
        boxes = out_of_square(found.boxes, *size, preprocessing.image_size, preprocessing.fit).tolist()
        numbers = found.classes.tolist()
        return tuple(
            Object(self.task.class_names[number], score, (box[0], box[1], box[2], box[3]))
            for box, number, score in zip(boxes, numbers, found.scores.tolist(), strict=True)
            if number != NONE
        )

    def _ranked(self, said: torch.Tensor) -> tuple[tuple[str, float], ...]:
        pairs = list(zip(self.task.class_names, self.task.shares(said), strict=True))
        return tuple(pairs if self.task.targets.kind == REGRESSION else sorted(pairs, key=lambda pair: -pair[1]))

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        """Of `images`. Raises ValueError where these are not what such classes have: then the file is damaged."""
        try:
            found = self.logits(images)
        except Exception as error:  # the many ways of PyTorch and ONNX Runtime to say that a graph does not compute
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"{self.words} cannot be computed: {reason}") from None
        classes, kind = len(self.task.class_names), self.task.targets.kind
        axes = {SEGMENTATION: 4, DETECTION: 3}.get(kind, 2)
        of_each = found.shape[2:] == (classes + 4,) if kind == DETECTION else found.shape[1:2] == (classes,)
        if found.ndim != axes or len(found) != len(images) or not of_each or not found.isfinite().all():
            raise ValueError(f"{self.words} is damaged: what it computes is no number for each of {classes} classes")
        return found


def image_files(images: Sequence[str | Path]) -> tuple[list[Path], str]:
    """The files that are meant: those named, and the images anywhere below the folders named, sorted.

    Also what was passed over in the folders, in words. Raises ValueError for what is not there, and for a folder
    without images.
    """
    found: list[Path] = []
    passed = Passed()
    for image in map(Path, images):
        if not image.exists():
            raise ValueError(f"there is no image {image}")
        if not image.is_dir():
            found.append(image)
            continue
        listing = images_below(image, ["."])
        if not listing.files:
            others = str(listing.passed)
            raise ValueError(f"{no_images(image)}. It has {others}" if others else f"{image} has no files")
        found += [image / file.name for file in listing.files]
        passed += listing.passed
    return list(dict.fromkeys(found)), str(passed)


def check_target(target: str) -> None:
    """Raises ValueError, with what to name, where `target` is no network, but lies beside one or is given to it."""
    path = Path(target)
    with contextlib.suppress(OSError):  # an architecture's text may be too long for a file's name
        _check_path(path)


def _check_path(path: Path) -> None:
    programs = [path / f"network.{form}" for form in RUNNABLE if (path / f"network.{form}").is_file()]
    if programs and not (path / ARCHITECTURE).is_file():
        raise ValueError(f"{path} is a folder: name the file in it, {programs[0]}")
    if not path.is_file():
        return
    if is_image(path.name):
        raise ValueError(f"{path} is an image: the network comes first, and then the images")
    if path.suffix in (".safetensors", ".py") and path.with_name(ARCHITECTURE).is_file():
        raise ValueError(f"{path} is a part of a network: name its folder, {path.parent}")
    if path.suffix == ".safetensors":
        raise ValueError(f"{path} has weights: name their network, and the weights by --weights {path}")
