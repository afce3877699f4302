"""Folders of images with something beside each of them: how these are read, and what of them is held out.

A tenth of the training images is held out for validation, unless there are `val` and `test`; without `test` the images
of `val` are the test, and without either another tenth. `nas.data.folder`, whose images may have groups, does the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.checks.schemas import SIDE
from nas.data.decoded import Decoded, File, decoded
from nas.data.download import Log
from nas.data.image_file import CROP
from nas.data.images import GREY, RGB, VAL_SEED, VAL_SHARE, Images
from nas.data.splits import some

TEST_SEED = 1  # of the images held out for the test


@dataclass(frozen=True)
class HeldOut(ABC):
    """The images of `path` at `image_size` pixels, in splits, `train` among them.

    They have 3 `channels`, or are grey ones of 1; `fit` is how those that are no squares are made such. With
    `skip_unreadable` images that cannot be decoded are left out.
    """

    path: Path
    image_size: int
    skip_unreadable: bool = False
    log: Log = print
    channels: int = RGB
    fit: str = CROP

    def __post_init__(self) -> None:
        if self.channels not in (RGB, GREY):
            raise ValueError(f"--channels {self.channels}: images of a folder are read with 3 channels, or 1")
        SIDE.checked("--image-size", self.image_size)

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, Any]:
        """The splits that there are, by their names."""

    @property
    def has_all(self) -> bool:
        return {"train", "val", "test"} <= self.parts.keys()

    @property
    def test_split(self) -> str | None:
        """Which of them is the test; None: it is made of the training images."""
        return next((split for split in ("test", "val") if split in self.parts), None)

    def parts_of(self, train: Images) -> tuple[Images, Images, Images]:
        """Of the training images those that are the test, if that is made of them, the validation, and the rest."""
        test = train.at(np.empty(0, np.int64))
        if self.test_split is None:
            test, train = train.divide(max(1, len(train) // VAL_SHARE), TEST_SEED)
        return test, *train.divide(max(1, len(train) // VAL_SHARE), VAL_SEED)

    def decoded(self, split: str, kind: str, folder: Path, files: Sequence[File]) -> Decoded:
        """The images `files` of a split, which lie in `folder`; `kind` is what the cache calls such, `masks`.

        Raises ValueError where some cannot be read and are not to be skipped, or too few are left to be held out.
        """
        found = decoded(
            folder, files, self.image_size, self.log, part=f"{kind}-{split}", channels=self.channels, fit=self.fit
        )
        if found.unreadable and not self.skip_unreadable:
            named = some([f"{name} ({reason})" for name, reason in found.unreadable.items()])
            raise ValueError(
                f"{folder}: {len(found.unreadable):,} images cannot be read: {named}. Mend or remove them, or add "
                "--skip-unreadable to do without"
            )
        if split == "train" and len(found.pixels) < VAL_SHARE:
            raise ValueError(
                f"{folder} has {len(found.pixels)} images: give {VAL_SHARE} or more, since some are held out"
            )
        return found
