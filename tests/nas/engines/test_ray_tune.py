"""What only the Ray engine has to show: what it refuses, workers that die, and that it is quiet and leaves nothing."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.data import Dataset, Images
from nas.data.streamed import LIMIT, InFile, Packed, left_in
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.network import Designed
from nas.reward import Reward
from nas.searching.loop import Search
from nas.searching.progress import Lines
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.trial import State, TrialResult, TrialSpec
from searchspaces import Mnas

if find_spec("ray") is None:  # not importorskip: the engine tells Ray to be silent before it is imported
    pytest.skip("Ray is not installed", allow_module_level=True)

from nas.engines import ray_tune
from nas.engines.connection import connected
from nas.engines.quiet_ray import ray_constants
from nas.engines.worker import Unfit, pack, unpack

RECIPE = Recipe(batch_size=20, bf16=False)


class Listed:
    """Trials of a list, and what the engine said of them."""

    def __init__(self, *networks: Any, recipe: Recipe = RECIPE) -> None:
        self.left = [TrialSpec(number, network, recipe, 0) for number, network in enumerate(networks)]
        self.retries: list[tuple[int, str]] = []
        self.steps: list[tuple[int, int, int, int]] = []
        self.results: dict[int, TrialResult] = {}

    def ready(self, at_once: int) -> None:
        self.at_once = at_once

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        self.steps.append((spec.number, epoch, step, steps))

    def due(self) -> bool:
        return True

    def ask(self) -> TrialSpec | None:
        return self.left.pop(0) if self.left else None

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        return False

    def resized(self, at_once: int) -> None:
        raise AssertionError(at_once)

    def waiting(self, what: str) -> None:
        raise AssertionError(what)

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        assert blamed
        self.retries.append((spec.number, reason))

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        assert spec.number not in self.results
        self.results[spec.number] = result


resnet20 = Designed("resnet20")


def deadly(folder: Path, *blows: str) -> Any:
    """A network that takes its process with it, once for each of `blows`, before it lets itself be built."""

    @dataclass(frozen=True)
    class Deadly:  # within a function, since a worker cannot import a test
        name: str = "deadly"

        def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
            died = len(list(folder.iterdir()))
            if died < len(blows):
                (folder / str(died)).touch()
                signal.raise_signal(getattr(signal, blows[died]))
            return resnet20.build(num_classes, image_size)

    folder.mkdir()
    return Deadly()


# ---------------------------------------------------------------------------- refused before Ray starts


@pytest.mark.parametrize(
    ("gpus_here", "asked", "message"),
    [
        (0, {"gpus": 8}, r"asked for 8 GPUs; this machine has none: use --workers N to search on its CPUs$"),
        (2, {"gpus": 8}, r"asked for 8 GPUs; this machine has 2: use --gpus 2$"),
        (0, {"workers": 5}, r"asked for 5 workers; this machine has 4 cores: use --workers 4$"),
        (
            0,
            {"workers": 3, "threads": 2},
            r"asked for 3 workers of 2 threads; this machine has 4 cores: use --workers 2$",
        ),
        (0, {"workers": 1, "threads": 0}, r"--threads must be at least 1, not 0"),
        (0, {"workers": 0}, r"--workers must be at least 1, not 0"),
        (0, {"workers": -2}, r"--workers must be at least 1, not -2"),
        (2, {"gpus": 0}, r"--gpus must be at least 1, not 0"),
        (2, {"gpus": 1, "gpus_per_trial": 0}, r"--gpus-per-trial must be above 0 and at most 1, not 0"),
        (2, {"gpus": 1, "gpus_per_trial": 2}, r"--gpus-per-trial must be above 0 and at most 1, not 2"),
        (2, {"gpus": 1, "workers": 1}, r"give one of them"),
        (0, {}, r"--workers, --gpus or --address"),
        (0, {"address": "ray://head:10001"}, r"'auto' or host:port of the cluster's head, not ray://head:10001"),
        (0, {"address": "head"}, r"'auto' or host:port of the cluster's head, not head"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    gpus_here: int, asked: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus_here)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    with pytest.raises(ValueError, match=message) as caught:
        ray_tune.Cluster(**asked)
    assert "\n" not in str(caught.value)


def test_nobody_at_the_address(tiny: Dataset) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"no Ray cluster at {address}: ConnectionRefusedError"):
            ray_tune.run(Listed(), tiny, ray_tune.Cluster(address=address))


def test_more_than_the_cluster_has_is_refused() -> None:
    with pytest.raises(ValueError, match="asked for 8 GPUs; the cluster at auto has none"):
        ray_tune.Cluster(gpus=8, address="auto").settled([{"CPU": 64.0}])


@pytest.mark.parametrize(("share", "at_once"), [(1.0, 8), (0.5, 16), (0.25, 32), (0.4, 16), (1 / 3, 24), (0.1, 80)])
def test_a_gpu_takes_as_many_trials_as_it_has_room_for(share: float, at_once: int) -> None:
    cluster = ray_tune.Cluster(gpus=8, gpus_per_trial=share, address="auto")
    assert cluster.at_once == at_once and cluster.device == "cuda"


def test_an_address_alone_means_all_that_is_there() -> None:
    alone = ray_tune.Cluster(gpus_per_trial=0.5, address="auto")
    assert alone.settled([{"CPU": 64.0, "GPU": 8.0}]).at_once == 16
    assert alone.settled([{"CPU": 64.0}]).at_once == 64
    assert replace(alone, threads=4).settled([{"CPU": 64.0}]).at_once == 16
    some = ray_tune.Cluster(workers=3, address="auto")
    assert some.settled([{"CPU": 64.0, "GPU": 8.0}]) == some


# ---------------------------------------------------------------------------- workers that die


def test_a_trial_whose_worker_dies_is_started_once_more_then_failed_and_nothing_is_said_or_left(
    tiny: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    trials = Listed(resnet20, deadly(once, "SIGSEGV"), deadly(twice, "SIGKILL", "SIGKILL"), resnet20)
    short = tempfile.TemporaryDirectory(prefix="r")  # since sockets have short names
    with short as folder, monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", folder)
        ray_tune.run(trials, tiny, ray_tune.Cluster(workers=1))
        assert not list(Path(folder).glob("nas-*"))

    complete, failed = State.COMPLETE, State.FAILED
    states = {number: result.state for number, result in trials.results.items()}
    assert states == {0: complete, 1: complete, 2: failed, 3: complete}
    assert [number for number, _ in trials.retries] == [1, 2]
    for _, reason in trials.retries:
        assert reason.startswith("its worker process died: ") and "\n" not in reason and len(reason) < 200
    assert trials.results[2].reason.startswith("its worker process died twice: ")
    assert trials.results[2].seconds > 0

    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (
            "Failure # 1\nThe actor died unexpectedly before finishing this task.\n\tpid: 7\n"
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: "
            "Worker unexpectedly exits with a connection error code 2. End of file. "
            "Some common causes include: (1) the process was killed by the OOM killer ...\n",
            "Worker unexpectedly exits with a connection error code 2. End of file.",
        ),
        (
            "Failure # 1\n1 worker(s) were killed due to the node running low on memory. Memory ...\nRefer to the docs",
            "Ray killed it, since its machine ran low on memory",
        ),
        ("Failure # 1\nTraceback ...\n  File ...\nValueError: no\n", "ValueError: no"),
    ],
)
def test_rays_reports_in_one_line(report: str, why: str) -> None:
    assert ray_tune._why(report) == why


# ---------------------------------------------------------------------------- a process that is interrupted

ENDLESS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from nas.data import load
from nas.engines import ray_tune
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.trial import TrialSpec

class Endless:
    number = 0
    def ready(self, at_once): pass
    def stepped(self, spec, *at): pass
    def due(self) -> bool:
        return True

    def ask(self):
        self.number += 1
        return TrialSpec(self.number, Designed("resnet20"), Recipe(subset=100, epochs=1000), 0)
    def report(self, spec, epoch): print("epoch", flush=True)
    def resized(self, at_once): print("resized")
    def waiting(self, what): print("waiting")
    def retried(self, spec, reason, blamed): print("retried")
    def tell(self, spec, result): print("told")

try:
    ray_tune.run(Endless(), load("shapes"), ray_tune.Cluster(workers=1))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_it_promptly_and_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group, as a shell makes one: Ctrl-C reaches every process in it
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "epoch\n"
        os.killpg(process.pid, signal.SIGINT)
        began = time.monotonic()
        process.wait(60)
        assert time.monotonic() - began < 20
        lines = process.stdout.read().split()
        assert lines[-1] == "interrupted" and set(lines[:-1]) <= {"epoch"}
        assert process.stderr.read() == ""


@pytest.mark.slow
def test_a_worker_that_ray_kills_for_its_memory_has_died(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")  # of the machine's: it is always above
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "10000")  # so the first worker dies in its training
    endless = replace(RECIPE, epochs=10_000)
    trials = Listed(resnet20, recipe=endless)
    ray_tune.run(trials, tiny, ray_tune.Cluster(workers=1))
    assert trials.results[0].state == State.FAILED
    assert trials.results[0].reason == (
        "its worker process died twice: Ray killed it, since its machine ran low on memory"
    )


# ---------------------------------------------------------------------------- a whole search


@pytest.mark.slow
def test_the_searchs_own_pruner_stops_trials_on_workers(tiny: Dataset, tmp_path: Path) -> None:
    config = Config(
        Mnas(width=0.1, image_size=16), "tiny", replace(RECIPE, epochs=3), Reward(), "random", 0, pruner="asha"
    )
    run = Run.create(tmp_path / "one", config, Budget(trials=8))
    with run.driving() as study:
        search = Search(run, study, run.budget, Lines(io.StringIO()), tiny)
        ray_tune.run(search, tiny, ray_tune.Cluster(workers=min(2, os.cpu_count() or 1)))
        epochs = {trial.number: len(trial.intermediate_values) for trial in study.get_trials()}
    rows = run.rows()
    assert {row.state for row in rows} == {State.COMPLETE, State.PRUNED} and len(rows) == 8
    for row in rows:
        assert epochs[row.number] == (3 if row.state == State.COMPLETE else 1)
        assert row.accuracy is not None and (row.state == State.COMPLETE) == (row.reason == "")


LISTENS = "0A"  # the state of a socket, in /proc/net/tcp
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def _family(process: int) -> list[int]:
    """`process` and all that it started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(one for child in children for one in _family(int(child)))]


def _listening(processes: list[int]) -> list[str]:
    """At which addresses, as the kernel writes them."""
    ends = [end for process in processes for end in Path(f"/proc/{process}/fd").iterdir()]
    sockets = {str(end.readlink()) for end in ends if end.is_symlink()}
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return [line[1].partition(":")[0] for line in lines if line[3] == LISTENS and f"socket:[{line[9]}]" in sockets]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_nobody_else_can_reach_what_runs_on_this_machine_alone(tmp_path: Path) -> None:
    with connected(ray_tune.Cluster(workers=1)):
        addresses = _listening(_family(os.getpid()))
    assert len(addresses) > 2 and set(addresses) <= set(LOOPBACK)
    assert ray_constants.ENABLE_RAY_CLUSTER, "as it was, for a cluster that is joined next"


# ---------------------------------------------------------------------------- images that are not held


def test_workers_read_images_that_are_too_many_from_their_file(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of them goes through Ray, and the trials are the same."""
    path = tmp_path / "pixels"
    path.write_bytes(tiny.train.pixels[:].numpy().tobytes())
    found = []
    for limit in ("1", "0"):
        monkeypatch.setenv(LIMIT, limit)
        pixels = left_in(InFile(path, 0, tuple(tiny.train.pixels.shape)))
        dataset = replace(tiny, train=Images(pixels, tiny.train.labels))
        arrays, _ = pack(dataset)
        assert isinstance(arrays["train.pixels"], Packed) == (limit == "0")
        trials = Listed(resnet20, resnet20)
        ray_tune.run(trials, dataset, ray_tune.Cluster(workers=2))
        assert {result.state for result in trials.results.values()} == {State.COMPLETE}, trials.results
        found.append([(result.accuracy, result.loss) for _, result in sorted(trials.results.items())])
    assert found[0] == found[1]


def test_a_machine_without_the_file_says_so(tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "0")
    path = tmp_path / "pixels"
    path.write_bytes(tiny.train.pixels[:].numpy().tobytes())
    pixels = left_in(InFile(path, 0, tuple(tiny.train.pixels.shape)))
    arrays, about = pack(replace(tiny, train=Images(pixels, tiny.train.labels)))
    path.unlink()
    with pytest.raises(Unfit, match=r"cannot read the images \(FileNotFoundError.*at the same path.*NAS_RESIDENT_GB"):
        unpack(arrays, about, ray_tune.Cluster(address="auto"))


def test_how_many_share_the_memory_of_a_machine() -> None:
    assert ray_tune.Cluster(workers=1).on_a_machine == 1
    assert ray_tune.Cluster(gpus=2, gpus_per_trial=0.5, on="cpu").on_a_machine == 4
    assert ray_tune.Cluster(address="auto").on_a_machine == os.cpu_count()


def test_while_networks_are_measured_nothing_is_started() -> None:
    """And what has ended is heard of: a worker that is free asks again."""

    class Measuring(Listed):
        is_due = False

        def due(self) -> bool:
            return self.is_due

    trials = Measuring(resnet20)
    asker = ray_tune._Asker(ray_tune._Hooks(trials), type("Room", (), {"room": 2})())
    assert asker.suggest("a") is None and trials.left
    trials.is_due = True
    assert asker.suggest("a")["spec"].number == 0 and asker.suggest("b") is None
    asker.on_trial_complete("a")
    assert asker.suggest("c") == ray_tune.Searcher.FINISHED
