"""The files of a network that a device measures, see `nas.devices.command`: its cost does not wait for its training.

So its weights are random, the same ones each time. The time that a network takes hardly depends on them, its memory and
flash do not at all. The files are for one image at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from nas.devices.command import CostCommand
from nas.exports.files import FILES, weights_bytes
from nas.exports.formats import PROGRAMS
from nas.exports.pte import PTE, pte_bytes
from nas.exports.standalone import standalone_source
from nas.exports.steps import program_bytes
from nas.exports.tflite import tflite_bytes
from nas.files import write_atomically
from nas.network import Network
from searchspaces.images import for_images_of
from searchspaces.layers import conv, head
from searchspaces.layers import network as chained

SEED = 0
CALIBRATION = 8  # random images that int8 is scaled by
PROBE = "a 3x3 convolution and a classifier"
NAMES = {format: names[0] for format, names in FILES.items()}


def files_for(
    command: CostCommand, network: Network, num_classes: int, image_size: int, channels: int, folder: Path
) -> dict[str, Path]:
    """Write `network`, untrained, to `folder` in the formats that `command` takes: their paths.

    Raises ValueError where one of them cannot hold it, or needs a package that is missing.
    """
    with _same_weights():
        module = network.build(num_classes, image_size, channels)
    return written(command, module, network.text, (num_classes, image_size, channels), folder)


def probe_files(
    command: CostCommand, num_classes: int, image_size: int, channels: int, folder: Path
) -> dict[str, Path]:
    """The same of a network that any device can measure, since hardly one is smaller: `RemoteDevice.probe`."""
    with _same_weights(), for_images_of(channels):
        module = chained(conv(8, stride=2), head(num_classes))
    return written(command, module, PROBE, (num_classes, image_size, channels), folder)


def written(
    command: CostCommand, module: nn.Module, title: str, shape: tuple[int, int, int], folder: Path
) -> dict[str, Path]:
    """Write `module`, which is any that takes images, to `folder` in the formats that `command` takes: their paths.

    `shape`: classes, pixels a side, channels of an image. Raises ValueError as `files_for` does.
    """
    files = {name: folder / NAMES[name] for name in command.formats}
    for name, path in files.items():
        write_atomically(path, _content(name, module.eval(), title, *shape))
    return files


def _content(name: str, module: nn.Module, title: str, num_classes: int, image_size: int, channels: int) -> str | bytes:
    """Of the file in the format of that `name`."""
    if name in PROGRAMS:
        return program_bytes(module, image_size, name, channels=channels, one_image=True)
    if name == "standalone":
        return standalone_source(module, title, image_size, num_classes, channels=channels)
    if name == "state_dict":
        return weights_bytes(module, {})
    if name == PTE:
        return pte_bytes(module, image_size, channels)
    images = torch.randn(CALIBRATION, channels, image_size, image_size, generator=torch.Generator().manual_seed(SEED))
    return tflite_bytes(module, image_size, channels, [images])


@contextmanager
def _same_weights() -> Iterator[None]:
    """Within it networks have the weights of `SEED`; torch's own generator is where it was, afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield
