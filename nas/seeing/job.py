"""What `nas look` looks at, and what it finds: one network, on the images of its task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.data.download import Log
from nas.data.images import Dataset, Images
from nas.data.preprocessing import Preprocessing
from nas.data.source import DataSource, choose_source
from nas.data.targets import CLASSIFICATION, REGRESSION, Targets
from nas.exports.classifier import check_target, image_files
from nas.exports.job import data_for
from nas.exports.target import Source, read_source
from nas.network import is_of_image
from nas.options.commands import LookOptions
from nas.options.option import path, several
from nas.references.origin import origin_of, source_for, weights_of
from nas.references.resolve import resolve
from nas.seeing.activations import readied, undefined
from nas.seeing.classes import Maximised, maximised, maximised_for_people
from nas.seeing.layers import Layer, chosen, layers_of
from nas.seeing.patches import BATCH, Filters, deconvolved, excited
from nas.seeing.photographs import Attributions, attributions
from nas.seeing.quiet import check_installed
from nas.training.announcement import data_line


@dataclass(frozen=True)
class Subject:
    """A network with the images that it is looked at by: `images` of the validation split, drawn by the seed.

    `layers` are those whose filters are looked at. `undefined` says why guided methods are not, see `activations`.
    """

    source: Source
    data: DataSource
    dataset: Dataset
    images: Images
    layers: list[Layer]
    undefined: str

    @property
    def network(self) -> nn.Module:
        return self.source.module

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image as the network takes it: `[C, S, S]`."""
        return self.source.channels, self.source.shape[1], self.source.shape[1]

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing.of(self.dataset)

    @property
    def names(self) -> tuple[str, ...]:
        return self.dataset.class_names

    @property
    def targets(self) -> Targets:
        return self.dataset.targets

    def normalised(self, pixels: Tensor) -> Tensor:
        """uint8 `[N, S, S, C]` as the network takes them, `[N, C, S, S]`."""
        return self.preprocessing.normalise(pixels).contiguous()

    def batches(self) -> Iterator[Tensor]:
        """All the images, in their order."""
        for start in range(0, len(self.images), BATCH):
            yield self.normalised(self.images.pixels[start : start + BATCH])


@dataclass(frozen=True)
class Photograph:
    """What the network says of one: `pixels` uint8 `[S, S, C]`, the output `target` that is explained, and its share.

    `truth` is its class, None where nobody says it, or it has none. The `share` is the probability of a class or a
    label; of numbers the number.
    """

    name: str
    pixels: Tensor
    target: int
    share: float
    truth: int | None = None


@dataclass(frozen=True)
class Seen:
    """All that was found, which the page shows. `projections` are the deconvnet's, by layer and filter."""

    subject: Subject
    first: Tensor | None  # weights of the first layer, [filters, C, k, k]
    filters: list[Filters]
    projections: dict[tuple[str, int], Tensor]
    classes: list[int]
    plain: Maximised
    for_people: Maximised
    photographs: list[Photograph]
    attributions: Attributions
    seed: int
    steps: int  # in which classes were maximised
    seconds: float = field(compare=False)


def choose_place(asked: LookOptions) -> Path:
    """Where the page is written. Raises ValueError where there is no folder for it."""
    usual = str(asked.network).rstrip("/").rpartition("/")[2].replace(":", "-")
    place = path(asked.out) or Path(f"{usual if len(usual) <= 60 else 'network'}-look.html")
    if place.is_dir() or not place.parent.is_dir():
        raise ValueError(f"{place} is no place for a page: --out names a file, in a folder that there is")
    return place


def prepared(asked: LookOptions, log: Log, say: Log) -> Subject:
    """The network and the images that the options say. Raises ValueError with what to do where there are none."""
    check_installed()
    photographs_asked(asked)
    target, runs_dir = str(asked.network), Path(asked.runs_dir)
    check_target(target)
    network = resolve(target, runs_dir)
    if not is_of_image(network):
        says, shows = ("a class of each pixel", "masks") if network.dense else ("where objects are", "boxes")
        raise ValueError(
            f"{network.name} says {says}, and nas look is for what is said of whole images: nas predict --draw shows "
            f"its {shows}"
        )
    origin = origin_of(target, network, runs_dir)
    weights = path(asked.weights) or weights_of(target, origin)
    if weights is None:
        data = source_for([target], origin, asked, log)
        dataset = data.load(log)
        shape = dataset.num_classes, dataset.image_size
        source = read_source(target, None, runs_dir, *shape, allow_untrained=True, channels=dataset.channels)
    else:
        source = read_source(target, weights, runs_dir, image_size=asked.image_size, channels=asked.channels)
        chosen_data = choose_source(
            source.data, replace(asked, image_size=source.shape[1], channels=source.channels), log
        )
        data = replace(chosen_data, image_size=source.shape[1])
        dataset = data_for(source, data.load(log))
    among = len(dataset.val) if asked.among == "all" else min(int(asked.among), len(dataset.val))
    images = dataset.val.take(among, asked.seed).resize(source.shape[1])
    image = torch.zeros(1, source.channels, source.shape[1], source.shape[1])
    module = source.module.eval()
    try:
        layers = chosen(layers_of(module, image), asked.layers)
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{network.name} does not take images of {source.shape[1]} pixels: {reason}") from None
    subject = Subject(source, data, dataset, images, layers, undefined(module, image))
    say(announcement(subject, asked))
    return subject


def announcement(subject: Subject, asked: LookOptions) -> str:
    """What is looked at, by what, and on what it runs: before anything is computed."""
    source = subject.source
    weights = f"weights of {source.weights.path}" if source.trained and source.weights else "UNTRAINED: random weights"
    names = ", ".join(layer.name for layer in subject.layers)
    shown = min(asked.class_pictures, len(subject.names))
    pictures = len(photographs_asked(asked)[0]) if asked.images is not None else asked.photographs
    lines = [
        f"data      {data_line(subject.data, subject.dataset)}",
        f"network   {source.network.name}, {weights}; at {source.shape[1]} pixels",
        f"device    cpu, {asked.threads} thread{'s' if asked.threads > 1 else ''}; seed {asked.seed}",
        f"layers    {names}: {asked.filters} filters each, the patches of {len(subject.images):,} validation images "
        "that excite them most",
        f"classes   {shown} of {len(subject.names)} maximised, in {asked.steps:,} steps",
        f"pictures  {pictures}, by saliency, guided backpropagation, integrated gradients, Grad-CAM and occlusion",
    ]
    if subject.undefined:
        lines.append(f"note      no deconvnet and no guided backpropagation: {subject.undefined}")
    return "\n".join([*lines, ""])


def look(subject: Subject, asked: LookOptions, busy: Callable[[str], AbstractContextManager[object]]) -> Seen:
    """Compute all that the page shows; `busy` gives a context that says what is being done."""
    began, network = time.monotonic(), readied(subject.network)
    with busy(f"looking for what excites {len(subject.layers)} layers"):
        found = excited(
            network, subject.layers, subject.batches, asked.filters, asked.patches, subject.shape[1], asked.seed
        )
        projections = {} if subject.undefined else _projected(subject, network, found)
    classes = _classes(len(subject.names), asked.class_pictures, asked.seed)
    with busy(f"maximising {len(classes)} classes"):
        units, ends = _deviations(subject, network)[classes], _ends(subject.preprocessing)
        plain = maximised(network, classes, units, subject.shape, asked.seed, asked.steps)
        for_people = maximised_for_people(network, classes, units, subject.shape, asked.seed, *ends, asked.steps)
    with busy("looking at photographs"):
        photographs = _photographs(subject, network, asked)
        x = subject.normalised(torch.stack([one.pixels for one in photographs]))
        explained = attributions(network, x, torch.tensor([one.target for one in photographs]), not subject.undefined)
    return Seen(
        subject, _first(subject), found, projections, classes, plain, for_people, photographs, explained, asked.seed,
        asked.steps, time.monotonic() - began,
    )  # fmt: skip


def photographs_asked(asked: LookOptions) -> tuple[list[Path], str]:
    """The files of --images, and what was passed over in folders."""
    return image_files(several([] if asked.images is None else asked.images))


def _projected(subject: Subject, network: nn.Module, found: list[Filters]) -> dict[tuple[str, int], Tensor]:
    projections = {}
    for filters in found:
        for number, spots in filters.excited.items():
            pixels = torch.stack([subject.images.pixels[spot.image] for spot in spots])
            places = [(spot.row, spot.column) for spot in spots]
            projections[filters.layer.name, number] = deconvolved(
                network, filters.layer, subject.normalised(pixels), number, places
            )
    return projections


def _first(subject: Subject) -> Tensor | None:
    """The weights of the first convolution, where that sees the image itself, and more of it than a pixel."""
    first = next((module for module in subject.network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.in_channels != subject.shape[0] or max(first.kernel_size) == 1:
        return None
    return first.weight.detach()


@torch.no_grad()
def _deviations(subject: Subject, network: nn.Module) -> Tensor:
    """The deviation of each output among the images, `[K]`: never 0, since it divides."""
    outputs = torch.cat([network(x) for x in subject.batches()])
    return outputs.std(0, correction=0).clamp(min=1e-12)


def _ends(known: Preprocessing) -> tuple[Tensor, Tensor]:
    """Black and white as the network takes them, each `[C, 1, 1]`."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (known.mean, known.std))
    return -mean / std, (1 - mean) / std


def _classes(count: int, most: int, seed: int) -> list[int]:
    """All, or some that the `seed` draws."""
    if count <= most:
        return list(range(count))
    return sorted(torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most].tolist())


def _photographs(subject: Subject, network: nn.Module, asked: LookOptions) -> list[Photograph]:
    """Those asked for; else of the validation images as many right as wrong ones, as far as there are such."""
    if asked.images is not None:
        files, _ = photographs_asked(asked)
        pixels = [subject.preprocessing.pixels(file) for file in files]
        said = _said(subject, network, torch.stack(pixels))
        return [
            Photograph(file.name, one, *_picked(subject, row))
            for file, one, row in zip(files, pixels, said, strict=True)
        ]
    starts = range(0, len(subject.images), BATCH)
    said = torch.cat([_said(subject, network, subject.images.pixels[n : n + BATCH]) for n in starts])
    picked = [_picked(subject, row) for row in said]
    of_classes = subject.targets.kind == CLASSIFICATION
    labels = subject.images.labels.tolist() if of_classes else [None] * len(picked)
    wrong = [n for n, (target, _) in enumerate(picked) if of_classes and target != labels[n]]
    right = [n for n, (target, _) in enumerate(picked) if not of_classes or target == labels[n]]
    half = min(len(wrong), asked.photographs // 2)
    places = _different(right, labels, asked.photographs - half) + _different(wrong, labels, half)
    return [
        Photograph(f"validation image {n + 1}", subject.images.pixels[n], *picked[n], truth=labels[n]) for n in places
    ]


@torch.no_grad()
def _said(subject: Subject, network: nn.Module, pixels: Tensor) -> Tensor:
    said: Tensor = subject.targets.said(network(subject.normalised(pixels)))
    return said


def _picked(subject: Subject, said: Tensor) -> tuple[int, float]:
    """The output that is explained: the likeliest class or label; of numbers the first."""
    target = 0 if subject.targets.kind == REGRESSION else int(said.argmax())
    return target, float(said[target])


def _different(places: list[int], labels: list[int | None], most: int) -> list[int]:
    """The first of `places`, of as many classes as there may be."""
    ranks: list[tuple[int, int]] = []
    seen: dict[int | None, int] = {}
    for place in places:
        seen[labels[place]] = seen.get(labels[place], 0) + 1
        ranks.append((seen[labels[place]], place))
    return [place for _, place in sorted(ranks)[:most]]
