"""Who votes: networks that were trained, which are shown the images here, or a comparison's kept predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from nas import data
from nas.comparison.candidates import split_start, weights_file
from nas.comparison.design import COMPARISON
from nas.comparison.results import results
from nas.comparison.trainings import LABELS, PREDICTIONS, predictions
from nas.data.images import Dataset, Images
from nas.data.source import DataSource, choose_source
from nas.data.targets import DETECTION, SEGMENTATION
from nas.exports.target import Source, read_source
from nas.files import CONFIG
from nas.fusion.judging import TEST, VAL, Judging
from nas.fusion.results import Voter
from nas.ledger.run import Run, folder_of
from nas.options.commands import FuseOptions
from nas.options.groups import DataOptions
from nas.searching.progress import Output
from nas.training.evaluation import predict
from nas.training.metrics import check_metric_of
from nas.training.recipe import Recipe
from searchspaces.cost import cost

Voters = tuple[list[Voter], Judging]


def comparison_named(targets: Sequence[str], runs_dir: Path) -> Run | None:
    """The comparison that `targets` name; None where they name networks.

    Raises ValueError where they name both.
    """
    folders = [folder_of(target, runs_dir) for target in targets if ":" not in target]
    runs = [Run.open(folder) for folder in folders if (folder / CONFIG).is_file()]
    found = [run for run in runs if run.config.kind == COMPARISON]
    if found and len(targets) > 1:
        raise ValueError(f"{found[0].name} is a comparison, all of whose networks vote: name it alone")
    return found[0] if found else None


def of_comparison(run: Run, metric: str | None) -> Voters:
    """The networks of a comparison that kept predictions; with several seeds each of their trainings.

    Raises ValueError where it kept none.
    """
    if not (run.path / PREDICTIONS).is_dir():
        raise ValueError(f"{run.name} kept no predictions: `nas compare ... --ensemble` does, and then a fusion can be")
    labels, found = predictions(run, LABELS), results(run)
    _check_kind(found.kind, run.name)
    metric = metric or run.config.recipe.metric
    check_metric_of(metric, found.kind, run.config.data, found.num_classes)
    names = tuple(run.config.validation or map(str, range(found.num_classes)))
    judging = Judging(run.config.data, found.kind, metric, names, labels)
    voters = [
        Voter(
            result.called if found.seeds == 1 else f"{result.called} seed {seed}",
            result.size,
            f"training {training.number} of {run.name}",
            predictions(run, training.number),
        )
        for result in found.trained
        for seed, training in result.trainings.items()
    ]
    if not voters:
        raise ValueError(f"no network of {run.name} has been trained: `nas resume {run.name}` goes on with it")
    return voters, judging


def of_networks(targets: Sequence[str], asked: FuseOptions, runs_dir: Path, device: str, output: Output) -> Voters:
    """Networks that were trained, each shown the images at its own pixels, normalised as in its training.

    `RUN:best`, the folder of a training, or any network with the weights of a file, as resnet18+init=FILE. Raises
    ValueError where one is not trained, or they are of different images or classes.
    """
    sources = {target.rstrip("/"): _source(target, runs_dir) for target in targets}
    images = _images_for(sources, DataOptions(data=asked.data, data_dir=asked.data_dir), output)
    read = _Reader(images, device, output)
    voters, judging = [], None
    for target, source in sources.items():
        task = source.task
        assert task is not None
        dataset, test = read.at(source.shape[1])
        _check_classes(target, source, dataset)
        shown = replace(dataset, mean=task.preprocessing.mean, std=task.preprocessing.std, targets=task.targets)
        source.module.to(device)
        with output.busy(f"showing {len(dataset.val) + len(test):,} images to {target}"):
            see = partial(predict, source.module, dataset=shown, recipe=Recipe())
            said = {VAL: see(dataset.val).cpu(), TEST: see(test).cpu()}
        size = cost(source.module, source.shape[1], source.channels)
        assert source.weights is not None
        voters.append(Voter(target, size, str(source.weights.path), said))
        labels = {VAL: dataset.val.labels.cpu(), TEST: test.labels.cpu()}
        metric = asked.metric or task.metric
        check_metric_of(metric, dataset.kind, dataset.name, dataset.num_classes)
        judging = judging or Judging(dataset.name, dataset.kind, metric, dataset.class_names, labels)
    assert judging is not None
    return voters, judging


def _source(target: str, runs_dir: Path) -> Source:
    """The network that `target` means, trained. Raises ValueError where it is not, or what it says is not known."""
    name, start = split_start(target)
    source = read_source(name, weights_file(start) if start else None, runs_dir)
    _check_kind(source.known_task().targets.kind, target)
    return source


def _check_kind(kind: str, name: str) -> None:
    """Raises ValueError where networks of that kind do not vote."""
    if kind == DETECTION:
        raise ValueError(f"{name} finds objects, and boxes of several networks are no votes for one: name classifiers")
    if kind == SEGMENTATION:
        raise ValueError(
            f"{name} says a class of each pixel, and such networks do not vote here: the probabilities of all pixels "
            "would take too much memory. `nas soup` takes those of one architecture"
        )


def _images_for(sources: dict[str, Source], asked: DataOptions, output: Output) -> DataSource:
    """The images that all were trained on, or those asked for. Raises ValueError where they differ and nobody says."""
    known = {target: source.data for target, source in sources.items() if source.data is not None}
    if asked.data is None:
        if not known:
            raise ValueError(f"nothing says on which images {next(iter(sources))} was trained: give --data")
        (first, usual), *others = known.items()
        for target, other in others:
            if other.name != usual.name or not other.labelled_as(usual) or other.channels != usual.channels:
                raise ValueError(
                    f"{first} was trained on {usual.name}, {target} on {other.name}, or split or labelled otherwise: "
                    "networks that vote are of the same images"
                )
    return choose_source(next(iter(known.values()), None), asked, output.log)


class _Reader:
    """Reads the images of `source` at so many pixels a side, each once; a folder's are read as in a training."""

    def __init__(self, source: DataSource, device: str, output: Output) -> None:
        self.source, self.device, self.output = source, device, output
        self._read: dict[int, tuple[Dataset, Images]] = {}

    def at(self, pixels: int) -> tuple[Dataset, Images]:
        """Training and validation images, and those of the test."""
        key = pixels if data.is_folder(self.source.name) else 0
        if key not in self._read:
            source = replace(self.source, image_size=pixels).again()
            with self.output.passing(f"reading {source.name}"):
                dataset, test = source.load(self.output.log), source.load_test(self.output.log)
            source.check_unchanged(dataset, "trainings")
            self._read[key] = dataset, test
        dataset, test = self._read[key]
        prepared = Recipe(image_size=pixels).prepare(dataset)
        return prepared.to(self.device), test.resize(pixels).to(self.device)


def _check_classes(target: str, source: Source, dataset: Dataset) -> None:
    """Raises ValueError where a network is for others than `dataset` has."""
    task = source.task
    assert task is not None
    if (task.class_names, task.targets.kind) != (dataset.class_names, dataset.kind):
        raise ValueError(
            f"{target} is for other classes than those of {dataset.name}: networks that vote have the same ones"
        )
