"""What the options of a search mean: from what a person asked for to a `Config`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas import data
from nas.checks.costs import COSTS, Figures, check_cost, in_order, kind_of
from nas.checks.noted import METRICS_OF
from nas.checks.schemas import EVALUATORS
from nas.data import short_name
from nas.data.augmentation import NO_POLICY
from nas.data.images import RGB, Dataset
from nas.data.source import DataSource
from nas.data.targets import CLASSIFICATION, DETECTION, REGRESSION, SEGMENTATION
from nas.detection.heads import HEADS as DETECTION_HEADS
from nas.devices.command import CostCommand
from nas.devices.device import choose_device
from nas.devices.measuring import Measuring
from nas.files import is_taken, read_text, sha256_of
from nas.heads import HEADS
from nas.joint import fields
from nas.joint.space import JointSpace
from nas.latencies.table import read_once
from nas.ledger import repeats
from nas.ledger.beside import usual_place
from nas.ledger.config import SUPERNET, Budget, Config, Final
from nas.ledger.experience import NONE, Experience, builtin, choose_experience
from nas.ledger.finals import FINALISTS
from nas.ledger.names import as_name, check_name, check_room
from nas.ledger.run import check_database
from nas.ledger.trust import AROUND, around, class_of_person, space_of_person, trust
from nas.network import Found, Network, original_of
from nas.options.commands import SearchOptions, TrainOptions
from nas.options.groups import (
    ClusterOptions,
    ColumnOptions,
    DeviceOptions,
    GoalOptions,
    MeasuringOptions,
    SpaceOptions,
    StepOptions,
    StrategyOptions,
    TrainingOptions,
)
from nas.options.option import defaults_of, number, options_of, several
from nas.pruning import NO_PRUNER, make_pruner
from nas.reward import ACCURACY, LOSS, USUAL_W, Reward
from nas.samplers import OUTSIDE, check_strategy, draws_by_itself, has_surrogate, read_settings, weighted
from nas.searching.control import check_room as check_room_of_control
from nas.searching.control import place as place_of_control
from nas.searching.gauge import gauge_of
from nas.searching.pareto import REWARD, parse_objectives
from nas.searching.plan import fit_width, has_width
from nas.searching.progress import Output
from nas.searching.published import read
from nas.searching.reach import check_reach
from nas.searching.telling import arch_in
from nas.text.units import format_seconds, parse_names
from nas.training.metrics import check_metric, weights_of_classes
from nas.training.presets import PRESETS
from nas.training.recipe import Recipe
from nas.training.transfer import Start, Weights, as_seen, shared_in
from searchspaces import Space
from searchspaces.around.space import AroundSpace
from searchspaces.scaled import COSTS as KNOWN
from searchspaces.scaled import LATENCY, ScaledSpace
from searchspaces.space import Option

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster

TABLE = "table"  # an evaluator, beside those of trials that no table answers


def choose_recipe(
    asked: StepOptions, image_size: int | None, searched: Recipe | None = None, taught: bool = False
) -> Recipe:
    """How networks are trained: what a recipe has by the name of an option is that option's.

    The metric and the weights of classes are those of `searched`, by which the network was found, where nobody says
    others. Raises ValueError for what a recipe cannot have, and for how to learn from a teacher where the networks are
    not `taught` by one.
    """
    values = asked.values_for(Recipe) | {"image_size": image_size}
    for name in ("metric", "class_weights"):
        if values.get(name) is None:
            values[name] = getattr(searched or Recipe(), name)
    if values.get("subset") == "all":
        values["subset"] = None
    assert not isinstance(asked.recipe, str), "a preset's name has been read"
    recipe = Recipe(**values).changed(asked.recipe or {})
    if not taught and (recipe.distill, recipe.distill_temperature) != (None, None):
        raise ValueError(
            "--set distill and --set distill_temperature are for learning from a teacher, as in `nas train NETWORK "
            "--teacher NETWORK`"
        )
    return recipe


def with_own(recipe: Recipe, own: Mapping[str, Option], asked: TrainingOptions, pixels: int) -> Recipe:
    """`recipe` with what a network has of one by itself, but for what a person gives; a preset's name gives nothing.

    It trains at so many `pixels` a side.
    """
    preset = PRESETS.get(asked.preset or "", {})
    assert not isinstance(asked.recipe, str), "a preset's name has been read"
    said = {name for name, value in (asked.recipe or {}).items() if preset.get(name) != value}
    said |= {name for name in options_of(type(asked)) if asked.says(name)}
    kept = {name: getattr(recipe, name) for name in fields.fields_of(own) & said}
    return replace(fields.changed(recipe, own, pixels), **kept)


def suited(recipe: Recipe, dataset: Dataset, asked: StepOptions) -> Recipe:
    """`recipe` as is usual in the task of `dataset`, where nobody says otherwise: judged by the task's first metric.

    In regression labels are not smoothed: a number has no other ones to give a share to; nor in detection, whose losses
    smooth nothing. Of masks and boxes nothing is mixed, and no policy changes them.
    """
    said = {*(asked.recipe or {}), *(["metric"] if getattr(asked, "metric", None) is not None else [])}
    usual = _usual_in_task(recipe, dataset)
    return replace(recipe, **{name: value for name, value in usual.items() if name not in said})


def _usual_in_task(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What is otherwise in `recipe`, by its name, where nobody says anything and the data are no classes."""
    usual: dict[str, Any] = {}
    if recipe.metric not in METRICS_OF[dataset.kind]:
        usual["metric"] = METRICS_OF[dataset.kind][0]
    if dataset.kind in (REGRESSION, DETECTION):
        usual["label_smoothing"] = 0.0
    if dataset.kind in (SEGMENTATION, DETECTION):
        usual |= {"mixup": 0.0, "cutmix": 0.0, "policy": NO_POLICY}
    return usual


def usual_images(dataset: Dataset) -> int:
    """Training images of a trial, where nobody says. For ten classes docs/proxies.md chose them."""
    return min(5_000 if dataset.num_classes <= 10 else 10_000, len(dataset.train))


def load_data(source: DataSource, output: Output, table: Path | str | None = None) -> Dataset:
    """The training and validation images of `source`; with a table of published results no images."""
    if table is not None:
        return data.without_images(source.name)
    with output.passing(f"reading {source.name}"):
        return source.load(output.log)


def with_test(dataset: Dataset, source: DataSource, output: Output) -> Dataset:
    """`dataset` with the test images of `source`: for the end of a comparison."""
    with output.passing(f"reading the test images of {source.name}"):
        return replace(dataset, test=source.load_test(output.log))


def check_by_accuracy(recipe: Recipe, what: str) -> None:
    """Raises ValueError where networks are to be judged by another metric in a `what`, which goes by accuracy."""
    if recipe.metric != ACCURACY:
        raise ValueError(f"{what} goes by accuracy: leave out --set metric")


def check_has_classes(dataset: Dataset, what: str) -> None:
    """Raises ValueError where `dataset` is of another task than a `what`, which goes by accuracy."""
    if dataset.kind != CLASSIFICATION:
        raise ValueError(f"{what} is of classification, and {dataset.name} is for {dataset.kind}: give other --data")


def choose_reward(goal: GoalOptions) -> Reward:
    """The reward that --signal and the --target options describe. Raises ValueError where they disagree."""
    w, hard, signal = goal.w, goal.hard, goal.signal
    given = _figures_of_costs(goal, "target", goal.targets)
    if w != USUAL_W and (hard or not given):
        raise ValueError(
            "--w is the exponent of cost / target: it goes with a target, such as --target-macs, not --hard"
        )
    if hard and not given:
        raise ValueError("--hard needs a target: add --target-macs 10M, say")
    below, above = (0.0, -1.0) if hard else (w, w)
    return Reward(given, below, above, signal)


def _figures_of_costs(goal: GoalOptions, kind: str, others: Mapping[str, Any] | None) -> dict[str, float]:
    """What the options --target-COST, or --max-COST, say, and those of any cost by its name.

    Raises ValueError where one is given twice, or is none.
    """
    own = {cost: getattr(goal, f"{kind}_{cost}") for cost in COSTS}
    given = {cost: number(figure) for cost, figure in own.items() if figure is not None}
    more = Figures().checked(f"--{kind}", others or {})
    if twice := given.keys() & more.keys():
        raise ValueError(f"--{kind}-{min(twice)} and --{kind} {min(twice)}=... are the same: give one of them")
    return {cost: (given | more)[cost] for cost in in_order(given | more)}


def choose_config(
    asked: SearchOptions, dataset: Dataset, source: DataSource, recipe: Recipe, reward: Reward, device: str
) -> Config:
    """The search's configuration; `dataset` is what `source` loads. Raises ValueError where there can be none."""
    of_strategy = {} if asked.strategy == OUTSIDE else read_settings(asked.strategy, asked.strategy_settings or {})
    limits, measuring = choose_limits(asked, reward), choose_measuring(asked)
    by_width = {cost: limit for cost, limit in limits.items() if cost != LATENCY or _is_of_widths(measuring)}
    config = Config(
        choose_space(asked, dataset, recipe, reward, by_width, fits=asked.table is None), dataset.name, recipe, reward,
        asked.strategy, asked.seed, device=device, threads=asked.threads, limits=limits,
        also=choose_costs(asked), measuring=measuring, strategy_settings=of_strategy,
    ).on(source, dataset)  # fmt: skip
    if asked.table is not None:
        config = _answered_by(Path(asked.table), config)
    if asked.also is not None:
        config = replace(config, space=_joint(asked, config, dataset))
    config = replace(config, enqueue=_own_networks(asked, config), prior=_prior(asked, config.space))
    return _with_aim(_judged(started(config, asked.init, dataset), asked), asked)


def check_also(asked: SearchOptions) -> None:
    """Raises ValueError where --also is no choice of a recipe's fields, or has no use in this search."""
    if asked.also is None:
        return
    chosen = fields.read(asked.also)
    if asked.table is not None or asked.evaluator == "table":
        raise ValueError("--evaluator table has one result of each network, by one recipe: leave out --also")
    if asked.evaluator == SUPERNET:
        raise ValueError("--evaluator supernet trains nothing by a recipe: leave out --also")
    if asked.latency_table is not None and fields.RESOLUTION in chosen:
        raise ValueError(f"--latency-table is of one resolution: leave out --also {fields.RESOLUTION}")
    if asked.signal == LOSS and (other := [name for name in chosen if name not in fields.OPTIMISING]):
        raise ValueError(
            f"--signal loss compares losses, and with other {other[0]} a loss is another thing: leave out one of them"
        )


def _joint(asked: SearchOptions, config: Config, dataset: Dataset) -> JointSpace:
    """The space of networks and recipes. Raises ValueError where a recipe is not for the images."""
    assert asked.also is not None
    pixels = config.recipe.size_on(dataset)
    chosen = fields.choices_of(asked.also, config.recipe, pixels)
    for choice in chosen:
        for option in choice.options:
            recipe = fields.changed(config.recipe, {choice.kind: option}, pixels)
            try:
                check_recipe(recipe, dataset)
            except ValueError as error:
                raise ValueError(f"--also {choice.kind}={option}: {error}") from None
    return JointSpace(config.space, chosen, config.recipe, pixels)


def largest_side(asked: SearchOptions, recipe: Recipe, source: DataSource) -> DataSource:
    """`source` read at the largest resolution that trials choose, where it is read at any that is asked for."""
    if asked.also is None or source.image_size is None or fields.RESOLUTION not in fields.read(asked.also):
        return source
    chosen = fields.choices_of(asked.also, recipe, source.image_size)
    sides = (int(side) for choice in chosen if choice.kind == fields.RESOLUTION for side in choice.options)
    return replace(source, image_size=max(source.image_size, *sides))


def _own_networks(asked: SearchOptions, config: Config) -> tuple[str, ...]:
    """A person's own architectures, which are tried first. Raises ValueError where one is none, with its line."""
    given = asked.enqueue
    if given is None:
        return ()
    if isinstance(given, str | Path):
        texts = [one.partition("#")[0].strip() for one in read_text(Path(given).expanduser()).splitlines()]
        where = f"{given}, line"
    else:
        texts, where = [str(one) for one in given], "enqueue, network"
    found = []
    for line, text in enumerate(texts, 1):
        try:
            found += [config.space.format(arch_in(text, config))] if text else []
        except ValueError as error:
            raise ValueError(f"{where} {line}: {error}") from None
    if not found:
        raise ValueError(f"--enqueue {given} has no network: write an architecture's text a line")
    return tuple(found)


def _prior(asked: SearchOptions, space: Space) -> tuple[str, ...]:
    """How often options are drawn. Raises ValueError where there are no such, or the strategy draws by itself."""
    prior = tuple(str(text) for text in several(asked.prior or ()))
    if prior and draws_by_itself(asked.strategy):
        raise ValueError(
            f"--prior is for strategies of ours, and {asked.strategy} draws by itself: leave out one of them"
        )
    weighted(space.choices, prior)
    return prior


def started(config: Config, init: Path | str | None, dataset: Dataset) -> Config:
    """`config` with the weights that trainings start from. Raises ValueError where these are not of the original."""
    if init is None:
        return config
    space, weights = config.networks, Weights.read(init)
    if weights.shared is None and not isinstance(space, AroundSpace):
        raise ValueError(
            "--init is for a space around:NETWORK, whose networks start from its weights, or has a supernet's weights: "
            f"leave it out, as networks of {space.name} start from nothing"
        )
    if not weights.trained:
        raise ValueError(f"{weights.path} has untrained weights: name those of a training")
    shown = as_seen(dataset, config.recipe)
    one = Found(space, space.as_is if isinstance(space, AroundSpace) else (0,) * len(space.choices))
    module = one.build(shown.num_classes, shown.image_size, shown.channels)
    Start(weights).give(module, original_of(one) or one, shown)
    path = weights.path.resolve()
    return replace(config, init=str(path), init_sha256=sha256_of(path))


_JUDGING = ("subset", "image_size", "bf16", "metric", "class_weights")
"""Of a recipe, what counts where nothing is trained: which images, by what they are judged. All else is of training."""


def _judged(config: Config, asked: SearchOptions) -> Config:
    """`config` with how its networks are judged. Raises ValueError where that is by a supernet, and there is none."""
    shared = None if config.init is None else shared_in(config.init)
    if asked.evaluator == SUPERNET and shared is None:
        raise ValueError(
            "--evaluator supernet judges networks with the weights of a supernet: add --init FOLDER, which "
            "`nas supernet` makes"
        )
    is_usual = asked.evaluator is None and asked.also is None and shared is not None and shared.is_trusted
    if asked.evaluator != SUPERNET and not is_usual:
        return config
    usual = vars(Recipe())
    if said := [name for name, value in vars(config.recipe).items() if name not in _JUDGING and value != usual[name]]:
        raise ValueError(f"--evaluator supernet trains nothing: leave out {', '.join(said)}")
    return replace(config, evaluator=SUPERNET)


def read_experience(asked: SearchOptions, data: str) -> Experience:
    """What a search on `data` begins from; where nobody says, what the package has of the same choices on other data.

    Raises ValueError where there is no such run, or nobody would learn of it.
    """
    trust([str(name) for name in several(asked.trust_space)])
    space = space_of_person(asked.space, **asked.space_settings)
    if asked.experience is None:
        if not has_surrogate(asked.strategy) or _objectives(asked) is not None or asked.table is not None:
            return Experience()
        return Experience(tuple(run for run in builtin(space) if run.data != data))
    if asked.experience == NONE:
        return Experience()
    if not has_surrogate(asked.strategy):
        raise ValueError(f"--experience is for the strategy controller: {asked.strategy} has no use for it")
    if _objectives(asked) is not None:
        raise ValueError("--experience is of one reward: leave out --objectives, or give a --target-macs instead")
    return choose_experience(asked.experience, asked.runs_dir, space)


def choose_space(
    asked: SpaceOptions, dataset: Dataset, recipe: Recipe, reward: Reward = Reward(),  # noqa: B008
    limits: Mapping[str, float] = MappingProxyType({}), fits: bool = True,
) -> Space:  # fmt: skip
    """The space for the images of `dataset`. Without a width, that is what the limits or the reward's target allow.

    Where nothing `fits` it, as where published results are of networks at their own width, that is 1.
    """
    check_searches(dataset)
    check_recipe(recipe, dataset)
    given = asked.space_settings
    if "image_size" in space_of_person(asked.space, **given).settings():
        given = {"image_size": recipe.size_on(dataset)} | given
    chosen = space_of_person(asked.space, **given)
    if "width" in given or not fits:
        return chosen
    return _sized(chosen, reward.targets.get("macs"), limits, dataset, recipe.size_on(dataset))


def choose_place(cluster: Cluster | None, asked: DeviceOptions) -> str:
    """The device that trains: the cluster's, else the one here. Raises ValueError where both are asked for."""
    if cluster is not None and asked.device != "auto":
        raise ValueError("--device is for one trial at a time: --workers are on CPUs, --gpus on GPUs")
    here = choose_device("cpu" if cluster else asked.device, asked.threads)
    return cluster.device if cluster else here


def place_alone(device: str, cluster: Cluster | None, threads: int) -> str:
    """What computes here, after trials on `device` of a `cluster`: the same where that is here, else what there is."""
    return device if cluster is None or cluster.address is None else choose_device("auto", threads)


def check_latency(config: Config, cluster: Cluster | None) -> None:
    """Raises ValueError where a network's time is asked for, and trials that share a GPU would be measured."""
    if config.times_networks and cluster is not None and cluster.gpus_per_trial < 1:
        raise ValueError(
            f"latency is measured where networks are trained, and with --gpus-per-trial {cluster.gpus_per_trial:g} "
            "others train on that GPU at the same time: leave out --gpus-per-trial, or ask for --target-macs instead"
        )


def check_searches(dataset: Dataset) -> None:
    """Raises ValueError where `dataset` has masks or boxes, which no space has networks for."""
    if dataset.kind == DETECTION:
        raise ValueError(
            f"{dataset.name} has boxes, and a search is of networks that say one class of an image: search on images "
            "with classes, then `nas train RUN:best --head ssdlite` on these"
        )
    if dataset.kind == SEGMENTATION:
        raise ValueError(
            f"{dataset.name} has masks, and a search is of networks that say one class of an image: search on images "
            "with classes, then `nas train RUN:best --head fcn8` on these"
        )


def check_network(network: Network, dataset: Dataset) -> None:
    """Raises ValueError where `network` says a class of the image, and `dataset` has one of each pixel, or boxes, or
    reversed."""
    if dataset.kind == DETECTION and not network.detects:
        raise ValueError(
            f"{network.name} finds no objects, and {dataset.name} has boxes: name a network with a head for them, as "
            f"ssdlite:mobilenet_v2 (nas train has --head for that), of {', '.join(DETECTION_HEADS)}"
        )
    if dataset.kind != DETECTION and network.detects:
        raise ValueError(
            f"{network.name} finds objects, and {dataset.name} is for {dataset.kind}: give data with boxes"
        )
    if dataset.kind == SEGMENTATION and not network.dense:
        raise ValueError(
            f"{network.name} says one class of an image, and {dataset.name} has masks, a class of each pixel: name it "
            f"with a head, as in fcn8:{network.name} (nas train has --head for that), of {', '.join(HEADS)}"
        )
    if dataset.kind != SEGMENTATION and network.dense:
        raise ValueError(
            f"{network.name} says a class of each pixel, and {dataset.name} is for {dataset.kind}: give data with masks"
        )


def check_recipe(recipe: Recipe, dataset: Dataset) -> None:
    """Raises ValueError where `recipe` is not for `dataset`, which has too few images, other classes or channels."""
    check_metric(recipe.metric, dataset)
    recipe.augment().check_channels(dataset.channels)
    if dataset.kind == SEGMENTATION:
        recipe.augment().check_masks()
    if dataset.kind == DETECTION:
        recipe.augment().check_boxes()
        if recipe.label_smoothing:
            raise ValueError("label smoothing is of classes and labels, and detection has its own losses: leave it out")
    if dataset.kind == REGRESSION and recipe.cutmix:
        raise ValueError("--cutmix is of classes and labels: a part of an image has no part of its number. --mixup has")
    if dataset.kind == REGRESSION and recipe.label_smoothing:
        raise ValueError("label smoothing is of classes and labels, and regression has none: leave it out")
    if len(dataset.train):
        weights_of_classes(recipe.class_weights, dataset)
    if recipe.subset is not None and recipe.subset > len(dataset.train):
        raise ValueError(
            f"--subset asked for {recipe.subset:,} images; {dataset.name} has {len(dataset.train):,} to train"
        )


def choose_budget(asked: StrategyOptions) -> Budget:
    """When a search ends; 20 minutes, where nobody says."""
    usual = 20 * 60.0 if asked.trials is None else None
    return Budget(asked.trials, usual if asked.budget is None else number(asked.budget))


CARRIED = (
    "image_size", "metric", "class_weights", "flip", "vertical_flip", "quarter_turns", "rotation", "bf16",
)  # fmt: skip
"""What the final recipe has from that of the search, whatever the preset says: it is of the images and the device."""


def choose_final(asked: SearchOptions, searched: Recipe, dataset: Dataset, at_once: int, limit: Budget) -> Final | None:
    """What follows the search, which has the whole `limit` together with it; None where nothing does.

    `searched` is the recipe of its trials. Raises ValueError where --final has no use, or `dataset` too few images.
    """
    if asked.final is None:
        return None
    recipe = preset_recipe(asked.final, searched)
    recipe = replace(recipe, **_usual_in_task(recipe, dataset))
    check_recipe(recipe, dataset)
    seconds = None if limit.seconds is None else asked.final_share * limit.seconds
    images = len(dataset.train) if recipe.subset is None else recipe.subset
    return Final(asked.final, recipe, asked.final_share, images, max(1, at_once), seconds)


def preset_recipe(name: str, searched: Recipe) -> Recipe:
    """The recipe called so, as `nas train` has it, for images and a device as `searched` has them."""
    usual = defaults_of(TrainOptions)
    values = {"epochs": usual["epochs"], **PRESETS[name]}
    values = {field: None if value == "all" else value for field, value in values.items()}
    return Recipe().changed(values | {field: getattr(searched, field) for field in CARRIED})


def without_final(limit: Budget, final: Final | None) -> Budget:
    """What the search itself has of the `limit`."""
    if final is None or final.seconds is None or limit.seconds is None:
        return limit
    return replace(limit, seconds=limit.seconds - final.seconds)


def check_final(asked: SearchOptions, recipe: Recipe, folder: Path) -> None:
    """Raises ValueError where --final, or its share, is given and has no use in the search in `folder`."""
    if asked.final is None:
        if asked.changed("final_share"):
            raise ValueError(
                "--final-share is of what --final keeps of the budget: add --final strong, or leave it out"
            )
        return
    for unfit, why in (
        (asked.seeds > 1, "--seeds makes several searches: give --final to one search, and leave out --seeds"),
        (asked.control, "--control compares the search alone: leave it out, or --final"),
        (asked.objectives is not None, "--objectives have no one best network: give --target-macs instead, say"),
        (asked.table is not None, "--table has results and trains nothing: leave it out, or --final"),
        (recipe.seconds is not None, "it trains for as many images as fit: leave out --set seconds, and give --epochs"),
    ):
        if unfit:
            raise ValueError(f"--final trains the one best network: {why}")
    if is_taken(there := usual_place(folder, FINALISTS)):
        raise ValueError(f"{there} exists, where the best of --final are trained longer: choose another --name")


def by_reference(asked: SearchOptions) -> SearchOptions:
    """`asked` with the name and the settings of its space, where it has a space itself, or one around a network."""
    if not isinstance(asked.space, Space):
        name, given = around(asked.space, asked.runs_dir)
        return replace(asked, space=name, settings=given | dict(asked.settings or {})) if given else asked
    given = asked.space.changed_settings() | dict(asked.settings or {})
    width = given.pop("width", asked.width)
    return replace(asked, space=asked.space.reference, settings=given, width=width)


def check_ahead(asked: SearchOptions) -> None:
    """What can be said of a search before its data are loaded. Raises ValueError where one of these cannot be."""
    _check_evaluator(asked)
    _check_strategy(asked)
    check_space(asked)
    check_also(asked)
    make_pruner(asked.pruner, max(asked.epochs, 2))  # whether it has enough of them, `_with_aim` says
    reward = choose_reward(asked)
    limits, objectives = choose_limits(asked, reward), _objectives(asked)
    wanted = parse_objectives(objectives)[1:] if objectives is not None else ()
    choose_measuring(asked).check(in_order([*reward.targets, *limits, *wanted, *choose_costs(asked)]))
    repeats.check(asked.seeds, asked.control)


def _check_strategy(asked: StrategyOptions) -> None:
    """Raises ValueError where there is no such strategy, or it has no such settings."""
    if asked.strategy != OUTSIDE:
        check_strategy(asked.strategy, asked.strategy_settings or {})
    elif asked.seeds > 1:
        raise ValueError(
            "--seeds makes searches that go on by themselves: with --strategy outside make a run for each --seed"
        )
    elif asked.strategy_settings:
        raise ValueError(
            "the strategy outside is another program's, and has no settings here: leave out --strategy-set"
        )


def check_space(asked: SpaceOptions) -> None:
    """Raises ValueError where there is no such space."""
    if asked.width is not None and "width" in (asked.settings or {}):
        raise ValueError("--width is the setting width of the space: give one of them")
    if asked.vary is not None and class_of_person(asked.space).name != AROUND:
        raise ValueError(
            f"--vary is for a space around:NETWORK, and {asked.space} says itself what varies: leave it out"
        )
    space_of_person(asked.space, **asked.space_settings)


def choose_limits(goal: GoalOptions, reward: Reward) -> dict[str, float]:
    """The costs that no network may exceed. Raises ValueError where `reward` wants more than these."""
    limits = _figures_of_costs(goal, "max", goal.limits)
    for cost, limit in limits.items():
        if reward.targets.get(cost, 0) > limit:
            raise ValueError(
                f"--target-{cost} is above --max-{cost} {kind_of(cost).format(limit)}, which no network may exceed: "
                "lower it"
            )
    return limits


def choose_costs(asked: ColumnOptions) -> tuple[str, ...]:
    """Further costs, as columns alone. Raises ValueError where one can be none."""
    given = asked.costs or ()
    return in_order(check_cost(name) for name in (parse_names(given) if isinstance(given, str) else given))


def choose_measuring(asked: MeasuringOptions) -> Measuring:
    """How costs are measured. Raises ValueError for commands that are none, and for what disagrees."""
    commands = [CostCommand.of(names, template) for names, template in (asked.cost_commands or {}).items()]
    told = [name for command in commands for name in command.costs]
    for name in told:
        if told.count(name) > 1:
            raise ValueError(f"--cost-command tells {name} twice: leave out one of them")
    usual = defaults_of(MeasuringOptions)
    if asked.cost_timeout != usual["cost_timeout"] and not commands:
        raise ValueError("--cost-timeout is of --cost-command: add that, or leave it out")
    if asked.cost_workers != usual["cost_workers"] and not commands:
        raise ValueError("--cost-workers are of --cost-command: add that, or leave them out")
    by_runtime = asked.latency_runtime != usual["latency_runtime"]
    ways = ["--cost-command latency"] * ("latency" in told) + ["--latency-table"] * (asked.latency_table is not None)
    ways += ["--latency-runtime"] * by_runtime
    if len(ways) > 1:
        raise ValueError(f"{' and '.join(ways)} both say how latency is found out: give one of them")
    assert asked.cost_timeout is not None
    table = None if asked.latency_table is None else Path(asked.latency_table).expanduser().resolve()
    sha256 = None if table is None else sha256_of(table)
    read = None if sha256 is None else read_once(str(table), sha256)
    return Measuring(
        {command.names: command.template for command in commands},
        number(asked.cost_timeout),
        workers=asked.cost_workers,
        runtime=asked.latency_runtime,
        table=None if table is None else str(table),
        table_sha256=sha256,
        table_error=None if read is None or read.error is None else read.error.mape,
    )


def _is_of_widths(measuring: Measuring) -> bool:
    """Whether a table predicts latency at any width: one of networks of one width knows of no other."""
    return measuring.table is not None and bool(read_once(measuring.table, measuring.table_sha256).limits)


def _objectives(goal: GoalOptions) -> str | None:
    given = goal.objectives
    return given if given is None or isinstance(given, str) else ",".join(given)


def _with_aim(config: Config, asked: SearchOptions) -> Config:
    """`config` with several objectives, or with what stops trainings early. Raises ValueError where it has no use."""
    objectives, pruner = _objectives(asked), asked.pruner
    if config.reward.signal == LOSS and objectives is not None:
        raise ValueError("--objectives are accuracy and costs: leave out --signal loss, which makes one reward")
    if config.reward.signal == LOSS and not config.trains:
        raise ValueError("--signal loss needs trainings: leave it out, as networks are judged by accuracies alone here")
    if pruner != NO_PRUNER and objectives is not None:
        raise ValueError("--pruner compares one reward: leave it out with --objectives")
    if pruner != NO_PRUNER and not config.trains:
        by = TABLE if config.table is not None else config.evaluator
        raise ValueError(f"--evaluator {by} trains nothing that --pruner could stop: leave that out")
    if pruner != NO_PRUNER and config.recipe.seconds is not None:
        raise ValueError("--pruner compares networks after equal epochs, not seconds: leave out one of them")
    make_pruner(pruner, config.recipe.epochs)
    return replace(config, objectives=_bent(objectives, config.reward), pruner=pruner)


def _bent(objectives: str | None, reward: Reward) -> tuple[str, ...]:
    """`objectives`, of which the first is the reward where costs have targets. Raises ValueError where it has none."""
    if objectives is None:
        return ()
    first, *costs = parse_objectives(objectives)
    if first == REWARD and not reward.targets:
        raise ValueError("--objectives reward needs a target, as --target-macs 10M: give accuracy instead")
    return (REWARD if reward.targets else first, *costs)


def check_costs(config: Config, dataset: Dataset, cluster: Cluster | None, output: Output) -> float:
    """Say what is to be said of the costs that a search asks for, before it begins.

    That is where few networks meet a limit or a target, and what commands tell of a first network. Returns the seconds
    that these took for it, 0 without commands. Raises ValueError where no network is within a limit, and where a cost
    cannot be measured.
    """
    check_latency(config, cluster)
    for line in check_reach(config, dataset.num_classes, config.recipe.size_on(dataset), dataset.channels):
        output.say(line)
    with gauge_of(config, dataset, output.say) as gauge:
        if gauge is None or not config.measuring.commands:
            return 0.0
        with output.busy("measuring a first network on the device"):
            found, seconds = gauge.check()
        said = ", ".join(f"{kind_of(name).title} {kind_of(name).format(found[name])}" for name in in_order(found))
        took = format_seconds(seconds)
        output.say(f"device    {said} of a very small network, in {took}; so each is measured before it is trained")
        return seconds


def _sized(
    space: Space, target_macs: float | None, limits: Mapping[str, float], dataset: Dataset, image_size: int
) -> Space:
    """`space`, if it has a width, at the one that fits: the target's for all, else each architecture's at the limits.

    Those of them that are known at any width: from the layers, or latency by a table of networks for `image_size`.
    """
    if target_macs is not None and has_width(space):
        return fit_width(space, target_macs, space.settings().get("image_size", image_size), dataset.channels)
    if not isinstance(space, ScaledSpace):
        return space
    known: dict[str, Any] = {f"max_{cost}": int(limit) for cost, limit in limits.items() if cost in KNOWN}
    if LATENCY in limits and space.image_size == image_size:
        known |= {"max_latency": limits[LATENCY]}
    if known:
        classes = None if dataset.num_classes == 10 else dataset.num_classes
        channels = None if dataset.channels == RGB else dataset.channels
        return replace(space, **known, num_classes=classes, image_channels=channels)
    return space


def _answered_by(file: Path, config: Config) -> Config:
    """`config` with the table in `file` for its trials. Raises ValueError where that has nothing to say of them."""
    if config.recipe != Recipe():
        raise ValueError(
            "--evaluator table trains nothing: leave out --epochs, --subset and what else says how to train"
        )
    table = read(config.space, file)
    if (measured := table.benchmark.data) and config.data != measured:
        what = f"{file.name}, of {table.benchmark.title}," if table.benchmark.named else table.benchmark.title
        raise ValueError(f"{what} was measured on {measured}: search with --data {measured}")
    return replace(config, table=str(file.expanduser().resolve()), table_sha256=table.sha256)


def with_table_at(file: Path, config: Config) -> Config:
    """`config` with its table moved to `file`. Raises ValueError where it has none."""
    if config.table is None:
        raise ValueError("this run trains its networks: leave out --table")
    return replace(config, table=str(file.expanduser().resolve()))


def with_latency_table_at(file: Path, config: Config) -> Config:
    """`config` with its table of latencies moved to `file`. Raises ValueError where it has none, or that is another."""
    measuring, file = config.measuring, file.expanduser().resolve()
    if measuring.table is None:
        raise ValueError("this run has no table of latencies that could have moved: leave out --latency-table")
    if sha256_of(file) != measuring.table_sha256:
        raise ValueError(f"{file} is not the table of latencies that the run began with: give that")
    return replace(config, measuring=replace(measuring, table=str(file)))


def _check_evaluator(asked: StrategyOptions) -> None:
    """Raises ValueError where --evaluator is none, or it and --table disagree."""
    if asked.evaluator not in (None, TABLE, *EVALUATORS):
        raise ValueError(f"--evaluator is train, table or supernet, not {asked.evaluator!r}")
    if asked.evaluator == TABLE and asked.table is None:
        raise ValueError("--evaluator table needs a table: add --table FILE")
    if asked.evaluator in EVALUATORS and asked.table is not None:
        raise ValueError(f"--evaluator {asked.evaluator} and --table FILE disagree: leave out one of them")


def choose_cluster(asked: ClusterOptions, threads: int) -> Cluster | None:
    """Where Ray Tune runs the trials; None for this process. Raises ValueError where that is not to be had."""
    workers, gpus, gpus_per_trial, address = asked.workers, asked.gpus, asked.gpus_per_trial, asked.address
    if gpus_per_trial != 1 and gpus is None and address is None:
        raise ValueError("--gpus-per-trial is a trial's share of a GPU: it goes with --gpus or --address")
    if workers is None and gpus is None and address is None:
        return None
    from nas.engines import ray_tune

    return ray_tune.settle(ray_tune.Cluster(workers, gpus, gpus_per_trial, address, threads))


def usual_name(asked: SpaceOptions, data: str) -> str:
    """What a search is called, but for its number. Raises ValueError where there is no such space."""
    name, around_network = class_of_person(asked.space).name, (asked.settings or {}).get("network")
    return "-".join([name, *([str(around_network).partition(":")[0]] if around_network else []), short_name(data)])


def new_folder(runs_dir: Path, name: str | None, stem: str) -> Path:
    """Where a new run goes: `name`, or the first of stem-1, stem-2, ... that is free.

    Raises ValueError where no run can have that name, or its folder cannot be made.
    """
    if name is not None:
        check_name(name)
        folder = runs_dir / name
    else:
        stem = as_name(stem)
        folder = next(f for f in (runs_dir / f"{stem}-{n}" for n in itertools.count(1)) if not _is_taken(f))
    check_room(folder)
    return folder


def _is_taken(folder: Path) -> bool:
    return folder.exists() or bool(repeats.find(folder))


def check_free(runs: Sequence[Path], with_control: bool, storage_url: str | None) -> None:
    """Raises ValueError where the control of a new run has no room, or the database cannot have their studies."""
    controls = [place_of_control(run) for run in runs] if with_control else []
    for run in runs if with_control else ():
        check_room_of_control(run)
    if storage_url is not None:
        check_database(storage_url, [folder.name for folder in (*runs, *controls)])
