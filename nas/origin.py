"""Where a network comes from: the data that it was found or trained on, and where its trained weights lie.

A network of a run is for that run's images. Whatever is done to it later (trained, compared, exported, scaled) is done
with those, unless it is said otherwise: nobody has to say again which data that were, nor can forget to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from nas.data.source import DataSource
from nas.files import read_json
from nas.network import Network
from nas.run import Run, folder_of
from nas.targets import file_of

WEIGHTS = "weights.safetensors"  # in the folder of a training
_SCALED = re.compile(r"@[\d.]+x[\d.]+-\d+$")


@dataclass(frozen=True)
class Origin:
    """What a network comes from, in `words` ("run flowers-1"), and the `data` of that.

    `trained` is the folder in which a run's trial is trained, there or not; None of what is no trial of a run.
    """

    words: str
    data: DataSource
    trained: Path | None = None


def origin_of(target: str, network: Network, runs_dir: str | Path) -> Origin | None:
    """Where `network`, which `target` means (see `nas.targets.resolve`), comes from: a run, a training, a file.

    None where it comes from nowhere, as a baseline, an architecture's text, or a file that names no data. Raises
    ValueError where a file is damaged.
    """
    if file := file_of(target):
        return _of_file(file)
    name, _, which = target.partition(":")
    folder = folder_of(name, runs_dir)
    if not which or not folder.is_dir():
        return None
    run = Run.open(folder)
    scaled = _SCALED.search(which)
    number = _SCALED.sub("", which)
    if number == "best":
        number = str(run.best_row().number)
    trained = folder / f"trained-{number}{scaled[0] if scaled else ''}"
    return Origin(f"run {run.name}", data_of(run, network), trained)


def data_of(run: Run, network: Network) -> DataSource:
    """What `run` was searched on, at the pixels at which it has `network`."""
    return replace(run.config.source, image_size=run.config.shape_of(network)[1])


def weights_of(target: str, origin: Origin | None) -> Path | None:
    """The file of the weights that `nas train` wrote: to the folder that `target` is, or for the trial that it is."""
    file = file_of(target)
    folder = file.parent if file and not target.endswith(".json") else origin.trained if origin else None
    weights = folder / WEIGHTS if folder else None
    return weights if weights and weights.is_file() else None


def _of_file(path: Path) -> Origin | None:
    """What a network's file says."""
    document = read_json(path)
    if "data" not in document:
        return None
    try:
        return Origin(str(path), DataSource.from_dict(document["data"]))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
