"""The command line: each command reads its options and calls the library.

torch, optuna and ray are imported inside the commands that need them, so `nas --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas import process

if TYPE_CHECKING:
    from nas.config import Budget
    from nas.data.images import Dataset
    from nas.run import Run
    from nas.train import Recipe

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Neural architecture search for image networks.",
)

# ------------------------------------------------------------------ options that several commands have

DataDir = Annotated[
    Path | None, typer.Option(help="Folder with the data set. [default: $NAS_DATA, else a folder in the user's cache]")
]
RunsDir = Annotated[Path, typer.Option(envvar="NAS_RUNS", help="Folder that holds the runs.")]
Epochs = Annotated[int, typer.Option(help="Epochs of each training.")]
Subset = Annotated[str, typer.Option(help="Training images to use: 10k, say, or all.")]
Resolution = Annotated[int | None, typer.Option(help="Train at this many pixels. [default: the data's own]")]
BatchSize = Annotated[int, typer.Option(help="Images a step.")]
Rate = Annotated[float, typer.Option(help="Peak learning rate.")]
Other = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any other of the recipe: --set label_smoothing=0")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.")]
Threads = Annotated[int, typer.Option(help="CPU threads of a training. Small networks gain little by more.")]
Workers = Annotated[int | None, typer.Option(help="Trials at once on CPUs, through Ray Tune.")]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use, through Ray Tune.")]
GpusPerTrial = Annotated[float, typer.Option(help="A trial's share of a GPU: 0.25 runs four on each.")]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, as in auto or 10.0.0.1:6379.")]


# ------------------------------------------------------------------ commands


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"nas {version('nas')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version)] = False,
) -> None:
    pass


@app.command()
def search(
    space: Annotated[str, typer.Option(help="What to search: mnas.")] = "mnas",
    data: Annotated[str, typer.Option(help="cifar10, cifar100, or shapes (built in, needs no download).")] = "cifar10",
    data_dir: DataDir = None,
    name: Annotated[str | None, typer.Option(help="The run's name. [default: SPACE-DATA-1, -2, ...]")] = None,
    strategy: Annotated[str, typer.Option(help="ppo, reinforce, random or tpe.")] = "ppo",
    trials: Annotated[int | None, typer.Option(help="Stop after so many networks.")] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after so long: 20m, 1h30m. [default: 20m]")] = None,
    target_macs: Annotated[str | None, typer.Option(help="Wanted multiply-adds, as in 10M.")] = None,
    target_params: Annotated[str | None, typer.Option(help="Wanted parameters, as in 500k.")] = None,
    target_latency: Annotated[str | None, typer.Option(help="Wanted time an image here, as in 5ms.")] = None,
    w: Annotated[float, typer.Option(help="Exponent of cost / target in the reward.")] = -0.07,
    hard: Annotated[bool, typer.Option("--hard", help="Cost nothing below the target, exponent -1 above it.")] = False,
    width: Annotated[float | None, typer.Option(help="Width multiplier. [default: 1, or what fits the target]")] = None,
    epochs: Epochs = 1,
    subset: Annotated[
        str | None, typer.Option(help="Training images to use: 10k, say, or all. [default: 10k, or all if fewer]")
    ] = None,
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the strategy and of every training.")] = 0,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Device = "auto",
    threads: Threads = 1,
    storage: Annotated[
        str | None, typer.Option(help="A database URL for the ledger. [default: a journal file]")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Search a space for the network of the highest reward.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target.
    """
    from nas import launch
    from nas.config import Budget
    from nas.run import Run
    from nas.units import parse_seconds

    chosen = launch.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    limit = Budget(trials, parse_seconds(budget) if budget else (None if trials is not None else 20 * 60.0))
    reward = launch.choose_reward(target_macs, target_params, target_latency, w, hard)
    folder = launch.new_folder(runs_dir, name, f"{space}-{data}")
    dataset = _load(data, data_dir)
    recipe = _recipe(epochs, subset or str(min(10_000, len(dataset.train))), resolution, batch_size, lr, other)
    if chosen is not None and device != "auto":
        raise ValueError("--device is for one trial at a time: --workers are on CPUs, --gpus on GPUs")
    where = launch.choose_device("cpu" if chosen else device, threads)
    where = chosen.device if chosen else where
    config = launch.choose_config(space, width, dataset, data_dir, recipe, reward, strategy, seed, where, threads)
    say = _say(as_json)
    launch.announce(config, limit, dataset, chosen, folder, say)
    run = Run.create(folder, config, limit, storage)
    _drive(run, limit, dataset, where, chosen, as_json)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    trials: Annotated[int | None, typer.Option(help="A new total of networks.")] = None,
    budget: Annotated[str | None, typer.Option(help="A new total of time.")] = None,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... [default: what the run began on]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data set is now. [default: where it was]")] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Continue a run, however it ended.

    With a new total of trials or time it goes on beyond its end.
    """
    from nas import launch
    from nas.config import Budget
    from nas.run import Run
    from nas.units import parse_seconds

    opened = Run.open(runs_dir / run)
    chosen = launch.choose_cluster(workers, gpus, gpus_per_trial, address, opened.config.threads)
    new = trials is not None or budget is not None
    limit = Budget(trials, parse_seconds(budget) if budget else None) if new else opened.budget
    dataset = _load(opened.config.data, data_dir or opened.config.data_dir)
    where = launch.choose_device(device or opened.config.device, opened.config.threads) if chosen is None else "cpu"
    _drive(opened, limit, dataset, where, chosen, as_json)


@app.command()
def top(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="How many trials to list; 0 for all. --json lists all.")
    ] = 10,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """List a run's trials, the best first."""
    from nas.run import Run, rank
    from nas.tables import trials_table

    opened = Run.open(runs_dir / run)
    rows = rank(opened.rows())
    if as_json:
        _print_json([row.to_dict() for row in rows])
        return
    print(trials_table(rows[:limit] if limit else rows))
    print("\nMACs: multiply-adds of convolutions and linear layers for one image. accuracy: validation.")
    if rows and rows[0].reward is not None:
        print(f"best: {opened.name}:{rows[0].number}, {opened.network(rows[0]).text}")


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="RUN:best, RUN:17, resnet20, mnas:..., or an architecture's .json")],
    data: Annotated[str, typer.Option(help="cifar10, cifar100 or shapes.")] = "cifar10",
    data_dir: DataDir = None,
    epochs: Epochs = 10,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the weights and the order of images.")] = 0,
    device: Device = "auto",
    threads: Threads = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights and architecture. [default: NAME-trained]")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train one network, test it, save it.

    Writes weights.safetensors, architecture.json and result.json.
    """
    from nas import launch
    from nas.compare import train_and_test
    from nas.targets import resolve
    from nas.units import format_count, format_percent, format_seconds

    found = resolve(network, runs_dir)
    recipe = _recipe(epochs, subset, resolution, batch_size, lr, other)
    folder = launch.output_folder(out or Path(found.name.replace(":", "-") + "-trained"))
    where = launch.choose_device(device, threads)
    dataset, test = _load(data, data_dir).to(where), _load_test(data, data_dir).to(where)
    dataset = recipe.prepare(dataset)
    say = _say(as_json)
    trained = train_and_test(
        found, dataset, test.resize(dataset.image_size), recipe, seed,
        lambda e: say(
            f"epoch {e.number}/{epochs}  loss {e.loss:.3f}  validation {format_percent(e.val_accuracy)}"
            f"  {format_seconds(e.seconds)}"
        ),
    )  # fmt: skip
    result = launch.save_trained(folder, found, trained, recipe, dataset, seed)
    if as_json:
        _print_json(result)
        return
    print(
        f"test accuracy {format_percent(trained.test_accuracy)} (validation {format_percent(trained.val_accuracy)}), "
        f"{format_count(trained.size.macs)} MACs, {format_count(trained.size.params)} params\nwrote {folder}/"
    )


@app.command()
def compare(
    run: Annotated[str, typer.Argument(help="The run whose best network is compared; or RUN:17, or any network.")],
    baselines: Annotated[
        str, typer.Option(help="Networks to compare with, joined by commas.")
    ] = "resnet20,mobilenet_v2",
    data: Annotated[str | None, typer.Option(help="[default: the run's]")] = None,
    data_dir: DataDir = None,
    epochs: Epochs = 3,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each network, seeds 0, 1, ...")] = 1,
    device: Device = "auto",
    threads: Threads = 1,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train found and hand-designed networks alike, and test them.

    All of them from scratch, under one recipe and the same seeds.
    """
    from nas import launch
    from nas.compare import compare as run_comparison
    from nas.run import Run
    from nas.tables import comparison_table
    from nas.targets import resolve
    from nas.units import format_percent, format_seconds

    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}")
    first = f"{run}:best" if (runs_dir / run).is_dir() else run
    names = [first, *filter(None, (name.strip() for name in baselines.split(",")))]
    networks = [(name, resolve(name, runs_dir)) for name in dict.fromkeys(names)]
    owner = runs_dir / first.partition(":")[0]
    config = Run.open(owner).config if owner.is_dir() else None
    data = data or (config.data if config else "cifar10")
    data_dir = data_dir or (Path(config.data_dir) if config and config.data_dir else None)
    recipe = _recipe(epochs, subset, resolution, batch_size, lr, other)
    where = launch.choose_device(device, threads)
    dataset, test = _load(data, data_dir).to(where), _load_test(data, data_dir).to(where)
    say = _say(as_json)
    contenders = run_comparison(
        networks, dataset, test, recipe, range(seeds),
        lambda name, seed, t: say(
            f"{name} seed {seed}: test {format_percent(t.test_accuracy)} in {format_seconds(t.seconds)}"
        ),
        lambda name, reason: _to_stderr(f"{name} is left out: {reason}"),
    )  # fmt: skip
    if as_json:
        _print_json(
            [
                {"network": c.name, "test_accuracy": c.test_accuracies, "val_accuracy": c.val_accuracies}
                | {"params": c.size.params, "macs": c.size.macs, "activations": c.size.activations}
                | {"seconds": c.seconds, "seeds": seeds}
                for c in contenders
            ]
        )
        return
    print("\n" + comparison_table(contenders))
    images = epochs * (recipe.subset or len(dataset.train))
    print(
        f"{data}, {images:,} training images each (epochs: {epochs}), {seeds} seed{'s' if seeds > 1 else ''}"
        f"{', mean ± standard deviation' if seeds > 1 else ''}, {where}. MACs: multiply-adds for one image."
    )


# ------------------------------------------------------------------ pieces


def _recipe(epochs: int, subset: str, resolution: int | None, batch_size: int, lr: float, others: list[str]) -> Recipe:
    from nas.train import Recipe
    from nas.units import parse_count

    images = None if subset == "all" else int(parse_count(subset))
    recipe = Recipe(epochs=epochs, subset=images, resolution=resolution, batch_size=batch_size, lr=lr)
    return recipe.changed(others)


def _load(data: str, data_dir: Path | str | None) -> Dataset:
    from nas.data import load

    return load(data, data_dir, log=_to_stderr)


def _load_test(data: str, data_dir: Path | str | None) -> Any:
    from nas.data import load_test

    return load_test(data, data_dir, log=_to_stderr)


def _drive(run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Any, as_json: bool) -> None:
    """Search until the end or Ctrl-C, and say in either case what to do next."""
    from nas import launch
    from nas.progress import watch

    say = _say(as_json)
    progress = watch(as_json)
    try:
        ended = launch.drive(run, budget, dataset, device, cluster, progress)
    except KeyboardInterrupt:
        say(f"\nstopped; nothing is lost. `nas resume {run.name}` continues.")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise ValueError(
            f"cannot write to {run.path}: {error.strerror}. Free some space, then `nas resume {run.name}` continues"
        ) from None
    finally:
        progress.close()
    say(f"\n{ended}. `nas top {run.name}` lists them, `nas compare {run.name}` tests the best against ResNet-20.")


def _say(as_json: bool) -> Any:
    """Where words for people go: with --json, standard output is for the program that reads it."""
    return _to_stderr if as_json else lambda text: print(text, flush=True)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2))


_UsageError: Any = typer.BadParameter.__base__  # click's, which typer carries with it and does not name


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2."""
    process.prepare()
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (ValueError, _UsageError) as error:
        message = error.format_message() if isinstance(error, _UsageError) else str(error)
        print(f"nas: {' '.join(message.split())}", file=sys.stderr)
        code = 2
    except BrokenPipeError:  # `nas top RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # no space, no permission
        print(f"nas: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
