"""Which images: a data set by its name, and all that decides how its files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas import data
from nas.data.download import Log
from nas.data.images import Dataset, Images
from nas.options import groups


@dataclass(frozen=True)
class DataSource:
    """A data set as `nas.data.load` takes it: what a run keeps of its images, so that later commands see the same.

    `folder` is where it is, None the default place. `image_size`: pixels a side, None the data's own. `sha256` is of
    the list of a folder's files, where it was noted; it is None for data that don't change.
    """

    name: str = "cifar10"
    folder: Path | None = None
    image_size: int | None = None
    skip_unreadable: bool = False
    sha256: str | None = None

    def load(self, log: Log = print, download: bool = True) -> Dataset:
        """The training and validation images, a folder's at `image_size`. Raises ValueError as `nas.data.load`."""
        size, skip = self.image_size, self.skip_unreadable
        return data.load(self.name, self.folder, image_size=size, skip_unreadable=skip, download=download, log=log)

    def load_test(self, log: Log = print) -> Images:
        """The test images: for the end of a training or a comparison."""
        size, skip = self.image_size, self.skip_unreadable
        return data.load_test(self.name, self.folder, image_size=size, skip_unreadable=skip, log=log)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        folder = None if self.folder is None else str(self.folder)
        values = {"name": self.name, "folder": folder, "image_size": self.image_size}
        return values | {"skip_unreadable": self.skip_unreadable, "sha256": self.sha256}

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


def choose_source(usual: DataSource | None, asked: groups.DataOptions) -> DataSource:
    """What the options say, and where they are silent what is `usual`: the data that the network comes from.

    Without either it is CIFAR-10. Of other data than the usual ones the pixels are their own, and a folder's, which
    has none, the usual ones.
    """
    name, image_size, skip_unreadable = asked.data, asked.image_size, asked.skip_unreadable
    folder = None if asked.data_dir is None else Path(asked.data_dir)
    usual = usual or DataSource()
    named, place = data.locate(usual.name, folder or usual.folder) if name is None else data.locate(name, folder)
    if skip_unreadable and not data.is_folder(named):
        raise ValueError(f"--skip-unreadable is for the images of a folder, and {named} is none: leave it out")
    size = usual.image_size if image_size is None else image_size
    skip = skip_unreadable or usual.skip_unreadable
    if name is None or (named, place) == (usual.name, usual.folder):
        return DataSource(named, place, size, skip, usual.sha256)
    return DataSource(named, place, size if data.is_folder(named) else image_size, skip_unreadable)
