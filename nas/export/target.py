"""What is exported: a network for so many classes and pixels, with the weights that are said or lie beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nas.baselines.pretrained import load_pretrained
from nas.baselines.pretrained.naming import Naming
from nas.network import Designed, Network
from nas.show import Shape, usual_shape
from nas.targets import resolve
from nas.transfer import CLASS_NAMES, IMAGE_SIZE, Weights

ARCHITECTURE, WEIGHTS = "architecture.json", "weights.safetensors"


@dataclass(frozen=True)
class Source:
    """`module` is `network` for `shape`, classes and pixels. `weights`: their file, None of an untrained one."""

    network: Network
    module: nn.Module
    shape: Shape
    weights: Weights | None

    @property
    def metadata(self) -> dict[str, str]:
        """What a file of weights says of the data that they were trained on."""
        if self.weights is None or self.weights.class_names is None:
            return {}
        return {CLASS_NAMES: json.dumps(self.weights.class_names), IMAGE_SIZE: str(self.weights.image_size)}


def read_source(
    target: str, weights: Path | None, runs_dir: Path, num_classes: int | None = None, image_size: int | None = None
) -> Source:
    """The network that `target` means, see `nas.targets.resolve`; or the folder that `nas train` wrote.

    Classes and pixels are those given, else the weights', else the file's, the run's or the publication's. Raises
    ValueError where there is no such network, or the weights are not of it. Untrained weights are of seed 0.
    """
    folder = Path(target)
    if (folder / ARCHITECTURE).is_file():
        target, weights = str(folder / ARCHITECTURE), weights or (folder / WEIGHTS)
    network = resolve(target, runs_dir)
    usual = _shape_in(target) or usual_shape(target, network, runs_dir)
    read = Weights.read(weights) if weights else None
    if read is not None:
        usual = len(read.class_names or ()) or usual[0], read.image_size or usual[1]
    shape = usual[0] if num_classes is None else num_classes, usual[1] if image_size is None else image_size
    if min(shape) < 1:
        raise ValueError(f"--classes and --image-size must be at least 1, not {shape[0]} and {shape[1]}")
    torch.manual_seed(0)
    return Source(network, _module(network, shape, read), shape, read)


def _shape_in(target: str) -> Shape | None:
    """The shape that an architecture's file says, if it does."""
    if not target.endswith(".json"):
        return None
    document = json.loads(Path(target).read_text(encoding="utf-8"))
    return (document["num_classes"], document["image_size"]) if "num_classes" in document else None


def _module(network: Network, shape: Shape, weights: Weights | None) -> nn.Module:
    if weights is None:
        return network.build(*shape)
    if isinstance(network, Designed):
        return load_pretrained(network.name, weights.path, *shape)
    module = network.build(*shape)
    if difference := Naming().load(module, weights.tensors):
        raise ValueError(
            f"{weights.path} does not fit {network.name} at {shape[1]} pixels and {shape[0]} classes: {difference}"
        )
    return module
