"""What several trials at once say while nothing happens, without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.network import Designed
from nas.searching.plan import of_all
from nas.training.recipe import Recipe
from nas.training.trial import TrialSpec

if find_spec("ray") is None:  # not importorskip: the engine tells Ray to be silent before it is imported
    pytest.skip("Ray is not installed", allow_module_level=True)

from nas.engines import ray_tune
from nas.engines.cluster import Cluster


class Told:
    """Trials that remember what they hear."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.again: list[TrialSpec] = []
        self.results: list[Any] = []

    def waiting(self, what: str) -> None:
        self.said.append(what)

    def resized(self, at_once: int) -> None:
        self.said.append(f"{at_once} at once")

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        self.said.append(f"trial {spec.number}: step {step} of {steps}")

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        self.again.append(spec)

    def tell(self, spec: TrialSpec, result: Any) -> None:
        self.results.append(result)


def lookout(cluster: Cluster, free: dict[str, float], there: dict[str, float]) -> Any:
    """What a `Lookout` would see of a cluster that has `there`, of which others leave `free`."""
    seen = object.__new__(ray_tune.Lookout)
    seen.cluster, seen.free, seen.all, seen.room = cluster, free, there, 2
    seen.watched, seen.steps = frozenset(), {}
    return seen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(ray_tune.time, "monotonic", lambda: now.seconds)
    return now


def test_a_busy_cluster_is_said_at_once_and_then_now_and_then(clock: SimpleNamespace) -> None:
    cluster = Cluster(gpus=2, gpus_per_trial=0.5, address="head:6379", threads=2)
    told = Told()
    seen = lookout(cluster, {"CPU": 7.0}, {"CPU": 8.0, "GPU": 2.0})
    watcher = ray_tune._Watcher(ray_tune._Hooks(told), seen)  # type: ignore[arg-type]
    watcher.on_step_end(0, [])
    assert told.said == [
        "waiting for room on the cluster at head:6379: a trial takes 2 cores and 0.5 GPU; "
        "free are 7 of 8 cores and 0 of 2 GPUs"
    ]
    clock.seconds += ray_tune.SAID_EVERY - 1
    watcher.on_step_end(0, [])
    assert len(told.said) == 1
    clock.seconds += 2
    watcher.on_step_end(0, [])
    assert len(told.said) == 2


def test_a_cluster_with_room_has_time_to_start_a_worker(clock: SimpleNamespace) -> None:
    told = Told()
    seen = lookout(Cluster(workers=2, address="head:6379"), {"CPU": 8.0}, {"CPU": 8.0})
    watcher = ray_tune._Watcher(ray_tune._Hooks(told), seen)  # type: ignore[arg-type]
    clock.seconds += ray_tune.STARTING
    watcher.on_step_end(0, [])
    assert not told.said
    clock.seconds += 2
    watcher.on_step_end(0, [])
    assert len(told.said) == 1


def test_steps_and_room_are_passed_on(clock: SimpleNamespace) -> None:
    told = Told()
    seen = lookout(Cluster(workers=2, address="head:6379"), {"CPU": 0.0}, {"CPU": 2.0})
    watcher = ray_tune._Watcher(ray_tune._Hooks(told), seen)  # type: ignore[arg-type]
    seen.room, seen.steps = 5, {3: (1, 20, 100), 4: (1, 1, 100)}
    running = SimpleNamespace(config={"spec": spec(3)}, status="RUNNING")
    waiting = SimpleNamespace(config={"spec": spec(4)}, status="PENDING")
    watcher.on_step_end(0, [running, waiting])
    assert told.said == ["trial 3: step 20 of 100", "5 at once"] and seen.watched == {3}


def spec(number: int) -> TrialSpec:
    return TrialSpec(number, Designed("resnet8"), Recipe(), 0)


def test_a_trial_whose_worker_died_takes_its_steps_one_by_one() -> None:
    """Since a recording may have been what its worker died of."""
    told = Told()
    asker = ray_tune._Asker(ray_tune._Hooks(told), lookout(Cluster(workers=1, address="auto"), {}, {}))  # type: ignore[arg-type]
    asker._began[0] = 0.0
    asker.ended_badly(spec(0), "Worker exit detail: its node has died")
    asker.ended_badly(spec(0), "Worker exit detail: killed")
    assert [again.recorded for again in told.again] == [True, False] and not told.results
    asker.ended_badly(told.again[-1], "Worker exit detail: killed")
    assert [result.reason for result in told.results] == ["its worker process died twice: killed"]


def test_the_time_of_trials_that_share_a_gpu_is_a_range() -> None:
    shared = Cluster(gpus=2, gpus_per_trial=0.25, on="cpu")
    assert of_all(8_000, "cuda", shared).startswith("about 16m40s to 1h06m on ")
    assert "(4 share a GPU: how much that slows each is not known before)" in of_all(8_000, "cuda", shared)
    alone = of_all(8_000, "cuda", Cluster(gpus=2, on="cpu"))
    assert alone.startswith("about 1h06m on ") and "share" not in alone


def test_a_ray_that_is_built_otherwise_is_refused_by_its_version(tmp_path: Path) -> None:
    (tmp_path / "ray" / "tune").mkdir(parents=True)
    (tmp_path / "ray" / "__init__.py").write_text("__version__ = '9.9'\n")
    (tmp_path / "ray" / "tune" / "__init__.py").write_text("")
    command = (
        "from nas.engines.cluster import Cluster\n"
        "try:\n    import nas.engines.ray_tune\n"
        "except ValueError as error:\n    print(error)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])}
    ran = subprocess.run([sys.executable, "-c", command], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("Ray 9.9 is built otherwise than the one that nas was tested with: pip install ")
    assert ran.stdout.count("\n") == 1
