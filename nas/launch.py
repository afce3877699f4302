"""From what a person asked for to a running search: choices with defaults, the announcement, the engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch

from nas.compare import Trained
from nas.config import Budget, Config
from nas.control import RANDOM
from nas.data.images import Dataset
from nas.engines import local
from nas.export.files import write_network
from nas.files import make_folder, write_atomically
from nas.network import Network
from nas.pareto import parse_objectives
from nas.plan import estimate_trial_seconds, fit_width, typical_macs
from nas.pruning import NO_PRUNER, make_pruner
from nas.published import Published, benchmark_of, read, table_of
from nas.reward import Reward
from nas.run import Row, Run, versions
from nas.samplers import check_strategy
from nas.search import Progress, Search
from nas.train import Recipe
from nas.transfer import Start, Weights, metadata
from nas.tuning import EVERYTHING, Tuning
from nas.units import format_count, format_seconds, parse_count, parse_names, parse_seconds
from searchspaces import SPACES, Space, get_space
from searchspaces.scaled import ScaledSpace

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster

# ------------------------------------------------------------------ choices


def choose_device(name: str, threads: int) -> str:
    """`auto`: the GPU where there is one. Raises ValueError for a device that is not here.

    `threads` of the CPU are for whatever trains in this process.
    """
    if threads < 1:
        raise ValueError(f"--threads must be at least 1, not {threads}")
    torch.set_num_threads(threads)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise RuntimeError("it is neither a CPU nor a CUDA GPU")
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--device {name} cannot be used here ({reason}): try cpu") from None
    return name


def choose_start(
    init: Path | None, fresh: str, freeze: str, train_last: int | None, backbone_lr: float
) -> tuple[Start | None, Tuning]:
    """The weights to start from, and the rows to train. Raises ValueError where there are no such weights."""
    tuning = Tuning(parse_names(freeze), train_last, backbone_lr)
    if init is not None:
        return Start(Weights.read(init), parse_names(fresh)), tuning
    if fresh or tuning != EVERYTHING:
        raise ValueError("--fresh, --freeze, --train-last and --backbone-lr are for given weights: add --init WEIGHTS")
    return None, tuning


def choose_reward(macs: str | None, params: str | None, latency: str | None, w: float, hard: bool) -> Reward:
    """The reward that the --target options describe. Raises ValueError where they contradict each other."""
    given = {
        cost: parse(text)
        for cost, text, parse in (
            ("macs", macs, parse_count),
            ("params", params, parse_count),
            ("latency", latency, parse_seconds),
        )
        if text is not None
    }
    if len(given) > 1:
        raise ValueError("give one of --target-macs, --target-params and --target-latency, not several")
    below, above = (0.0, -1.0) if hard else (w, w)
    for cost, target in given.items():
        return Reward(cost, target, below, above)
    if hard:
        raise ValueError("--hard needs a target: add --target-macs 10M, say")
    return Reward(w_below=below, w_above=above)


def choose_config(
    space: str,
    width: float | None,
    dataset: Dataset,
    data_dir: Path | None,
    recipe: Recipe,
    reward: Reward,
    strategy: str,
    seed: int,
    device: str,
    threads: int,
    table: Path | None = None,
    max_macs: float | None = None,
    settings: dict[str, Any] | None = None,
    skip_unreadable: bool = False,
) -> Config:
    """The search's configuration; `settings` are the space's own.

    Without a `width`, it is what the limit or the reward's target allows, see `_sized`. With a `table` of published
    results that width is 1, since those are of networks at their own.
    """
    check_strategy(strategy)
    check_subset(recipe, dataset)
    given = (settings or {}) | ({} if width is None else {"width": width})
    if "image_size" in get_space(space, **given).settings():
        given = {"image_size": recipe.image_size(dataset)} | given
    chosen = get_space(space, **given)
    if width is None and table is None:
        chosen = _sized(chosen, reward.target if reward.cost == "macs" else None, max_macs, dataset.num_classes)
    folder = None if data_dir is None else str(data_dir.expanduser().resolve())
    config = Config(
        chosen, dataset.name, recipe, reward, strategy, seed, folder, device, threads, max_macs=max_macs,
        data_sha256=dataset.sha256, skip_unreadable=skip_unreadable,
    )  # fmt: skip
    return config if table is None else _answered_by(table, config)


def choose_place(cluster: Cluster | None, device: str, threads: int) -> str:
    """The device that trains: the cluster's, else `device` here. Raises ValueError where both are asked for."""
    if cluster is not None and device != "auto":
        raise ValueError("--device is for one trial at a time: --workers are on CPUs, --gpus on GPUs")
    here = choose_device("cpu" if cluster else device, threads)
    return cluster.device if cluster else here


def check_subset(recipe: Recipe, dataset: Dataset) -> None:
    """Raises ValueError where there are fewer images than the recipe asks for."""
    if recipe.subset is not None and recipe.subset > len(dataset.train):
        raise ValueError(
            f"--subset asked for {recipe.subset:,} images; {dataset.name} has {len(dataset.train):,} to train"
        )


def choose_limit(max_macs: str | None, reward: Reward) -> float | None:
    """The multiply-adds that no network may exceed. Raises ValueError where `reward` wants more than these."""
    if max_macs is None:
        return None
    limit = parse_count(max_macs)
    if limit < 1:
        raise ValueError(f"--max-macs must be at least 1, not {max_macs}")
    if reward.cost == "macs" and reward.target is not None and reward.target > limit:
        raise ValueError(f"--target-macs is above --max-macs {max_macs}, which no network may exceed: lower it")
    return limit


def choose_aim(config: Config, objectives: str | None, pruner: str) -> Config:
    """`config` with several objectives, or with what stops trainings early. Raises ValueError where it has no use."""
    if objectives is not None and config.reward.target is not None:
        raise ValueError(
            "a target makes one reward of accuracy and cost, --objectives keep them apart: give one of both"
        )
    if pruner != NO_PRUNER and objectives is not None:
        raise ValueError("--pruner compares one reward: leave it out with --objectives")
    if pruner != NO_PRUNER and config.table is not None:
        raise ValueError("--evaluator table trains nothing that --pruner could stop: leave that out")
    if pruner != NO_PRUNER and config.recipe.seconds is not None:
        raise ValueError("--pruner compares networks after equal epochs, not seconds: leave out one of them")
    make_pruner(pruner, config.recipe.epochs)
    return replace(config, objectives=() if objectives is None else parse_objectives(objectives), pruner=pruner)


def _sized(space: Space, target_macs: float | None, max_macs: float | None, num_classes: int) -> Space:
    """`space`, if it has a width, at the one that fits: the target's for all, else each architecture's at the limit."""
    settings = space.settings()
    if target_macs is not None and "width" in settings:
        return fit_width(space, target_macs, settings["image_size"])
    if max_macs is not None and isinstance(space, ScaledSpace):
        return replace(space, max_macs=int(max_macs), num_classes=None if num_classes == 10 else num_classes)
    return space


def _answered_by(file: Path, config: Config) -> Config:
    """`config` with the table in `file` for its trials. Raises ValueError where that has nothing to say of them."""
    if config.recipe != Recipe():
        raise ValueError(
            "--evaluator table trains nothing: leave out --epochs, --subset and what else says how to train"
        )
    table = read(config.space, file)
    if (measured := table.benchmark.data) and config.data != measured:
        raise ValueError(f"{table.benchmark.title} was measured on {measured}: search with --data {measured}")
    return replace(config, table=str(file.expanduser().resolve()), table_sha256=table.sha256)


def with_table_at(file: Path, config: Config) -> Config:
    """`config` with its table moved to `file`. Raises ValueError where it has none."""
    if config.table is None:
        raise ValueError("this run trains its networks: leave out --table")
    return replace(config, table=str(file.expanduser().resolve()))


def choose_table(evaluator: str, table: Path | None) -> Path | None:
    """The file of published results that --evaluator asks for. Raises ValueError where it and --table disagree."""
    if evaluator not in ("train", "table"):
        raise ValueError(f"--evaluator is train or table, not {evaluator!r}")
    if (evaluator == "table") != (table is not None):
        raise ValueError("--evaluator table and --table FILE go together: give both, or neither to train networks")
    return table


def choose_cluster(
    workers: int | None, gpus: int | None, gpus_per_trial: float, address: str | None, threads: int
) -> Cluster | None:
    """Where Ray Tune runs the trials; None for this process. Raises ValueError where that is not to be had."""
    if workers is None and gpus is None and address is None:
        return None
    from nas.engines import ray_tune

    return ray_tune.Cluster(workers, gpus, gpus_per_trial, address, threads)


def new_folder(runs_dir: Path, name: str | None, stem: str) -> Path:
    """Where a new run goes: `name`, or the first of stem-1, stem-2, ... that is free."""
    if name is not None:
        if name in SPACES or ":" in name or "/" in name or name in {"", ".", ".."}:
            raise ValueError(f"a run cannot be called {name!r}: a name has no ':' or '/', and is not a space's")
        return runs_dir / name
    number = 1
    while (runs_dir / f"{stem}-{number}").exists():
        number += 1
    return runs_dir / f"{stem}-{number}"


def output_folder(path: Path) -> Path:
    """`path`, made now, so that a training does not end with nowhere to go. Refused where weights are in it already."""
    if (path / "weights.safetensors").exists():
        raise ValueError(f"{path} has the weights of another training: choose another --out, or remove them")
    return make_folder(path)


# ------------------------------------------------------------------ the search


def announce(
    config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None, folder: Path, say: Callable[[str], None],
    control: bool = False,
) -> None:  # fmt: skip
    """Say what the search will do, before it does: the space, the proxy, how long, where the results go."""
    space, recipe = config.space, config.recipe
    wanted = f"objectives {', '.join(config.objectives)}" if config.objectives else f"reward    {config.reward}"
    image_size = recipe.image_size(dataset)
    say(
        f"space     {space.name}{_size(config)}: {len(space.choices)} choices, {_many(space.size)} architectures, "
        f"typically {format_count(typical_macs(space, image_size))} MACs"
    )
    say(f"trial     {_what_a_trial_is(config, dataset)}")
    say(f"{wanted}; strategy {config.strategy}, seed {config.seed}")
    say(f"time      {_expected_time(config, budget, dataset, cluster)}")
    then = f", then of random search with an equal budget in {folder}-{RANDOM}/" if control else ""
    say(f"results   {folder}/{then}\n")


def _size(config: Config) -> str:
    """What is said of the size of networks: the width, or the limit."""
    settings = config.space.settings()
    if "max_macs" in settings:
        return f", each as wide as {format_count(settings['max_macs'])} MACs allow"
    width = f", width {settings['width']:g}" if "width" in settings else ""
    limit = f", of up to {format_count(config.max_macs)} MACs" if config.max_macs is not None else ""
    return width + limit


def _many(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number:.1e}"


def _what_a_trial_is(config: Config, dataset: Dataset) -> str:
    if config.table is not None:
        file = Path(config.table)
        return f"looked up in {file.name}: {benchmark_of(config.space, file).observed}, as it was published"
    recipe = config.recipe
    images = len(dataset.train) if recipe.subset is None else recipe.subset
    return (
        f"{images:,} {dataset.name} images at {recipe.image_size(dataset)} pixels, {recipe.epochs} "
        f"epoch{'s' if recipe.epochs > 1 else ''}, judged on {len(dataset.val):,} validation images"
        f"{'' if config.pruner == NO_PRUNER else f', stopped early by {config.pruner}'}"
    )


def _expected_time(config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None) -> str:
    """How long a trial takes, timed here, and what that makes of the budget."""
    if config.table is not None:
        ends = [f"{budget.trials} trials"] if budget.trials is not None else []
        ends += [f"at most {format_seconds(budget.seconds)}"] if budget.seconds is not None else []
        return f"nothing is trained: {', '.join(ends)}"
    if cluster is not None and cluster.address is not None:
        return f"what the machines at {cluster.address} need"
    seconds = estimate_trial_seconds(config.space, config.recipe.prepare(dataset).to(config.device), config.recipe)
    if seconds is None:
        return "unknown: none of three random networks could be trained; a lower --lr may help"
    at_once = cluster.at_once if cluster else 1
    where = f"{config.device}, {at_once} at once" if cluster else config.device
    if budget.seconds is not None and (budget.trials is None or budget.trials * seconds / at_once > budget.seconds):
        extent = f"about {max(1, int(budget.seconds * at_once / seconds))} trials in {format_seconds(budget.seconds)}"
    else:
        assert budget.trials is not None
        about = "about" if config.pruner == NO_PRUNER else "at most"
        extent = f"{budget.trials} trials in {about} {format_seconds(budget.trials * seconds / at_once)}"
    return f"about {format_seconds(seconds)} a trial on {where}: {extent}"


def drive(run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, progress: Progress) -> str:
    """Run the search until its end; returns what was done and why it ended."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = table_of(run.config)
    if run.config.data_sha256 not in (None, dataset.sha256):
        raise ValueError(
            f"the images of {run.config.data} are not those that the run began with: files were added, removed or "
            "changed. Restore them, or start a new run"
        )
    with run.driving() as study:
        search = Search(run, study, budget, progress, dataset, table)
        if cluster is None:
            local.run(search, dataset.to(device))
        else:
            from nas.engines import ray_tune

            ray_tune.run(search, dataset, cluster)
    result = f"{_published_result(table, search.best)}\n" if table and search.best else ""
    return f"{result}{search.done} trials done: {search.ended}"


def _published_result(table: Published, best: Row) -> str:
    return (
        f"published of the best, trial {best.number}: {table.reported[table.key(best.arch)]:.2f} % "
        f"{table.benchmark.reported}; the best in the table has {max(table.reported.values()):.2f} %"
    )


def save_trained(
    folder: Path,
    network: Network,
    trained: Trained,
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    tuning: Tuning = EVERYTHING,
) -> dict[str, Any]:
    """Write `weights.safetensors`, `architecture.json` and `result.json` to `folder`; returns the last's content."""
    num_classes, image_size = dataset.num_classes, recipe.image_size(dataset)
    result = {
        "network": network.name,
        "test_accuracy": trained.test_accuracy,
        "val_accuracy": trained.val_accuracy,
        **asdict(trained.size),
        "seconds": trained.seconds,
        "data": dataset.name,
        "num_classes": num_classes,
        "image_size": image_size,
        "seed": seed,
        "recipe": asdict(recipe),
        "start": None if trained.taken is None else asdict(trained.taken) | {"tuning": asdict(tuning)},
        "versions": versions(),
    }
    write_network(folder, network, trained.module, (num_classes, image_size), metadata(dataset))
    write_atomically(folder / "result.json", json.dumps(result, indent=2) + "\n")
    return result
