"""nas from Python: what the commands do, as functions. The commands call them.

They import torch, `import nas` does not. A mistake is a ValueError in the one line that the command line prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas.checks.options import checked

if TYPE_CHECKING:
    from nas.exports.classifier import Prediction
    from nas.exports.job import Exported
    from nas.results import Blueprint, Run, Trained, Trial
    from searchspaces import Space

Progress = Literal["none", "lines", "json"]
Texts = Mapping[str, Any]
"""Values by name; those that are text are read as on the command line."""


@checked
def search(
    *,
    space: str | Space = "mnas",
    settings: Texts | None = None,
    data: str = "cifar10",
    data_dir: Path | str | None = None,
    skip_unreadable: bool = False,
    table: Path | str | None = None,
    name: str | None = None,
    strategy: str = "controller",
    strategy_settings: Texts | None = None,
    trials: int | None = None,
    budget: float | str | None = None,
    max_macs: float | str | None = None,
    target_macs: float | str | None = None,
    target_params: float | str | None = None,
    target_latency: float | str | None = None,
    w: float = -0.07,
    hard: bool = False,
    signal: str = "accuracy",
    objectives: str | Sequence[str] | None = None,
    pruner: str = "none",
    control: bool = False,
    width: float | None = None,
    epochs: int = 1,
    subset: int | str | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    lr: float = 0.05,
    recipe: Texts | None = None,
    seed: int = 0,
    seeds: int = 1,
    workers: int | None = None,
    gpus: int | None = None,
    gpus_per_trial: float = 1.0,
    address: str | None = None,
    device: str = "auto",
    threads: int = 1,
    storage: str | None = None,
    runs_dir: Path | str = "runs",
    progress: Progress = "none",
    on_trial: Callable[[Trial], None] | None = None,
) -> Run:
    """Search a space for the network of the highest reward, and return the run when it has ended.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target (MnasNet, Tan et
    al. 2018); `signal` can put the training loss in its place. Numbers may be given as on the command line: `"10M"`
    multiply-adds, `"20m"` of time.

    A KeyboardInterrupt ends it, and loses nothing but the trial under way: the run is in `runs_dir`, and
    `nas.open(...).resume()` goes on. Torch computes with `threads` threads in this process from then on.

    Args:
        space: mnas, compact, nasnet, chain, nasbench201, nasbench_macro, mypackage.module:MySpace, or a space itself.
        settings: Of the space, by their names.
        data: cifar10, cifar100, shapes (built in), or folder:PATH.
        data_dir: Where the data set is; by default $NAS_DATA, else a folder in the user's cache.
        skip_unreadable: Do without the images of a folder that cannot be read.
        table: File of published results, which are looked up instead of training anything.
        name: The run's; by default SPACE-DATA-1, -2, ...
        strategy: controller, ppo, reinforce, nas2016, nasnet, evolution, local-search, random, tpe, gp or nsga2.
        strategy_settings: Of the strategy, by their names, as in `{"entropy": 0.01}`; docs/controller.md has them.
        trials: Stop after so many networks.
        budget: Stop after so many seconds; 20 minutes where neither this nor `trials` is given.
        max_macs: Limit on multiply-adds: networks are as wide as it allows, or not trained where they exceed it.
        target_macs: Wanted multiply-adds of one image.
        target_params: Wanted parameters.
        target_latency: Wanted seconds for one image on this device.
        w: Exponent of cost / target in the reward.
        hard: Cost nothing below the target, exponent -1 above it.
        signal: What a training is judged by: "accuracy" on validation images, or "loss", the mean training loss of its
            last epoch, as exp(-loss).
        objectives: Accuracy and costs, as in `("accuracy", "macs")`: search for a whole front, instead of one reward.
        pruner: What stops trainings early: asha, hyperband, median or none.
        control: Then spend an equal budget on random search, in a run of its own: `run.control`.
        width: Width multiplier; by default 1, or what fits `max_macs` or `target_macs`.
        epochs: Of each training.
        subset: Training images to use, or "all"; by default 5,000, 10,000 for more than ten classes, or all where there
            are fewer.
        image_size: Pixels a side to train at; by default the data's own. A folder needs it.
        batch_size: Images a step.
        lr: Peak learning rate.
        recipe: Any other field of `nas.training.recipe.Recipe`, as in `{"label_smoothing": 0}`.
        seed: Of the strategy and of every training.
        seeds: Search so many times, with `seed` and those after it, each with the whole budget, in runs NAME-seed0,
            NAME-seed1, ...: `run.repeats`. The first is returned.
        workers: Trials at once on CPUs, through Ray Tune.
        gpus: GPUs to use, through Ray Tune.
        gpus_per_trial: A trial's share of a GPU.
        address: A running Ray cluster, as in auto or 10.0.0.1:6379.
        device: cpu, cuda, cuda:1, ... or auto.
        threads: CPU threads of a training.
        storage: Database URL for the ledger; by default it is a journal file in the run's folder.
        runs_dir: Folder that holds the runs.
        progress: What is printed: "none", "lines" as `nas search` does, or "json" as `nas search --json` does.
        on_trial: Called with each trial when it has ended, but for those that were not trained, since they repeat a
            network or exceed `max_macs`. What it raises ends the search.

    Returns:
        The run, with its trials, its best network and its Optuna study.

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.data.source import choose_source
    from nas.ledger import repeats
    from nas.results import Run
    from nas.searching import choices, driver
    from nas.searching import control as random_search
    from nas.searching.plan import announce
    from nas.searching.progress import Output
    from searchspaces import Space

    output = Output(progress)
    if isinstance(space, Space):
        given = space.changed_settings() | dict(settings or {})
        space, width = space.reference, given.pop("width", width)
    else:
        given = dict(settings or {})
    wanted = objectives if objectives is None or isinstance(objectives, str) else ",".join(objectives)
    choices.check_ahead(space, given, width, strategy, strategy_settings or {}, seed, pruner, epochs, wanted)
    cluster = choices.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    limit = choices.choose_budget(trials, budget)
    repeats.check(seeds, control)
    reward = choices.choose_reward(target_macs, target_params, target_latency, w, hard, signal)
    most = choices.choose_limit(max_macs, reward)
    source = choose_source(None, data, None if data_dir is None else Path(data_dir), image_size, skip_unreadable)
    folder = choices.new_folder(Path(runs_dir), name, choices.usual_name(space, source.name))
    places = repeats.places(folder, seed, seeds)
    images = "all" if subset is None else subset
    how = choices.choose_recipe(epochs, images, image_size, batch_size, lr, _as_texts(recipe))
    where = choices.choose_place(cluster, device, threads)
    choices.check_free([*places], control, storage)
    answers = None if table is None else Path(table)
    dataset = choices.load_data(source, output, answers)
    if subset is None and answers is None and "subset" not in (recipe or {}):
        how = replace(how, subset=choices.usual_images(dataset))
    config = choices.choose_config(
        space, width, dataset, source, how, reward, strategy, seed, where, threads, answers, most, given,
        strategy_settings,
    )  # fmt: skip
    config = choices.choose_aim(config, wanted, pruner)
    choices.check_latency(config, cluster)
    config = choices.within_reach(config, dataset, output)
    if control:
        random_search.check(config, folder)
    if seeds > 1:
        output.say(f"seeds     {seed} to {seed + seeds - 1}: one search after the other, each with the whole budget")
    if progress != "none":  # it takes a few trainings in miniature
        limit = replace(limit, timing=announce(config, limit, dataset, cluster, next(iter(places)), output, control))
    beside = random_search.place(folder).name if control else ""
    runs = [Run.create(path, replace(config, seed=of), limit, storage, beside=beside) for path, of in places.items()]
    if control:
        random_search.create(runs[0])
    for run in runs:
        if run is not runs[0]:
            output.say(f"\nnow seed {run.config.seed}, as {run.name}:\n")
        run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output, run.telling(on_trial))
    return runs[0]


@checked
def train(
    network: Path | str,
    *,
    data: str | None = None,
    data_dir: Path | str | None = None,
    skip_unreadable: bool = False,
    epochs: int = 10,
    subset: int | str = "all",
    image_size: int | None = None,
    batch_size: int = 64,
    lr: float = 0.05,
    recipe: Texts | None = None,
    init: Path | str | None = None,
    fresh: str = "",
    freeze: str = "",
    train_last: int | None = None,
    backbone_lr: float = 1.0,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    out: Path | str | None = None,
    runs_dir: Path | str = "runs",
    progress: Progress = "none",
) -> Trained:
    """Train one network, look at the test images once, save it; returns what was saved when it has ended.

    A KeyboardInterrupt ends it after the last epoch that was finished: `nas resume FOLDER` goes on.

    Args:
        network: What `nas.load` takes: "x:best" of a run, "resnet20", an architecture's text, a .json file.
        data: As in `nas.search`; by default what the network was searched on, else cifar10.
        data_dir: Where the data set is; by default where it was.
        skip_unreadable: Do without the images of a folder that cannot be read.
        epochs: Of the training.
        subset: Training images to use, or "all".
        image_size: Pixels a side to train at; by default the run's of the network, else the data's own.
        batch_size: Images a step.
        lr: Peak learning rate.
        recipe: Any other field of `nas.training.recipe.Recipe`.
        init: Weights to start from: a training's folder, weights.safetensors, or a published checkpoint.
        fresh: With `init`, rows that start with new weights all the same, joined by commas.
        freeze: Rows that are not trained, joined by commas; "backbone" is all but the classifier's.
        train_last: Train the last so many rows only.
        backbone_lr: Factor of the learning rate of what is trained before the last row.
        seed: Of the weights and the order of images.
        device: cpu, cuda, cuda:1, ... or auto.
        threads: CPU threads.
        out: Folder for the weights; by default a trial's is in its run, where `nas.predict` and `nas.export` find it,
            and others' NAME-trained.
        runs_dir: Folder that holds the runs.
        progress: What is printed: "none", "lines" as `nas train` does, or "json".

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.devices.device import choose_device
    from nas.final import run as training_run
    from nas.final.announcement import training_lines
    from nas.final.job import Job
    from nas.references.origin import origin_of, source_for
    from nas.references.resolve import resolve
    from nas.results import Trained
    from nas.searching import choices
    from nas.searching.progress import Output
    from nas.training.transfer import choose_start

    output = Output(progress)
    found = resolve(str(network), runs_dir)
    origin = origin_of(str(network), found, runs_dir)
    place = None if data_dir is None else Path(data_dir)
    source = source_for([str(network)], origin, data, place, image_size, skip_unreadable)
    weights = None if init is None else Path(init)
    start, tuning = choose_start(weights, fresh, freeze, train_last, backbone_lr)
    how = choices.choose_recipe(epochs, subset, source.image_size, batch_size, lr, _as_texts(recipe))
    usual = origin.trained if origin and origin.trained else Path(found.name.replace(":", "-") + "-trained")
    folder = usual if out is None else Path(out)
    training_run.check_free(folder)
    job = Job(found, source, how, seed, choose_device(device, threads), threads, start, tuning)
    with output.passing(f"reading {source.name}"):
        dataset, test = source.load(output.log), source.load_test(output.log)
    if progress != "none":
        words = origin.words if origin and source.same_images(origin.data) else ""
        output.say(training_lines(job, replace(dataset, test=test), words, folder))
    return Trained(folder, training_run.begin(folder, job, dataset, test, output))


@checked
def compare(
    networks: str | Path | Sequence[str | Path],
    *,
    baselines: str | None = None,
    match_macs: bool | None = None,
    equal_seconds: bool = False,
    ensemble: bool = False,
    data: str | None = None,
    data_dir: Path | str | None = None,
    skip_unreadable: bool = False,
    name: str | None = None,
    epochs: int = 3,
    subset: int | str = "all",
    image_size: int | None = None,
    batch_size: int = 64,
    lr: float = 0.05,
    recipe: Texts | None = None,
    seeds: int = 3,
    workers: int | None = None,
    gpus: int | None = None,
    gpus_per_trial: float = 1.0,
    address: str | None = None,
    device: str = "auto",
    threads: int = 1,
    runs_dir: Path | str = "runs",
    progress: Progress = "none",
) -> Run:
    """Train found and hand-designed networks alike, from scratch, and test them; returns the run when it has ended.

    `nas.comparison.experiment.read(run)` gives the results. A KeyboardInterrupt ends it, and `nas.open(...).resume()`
    goes on.

    Args:
        networks: A run's name (its best network), "x:17", "x:top5", a baseline, an architecture's text, a .json file or
            a training's folder; several in a list.
        baselines: More of them, joined by commas; by default resnet8, resnet20 and mobilenet_v2 as wide as the found
            network's multiply-adds allow, beside found networks alone.
        match_macs: Make each baseline as wide as the found network's multiply-adds allow.
        equal_seconds: Then train all once more, each for as long as the found one took.
        ensemble: Also average the class probabilities: of a network's seeds, of all networks.
        data: As in `nas.search`; by default what the found network was searched on.
        data_dir: Where the data set is; by default where it was.
        skip_unreadable: Do without the images of a folder that cannot be read.
        name: The run's; by default compare-1, -2, ...
        epochs: Of each training.
        subset: Training images to use, or "all".
        image_size: Pixels a side to train at; by default the found network's.
        batch_size: Images a step.
        lr: Peak learning rate.
        recipe: Any other field of `nas.training.recipe.Recipe`.
        seeds: Trainings of each network, seeds 0, 1, ...
        workers: Trainings at once on CPUs, through Ray Tune.
        gpus: GPUs to use, through Ray Tune.
        gpus_per_trial: A training's share of a GPU.
        address: A running Ray cluster.
        device: cpu, cuda, cuda:1, ... or auto.
        threads: CPU threads of a training.
        runs_dir: Folder that holds the runs.
        progress: What is printed: "none", "lines" as `nas compare` does, or "json".

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.comparison.announcement import announce
    from nas.comparison.entrants import matched, named, source_of
    from nas.comparison.experiment import check_free, comparison_config, create
    from nas.comparison.lineup import Lineup
    from nas.results import Run
    from nas.searching import choices, driver
    from nas.searching.progress import Output

    output, home = Output(progress), Path(runs_dir)
    targets = [str(one) for one in ([networks] if isinstance(networks, str | Path) else networks)]
    cluster = choices.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    entrants, match = named(targets, baselines, match_macs, home, output.log)
    place = None if data_dir is None else Path(data_dir)
    source, why = source_of(targets, data, place, image_size, skip_unreadable, home)
    folder = choices.new_folder(home, name, "compare")
    check_free(folder, equal_seconds)
    how = choices.choose_recipe(epochs, subset, source.image_size, batch_size, lr, _as_texts(recipe))
    where = choices.choose_place(cluster, device, threads)
    dataset = choices.load_data(source, output)
    if source.has_changed(dataset):
        output.say(f"the images of {source.name} are not those of before: files were added, removed or changed\n")
    shape = dataset.num_classes, how.image_size(dataset)
    if match:
        entrants = matched(entrants, *shape, output.log)
    lineup = Lineup.of(entrants, *shape, seeds, equal_seconds, ensemble)
    config = comparison_config(lineup, dataset, source, how, where, threads)
    dataset = choices.with_test(dataset, config.source.again(), output)
    if progress != "none":  # it takes a few trainings in miniature
        announce(lineup, source, why, dataset, how, where, cluster, folder, output)
    run = create(folder, config)
    driver.to_the_end(run, run.budget, dataset, where, cluster, output)
    return Run.open(run.path)


@checked
def export(
    network: Path | str,
    *,
    to: str | Sequence[str] = ("standalone", "state_dict"),
    out: Path | str | None = None,
    weights: Path | str | None = None,
    untrained: bool = False,
    image_size: int | None = None,
    classes: int | None = None,
    fold_bn: bool = False,
    prune: float | None = None,
    quantize: str | None = None,
    data: str | None = None,
    data_dir: Path | str | None = None,
    skip_unreadable: bool = False,
    test: bool = False,
    threads: int = 1,
    runs_dir: Path | str = "runs",
    progress: Progress = "none",
) -> Exported:
    """Write a trained network for use elsewhere; each file is read back, and must give the network's logits.

    What it needs to be given photographs (classes, pixels, mean and deviation) goes into every file.

    Args:
        network: What was trained: "x:best" of a run or "x:17", a training's folder; with `weights` or `untrained`
            whatever `nas.load` takes.
        to: Of standalone (a Python file, with its weights where there are any), state_dict, onnx and pt2.
        out: Folder for the files; by default NAME-exported.
        weights: A file of weights; by default what `nas.train` made of the network.
        untrained: Write random weights: the network as it is before any training.
        image_size: Pixels a side; by default the weights'.
        classes: By default the weights'.
        fold_bn: Have convolutions do what batch norms do.
        prune: Set this share of the weights to zero, the smallest.
        quantize: Also in int8: "static" by training images, or "dynamic", linear layers alone.
        data: Measure accuracy and speed on its validation images; by default what the network was trained on, where
            `test` or `quantize` need images.
        data_dir: Where the data set is; by default where it was.
        skip_unreadable: Do without the images of a folder that cannot be read.
        test: Also test accuracy, before and after.
        threads: CPU threads.
        runs_dir: Folder that holds the runs.
        progress: What is printed: "none", or "lines" as `nas export` does.

    Raises:
        ValueError: For a mistake, with what to do; where there are no trained weights; where a file would not give the
            network's logits, which is then not written.
    """
    from nas.devices.device import choose_device
    from nas.exports.job import Changes, data_for, run, source_of_images, with_weights
    from nas.exports.target import describe, read_source
    from nas.searching.progress import Output
    from nas.text.units import parse_names
    from nas.training.announcement import data_line

    output = Output(progress)
    choose_device("cpu", threads)
    formats = list(dict.fromkeys(parse_names(to) if isinstance(to, str) else to))
    changes = Changes(fold_bn, prune, quantize)
    changes.check(formats)
    file = None if weights is None else Path(weights)
    source = read_source(str(network), file, Path(runs_dir), classes, image_size, untrained)
    output.say(describe(source))
    formats = with_weights(formats, source)
    images = loaded = tested = None
    measured = data is not None or test or changes.needs_images
    if not measured and (data_dir is not None or skip_unreadable):
        raise ValueError("--data-dir and --skip-unreadable are of images to measure by: add --data, or --test")
    if measured:
        place = None if data_dir is None else Path(data_dir)
        images = source_of_images(source, data, place, skip_unreadable)
        with output.passing(f"reading {images.name}"):
            read = images.load(output.log)
        output.say(f"data      {data_line(images, read)}")
        loaded = data_for(source, read)
        tested = images.load_test(output.log).resize(source.shape[1]) if test else None
    folder = Path(out or source.network.name.replace(":", "-") + "-exported")
    with output.passing(f"writing {', '.join(formats)}"):
        return run(folder, formats, source, changes, loaded, tested, output.say)


@checked
def predict(
    network: Path | str,
    images: Path | str | Sequence[Path | str],
    *,
    weights: Path | str | None = None,
    threads: int = 1,
    runs_dir: Path | str = "runs",
) -> list[Prediction]:
    """What is on photographs, by a trained network: of each its classes with their probabilities, the likeliest first.

    They go in as the images did in the network's training: turned upright, on white, the centre square, at its pixels.

    Args:
        network: "x:best" of a run or "x:17", if it was trained, a training's folder, an exported .onnx or .pt2 file;
            with `weights` whatever `nas.load` takes.
        images: Image files, and folders of them.
        weights: weights.safetensors of `nas.train`.
        threads: CPU threads.
        runs_dir: Folder that holds the runs.

    Raises:
        ValueError: Where the network is not trained, or there is no such image. Of a file that cannot be read the
            prediction has the `reason`.
    """
    from nas.devices.device import choose_device
    from nas.exports.classifier import Classifier, image_files

    choose_device("cpu", threads)
    files = image_files([images] if isinstance(images, str | Path) else images)
    file = None if weights is None else Path(weights)
    return list(Classifier.load(str(network), runs_dir, file).predict(files))


@checked
def open(
    run: Path | str, *, runs_dir: Path | str = "runs", trust_space: str | Sequence[str] = (), storage: str | None = None
) -> Run:
    """The run of that name in `runs_dir`, or in that folder where `run` has a slash: `open("runs/x")`.

    It may be at work, have ended or have been interrupted; `.resume()` continues it. Raises ValueError where there is
    none.

    A run names the space that it searched, and may name a database that its ledger is in. What it names is not imported
    and not connected to: a space of your own is one that you have imported, or that `trust_space` names
    (`mypackage.module:MySpace`), and the database that of `storage`, else of $NAS_STORAGE.
    """
    from nas.ledger.run import folder_of
    from nas.ledger.trust import trust
    from nas.results import Run

    trust([trust_space] if isinstance(trust_space, str) else trust_space)
    return Run.open(folder_of(str(run), Path(runs_dir)), storage)


@checked
def load(target: Path | str, *, runs_dir: Path | str = "runs", trust_space: str | Sequence[str] = ()) -> Blueprint:
    """The network that `target` means, to build: `load("runs/x:best").build()` is a torch module.

    A trial (`x:best`, `x:17`, or with the run's folder `runs/x:best`), a baseline (`resnet20`, `mobilenet_v2@0.5`), an
    architecture's text (`mnas@0.25:...`), or a .json file that `nas train` wrote. Raises ValueError where it is none of
    these. `trust_space` is as in `nas.open`, for a space of your own that a run or a file names.
    """
    from nas.ledger.trust import trust
    from nas.references.origin import origin_of
    from nas.references.resolve import resolve
    from nas.references.show import usual_shape
    from nas.results import Blueprint

    trust([trust_space] if isinstance(trust_space, str) else trust_space)

    network = resolve(str(target), Path(runs_dir))
    origin = origin_of(str(target), network, runs_dir)
    return Blueprint(network, *usual_shape(str(target), network, Path(runs_dir)), origin.data if origin else None)


def _as_texts(values: Texts | None) -> list[str]:
    """`{"cutout": 16}` -> `["cutout=16"]`."""
    return [f"{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in (values or {}).items()]
