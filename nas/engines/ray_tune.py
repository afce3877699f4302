"""Trials on Ray, several at once: on this machine's cores, on its GPUs or shares of them, or on a cluster.

Ray Tune starts workers, places them and notices when one dies; what is tried and what is stopped is for
`Trials` to say. Tune's own records go to a temporary folder, since the ledger is the only state.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import tempfile
import time
import uuid
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nas.data.images import Dataset, Images
from nas.engines import Trials
from nas.engines.local import stopped
from nas.process import prepare
from nas.recipe import Recipe
from nas.training import Epoch, Moment
from nas.trial import State, TrialResult, TrialSpec, describe, run_trial

ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables ignore verbose=0
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints to stdout when a worker dies; the ledger says it
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would take Ctrl-C for an ordinary end
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""Has Ray silent and without records of its own. What is set already stays."""

for _name, _value in ENVIRONMENT.items():  # here, since some are read when Ray is imported
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray import tune
    from ray._private import ray_constants
    from ray.air.execution._internal import actor_manager
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put
    from ray.tune.execution import tune_controller
    from ray.tune.schedulers import FIFOScheduler
    from ray.tune.search import Searcher
except ImportError as error:
    raise ValueError(f"several trials at once need Ray: pip install 'ray[tune]' ({error})") from None

NOTED_EVERY = 1.0  # seconds between two notes of a training's step

SILENT: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}


# ---------------------------------------------------------------------------- what to run on


@dataclass(frozen=True)
class Cluster:
    """Where trials run, and how many at once. Raises ValueError for what this machine does not have.

    `workers` trials at once, each on `threads` CPU cores; or `gpus` GPUs, with as many trials at once on each as
    `gpus_per_trial` leaves room for. `address` ("auto" or host:port) is a running Ray cluster, whose machines
    have this package; alone it means all of its GPUs or, where it has none, all of its cores.
    """

    workers: int | None = None
    gpus: int | None = None
    gpus_per_trial: float = 1.0
    address: str | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("workers", "gpus", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} must be at least 1, not {value}")
        if not 0 < self.gpus_per_trial <= 1:
            raise ValueError(f"--gpus-per-trial must be above 0 and at most 1, not {self.gpus_per_trial:g}")
        if self.workers is not None and self.gpus is not None:
            raise ValueError("--workers are on CPU cores, --gpus with --gpus-per-trial on GPUs: give one of them")
        if self.address is None:
            if self.workers is None and self.gpus is None:
                raise ValueError("several trials at once need --workers, --gpus or --address")
            self._check_fits(torch.cuda.device_count(), os.cpu_count() or 1, "this machine")
        elif not re.fullmatch(r"auto|[^/]+:\d+", self.address):
            raise ValueError(f"--address is 'auto' or host:port of the cluster's head, not {self.address}")

    def _check_fits(self, gpus: int, cores: int, where: str) -> None:
        if self.gpus is not None and self.gpus > gpus:
            there = f"{gpus}: use --gpus {gpus}" if gpus else "none: use --workers N to search on its CPUs"
            raise ValueError(f"asked for {self.gpus} GPUs; {where} has {there}")
        if self.workers is not None and self.workers * self.threads > cores:
            each = f" of {self.threads} threads" if self.threads > 1 else ""
            room = max(1, cores // self.threads)
            raise ValueError(f"asked for {self.workers} workers{each}; {where} has {cores} cores: use --workers {room}")

    @property
    def at_once(self) -> int:
        """Trials at once; 0 where that is for the cluster at `address` to say."""
        return self.workers or (self.gpus or 0) * int(1 / self.gpus_per_trial + 1e-6)

    def __str__(self) -> str:
        """As in `starting 2 workers with Ray`."""
        if self.address is not None:
            return f"workers on the Ray cluster at {self.address}"
        return f"{self.at_once} worker{'s' if self.at_once > 1 else ''} with Ray"

    @property
    def device(self) -> str:
        """What a trial trains on."""
        return "cuda" if self.gpus else "cpu"


@contextlib.contextmanager
def _connected(cluster: Cluster, object_bytes: int, folder: str) -> Iterator[Cluster]:
    """Ray, for as long as the context lasts. Yields `cluster` with what its address alone had left open."""
    try:
        if cluster.address is None:
            with _on_loopback():
                ray.init(
                    "local",
                    num_cpus=cluster.at_once * cluster.threads,
                    num_gpus=cluster.gpus or 0,
                    include_dashboard=False,
                    object_store_memory=object_bytes + 100_000_000,  # Ray wants 75 MB at least
                    _temp_dir=folder,
                    **SILENT,
                )
        else:
            _join(cluster.address)
            cluster = _settled(cluster, ray.cluster_resources())  # type: ignore[no-untyped-call]
        yield cluster
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """What Ray starts within it listens at 127.0.0.1 alone: whoever reaches its ports can have it run anything.

    That is Ray's own way where a machine is no part of a cluster, which it takes Macs and Windows for. Its option
    `_node_ip_address` does not do it: Ray 2.60 puts this machine's address in the place of 127.0.0.1.
    """
    in_clusters = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = in_clusters


def _join(address: str) -> None:
    try:
        if address != "auto":  # where nobody answers, Ray would try for minutes, and not in silence
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, **SILENT)
    except OSError as error:
        raise ValueError(f"no Ray cluster at {address}: {describe(error)}") from None


def _settled(cluster: Cluster, there: dict[str, float]) -> Cluster:
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    cluster._check_fits(gpus, cores, f"the cluster at {cluster.address}")
    if cluster.at_once:
        return cluster
    return replace(cluster, gpus=gpus) if gpus else replace(cluster, workers=max(1, cores // cluster.threads))


# ---------------------------------------------------------------------------- the run


def run(trials: Trials, dataset: Dataset, cluster: Cluster) -> None:
    """Evaluate what `trials` asks for on `cluster`, until it asks for nothing more.

    A trial whose worker dies is started once more; when that one dies too, it has failed. KeyboardInterrupt
    and whatever `trials` raises end the run at once, with the trials under way untold. Raises ValueError
    where there is no cluster at the address, or it has less than was asked for.
    """
    _count_out_of_memory_as_death()
    arrays, about = _pack(dataset)
    size = sum(array.nbytes for array in arrays.values())
    asker = _Asker(trials)
    with (
        tempfile.TemporaryDirectory(prefix="nas-", ignore_cleanup_errors=True) as folder,
        _connected(cluster, size, folder) as settled,
    ):
        try:
            board = Board(uuid.uuid4().hex)
            trials.ready(settled.at_once)
            tune.run(
                tune.with_parameters(_Worker, arrays=arrays, about=about, cluster=settled, board=board),
                search_alg=asker,
                scheduler=_Teller(trials, asker),
                callbacks=[_Reader(trials, board)],
                num_samples=-1,
                max_concurrent_trials=settled.at_once,
                resources_per_trial={"cpu": settled.threads, "gpu": settled.gpus_per_trial if settled.gpus else 0},
                reuse_actors=True,
                storage_path=folder,
                raise_on_failed_trial=False,
                trial_dirname_creator=str,
                verbose=0,
            )
        except _Raised as raised:
            raise raised.error from None


class _Asker(Searcher):
    """What Tune starts next: first the trials whose worker died, then new ones."""

    def __init__(self, trials: Trials) -> None:
        super().__init__()
        self._trials = trials
        self._began: dict[int, float] = {}  # trial number -> when it was first started
        self._lost: list[TrialSpec] = []
        self._died: set[int] = set()
        self._running: set[str] = set()
        self._exhausted = False

    def suggest(self, trial_id: str) -> Any:
        spec = self._lost.pop() if self._lost else self._ask()
        if spec is None:
            return None if self._running else Searcher.FINISHED  # what runs may have to be started again
        self._running.add(trial_id)
        self._began.setdefault(spec.number, time.perf_counter())
        return {"spec": spec}

    def _ask(self) -> TrialSpec | None:
        if self._exhausted:
            return None
        with _past_tune():
            spec = self._trials.ask()
        self._exhausted = spec is None
        return spec

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._running.discard(trial_id)

    def died(self, spec: TrialSpec, reason: str) -> None:
        """The worker of `spec` died: start it once more, or fail it."""
        with _past_tune():
            if spec.number not in self._died:
                self._died.add(spec.number)
                self._lost.append(spec)
                self._trials.retried(spec, f"its worker process died: {reason}")
            else:
                seconds = time.perf_counter() - self._began[spec.number]
                reason = f"its worker process died twice: {reason}"
                self._trials.tell(spec, TrialResult(State.FAILED, seconds, reason=reason))

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the ledger is the only state."""


class _Teller(FIFOScheduler):
    """What Tune hears from the workers goes to `Trials`."""

    def __init__(self, trials: Trials, asker: _Asker) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._trials, self._asker = trials, asker

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        with _past_tune():
            stop = self._trials.report(trial.config["spec"], result["epoch"])
        return FIFOScheduler.STOP if stop else FIFOScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        end = result["result"] if "result" in result else stopped(result["epoch"], result["time_total_s"])
        with _past_tune():
            self._trials.tell(trial.config["spec"], end)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._asker.died(trial.config["spec"], _why(Path(trial.error_file).read_text(encoding="utf-8")))


class _Reader(tune.Callback):
    """Passes on what workers note of their steps, between which Tune hears nothing of them."""

    def __init__(self, trials: Trials, board: Board) -> None:
        self._trials, self._board = trials, board
        self._looked = float("-inf")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() < self._looked + NOTED_EVERY:
            return
        self._looked = time.monotonic()
        for spec in [trial.config["spec"] for trial in trials if trial.status == "RUNNING"]:
            if (at := self._board.read(spec.number)) is not None:
                with _past_tune():
                    self._trials.stepped(spec, *at)


class _Raised(BaseException):
    """Carries what `Trials` raised past Tune, which would take an Exception for the trial's own and go on."""

    def __init__(self, error: Exception) -> None:
        self.error = error


@contextlib.contextmanager
def _past_tune() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Raised(error) from error


def _why(report: str) -> str:
    """What Ray's report of a failure says, in one line, without its guesses and advice."""
    if "running low on memory" in report:
        return "Ray killed it, since its machine ran low on memory"
    last = report.strip().splitlines()[-1].rpartition("Worker exit detail: ")[2]
    return re.split(" Some common causes| There are some potential", last)[0]


def _count_out_of_memory_as_death() -> None:
    """Have Tune take a worker that Ray's memory monitor killed for a dead one. Tune of Ray 2.60 gives up the run."""
    for module in (actor_manager, tune_controller):
        module.RayActorError = (RayActorError, OutOfMemoryError)  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------- a worker


@dataclass(frozen=True)
class Board:
    """Where workers note at which step they are, for whoever looks: Ray's own store of keys and values."""

    run: str

    def note(self, number: int, moment: Moment) -> None:
        _internal_kv_put(self._key(number), f"{moment.epoch} {moment.step} {moment.steps}", overwrite=True)

    def read(self, number: int) -> tuple[int, int, int] | None:
        """Epoch, step and steps of trial `number`; None where nothing was noted."""
        noted = _internal_kv_get(self._key(number))
        if noted is None:
            return None
        epoch, step, steps = map(int, noted.split())
        return epoch, step, steps

    def _key(self, number: int) -> str:
        return f"nas/{self.run}/{number}"


class _Worker(tune.Trainable):
    """A process that evaluates one trial after the other. A step is an epoch; the last one carries the result."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], arrays: Any, about: Any, cluster: Cluster, board: Board
    ) -> None:
        prepare()
        self._board = board
        torch.set_num_threads(cluster.threads)
        self._dataset = _unpack(arrays, about).to(cluster.device)
        self._prepared: dict[Recipe, Dataset] = {}
        if cluster.device == "cuda":  # too large a network runs out of its own share, not of its neighbours'
            torch.cuda.set_per_process_memory_fraction(cluster.gpus_per_trial)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._training = self._evaluate(new_config["spec"])
        if self._dataset.train.pixels.is_cuda:
            torch.cuda.synchronize()  # raises where a former trial broke this process's GPU context: a new worker then
            torch.cuda.empty_cache()  # others may share the GPU
        return True

    def step(self) -> dict[str, Any]:
        try:
            return {"epoch": next(self._training)}
        except StopIteration as end:
            return {"result": end.value, "done": True}

    def _evaluate(self, spec: TrialSpec) -> Generator[Epoch, None, TrialResult]:
        if spec.recipe not in self._prepared:
            self._prepared = {spec.recipe: spec.recipe.prepare(self._dataset)}
        noted = float("-inf")

        def on_step(moment: Moment) -> None:
            nonlocal noted
            if time.monotonic() >= noted + NOTED_EVERY:
                noted = time.monotonic()
                self._board.note(spec.number, moment)

        return (yield from run_trial(spec, self._prepared[spec.recipe], on_step))


def _pack(dataset: Dataset) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """`dataset` as NumPy arrays, of which all workers of a machine read the one copy in Ray's object store."""
    arrays = {
        f"{split}.{name}": getattr(getattr(dataset, split), name).numpy(force=True)
        for split in ("train", "val", "test")
        for name in ("pixels", "labels")
        if getattr(dataset, split) is not None
    }
    return arrays, (dataset.name, dataset.class_names, dataset.mean, dataset.std)


def _unpack(arrays: dict[str, Any], about: tuple[Any, ...]) -> Dataset:
    name, class_names, mean, std = about
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor does anyone write to it
        tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    splits = {
        split: Images(tensors[f"{split}.pixels"], tensors[f"{split}.labels"])
        for split in ("train", "val", "test")
        if f"{split}.pixels" in tensors
    }
    return Dataset(name, class_names, splits["train"], splits["val"], mean, std, test=splits.get("test"))
