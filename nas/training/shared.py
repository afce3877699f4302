"""The weights of a supernet as the start of any network of its space, and how they are judged without a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.checks.schemas import SHARED
from nas.data.batches import eval_batches
from nas.data.images import Dataset
from nas.devices.device import within
from nas.network import Found, Network
from nas.training.evaluation import Judged, judged, predict
from nas.training.recipe import Recipe
from searchspaces.scaled import RowSpace
from searchspaces.sharing import Sharing, part

CALIBRATED = 2000
"""Training images by which a network's norms get their statistics: as many as Once-for-all takes."""

BATCH = 100

RANKS = 0.6
"""Kendall's tau from which on a supernet's order of networks is trusted without being asked for."""


@dataclass(frozen=True)
class Ranking:
    """How far a supernet's order of so many `networks` is that of a `truth`: Kendall's tau, with its 95 % interval.

    `macs` is the same of an order by multiply-adds alone, which costs nothing: what has to be beaten.
    """

    truth: str
    networks: int
    kendall: float
    low: float
    high: float
    macs: float

    @property
    def in_words(self) -> str:
        """`Kendall's tau 0.71 (0.66 to 0.75) with FILE, of 100 networks; by MACs alone 0.55`."""
        interval = f"{self.kendall:.2f} ({self.low:.2f} to {self.high:.2f})"
        return f"Kendall's tau {interval} with {self.truth}, of {self.networks} networks; by MACs alone {self.macs:.2f}"


@dataclass(frozen=True)
class Shared:
    """What a file says of a supernet's weights: for which networks they are, and how they were trained."""

    space: str
    settings: Mapping[str, Any]
    way: str
    num_classes: int
    image_size: int
    channels: int
    images: int  # that it learnt from, each counted as often as it was seen
    passes: int  # of an image through a network
    ranking: Ranking | None = None

    @classmethod
    def of(cls, sharing: Sharing, images: int, passes: int, ranking: Ranking | None = None) -> Shared:
        """The supernet of `sharing`."""
        space = sharing.space
        return cls(
            space.reference, space.settings(), sharing.way, sharing.num_classes, sharing.image_size, sharing.channels,
            images, passes, ranking,
        )  # fmt: skip

    @classmethod
    def parse(cls, text: str) -> Shared:
        """What `text` says. Raises ValueError where it is damaged."""
        values = SHARED.checked("supernet", json.loads(text))
        ranking = values.get("ranking")
        return cls(**values | {"ranking": None if ranking is None else Ranking(**ranking)})

    @property
    def text(self) -> str:
        """What `parse` reads."""
        return json.dumps(asdict(self))

    @property
    def is_trusted(self) -> bool:
        """Whether it was found to order networks well."""
        return self.ranking is not None and self.ranking.kendall >= RANKS

    def sharing_for(self, network: Network, dataset: Dataset, path: Path) -> Sharing:
        """What says which of these weights are those of `network`. Raises ValueError where none are."""
        space = network.space if isinstance(network, Found) else None
        if not isinstance(space, RowSpace) or space.reference != self.space:
            raise ValueError(
                f"{path} has the weights of networks of the space {self.space}, and {network.name} is none"
            )
        own, theirs = ({**of, "image_size": None} for of in (space.settings(), self.settings))
        if own != theirs:
            changed = [name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name)]
            said = " and ".join(f"{name}={theirs.get(name)}" for name in sorted(changed))
            raise ValueError(f"{path} is for networks of {self.space} with {said}: search those, or train it anew")
        if (dataset.num_classes, dataset.channels) != (self.num_classes, self.channels):
            raise ValueError(
                f"{path} is for {self.num_classes} classes and images of {self.channels} channels; {dataset.name} has "
                f"{dataset.num_classes} and {dataset.channels}"
            )
        return Sharing(space, self.way, self.num_classes, dataset.image_size, self.channels)


def give_part(tensors: Mapping[str, Tensor], module: nn.Module, network: Found, sharing: Sharing) -> int:
    """Load into `module`, which is `network` built, its part of the shared `tensors`; returns how many it has.

    The statistics of its norms are left as they are: a training finds them, or `calibrate`. Raises ValueError where the
    tensors are of smaller networks.
    """
    _, layers = sharing.network(network.arch)
    taken = {name: tensor.clone() for name, tensor in part(tensors, layers).items()}
    module.load_state_dict(taken, strict=False)
    return len(taken)


def judge(network: nn.Module, dataset: Dataset, recipe: Recipe) -> Judged:
    """By the validation images, `network` having its part of the weights; its norms are calibrated first, in place."""
    device = dataset.train.pixels.device
    with within(device):
        network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        calibrate(network, dataset)
    said = predict(network, dataset.val, dataset, recipe)
    return judged(said, dataset.val.labels, recipe.metric, dataset.kind)


def norms_of(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Its batch norms that keep statistics of what they were shown."""
    parts = (part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return [part for part in parts if part.track_running_stats]


def calibrated_by(dataset: Dataset) -> int:
    """How many training images `calibrate` takes: whole batches, since all batches count alike."""
    count = min(CALIBRATED, len(dataset.train))
    return count if count < BATCH else count // BATCH * BATCH


@torch.no_grad()
def calibrate(network: nn.Module, dataset: Dataset) -> None:
    """Give the norms of `network` the statistics of its own activations, over training images as they are.

    Those that a supernet could have kept would be of all networks together (Yu & Huang 2019, arXiv:1903.05134, section
    3.3), and a mean of weights has none of its own. All else is as in evaluation: nothing is dropped.
    """
    norms = norms_of(network)
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    some = dataset.train.take(calibrated_by(dataset), seed=0)
    for x, _ in eval_batches(some, dataset.mean, dataset.std, batch_size=BATCH):
        network(x)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
