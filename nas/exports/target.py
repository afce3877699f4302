"""What is exported: a network for so many classes and pixels, with the weights that are said or lie beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from nas.baselines.pretrained import load_pretrained
from nas.baselines.pretrained.naming import Naming
from nas.data.images import RGB
from nas.data.source import DataSource
from nas.data.task import Task, names_and_pixels
from nas.files import TRAINING
from nas.network import Designed, Network
from nas.references.origin import Origin, channels_of, origin_of, trained_on, weights_of
from nas.references.resolve import resolve
from nas.references.show import Shape, choose_shape, usual_shape
from nas.training.announcement import class_list, outputs_in_words
from nas.training.transfer import UNTRAINED, Weights


@dataclass(frozen=True)
class Source:
    """`module` is `network` for `shape`, classes and pixels. `weights`: their file, None of an untrained one.

    `origin` is the training that the weights are of, else the run or the file that the network comes from, if any.
    """

    network: Network
    module: nn.Module
    shape: Shape
    weights: Weights | None
    origin: Origin | None = None
    channels: int = RGB  # of an image

    @property
    def trained(self) -> bool:
        return self.weights is not None and self.weights.trained

    @property
    def task(self) -> Task | None:
        """What it is for, at the pixels that it is built for; None where its weights don't say so."""
        task = self.weights.task if self.weights and self.trained else None
        if task is None or len(task.class_names) != self.shape[0]:
            return None
        return replace(task, preprocessing=replace(task.preprocessing, image_size=self.shape[1]))

    def known_task(self) -> Task:
        """What it is for. Raises ValueError where nothing says so, as with weights that `nas train` did not make."""
        if self.task is None:
            where = self.weights.path if self.weights else self.network.name
            raise ValueError(
                f"{where} does not say which classes it knows, nor how images were normalised: train the network with "
                "this nas, `nas train`"
            )
        return self.task

    @property
    def data(self) -> DataSource | None:
        """The data that it comes from, at the pixels that it is built for."""
        return None if self.origin is None else replace(self.origin.data, image_size=self.shape[1])

    @property
    def metadata(self) -> dict[str, str]:
        """What a file of its weights says of them: all that is known."""
        if not self.trained:
            return UNTRAINED
        if self.task:
            return self.task.metadata()
        names = self.weights.class_names if self.weights else None
        return names_and_pixels(names, self.shape[1]) if names else {}


def read_source(
    target: str,
    weights: Path | None,
    runs_dir: Path,
    num_classes: int | None = None,
    image_size: int | None = None,
    allow_untrained: bool = False,
    exporting: bool = False,
    channels: int | None = None,
) -> Source:
    """The network that `target` means, see `nas.references.resolve.resolve`, with the `weights` of a file.

    By default they are those that `nas train` wrote: to the folder that `target` is, or for a trial of a run. Classes,
    pixels and channels are those given, else the weights', else the file's, the run's or the publication's. Raises
    ValueError where there is no such network, or the weights are not of it; and where they are untrained, unless those
    are `allow_untrained`: then they are of seed 0. `exporting` has the message tell of that, too.
    """
    network = resolve(target, runs_dir)
    origin = origin_of(target, network, runs_dir)
    usual = usual_shape(target, network, runs_dir)
    if weights and allow_untrained:
        raise ValueError("--weights are of a training, --untrained are of none: give one of both")
    weights = weights or (None if allow_untrained else weights_of(target, origin))
    read = Weights.read(weights) if weights else None
    if read is not None:
        origin = trained_on(read.path) or origin
        usual = len(read.class_names or ()) or usual[0], read.image_size or usual[1]
    shape = choose_shape(usual, num_classes, image_size)
    own = read.task.preprocessing.channels if read and read.task else channels_of(target, origin)
    channels = channels or own
    torch.manual_seed(0)
    source = Source(network, module_of(network, shape, read, channels), shape, read, origin, channels)
    if not source.trained and not allow_untrained:
        raise ValueError(_untrained(target, source, exporting))
    return source


def describe(source: Source) -> str:
    """The network, its classes and pixels, whose weights it has and what they were trained on: two lines."""
    weights = f"those of {source.weights.path}" if source.weights else "UNTRAINED: random"
    task, known = source.task, source.weights.class_names if source.weights else None
    names = f": {class_list(known)}" if known else ""
    outputs = outputs_in_words(task.targets.kind) if task else "classes"
    about = f", trained on {task.data}" if task and task.data else ""
    other = source.weights is not None and source.weights.image_size not in (None, source.shape[1])
    about += f", at {source.weights.image_size} pixels" if source.weights and other else ""
    unknown = "; they do not say how images were normalised, so no file will" if source.trained and not task else ""
    channels = "" if source.channels == RGB else f", {source.channels} channel{'s' if source.channels > 1 else ''}"
    return (
        f"network   {source.network.name}, for {source.shape[0]} {outputs} at {source.shape[1]} pixels{channels}"
        f"{names}\n"
        f"weights   {weights}{about}{unknown}"
    )


def _untrained(target: str, source: Source, exporting: bool) -> str:
    """What to say where trained weights are needed and there are none."""
    if source.weights is not None:
        return f"{source.weights.path} has untrained weights: `nas train {target}` trains the network"
    if source.origin and source.origin.trained and (source.origin.trained / TRAINING).is_file():
        return f"the training of {target} has not ended: `nas resume {source.origin.trained}` continues it"
    if source.origin and source.origin.trained:
        random = "; --untrained exports random weights" if exporting else ""
        return f"{target} is not trained yet: `nas train {target}` does that{random}"
    others = "--weights FILE names those that there are"
    others = f"{others}, and --untrained exports random ones" if exporting else f"and {others}"
    return f"{target} has no trained weights: `nas train {target}` makes some, {others}"


def module_of(network: Network, shape: Shape, weights: Weights | None, channels: int = RGB) -> nn.Module:
    """`network` for the classes and pixels of `shape`, and so many channels, with `weights`, or random ones without.

    Raises ValueError where the weights are not of it.
    """
    if weights is None:
        return network.build(*shape, channels)
    if isinstance(network, Designed):
        return load_pretrained(network.name, weights.path, *shape, channels)
    module = network.build(*shape, channels)
    if difference := Naming().load(module, weights.tensors):
        raise ValueError(
            f"{weights.path} does not fit {network.name} at {shape[1]} pixels and {shape[0]} classes: {difference}"
        )
    return module
