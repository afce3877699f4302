"""What a trained network is for: its classes, labels or numbers, and how a photograph becomes its input.

It goes wherever the weights go: into the metadata of `weights.safetensors` and of ONNX, into `.pt2`, into the Python
file of an export. What classifies a photograph then does it as in training, with nothing beside the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.checks import schema
from nas.checks.schemas import RESULT, TASK, TASKS
from nas.data.image_file import CROP, PAD
from nas.data.images import GREY, RGB, Dataset
from nas.data.preprocessing import Preprocessing
from nas.data.targets import CLASSES, CLASSIFICATION, DETECTION, IGNORED, REGRESSION, SEGMENTATION, Targets
from nas.detection.detector import Found
from nas.text.visible import visible_in_line

METRIC = "accuracy"
_PHOTOGRAPH = "EXIF orientation applied; transparency on white"
_SCALED = {
    CROP: "centre square; resized bilinear, antialiased",
    PAD: "all of it, the longer side resized bilinear, antialiased, between bars of 114",
}
_NORMALISED = "- mean; / std"


def how(channels: int, fit: str = CROP) -> str:
    """From an image file to the input [B, C, image_size, image_size], for people who read a file's metadata."""
    scaled = _SCALED[fit]
    if channels == RGB:
        return f"{_PHOTOGRAPH}; {scaled}; RGB / 255; {_NORMALISED}"
    if channels == GREY:
        return f"{_PHOTOGRAPH}; grey as luma (ITU-R 601-2); {scaled}; grey / 255; {_NORMALISED}"
    return f"an array of {channels} channels, 0 to 255; {scaled}; / 255; {_NORMALISED}"


@dataclass(frozen=True)
class Task:
    """What the outputs mean, by `targets`, for an image that went through `preprocessing`.

    `class_names` are of classes, labels or numbers, in the order of the outputs.
    `data` is the data set that it was trained on, and `metric` what it was judged by there.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    data: str = ""
    metric: str = METRIC
    targets: Targets = CLASSES

    @classmethod
    def of(cls, dataset: Dataset) -> Task:
        """What a network is for that is trained on `dataset`, as it is: at its image size."""
        return cls(dataset.class_names, Preprocessing.of(dataset), dataset.name, targets=dataset.targets)

    def without_bars(self, said: Tensor, file: str | Path) -> Tensor:
        """What is `said` of the image in a `file`; of pixels without what is said of those beside it: these have no
        class."""
        if self.targets.kind != SEGMENTATION or self.preprocessing.fit == CROP:
            return said
        left, top, right, bottom = self.preprocessing.shown(file)
        kept = torch.full_like(said, IGNORED)
        kept[top:bottom, left:right] = said[top:bottom, left:right]
        return kept

    def shares(self, said: Tensor) -> list[float]:
        """What is `said` of one image (`Targets.said`), for each name; of pixels what share is of each class.

        Of objects it is the score of the surest one of each class, 0 where none is found.
        """
        if self.targets.kind == DETECTION:
            found = Found.of_rows(said)
            of_each = [found.scores[found.classes == number] for number in range(len(self.class_names))]
            return [scores.max().item() if len(scores) else 0.0 for scores in of_each]
        if self.targets.kind == SEGMENTATION:
            counts = said[said != IGNORED].long().bincount(minlength=len(self.class_names))
            said = counts / counts.sum().clamp(min=1)
        shares: list[float] = said.tolist()
        return shares

    def metadata(self) -> dict[str, str]:
        """As the texts by names that files carry; lists are JSON. `from_metadata` is its inverse."""
        return names_and_pixels(self.class_names, self.preprocessing.image_size) | {
            "task": self.targets.kind,
            "mean": json.dumps(self.preprocessing.mean),
            "std": json.dumps(self.preprocessing.std),
            "preprocessing": how(self.preprocessing.channels, self.preprocessing.fit),
            "metric": self.metric,
            "data": self.data,
            **(
                {"target_mean": json.dumps(self.targets.mean), "target_std": json.dumps(self.targets.std)}
                if self.targets.kind == REGRESSION
                else {}
            ),
            **({} if self.preprocessing.fit == CROP else {"fit": self.preprocessing.fit}),
            **({} if self.preprocessing.channels == RGB else {"channels": str(self.preprocessing.channels)}),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Task | None:
        """What a file's metadata say; None where they don't say it. Raises ValueError where they are damaged."""
        if not set(TASK.needed) <= metadata.keys():
            return None
        kind = metadata.get("task", CLASSIFICATION)
        if kind not in TASKS:
            raise ValueError(
                f"its task is {visible_in_line(repr(kind))}, which this nas does not know: it knows {', '.join(TASKS)}"
            )
        of_numbers = ("target_mean", "target_std") if kind == REGRESSION else ()
        if missing := [name for name in of_numbers if name not in metadata]:
            raise ValueError(f"its task is {kind}, and it has no {missing[0]}")
        said = {name: _json(name, metadata[name]) for name in (*TASK.needed, *of_numbers)}
        values = TASK.checked("", said | {"fit": metadata.get("fit", CROP)})
        data, metric = metadata.get("data", ""), metadata.get("metric", METRIC)
        return cls._of(values, kind, data, metric)

    @classmethod
    def from_result(cls, path: Path) -> Task | None:
        """What the `result.json` of a training says, whose weights were written before they said so themselves."""
        if not path.is_file():
            return None
        document = schema.read(path, RESULT)
        if not set(TASK.needed) <= document.keys():
            return None
        metric = document.get("recipe", {}).get("metric", METRIC)
        return cls._of(document, document.get("task", CLASSIFICATION), document.get("data", ""), metric)

    @classmethod
    def _of(cls, values: Mapping[str, Any], kind: str, data: str, metric: str) -> Task:
        """Of checked `values` of `TASK`. Raises ValueError where the numbers of outputs do not fit together."""
        names = tuple(values["class_names"])
        mean, std = (
            tuple(values.get(name, ())) if kind == REGRESSION else () for name in ("target_mean", "target_std")
        )
        if kind in (CLASSIFICATION, SEGMENTATION) and len(names) < 2:
            raise ValueError(f"its class_names must be a list of at least 2, since its task is {kind}")
        if kind == REGRESSION and not len(mean) == len(std) == len(names):
            raise ValueError("its target_mean and target_std are not one for each of its numbers")
        return cls(names, Preprocessing.from_dict(values), data, metric, Targets(kind, mean, std))


def names_and_pixels(names: tuple[str, ...], image_size: int) -> dict[str, str]:
    """What the metadata of older files say alone."""
    return {"class_names": json.dumps(names, ensure_ascii=False), "image_size": str(image_size)}


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {name} is damaged: {error}") from None
