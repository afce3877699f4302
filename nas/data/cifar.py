"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, "Learning multiple layers of features from tiny images").

Read from the official archives, https://www.cs.toronto.edu/~kriz/cifar.html: in the Python or the binary layout,
unpacked or not, or downloaded.
"""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from nas.data.cifar_files import Arrays, read_binary, read_pickle
from nas.data.download import Log, extract, fetch
from nas.data.images import Images

SITE = "https://www.cs.toronto.edu/~kriz"


@dataclasses.dataclass(frozen=True)
class CifarLayout:
    """One official archive: its name and MD5 sum, the folder in it, the files of either split, how to read one."""

    archive: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    read_file: Callable[[Path], Arrays]

    def find(self, data_dir: Path) -> Path | None:
        """The folder with this layout's files: `data_dir/folder`, or `data_dir` itself."""
        for folder in (data_dir / self.folder, data_dir):
            if any((folder / name).is_file() for name in self.train + self.test):
                return folder
        return None


@dataclasses.dataclass(frozen=True)
class Cifar:
    """One of the two data sets. The `python` layout is looked for first, and is the one downloaded from `site`."""

    name: str
    class_names: tuple[str, ...]
    python: CifarLayout
    binary: CifarLayout
    site: str = SITE

    def read(self, split: Literal["train", "test"], data_dir: Path, *, download: bool, log: Log) -> Images:
        """The official images of a split, in the files' order. `ValueError` if they are not to be had."""
        layout, folder = self._locate(data_dir, download, log)
        paths = [folder / name for name in (layout.train if split == "train" else layout.test)]
        for path in paths:
            if not path.is_file():
                raise ValueError(f"{path} is missing: get the whole of {layout.archive} from {self.site}")
        parts = [layout.read_file(path) for path in paths]
        sizes = [len(labels) for _, labels in parts]
        if max(sizes) - min(sizes) > 1:
            raise ValueError(f"{folder}: a batch is cut off, since they hold {', '.join(map(str, sizes))} images")
        pixels = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.concatenate([labels for _, labels in parts])
        return Images(torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels))

    def _locate(self, data_dir: Path, download: bool, log: Log) -> tuple[CifarLayout, Path]:
        """The layout that is in `data_dir` and its folder; unpacked, or downloaded, if need be."""
        layouts = (self.python, self.binary)
        for layout in layouts:
            if folder := layout.find(data_dir):
                return layout, folder
        remedy = f"put {self.python.archive} from {self.site} into {data_dir}, or use --data shapes2"
        try:
            for layout in layouts:
                if (archive := data_dir / layout.archive).is_file():
                    return layout, extract(archive, layout.md5, layout.folder, log)
            if not download:
                raise ValueError(f"{self.name} is not in {data_dir}: {remedy}")
            archive = data_dir / self.python.archive
            fetch(f"{self.site}/{archive.name}", self.python.md5, archive, log)
            return self.python, extract(archive, self.python.md5, self.python.folder, log)
        except (OSError, http.client.HTTPException) as error:
            raise ValueError(f"{self.name} can't be had in {data_dir} ({error}): {remedy}") from error


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))

CIFAR10 = Cifar(
    "cifar10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    python=CifarLayout(
        archive="cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
        train=_BATCHES,
        test=("test_batch",),
        read_file=partial(read_pickle, label_key="labels", num_classes=10),
    ),
    binary=CifarLayout(
        archive="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        train=tuple(f"{name}.bin" for name in _BATCHES),
        test=("test_batch.bin",),
        read_file=partial(read_binary, label_bytes=1, num_classes=10),
    ),
)

_FINE_LABELS = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100 = Cifar(
    "cifar100",
    tuple(_FINE_LABELS.split()),
    python=CifarLayout(
        archive="cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        folder="cifar-100-python",
        train=("train",),
        test=("test",),
        read_file=partial(read_pickle, label_key="fine_labels", num_classes=100),
    ),
    binary=CifarLayout(
        archive="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        train=("train.bin",),
        test=("test.bin",),
        read_file=partial(read_binary, label_bytes=2, num_classes=100),  # the coarse label, then the fine one
    ),
)
