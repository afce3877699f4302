"""Weights from an earlier training as the start of another: on other classes, other images, of another size.

What a network learnt on small images serves on large ones too (Zoph et al. 2017, section 4.2, transfer the cell alone;
here its weights come along). By name and shape every tensor is taken; the classifier starts anew where the classes
are others. Whatever else differs is refused, unless the row that it is in is named as fresh.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nas.baselines.efficientdet import CLASSIFIERS
from nas.baselines.pretrained import naming_of, read_checkpoint
from nas.baselines.pretrained.naming import Naming, our_tensors
from nas.checks.limits import PIXELS
from nas.checks.schemas import NAMES
from nas.data.images import GREY, RGB, Dataset
from nas.data.task import Task
from nas.detection.detector import Detector
from nas.files import RESULT, WEIGHTS, sha256_of
from nas.heads.segmenter import Segmenter
from nas.network import Designed, Found, Headed, Network, original_of
from nas.options import groups
from nas.text.units import parse_names
from nas.training.fine_tuning import BACKBONE, EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.shared import Shared, give_part
from searchspaces.around.space import AroundSpace
from searchspaces.cost import shapes_only
from searchspaces.images import for_images_of

SUPERNET = "supernet"
"""What the metadata of a supernet's weights have, see `nas.training.shared`."""

UNTRAINED = {"trained": "no"}
"""What the metadata of a file of weights say that no training changed."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a file; and if `nas train` wrote it, for which classes and pixels they were trained.

    `task` also has what a photograph goes through; of files older than that it is None. They are `trained` unless the
    file says that they are not.
    """

    path: Path
    tensors: dict[str, Tensor]
    class_names: tuple[str, ...] | None = None
    image_size: int | None = None
    task: Task | None = None
    trained: bool = True
    shared: Shared | None = None  # of a supernet's: whose they are

    @classmethod
    def read(cls, path: str | Path) -> Weights:
        """A `weights.safetensors` of `nas train`, or the folder that it is in, or a checkpoint of a known library.

        Raises ValueError where there is none.
        """
        path = Path(path)
        if path.is_dir():
            path = path / WEIGHTS
        tensors, metadata = read_checkpoint(path), _metadata(path)
        trained = metadata.get("trained") != UNTRAINED["trained"]
        if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise ValueError(
                f"{path} is damaged, or of a training that diverged: {broken[0]} has values that are no numbers"
            )
        try:
            task = Task.from_metadata(metadata) or Task.from_result(path.parent / RESULT)
            names, size = metadata.get("class_names"), metadata.get("image_size")
            classes = None if names is None else tuple(NAMES.checked("class_names", json.loads(names)))
            pixels = None if size is None else PIXELS.parsed("image_size", size)
            shared = _shared_in(metadata)
            return cls(path, tensors, classes, pixels, task, trained, shared)
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from None


@dataclass(frozen=True)
class Taken:
    """What a network got of a file: so many `tensors` of those that it has, `of`.

    `fresh` are the rows that have others, `strided` those whose strides are not what they were at the `image_size`
    that the file is of.
    """

    weights: str
    tensors: int
    of: int
    fresh: tuple[str, ...]
    strided: tuple[str, ...] = ()
    image_size: int | None = None
    grey: tuple[str, ...] = ()  # tensors that saw red, green and blue, and whose sums see the one channel that there is

    def describe(self) -> str:
        """In one line."""
        fresh = f"fresh weights in {_rows(self.fresh)}" if self.fresh else "none is fresh"
        text = f"{self.tensors} of {self.of} tensors from {self.weights}, {fresh}"
        if self.strided:
            text += f"; at {self.image_size} pixels, as those were trained, {_rows(self.strided)} had other strides"
        if self.grey:
            text += f"; {', '.join(self.grey)} summed over red, green and blue, for images of one channel"
        return text


@dataclass(frozen=True)
class Start:
    """A network's first weights: those of a file, but for the rows that are to be `fresh`."""

    weights: Weights
    fresh: tuple[str, ...] = ()

    def give(self, module: nn.Module, network: Network, dataset: Dataset) -> Taken:
        """Load into `module`, which is `network` built for `dataset`, all that fits.

        A network that was found around another one takes the other one's weights, too: what it still has of its layers.
        Raises ValueError, with `module` unchanged, where more than the classifier does not, and names the first tensor.
        """
        if self.weights.shared is not None:
            return self._part_of_supernet(self.weights.shared, module, network, dataset)
        ours = our_tensors(module)
        if (below := _below_head(network)) is not None and not self._is_of(ours):
            return self._in_backbone(module, below, dataset)
        if (before := _found_around(network)) is not None and not self._is_of(ours):
            return self._inherited(module, network, before, dataset)
        naming = naming_of(network.name, self.weights.tensors, ours) if isinstance(network, Designed) else Naming()
        theirs = _with_or_without_skips(naming.in_ours(self.weights.tensors, ours), ours)
        grey = self._grey(network, theirs, dataset)
        theirs |= {name: theirs[name].sum(1, keepdim=True) for name in grey}
        rows = _rows_of([*ours, *theirs])
        if unknown := [row for row in self.fresh if row not in rows]:
            raise ValueError(f"--fresh: {network.name} has no row {unknown[0]!r}; there are {', '.join(rows)}")
        classifier = {
            name
            for name, shape in _shapes(network, dataset.num_classes + 1, dataset).items()
            if shape != ours[name].shape and self._is_of_other_classes(name, ours, theirs, dataset)
        }
        wanted = {name: tensor for name, tensor in ours.items() if name not in classifier and not self._is_fresh(name)}
        there = {name: tensor for name, tensor in theirs.items() if name not in classifier and not self._is_fresh(name)}
        if difference := naming.first_difference(wanted, there):
            raise ValueError(f"{self.weights.path} does not fit {network.name}: {difference}{_advice(wanted, there)}")
        module.load_state_dict(there, strict=False)
        if naming.eps is not None:
            _rescale(module, naming.eps, _rows_of(there))
        fresh = _rows_of(name for name in ours if name not in there)
        strided = [row for row in self._strided(module, network, dataset) if row not in self.fresh]
        path, size = str(self.weights.path), self.weights.image_size
        grey = [name for name in grey if name in there]
        return Taken(path, len(there), len(ours), tuple(fresh), tuple(strided), size, tuple(grey))

    def _part_of_supernet(self, shared: Shared, module: nn.Module, network: Network, dataset: Dataset) -> Taken:
        """Load the part of a supernet's weights that are those of `network`."""
        path, names = self.weights.path, self.weights.class_names
        if self.fresh:
            raise ValueError(f"--fresh: {path} has the weights of a supernet, of which a network takes its whole part")
        sharing = shared.sharing_for(network, dataset, path)
        if names is not None and names != dataset.class_names:
            raise ValueError(f"{path} is for the classes {', '.join(names)}: search with the images that have these")
        assert isinstance(network, Found)
        taken = give_part(self.weights.tensors, module, network, sharing)
        return Taken(str(path), taken, len([*module.parameters()]), ())

    def _is_of(self, ours: Mapping[str, Tensor]) -> bool:
        """Whether the weights are of a network that has just these tensors."""
        return {name: t.shape for name, t in self.weights.tensors.items()} == {
            name: t.shape for name, t in ours.items()
        }

    def _in_backbone(self, module: nn.Module, network: Network, dataset: Dataset) -> Taken:
        """Load what is of the `network` below the head, which the weights are of with its classifier."""
        whole = network.build(dataset.num_classes, dataset.image_size, dataset.channels)
        given = self.give(whole, network, dataset)
        assert isinstance(module, Segmenter | Detector)
        below = module.backbone.network
        assert isinstance(below, nn.Module)
        kept = {name: tensor for name, tensor in whole.state_dict().items() if name in below.state_dict()}
        below.load_state_dict(kept)
        fresh = tuple(name for name, _ in module.named_children() if name != BACKBONE)
        return replace(given, tensors=len(kept), of=len(our_tensors(module)), fresh=fresh)

    def _inherited(self, module: nn.Module, network: Network, before: Network, dataset: Dataset) -> Taken:
        """Load what the `network` has of the one `before`, which the weights are of: see `searchspaces.around`."""
        assert isinstance(network, Found) and isinstance(network.space, AroundSpace)
        original = before.build(dataset.num_classes, dataset.image_size, dataset.channels)
        given = self.give(original, before, dataset)
        with for_images_of(dataset.channels):
            there = network.space.inherited(
                network.arch, original.state_dict(), dataset.num_classes, dataset.image_size
            )
        module.load_state_dict(there, strict=False)
        ours = our_tensors(module)
        fresh = _rows_of(name for name in ours if name not in there)
        rows = tuple(dict.fromkeys([*given.fresh, *fresh]))
        return replace(given, tensors=len(there.keys() & ours.keys()), of=len(ours), fresh=rows)

    def _grey(self, network: Network, theirs: dict[str, Tensor], dataset: Dataset) -> list[str]:
        """The convolutions of RGB images among `theirs`, where `dataset` has grey ones.

        A grey image is one whose red, green and blue are equal, so the sum of the three weights does the same, but for
        how each was normalised.
        """
        if dataset.channels != GREY:
            return []
        one, three = (_shapes(network, dataset.num_classes, dataset, channels) for channels in (GREY, RGB))
        reading = [name for name, shape in three.items() if shape != one[name]]
        return [name for name in reading if name in theirs and theirs[name].shape == three[name]]

    def _is_fresh(self, name: str) -> bool:
        return name.partition(".")[0] in self.fresh

    def _is_of_other_classes(
        self, name: str, ours: dict[str, Tensor], theirs: dict[str, Tensor], dataset: Dataset
    ) -> bool:
        """Whether the tensor `name`, which has an entry for each class, is there for others: as told, or as many."""
        if self.weights.class_names is not None:
            return self.weights.class_names != dataset.class_names
        if name not in theirs:
            return False
        here, there = ours[name].shape, theirs[name].shape
        return here[0] != there[0] and here[1:] == there[1:]

    def _strided(self, module: nn.Module, network: Network, dataset: Dataset) -> list[str]:
        """The rows whose strides are others at the image size that the weights are of."""
        if self.weights.image_size is None:
            return []
        with shapes_only():
            before = dict(
                network.build(dataset.num_classes, self.weights.image_size, dataset.channels).named_children()
            )
        rows = module.named_children()
        return [name for name, row in rows if name in before and _strides(row) != _strides(before[name])]


@dataclass(frozen=True)
class StartFile:
    """Weights to start from as they are noted: the file, what was in it, and what is changed of them. Picklable."""

    path: str
    sha256: str
    fresh: tuple[str, ...] = ()
    tuning: FineTuning = EVERYTHING

    def give(self, module: nn.Module, network: Network, dataset: Dataset) -> Taken:
        """As `Start.give`. Raises ValueError, too, where the file is gone or another."""
        return self.read().give(module, network, dataset)

    def read(self) -> Start:
        """What is in the file. Raises ValueError where it is gone or another.

        As long as it stays as it is, it is read once in a process: every trial of a search starts from it.
        """
        try:
            now = Path(self.path).stat()
        except OSError:
            self.check()
            raise
        return Start(_read_once(self, now.st_ino, now.st_size, now.st_mtime_ns), self.fresh)

    def check(self) -> None:
        """Raises ValueError where the file is gone, or no longer what it was."""
        if sha256_of(Path(self.path)) != self.sha256:
            raise ValueError(f"{self.path} is not what the trainings were to start from: restore it, or begin anew")


@lru_cache(maxsize=1)
def _read_once(file: StartFile, *stamp: int) -> Weights:
    """What is in `file`, which the file system has with this `stamp`. Whoever takes of it copies."""
    file.check()
    return Weights.read(file.path)


def shared_in(path: str | Path) -> Shared | None:
    """What the file of a supernet's weights, or the folder that it is in, says of itself; None of other weights.

    No tensor is read. Raises ValueError where it is damaged.
    """
    path = Path(path)
    return _shared_in(_metadata(path / WEIGHTS if path.is_dir() else path))


def _shared_in(metadata: Mapping[str, str]) -> Shared | None:
    return Shared.parse(metadata[SUPERNET]) if SUPERNET in metadata else None


def as_seen(dataset: Dataset, recipe: Recipe) -> Dataset:
    """A few images of `dataset` as trainings by `recipe` see them: enough to find out what weights fit."""
    some = dataset.train.take(min(8, len(dataset.train)), 0)
    return replace(recipe, subset=None).prepare(replace(dataset, train=some, val=some, test=None))


def metadata(dataset: Dataset, metric: str = "accuracy") -> dict[str, str]:
    """What a file of weights says of the data that they were trained on."""
    return replace(Task.of(dataset), metric=metric).metadata()


def choose_start(asked: groups.StartOptions) -> tuple[Start | None, FineTuning]:
    """The weights to start from, and the rows to train. Raises ValueError where there are no such weights."""
    fresh, tuning = choose_tuning(asked, asked.init is not None, "add --init WEIGHTS")
    return None if asked.init is None else Start(Weights.read(Path(asked.init)), fresh), tuning


def choose_tuning(
    asked: groups.TuningOptions, given: bool, advice: str = "name a network as resnet18+init=FILE"
) -> tuple[tuple[str, ...], FineTuning]:
    """The rows that start anew, and those to train. Raises ValueError with `advice` where no weights are `given`."""
    fresh, tuning = parse_names(asked.fresh), FineTuning(parse_names(asked.freeze), asked.train_last, asked.backbone_lr)
    if not given and (fresh or tuning != EVERYTHING):
        raise ValueError(f"--fresh, --freeze, --train-last and --backbone-lr are for given weights: {advice}")
    return fresh, tuning


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError:  # a checkpoint in another format
        return {}


def _below_head(network: Network) -> Network | None:
    """What says a class of the image, of which `network` is the backbone with a head; None of what is no such."""
    if isinstance(network, Headed):
        return network.base
    if isinstance(network, Designed) and network.name in CLASSIFIERS:
        return Designed(CLASSIFIERS[network.name])
    return None


def _found_around(network: Network) -> Network | None:
    """What `network` was found around, where it is another than that."""
    if not isinstance(network, Found) or not isinstance(network.space, AroundSpace):
        return None
    return None if network.arch == network.space.as_is else original_of(network)


def _shapes(network: Network, num_classes: int, dataset: Dataset, channels: int | None = None) -> dict[str, torch.Size]:
    """The shapes of the network's tensors for the images of `dataset`, or such of so many channels."""
    with shapes_only():
        module = network.build(num_classes, dataset.image_size, channels or dataset.channels)
        return {name: tensor.shape for name, tensor in our_tensors(module).items()}


def _with_or_without_skips(theirs: Mapping[str, Tensor], ours: Iterable[str]) -> dict[str, Tensor]:
    """`theirs` under our names also where a block adds its input in one of the two networks only.

    A block with a stride at one image size and none at the other does so: as the `body` of a `Residual`.
    """
    names = {name.replace(".body.", "."): name for name in ours}
    return {names.get(name.replace(".body.", "."), name): tensor for name, tensor in theirs.items()}


def _strides(row: nn.Module) -> list[object]:
    return [part.stride for part in row.modules() if hasattr(part, "stride")]


def _rescale(module: nn.Module, eps: float, rows: Sequence[str]) -> None:
    """Have the batch norms of `rows` do with our eps what their weights do with `eps`."""
    for name, part in module.named_modules():
        if isinstance(part, nn.BatchNorm2d) and name.partition(".")[0] in rows:
            assert part.running_var is not None
            part.weight.data *= ((part.running_var + part.eps) / (part.running_var + eps)).sqrt()


def _advice(wanted: dict[str, Tensor], there: dict[str, Tensor]) -> str:
    """Which rows do not fit, as the option that has them trained anew."""
    common = wanted.keys() & there.keys()
    differ = (wanted.keys() ^ there.keys()) | {name for name in common if wanted[name].shape != there[name].shape}
    rows = [row for row in _rows_of([*wanted, *there]) if row in _rows_of(differ)]
    if set(rows) >= set(_rows_of(wanted)):
        return ". It is of another network: no row of it fits"
    return f". Add --fresh {','.join(rows)} to begin with new weights there"


def _rows_of(names: Iterable[str]) -> list[str]:
    """The rows that tensors are in, each once, in the tensors' order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _rows(names: tuple[str, ...]) -> str:
    return f"row{'s' if len(names) > 1 else ''} {', '.join(names)}"
