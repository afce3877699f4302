"""Which images: a data set by its name, and all that decides how its files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas import data
from nas.data import objects
from nas.data.download import Log
from nas.data.image_file import CROP
from nas.data.images import RGB, Dataset, Images
from nas.options import groups
from nas.options.option import path


@dataclass(frozen=True)
class DataSource:
    """A data set as `nas.data.load` takes it: what a run keeps of its images, so that later commands see the same.

    `folder` is where it is, None the default place. `image_size`: pixels a side, None the data's own. `group_by`: how
    images are grouped of which one split has all, see `nas.data.groups`. `channels`: as how many each is taken; runs
    that say nothing of them have 3. `task` and `labels`: what the labels are, and in which columns of a CSV, where a
    person said so; None: as the data say. `fit` is how images that are no squares are made such. `sha256` is of the
    list of a folder's files, or of what is in arrays, where it was noted; it is None for data that don't change.
    """

    name: str = "cifar10"
    folder: Path | None = None
    image_size: int | None = None
    skip_unreadable: bool = False
    sha256: str | None = None
    group_by: str | None = None
    channels: int = RGB
    task: str | None = None
    labels: str | None = None
    fit: str = CROP

    def load(self, log: Log = print, download: bool = True) -> Dataset:
        """The training and validation images, a folder's at `image_size`. Raises ValueError as `nas.data.load`."""
        return data.load(self.name, self.folder, **self._read_so(), download=download, log=log)

    def load_test(self, log: Log = print) -> Images:
        """The test images: for the end of a training or a comparison."""
        return data.load_test(self.name, self.folder, **self._read_so(), log=log)

    def _read_so(self) -> dict[str, Any]:
        return {
            "image_size": self.image_size,
            "skip_unreadable": self.skip_unreadable,
            "group_by": self.group_by,
            "channels": self.channels,
            "task": self.task,
            "labels": self.labels,
            "fit": self.fit,
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        folder = None if self.folder is None else str(self.folder)
        read_so = self._read_so()
        if self.channels == RGB:  # as files say that are older than images of other channels
            del read_so["channels"]
        if self.fit == CROP:  # likewise
            del read_so["fit"]
        return {"name": self.name, "folder": folder, **read_so, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataSource:
        """Of `values` that are of `nas.checks.schemas.SOURCE`."""
        folder = values.get("folder")
        return cls(**{**values, "folder": None if folder is None else Path(folder)})

    def again(self, folder: Path | None = None) -> DataSource:
        """To be loaded once more, from another `folder` where it was moved: without what could not be read before."""
        skip = self.skip_unreadable or self.sha256 is not None  # `check_unchanged` refuses another choice of images
        return replace(self, folder=folder or self.folder, skip_unreadable=skip)

    def same_images(self, other: DataSource) -> bool:
        """Whether these are the same, whatever their pixels."""
        return (self.name, self.folder) == (other.name, other.folder)

    def labelled_as(self, other: DataSource) -> bool:
        """Whether these, if they are the same, are also split the same way, and have the same labels."""
        return (self.group_by, self.task, self.labels) == (other.group_by, other.task, other.labels)

    def has_changed(self, dataset: Dataset) -> bool:
        """Whether files were added, removed or changed since this was noted."""
        return self.sha256 not in (None, dataset.sha256)

    def check_unchanged(self, dataset: Dataset, what: str) -> None:
        """Raises ValueError where `dataset` is not of the images that a `what` began with, which are these."""
        if self.has_changed(dataset):
            raise ValueError(
                f"the images of {dataset.name} are not those that the {what} began with: files were added, removed or "
                f"changed. Restore them, or start a new {what}"
            )


def choose_source(usual: DataSource | None, asked: groups.DataOptions, log: Log = print) -> DataSource:
    """What the options say, and where they are silent what is `usual`: the data that the network comes from.

    Without either it is CIFAR-10. Of other data than the usual ones the pixels are their own, and a folder's, which
    has none, the usual ones. The pixels and channels of arrays are looked up, so that a run knows them
    without its data. What a program gives is read here, and kept; `log` is told.
    """
    name, image_size, skip_unreadable, group_by = asked.data, asked.image_size, asked.skip_unreadable, asked.group_by
    task, labels = asked.task, asked.labels
    folder = path(asked.data_dir)
    if _is_given(name):
        if folder is not None:
            raise ValueError("--data-dir is where files are, and these data are a program's: leave it out")
        name, folder = objects.kept(name, image_size, log, asked.channels, task)
    usual = usual or DataSource()
    named, place = data.locate(usual.name, folder or usual.folder) if name is None else data.locate(name, folder)
    of_folders = {
        "--skip-unreadable": skip_unreadable, "--group-by": group_by is not None, "--labels": labels is not None,
        "--fit": asked.fit is not None,
    }  # fmt: skip
    for option, given in of_folders.items():
        if given and not data.is_folder(named):
            raise ValueError(f"{option} is for the images of a folder, and {named} is none: leave it out")
    size = usual.image_size if image_size is None else image_size
    skip = skip_unreadable or usual.skip_unreadable
    own = data.own_size(named, place) if image_size is None and name is not None else None
    if name is None or (named, place) == (usual.name, usual.folder):
        by = usual.group_by if group_by is None else group_by
        if labels is None:  # other columns may be of another task
            task, labels = usual.task if task is None else task, usual.labels
        channels = asked.channels or usual.channels
        fit = asked.fit or usual.fit
        read_so = DataSource(named, place, size, skip, usual.sha256, by, channels, task, labels, fit)
        same = read_so.labelled_as(usual) and (channels, fit) == (usual.channels, usual.fit)  # others are other pixels
        return read_so if same else replace(read_so, sha256=None)
    size = size if data.is_folder(named) else own or image_size
    channels = asked.channels or data.own_channels(named, place)
    fit = asked.fit or data.usual_fit(named, place, task)
    return DataSource(
        named, place, size, skip_unreadable, group_by=group_by, channels=channels, task=task, labels=labels, fit=fit
    )


def given_again(given: Any, source: DataSource, what: str, log: Log = print) -> DataSource:
    """`source`, whose copy in the cache is made again from what a person gives, as in `choose_source`.

    Raises ValueError where that is other data than those of the `what`, which are `source`, or is named by a path.
    """
    if not _is_given(given):
        raise ValueError(
            f"--data is module:function here, to read again what a program gave: the {what} has its data, "
            f"{source.name}; where these were moved, give --data-dir"
        )
    name, folder = objects.kept(given, source.image_size, log, source.channels, source.task)
    if name.rpartition("-")[2] != source.name.rpartition("-")[2]:
        raise ValueError(f"--data gives {name}, and the {what} began with {source.name}: start a new {what}")
    return replace(source, name=name, folder=folder)


def _is_given(name: Any) -> bool:
    """Whether it is no data set's name, but what gives one: an object, or a function that a person names."""
    if not isinstance(name, str):
        return name is not None
    return not data.at_a_path(name) and objects.is_function(name)
