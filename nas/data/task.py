"""What a trained network is for: its classes, and how a photograph becomes its input.

It goes wherever the weights go: into the metadata of `weights.safetensors` and of ONNX, into `.pt2`, into the Python
file of an export. What classifies a photograph then does it as in training, with nothing beside the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.checks import schema
from nas.checks.schemas import RESULT, TASK
from nas.data.images import GREY, RGB, Dataset
from nas.data.preprocessing import Preprocessing

KIND, METRIC = "classification", "accuracy"
_PHOTOGRAPH = "EXIF orientation applied; transparency on white"
_SCALED = "centre square; resized bilinear, antialiased"
_NORMALISED = "- mean; / std"


def how(channels: int) -> str:
    """From an image file to the input [B, C, image_size, image_size], for people who read a file's metadata."""
    if channels == RGB:
        return f"{_PHOTOGRAPH}; {_SCALED}; RGB / 255; {_NORMALISED}"
    if channels == GREY:
        return f"{_PHOTOGRAPH}; grey as luma (ITU-R 601-2); {_SCALED}; grey / 255; {_NORMALISED}"
    return f"an array of {channels} channels, 0 to 255; {_SCALED}; / 255; {_NORMALISED}"


@dataclass(frozen=True)
class Task:
    """One class of `class_names`, in the order of the logits, for an image that went through `preprocessing`.

    `data` is the data set that it was trained on, and `metric` what it was judged by there.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    data: str = ""
    metric: str = METRIC

    @classmethod
    def of(cls, dataset: Dataset) -> Task:
        """What a network is for that is trained on `dataset`, as it is: at its image size."""
        return cls(dataset.class_names, Preprocessing.of(dataset), dataset.name)

    def metadata(self) -> dict[str, str]:
        """As the texts by names that files carry; lists are JSON. `from_metadata` is its inverse."""
        return (
            names_and_pixels(self.class_names, self.preprocessing.image_size)
            | {
                "task": KIND,
                "mean": json.dumps(self.preprocessing.mean),
                "std": json.dumps(self.preprocessing.std),
                "preprocessing": how(self.preprocessing.channels),
                "metric": self.metric,
                "data": self.data,
            }
            | ({} if self.preprocessing.channels == RGB else {"channels": str(self.preprocessing.channels)})
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Task | None:
        """What a file's metadata say; None where they don't say it. Raises ValueError where they are damaged."""
        if not set(TASK.needed) <= metadata.keys():
            return None
        if metadata.get("task", KIND) != KIND:
            raise ValueError(f"its task is {metadata['task']!r}, which this nas does not know: {KIND} alone")
        values = TASK.checked("", {name: _json(name, metadata[name]) for name in TASK.needed})
        names = tuple(values["class_names"])
        return cls(names, Preprocessing.from_dict(values), metadata.get("data", ""), metadata.get("metric", METRIC))

    @classmethod
    def from_result(cls, path: Path) -> Task | None:
        """What the `result.json` of a training says, whose weights were written before they said so themselves."""
        if not path.is_file():
            return None
        document = schema.read(path, RESULT)
        if not set(TASK.needed) <= document.keys():
            return None
        metric = document.get("recipe", {}).get("metric", METRIC)
        return cls(tuple(document["class_names"]), Preprocessing.from_dict(document), document.get("data", ""), metric)


def names_and_pixels(names: tuple[str, ...], image_size: int) -> dict[str, str]:
    """What the metadata of older files say alone."""
    return {"class_names": json.dumps(names, ensure_ascii=False), "image_size": str(image_size)}


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {name} is damaged: {error}") from None
