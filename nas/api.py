"""nas from Python: what the commands do, as functions. The commands call them.

They import torch, `import nas` does not. A mistake is a ValueError in the one line that the command line prints. What
each takes is in `nas.options.commands`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.options.commands import (
    BackboneOptions,
    CompareOptions,
    ExportOptions,
    FuseOptions,
    LatencyTableOptions,
    LoadOptions,
    LookOptions,
    OpenOptions,
    PredictOptions,
    SearchOptions,
    SoupOptions,
    SupernetOptions,
    TrainOptions,
)
from nas.options.option import number, path, several, takes

if TYPE_CHECKING:
    from nas.exports.classifier import Prediction
    from nas.exports.job import Exported
    from nas.fusion.results import Fusion
    from nas.latencies.table import LatencyTable
    from nas.results import Blueprint, Run, SharedWeights, Trained
    from nas.seeing.looked import Looked
    from searchspaces.backbone import Backbone


@takes(SearchOptions)
def search(asked: SearchOptions) -> Run:
    """Search a space for the network of the highest reward, and return the run when it has ended.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target (MnasNet, Tan et
    al. 2018); `signal` can put the training loss in its place. Numbers may be given as on the command line: `"10M"`
    multiply-adds, `"20m"` of time.

    A KeyboardInterrupt ends it, and loses nothing but the trial under way: the run is in `runs_dir`, and
    `nas.open(...).resume()` goes on. With `strategy="outside"` nothing is trained, and the run is there to ask and to
    tell. Torch computes with `threads` threads in this process from then on.

    Returns:
        The run, with its trials, its best network and its Optuna study: `run.control` is the random search with an
        equal budget, `run.repeats` are the searches with other seeds.

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.data.source import choose_source
    from nas.final import shipping
    from nas.ledger import repeats
    from nas.results import Run
    from nas.samplers import OUTSIDE
    from nas.searching import choices, driver
    from nas.searching import control as random_search
    from nas.searching.plan import announce
    from nas.searching.progress import Output
    from nas.training.announcement import named_recipe_line

    output, seeds = Output(asked.progress), range(asked.seed, asked.seed + asked.seeds)
    asked = choices.by_reference(asked)
    choices.check_ahead(asked)
    cluster = choices.choose_cluster(asked, asked.threads)
    limit, reward = choices.choose_budget(asked), choices.choose_reward(asked)
    source = choose_source(None, asked, output.log)
    experience = choices.read_experience(asked, source.name)
    folder = choices.new_folder(Path(asked.runs_dir), asked.name, choices.usual_name(asked, source.name))
    places = repeats.places(folder, seeds)
    recipe = choices.choose_recipe(asked, source.image_size)
    choices.check_final(asked, recipe, folder)
    where = choices.choose_place(cluster, asked)
    choices.check_free([*places], asked.control, asked.storage)
    dataset = choices.load_data(choices.largest_side(asked, recipe, source), output, asked.table)
    recipe = choices.suited(recipe, dataset, asked)
    if asked.subset is None and asked.table is None and "subset" not in (asked.recipe or {}):
        recipe = replace(recipe, subset=choices.usual_images(dataset))
    config = choices.choose_config(asked, dataset, source, recipe, reward, where)
    measuring = choices.check_costs(config, dataset, cluster, output)
    final = choices.choose_final(asked, recipe, dataset, cluster.at_once if cluster else 1, limit)
    config = replace(config, final=final, experience=experience.names, experience_sha256=experience.sha256)
    limit = choices.without_final(limit, final)
    if asked.control:
        random_search.check(config, folder)
    if len(seeds) > 1:
        output.say(f"seeds     {seeds[0]} to {seeds[-1]}: one search after the other, each with the whole budget")
    if asked.preset is not None:
        output.say(named_recipe_line(recipe, asked.preset))
    if asked.progress != "none":  # it takes a few trainings in miniature
        took = announce(
            config, limit, dataset, cluster, next(iter(places)), experience, output, asked.control, measuring
        )
        limit = replace(limit, timing=took)
    beside = random_search.place(folder).name if asked.control else ""
    runs = [
        Run.create(path, replace(config, seed=seed), limit, asked.storage, "", beside, experience.text)
        for path, seed in places.items()
    ]
    if asked.control:
        random_search.create(runs[0])
    for run in () if asked.strategy == OUTSIDE else runs:
        if run is not runs[0]:
            output.say(f"\nnow seed {run.config.seed}, as {run.name}:\n")
        run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output, run.row_callback(asked.on_trial))
        shipping.finish(run, dataset, choices.place_alone(where, cluster, asked.threads), output)
    return runs[0]


@takes(TrainOptions)
def train(asked: TrainOptions) -> Trained:
    """Train one network, look at the test images once, save it; returns what was saved when it has ended.

    A KeyboardInterrupt ends it after the last epoch that was finished: `nas resume FOLDER` goes on.

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.devices.device import choose_device
    from nas.final import run as training_run
    from nas.final.announcement import training_lines
    from nas.final.job import Job
    from nas.final.teacher import choose_teacher
    from nas.joint.fields import RESOLUTION
    from nas.references.origin import origin_of, source_for
    from nas.references.resolve import own_recipe, resolve
    from nas.results import Trained
    from nas.searching import choices
    from nas.searching.progress import Output
    from nas.training.transfer import choose_start

    output, network = Output(asked.progress), str(asked.network)
    network = network if asked.head is None else f"{asked.head}:{network}"
    found = resolve(network, asked.runs_dir)
    origin = origin_of(network, found, asked.runs_dir)
    source = source_for([network], origin, asked, output.log)
    own = own_recipe(network, asked.runs_dir)
    if asked.image_size is None and RESOLUTION in own:
        source = replace(source, image_size=int(own[RESOLUTION]))
    start, tuning = choose_start(asked)
    searched = origin.recipe if origin else None
    recipe = choices.choose_recipe(asked, source.image_size, searched, taught=asked.teacher is not None)
    usual = origin.trained if origin and origin.trained else Path(found.name.replace(":", "-") + "-trained")
    folder = path(asked.out) or usual
    teacher = choose_teacher(asked, folder)
    training_run.check_free(folder)
    device = choose_device(asked.device, asked.threads)
    job = Job(found, source, recipe, asked.seed, device, asked.threads, start, tuning, teacher, own)
    with output.passing(f"reading {source.name}"):
        dataset, test = source.load(output.log), source.load_test(output.log)
    recipe = choices.suited(job.recipe, dataset, asked)
    job = replace(job, recipe=choices.with_own(recipe, own, asked, recipe.size_on(dataset)))
    choices.check_network(found, dataset)
    choices.check_recipe(job.recipe, dataset)
    if asked.progress != "none":
        words = origin.words if origin and source.same_images(origin.data) else ""
        output.say(training_lines(job, replace(dataset, test=test), words, folder, preset=asked.preset))
    return Trained(folder, training_run.begin(folder, job, dataset, test, output))


@takes(CompareOptions)
def compare(asked: CompareOptions) -> Run:
    """Train found and hand-designed networks alike, from scratch, and test them; returns the run when it has ended.

    A network named as `resnet18+init=FILE` begins from the weights of a file, and is reported as pretrained.

    `nas.comparison.experiment.read(run)` gives the results. A KeyboardInterrupt ends it, and `nas.open(...).resume()`
    goes on.

    Raises:
        ValueError: For a mistake, with what to do, before anything is trained.
    """
    from nas.comparison.announcement import announce
    from nas.comparison.candidates import check_starts, costs_of, matched, named, source_of, with_heads
    from nas.comparison.design import ComparisonSpace
    from nas.comparison.ensembles import check_votes
    from nas.comparison.experiment import check_free, comparison_config, create
    from nas.devices.measuring import Measuring
    from nas.results import Run
    from nas.searching import choices, driver
    from nas.searching.progress import Output
    from nas.training.transfer import choose_tuning

    output, home = Output(asked.progress), Path(asked.runs_dir)
    targets = [str(one) for one in several(asked.networks)]
    cluster = choices.choose_cluster(asked, asked.threads)
    candidates, match = named(targets, asked.baselines, asked.match_macs, home, output.log)
    candidates = with_heads(candidates, output.log)
    source, why, searched = source_of(targets, asked, home, output.log)
    folder = choices.new_folder(home, asked.name, "compare")
    check_free(folder, asked.equal_seconds)
    recipe = choices.choose_recipe(asked, source.image_size, searched)
    where = choices.choose_place(cluster, asked)
    dataset = choices.load_data(source, output)
    recipe = choices.suited(recipe, dataset, asked)
    if source.has_changed(dataset):
        output.say(f"the images of {source.name} are not those of before: files were added, removed or changed\n")
    for candidate in candidates:
        choices.check_network(candidate.network, dataset)
    if asked.ensemble:
        check_votes(dataset)
    shape = dataset.num_classes, recipe.size_on(dataset)
    if match:
        candidates = matched(candidates, *shape, output.log, dataset.channels)
    fresh, tuning = choose_tuning(asked, any(candidate.start for candidate in candidates))
    comparison = ComparisonSpace.of(
        candidates, *shape, asked.seeds, asked.equal_seconds, asked.ensemble, dataset.channels, fresh, tuning
    )
    starts = check_starts(comparison, dataset, recipe)
    costs = choices.choose_costs(asked), choices.choose_measuring(asked)
    if asked.costs is None and costs[1] == Measuring():
        costs = costs_of(targets, home, asked.trust_commands, output.say)
    costs[1].check(costs[0])
    config = comparison_config(comparison, dataset, source, recipe, where, asked.threads, *costs)
    dataset = choices.with_test(dataset, config.source.again(), output)
    if asked.progress != "none":  # it takes a few trainings in miniature
        announce(comparison, source, why, dataset, recipe, where, cluster, folder, output, asked.preset, starts)
    run = create(folder, config)
    driver.to_the_end(run, run.budget, dataset, where, cluster, output)
    return Run.open(run.path)


@takes(FuseOptions)
def fuse(asked: FuseOptions) -> Fusion:
    """What different trained networks come to alone and together: by the mean of what they say, equal or weighted.

    How alike they err, on which classes each is the best, and a greedy selection stand beside it. Weights and selection
    are fitted on validation images; the test images are looked at once, and decide nothing. A run of `nas compare` with
    `ensemble` has kept what its networks said: then no image is read.

    Returns:
        All figures; `nas.fusion.report.in_words` makes tables of them.

    Raises:
        ValueError: Where a network is not trained, or they are of different images.
    """
    from nas.devices.device import choose_device
    from nas.fusion import voters
    from nas.fusion.results import fuse
    from nas.searching.progress import Output

    output, runs_dir = Output(asked.progress), Path(asked.runs_dir)
    targets = [str(one) for one in several(asked.networks)]
    device = choose_device(asked.device, asked.threads)
    run = voters.comparison_named(targets, runs_dir)
    if run is None:
        found, judging = voters.of_networks(targets, asked, runs_dir, device, output)
    else:
        found, judging = voters.of_comparison(run, asked.metric)
    with output.passing("fitting weights"):
        return fuse(found, judging, asked.by_class)


@takes(SoupOptions)
def soup(asked: SoupOptions) -> Trained:
    """The mean of the weights of several trainings of one network, as one network: a model soup (Wortsman et al. 2022).

    The uniform soup is of all, the greedy one of those that do not make it worse on validation images; one of both is
    written, as the folder of a training. With `members` the trainings are made first: fine-tunings of `init`. A
    KeyboardInterrupt ends that after the last epoch that was finished, and the same arguments go on.

    Returns:
        What was written; its `result["soup"]` has every member and every step.

    Raises:
        ValueError: For a mistake, with what to do; where the trainings are not of one architecture, or of other images.
    """
    from nas.devices.device import choose_device
    from nas.final.run import check_free
    from nas.results import Trained
    from nas.searching.progress import Output
    from nas.soups import job, members

    output = Output(asked.progress)
    targets = [str(one) for one in several(asked.networks)]
    folder = job.folder_for(asked, targets[0])
    check_free(folder)
    if asked.members is None:
        job.check_of_trainings(asked)
    elif len(targets) > 1:
        raise ValueError(f"--members fine-tunes one network: name it alone, without {targets[1]}")
    device = choose_device(asked.device, asked.threads)
    if asked.members is not None:
        targets = [str(path) for path in job.fine_tuned(asked, targets[0], folder, device, output)]
    found = members.read(targets, Path(asked.runs_dir))
    return Trained(folder, job.mix(asked, found, folder, device, output))


@takes(ExportOptions)
def export(asked: ExportOptions) -> Exported:
    """Write a trained network for use elsewhere; each file is read back, and must give the network's logits.

    What it needs to be given photographs (classes, pixels, mean and deviation) goes into every file.

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

    output = Output(asked.progress)
    choose_device("cpu", asked.threads)
    formats = list(dict.fromkeys(parse_names(asked.to) if isinstance(asked.to, str) else asked.to))
    changes = Changes(asked.fold_bn, asked.prune, asked.quantize)
    changes.check(formats)
    weights = path(asked.weights)
    shape = asked.classes, asked.image_size
    source = read_source(
        str(asked.network), weights, Path(asked.runs_dir), *shape, asked.untrained, exporting=True,
        channels=asked.channels,
    )  # fmt: skip
    output.say(describe(source))
    formats = with_weights(formats, source)
    images = loaded = tested = None
    measured = asked.data is not None or asked.test or changes.needs_images(formats)
    if not measured and asked.changed("data_dir", "skip_unreadable", "group_by", "task", "labels"):
        raise ValueError(
            "--data-dir, --skip-unreadable, --group-by, --task and --labels are of images to measure by: add --data, "
            "or --test"
        )
    if measured:
        images = source_of_images(source, asked, output.log)
        with output.passing(f"reading {images.name}"):
            read = images.load(output.log)
        output.say(f"data      {data_line(images, read)}")
        loaded = data_for(source, read)
        tested = images.load_test(output.log).resize(source.shape[1]) if asked.test else None
    folder = Path(asked.out or source.network.name.replace(":", "-") + "-exported")
    with output.passing(f"writing {', '.join(formats)}"):
        return run(folder, formats, source, changes, loaded, tested, output.say, asked.license)


@takes(PredictOptions)
def predict(asked: PredictOptions) -> list[Prediction]:
    """What is on photographs, by a trained network: of each its classes with their probabilities, the likeliest first.

    Of a network of other labels each label with its probability, or each number in its units; of a detector its
    objects, with scores and boxes in pixels of the photograph.

    They go in as the images did in the network's training: turned upright, on white, the centre square, at its pixels.

    Raises:
        ValueError: Where the network is not trained, or there is no such image. Of a file that cannot be read the
            prediction has the `reason`.
    """
    from nas.devices.device import choose_device
    from nas.exports.classifier import Classifier, check_target, image_files

    choose_device("cpu", asked.threads)
    weights = path(asked.weights)
    check_target(str(asked.network))
    files, _ = image_files(several(asked.images))
    return list(Classifier.load(str(asked.network), asked.runs_dir, weights).predict(files))


@takes(LookOptions)
def look(asked: LookOptions) -> Looked:
    """Write what a network sees as one HTML page: filters, what excites them, classes at their most, where it looks.

    Each picture stands with what it shows, the paper that it is of, and what it does not say. By the same arguments
    the same pictures come out on the same machine.

    Returns:
        Where the page is, and in numbers what is on it.

    Raises:
        ValueError: For a mistake, with what to do; where captum is not installed; where the network says a class of
            each pixel.
    """
    from nas.devices.device import choose_device
    from nas.searching.progress import Output
    from nas.seeing import job
    from nas.seeing.looked import write

    output = Output(asked.progress)
    choose_device("cpu", asked.threads)
    place = job.choose_place(asked)
    subject = job.prepared(asked, output.log, output.say)
    return write(place, job.look(subject, asked, output.busy))


@takes(LatencyTableOptions)
def latency_table(asked: LatencyTableOptions) -> LatencyTable:
    """Measure rows and networks of a space on a target, so that the latency of any other is predicted in milliseconds.

    The table is in a file, which a search takes, and `LatencyTable.read` of `nas.latencies.table`. Its `predict` gives
    a network's seconds, and how far such figures were off for networks that it had not seen. The file is written as
    measurements come: with the same arguments it is gone on with, after a KeyboardInterrupt, too.

    Raises:
        ValueError: For a mistake, with what to do; where measurements fail one after the other.
    """
    from nas.latencies import job
    from nas.latencies.measuring import jobs_of
    from nas.searching.progress import Output

    output = Output(asked.progress)
    space, target, out = job.choose_space(asked), job.choose_target(asked), job.choose_file(asked)
    table = job.begun(job.new_table(asked, space, target), out)
    measure = job.choose_measure(asked, target, table.images.classes)
    with output.busy("drawing networks"):
        jobs = jobs_of(table, space)
    return job.run(table, space, jobs, measure, out, None if asked.budget is None else number(asked.budget), output)


@takes(SupernetOptions)
def supernet(asked: SupernetOptions) -> SharedWeights:
    """Train one network that holds the weights of all networks of a space (`searchspaces.sharing`), and save it.

    `nas.search(init=FOLDER, evaluator="supernet")` then judges a network in seconds, without training it. With
    `truth` it is found out how far that orders networks as their own trainings do. A training that was stopped is gone
    on with by the same arguments, after a KeyboardInterrupt, too.

    Raises:
        ValueError: For a mistake, with what to do.
    """
    from nas.data import short_name
    from nas.ledger.trust import trust
    from nas.results import SharedWeights
    from nas.searching.progress import Output
    from nas.weight_sharing import job

    output = Output(asked.progress)
    trust([str(name) for name in several(asked.trust_space)])
    prepared, loaded = job.prepared(asked, output)
    space = prepared.sharing.space
    folder = Path(asked.out or f"{space.name}-{short_name(loaded.name)}-supernet").expanduser()
    job.check_free(folder)
    truth = job.truth(asked, space)
    job.announce(prepared, loaded, truth, asked, folder, output)
    return SharedWeights(folder, job.run(prepared, truth, asked.networks, folder, output))


@takes(OpenOptions)
def open(asked: OpenOptions) -> Run:
    """The run of that name in `runs_dir`, or in that folder where it has a slash: `open("runs/x")`.

    It may be at work, have ended or have been interrupted; `.resume()` continues it.

    A run names the space that it searched, and may name a database that its ledger is in. What it names is not imported
    and not connected to: a space of your own is one that you have imported, or that `trust_space` names
    (`mypackage.module:MySpace`), and the database that of `storage`, else of $NAS_STORAGE.

    Raises:
        ValueError: Where there is none.
    """
    from nas.ledger.run import folder_of
    from nas.ledger.trust import trust
    from nas.results import Run

    trust([str(name) for name in several(asked.trust_space)])
    return Run.open(folder_of(str(asked.run), Path(asked.runs_dir)), asked.storage)


@takes(LoadOptions)
def load(asked: LoadOptions) -> Blueprint:
    """The network that `target` means, to build: `load("runs/x:best").build()` is a torch module.

    A trial (`x:best`, `x:17`, or with the run's folder `runs/x:best`), a baseline (`resnet20`, `mobilenet_v2@0.5`), an
    architecture's text (`mnas@0.25:...`), or a .json file that `nas train` wrote. `trust_space` is as in `nas.open`,
    for a space of your own that a run or a file names.

    Raises:
        ValueError: Where it is none of these.
    """
    from nas.ledger.trust import trust
    from nas.references.origin import channels_of, origin_of
    from nas.references.resolve import own_recipe, resolve
    from nas.references.show import usual_shape
    from nas.results import Blueprint

    trust([str(name) for name in several(asked.trust_space)])
    target, runs_dir = str(asked.target), Path(asked.runs_dir)
    network = resolve(target, runs_dir)
    origin = origin_of(target, network, runs_dir)
    shape, data = usual_shape(target, network, runs_dir), origin.data if origin else None
    return Blueprint(network, *shape, data, channels_of(target, origin), own_recipe(target, runs_dir))


@takes(BackboneOptions)
def backbone(asked: BackboneOptions) -> Backbone:
    """A network without its classifier: a module that gives its feature maps by stride, as heads for other tasks want.

    `backbone("RUN:best")(images)` is `{2: [B, C, H / 2, W / 2], 4: ...}`, and its `channels` say how many each map has.
    Weights are those of its training where it has one, the file's that is given, else random. Of a module of your own
    they stay, and it becomes a part of the backbone.

    Raises:
        ValueError: Where there is no such network or map, or the weights are not of it.
    """
    from nas.checks.limits import PIXELS
    from nas.data.images import RGB
    from nas.exports.target import read_source
    from nas.ledger.trust import trust
    from nas.references.around import itself
    from nas.references.origin import origin_of, weights_of
    from nas.references.resolve import resolve
    from searchspaces.backbone import Backbone

    trust([str(name) for name in several(asked.trust_space)])
    if not isinstance(asked.target, str | Path):
        side = PIXELS.checked("image_size", 224 if asked.image_size is None else asked.image_size)
        return Backbone(asked.target, side, asked.channels or RGB, asked.strides, asked.output_stride)
    runs_dir = Path(asked.runs_dir)
    target = itself(str(asked.target), runs_dir)
    weights = path(asked.weights) or weights_of(target, origin_of(target, resolve(target, runs_dir), runs_dir))
    source = read_source(
        target, weights, runs_dir, image_size=asked.image_size, allow_untrained=weights is None, channels=asked.channels
    )
    return Backbone(source.module, source.shape[1], source.channels, asked.strides, asked.output_stride)
