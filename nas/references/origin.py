"""Where a network comes from: the data that it was found or trained on, and where its trained weights lie.

A network of a run is for that run's images. Whatever is done to it later (trained, compared, exported, scaled) is done
with those, unless it is said otherwise: nobody has to say again which data that were, nor can forget to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from nas.checks import schema, schemas
from nas.data.download import Log
from nas.data.images import RGB
from nas.data.source import DataSource, choose_source
from nas.files import ARCHITECTURE, RESULT, WEIGHTS
from nas.joint.space import JointSpace
from nas.ledger.run import Run, folder_of
from nas.network import HEADS, Headed, Network, Scaled
from nas.options import groups
from nas.references.resolve import file_of
from nas.training.recipe import Recipe
from searchspaces.space import Option

_SCALED = re.compile(r"(@[\d.]+x[\d.]+-\d+)+$")


@dataclass(frozen=True)
class Origin:
    """What a network comes from, in `words` ("run flowers-1"), and the `data` of that.

    `trained` is the folder in which a run's trial is trained, there or not; None of what is no trial of a run.
    """

    words: str
    data: DataSource
    trained: Path | None = None
    recipe: Recipe | None = None  # of a run's trainings
    pixels: int | None = None  # of a run's images, where its trials choose their resolution; else those of `data`

    @property
    def of_all(self) -> DataSource:
        """The data as all networks of it may have them, whatever resolution each has by itself."""
        return self.data if self.pixels is None else replace(self.data, image_size=self.pixels)


def origin_of(target: str, network: Network, runs_dir: str | Path) -> Origin | None:
    """Where `network`, which `target` means (see `resolve.resolve`), comes from: a run, a training, a file.

    None where it comes from nowhere, as a baseline, an architecture's text, or a file that names no data. Raises
    ValueError where a file is damaged.
    """
    name, _, which = target.partition(":")
    if isinstance(network, Headed) and name == network.head:  # the training there is of the network without the head
        origin = origin_of(which, network.base, runs_dir)
        return None if origin is None else replace(origin, trained=None)
    if file := file_of(target):
        return _of_file(file)
    folder = folder_of(name, runs_dir)
    if not which or not folder.is_dir():
        return None
    run = Run.open(folder)
    trained = folder / f"trained-{_trial(run, which, network)}"
    pixels = run.config.space.pixels if isinstance(run.config.space, JointSpace) else None
    return Origin(f"run {run.name}", data_of(run, network), trained, run.config.recipe, pixels)


def document_of(
    network: Network,
    shape: tuple[int, int],
    data: DataSource | None = None,
    channels: int = RGB,
    recipe: Mapping[str, Option] = MappingProxyType({}),
) -> str:
    """What an `architecture.json` says: the network, its classes and pixels, and the data that it comes from.

    Channels are said where they are not 3, and the `recipe` that it has by itself where there is one.
    """
    document = json.loads(network.to_json()) | {"num_classes": shape[0], "image_size": shape[1]}
    if channels != RGB:
        document["channels"] = channels
    if data is not None:
        document["data"] = data.to_dict()
    if recipe:
        document["recipe"] = dict(recipe)
    return json.dumps(document, indent=2) + "\n"


def data_of(run: Run, network: Network) -> DataSource:
    """What `run` was searched on, at the pixels at which it has `network`."""
    return replace(run.config.source, image_size=run.config.shape_of(network)[1])


def channels_of(target: str, origin: Origin | None) -> int:
    """Of the images that the network is for which `target` means, and which is of `origin`: 3 where nothing says."""
    usual = origin.data.channels if origin else RGB
    head, _, below = target.partition(":")
    target = below if head in HEADS else target
    file = file_of(target)
    channels: int = schema.read(file, schemas.NETWORK).get("channels", usual) if file else usual
    return channels


def weights_of(target: str, origin: Origin | None) -> Path | None:
    """The file of the weights that `nas train` wrote: to the folder that `target` is, or for the trial that it is."""
    file = file_of(target)
    folder = file.parent if file and not target.endswith(".json") else origin.trained if origin else None
    weights = folder / WEIGHTS if folder else None
    return weights if weights and weights.is_file() else None


def source_for(
    targets: Sequence[str], origin: Origin | None, asked: groups.DataOptions, log: Log = print
) -> DataSource:
    """The images for `targets`: what the options say, else those of their `origin`, else CIFAR-10: `choose_source`.

    Raises ValueError where one is a file of a network for others than CIFAR-10, and nothing says where those are.
    """
    if asked.data is None and origin is None:
        for file in filter(None, map(file_of, targets)):
            _check_is_for_cifar10(file)
    return choose_source(origin.data if origin else None, asked, log)


def trained_on(weights: Path) -> Origin | None:
    """Where the file `weights` comes from, by the network's file beside it; None where there is none that says so."""
    beside = weights.with_name(ARCHITECTURE)
    return _of_file(beside) if beside.is_file() else None


def _trial(run: Run, which: str, network: Network) -> str:
    """The trial of `run` that `which` means, `best` or 17, larger or not: as one text, however it was spelled.

    `final` stays so: it is trained in a folder of its own.
    """
    number, larger = _SCALED.sub("", which), _SCALED.search(which)
    if number == "best":
        number = str(run.best_row().number)
    if larger is None:
        return number
    return number + (network.multipliers if isinstance(network, Scaled) else larger[0])


def _check_is_for_cifar10(file: Path) -> None:
    """Raises ValueError where a network's `file`, or the result of its training, says that it is for something else."""
    result = file.with_name(RESULT)
    classes = schema.read(file, schemas.NETWORK).get("num_classes", 10)
    data = (
        schema.read(result, schemas.RESULT).get("data", "cifar10")
        if file.name == ARCHITECTURE and result.is_file()
        else "cifar10"
    )
    if (classes, data) != (10, "cifar10"):
        on = f", trained on {data}," if data != "cifar10" else ""
        raise ValueError(
            f"{file} is of a network for {classes} classes{on} and does not say where its images are: give --data"
        )


def _of_file(path: Path) -> Origin | None:
    """What a network's file says."""
    document = schema.read(path, schemas.NETWORK)
    return Origin(str(path), DataSource.from_dict(document["data"])) if "data" in document else None
