"""What of a folder of images is the validation, and what the test, where it does not have all three splits.

A tenth of the training images is held out for validation, unless there are `val` and `test`; without `test` the images
of `val` are the test, and without either another tenth. `nas.data.folder`, whose images may have groups, does the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from nas.data.images import VAL_SEED, VAL_SHARE, Images

TEST_SEED = 1  # of the images held out for the test


class HeldOut(ABC):
    """A folder with splits, `train` among them."""

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
