"""Who runs where, with GPUs that are there for Ray alone: it hands them out, and the trials are answered by a table.

`pytest -s` shows it: each trial, its machine's GPU, when it began.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.devices.place import places_of
from nas.ledger.run import Run
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.trial import State, TrialResult, TrialSpec

if find_spec("ray") is None:  # not importorskip: the engine tells Ray to be silent before it is imported
    pytest.skip("Ray is not installed", allow_module_level=True)

from nas.engines import ray_tune
from nas.engines.worker import CONTEXT, Unfit, memory_share
from tests.ray_machines import head


def meeting(folder: Path, number: int, of: int) -> Any:
    """A network that waits, before it lets itself be built, until as many as it is one `of` do: they run at once."""

    @dataclass(frozen=True)
    class Meeting:  # within a function, since a worker cannot import a test
        name: str = "meeting"

        def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
            (folder / str(number)).touch()
            until = time.monotonic() + 100
            while len(list(folder.iterdir())) < of and time.monotonic() < until:
                time.sleep(0.1)
            return Designed("resnet8").build(num_classes, image_size)

    return Meeting()


@dataclass
class Noted:
    """So many trials, and what was heard of each. Those of a group, of the numbers `groups` has, run at once."""

    folder: Path
    trials: int
    groups: tuple[range, ...]
    at_once: list[int] = field(default_factory=list)
    results: dict[int, TrialResult] = field(default_factory=dict)
    moved: list[tuple[int, str, bool]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: int = 0

    def ready(self, at_once: int) -> None:
        self.at_once.append(at_once)

    def resized(self, at_once: int) -> None:
        self.at_once.append(at_once)
        print(f"at once from now on: {at_once}")

    def waiting(self, what: str) -> None:
        self.said.append(what)

    def due(self) -> bool:
        return True

    def ask(self) -> TrialSpec | None:
        if self.asked == self.trials:
            return None
        self.asked += 1
        number = self.asked - 1
        group = next((group for group in self.groups if number in group), range(number, number + 1))
        folder = self.folder / str(group.start)
        folder.mkdir(exist_ok=True)
        return TrialSpec(number, meeting(folder, number, len(group)), Recipe(), 0, published=0.5)

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        """Nothing: a table has no steps."""

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        return False

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        self.moved.append((spec.number, reason, blamed))
        print(f"trial {spec.number:>2} begins again: {reason}")

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        assert spec.number not in self.results, "told twice"
        self.results[spec.number] = result
        assert result.place
        print(f"trial {spec.number:>2}: GPU {result.place.gpus} of {result.place.machine}, {result.state}")

    def on_gpus(self, group: range) -> Counter[str]:
        """How many trials of a group each GPU had, by CUDA_VISIBLE_DEVICES of their processes."""
        places = [self.results[number].place for number in group]
        return Counter(place.gpus for place in places if place)

    def check_whole(self) -> None:
        """Every trial came to one result."""
        assert sorted(self.results) == list(range(self.trials))
        assert {result.state for result in self.results.values()} == {State.COMPLETE}


@pytest.fixture
def machines() -> Iterator[Any]:
    """A cluster whose head has no GPU, to which machines can be added."""
    with head() as cluster:
        yield cluster
        cluster.shutdown()


def add(machines: Any, gpus: int) -> Any:
    """A new machine; also from the thread in which trials are told, where no signal can be handled."""
    with mock.patch("signal.signal"):
        return machines.add_node(num_cpus=gpus, num_gpus=gpus, object_store_memory=100_000_000)


@pytest.mark.slow
def test_four_trials_at_once_on_each_gpu(tiny: Dataset, tmp_path: Path) -> None:
    at_first = range(4)
    trials = Noted(tmp_path, 8, (at_first,))
    ray_tune.run(trials, tiny, ray_tune.Cluster(gpus=1, gpus_per_trial=0.25, on="cpu"))
    trials.check_whole()
    assert trials.at_once == [4] and trials.on_gpus(at_first) == {"0": 4}


@pytest.mark.slow
def test_two_machines_of_which_one_is_lost_and_another_joins(tiny: Dataset, tmp_path: Path, machines: Any) -> None:
    first, _ = add(machines, 4), add(machines, 4)
    machines.wait_for_nodes()
    asked = ray_tune.Cluster(address=machines.address)
    settled = replace(asked.settled([{"CPU": 4, "GPU": 4}] * 2), on="cpu")
    assert (settled.device, settled.gpus, settled.grows) == ("cpu", 8, True)

    class Eventful(Noted):
        def tell(self, spec: TrialSpec, result: TrialResult) -> None:
            super().tell(spec, result)
            if len(self.results) == 8:
                machines.remove_node(first, allow_graceful=False)
                add(machines, 3)

    at_first, later = range(8), range(16, 23)
    trials = Eventful(tmp_path, 28, (at_first, later))
    ray_tune.run(trials, tiny, settled)
    trials.check_whole()
    assert trials.at_once[0] == 8 and trials.at_once[-1] == 7
    assert all(reason == "its machine was lost or out of reach" and not blamed for _, reason, blamed in trials.moved)
    assert trials.on_gpus(at_first) == dict.fromkeys("0123", 2)
    assert trials.on_gpus(later) == {"0": 2, "1": 2, "2": 2, "3": 1}


@pytest.mark.slow
def test_one_trial_on_each_of_eight_gpus(tiny: Dataset, tmp_path: Path) -> None:
    at_first = range(8)
    trials = Noted(tmp_path, 24, (at_first,))
    ray_tune.run(trials, tiny, ray_tune.Cluster(gpus=8, on="cpu"))
    trials.check_whole()
    assert trials.at_once == [8] and trials.on_gpus(at_first) == dict.fromkeys("01234567", 1)


MEETING = """
import os, time
from dataclasses import dataclass
from pathlib import Path
import torch
from searchspaces import Mnas

@dataclass(frozen=True)
class Meeting(Mnas):
    def build(self, *args, **kwargs):
        if torch.empty(0).device.type != "meta":  # the network itself, and not its shape
            met = Path(__file__).with_name("met")
            (met / str(os.getpid())).touch()
            until = time.monotonic() + 500
            while len(list(met.iterdir())) < 8 and time.monotonic() < until:
                time.sleep(0.1)
        return super().build(*args, **kwargs)
"""


def test_the_command_of_the_first_page(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Callable[..., tuple[int, str, str]]
) -> None:
    """As a person types it, but for tiny images, networks that wait for each other, and GPUs that only Ray sees."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "met").mkdir()
    (tmp_path / "meeting.py").write_text(MEETING)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr(ray_tune, "Cluster", partial(ray_tune.Cluster, on="cpu"))
    short = ("--width", "0.1", "--batch-size", "20", "--set", "seconds=1", "--trials", "16", "--name", "one")
    code, out, err = call_nas("search", "--space", "meeting:Meeting", "--gpus", "8", *short)
    assert code == 0 and "16 trials done" in out, err
    print(out)
    run = Run.open(tmp_path / "runs" / "one")
    assert [row.number for row in run.rows()] == list(range(16))
    assert {row.state for row in run.rows()} == {State.COMPLETE}
    assert {place.gpus for place in places_of(run.study).values()} == set("01234567")


# ---------------------------------------------------------------------------- shares


def test_sharers_leave_room_for_the_contexts_of_all_and_of_the_process_that_was_started() -> None:
    total = 80 * 2**30
    for on_each in (2, 4, 8):
        share = memory_share(total, 1 / on_each)
        assert on_each * share * total + (on_each + 1) * CONTEXT <= total
    with pytest.raises(Unfit, match=r"2.0 GiB of GPU memory are too few for trials with 0.25 of it each"):
        memory_share(2 * 2**30, 0.25)


def test_more_sharers_than_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert ray_tune.Cluster(gpus=8).at_once == 8
    message = (
        r"asked for 32 trials at once, 4 on each of 8 GPUs; this machine has 16 cores, and each trial keeps one busy: "
        r"use --gpus-per-trial 0\.5$"
    )
    with pytest.raises(ValueError, match=message):
        ray_tune.Cluster(gpus=8, gpus_per_trial=0.25)
    assert ray_tune.Cluster(gpus=8, gpus_per_trial=0.5).at_once == 16
    monkeypatch.setattr("os.cpu_count", lambda: 24)
    with pytest.raises(ValueError, match=r"use --gpus-per-trial 0\.333$"):
        ray_tune.Cluster(gpus=8, gpus_per_trial=0.25)
    assert ray_tune.Cluster(gpus=8, gpus_per_trial=0.333).at_once == 24


def test_a_machine_takes_what_its_cores_and_gpus_do() -> None:
    cluster = ray_tune.Cluster(gpus=8, gpus_per_trial=0.25, address="auto")
    assert cluster.room([{"CPU": 6.0, "GPU": 4.0}, {"CPU": 64.0, "GPU": 4.0}, {"CPU": 64.0}]) == 6 + 16
    with pytest.raises(ValueError, match="no machine of the cluster at auto has 8 cores and a GPU for a trial"):
        ray_tune.Cluster(threads=8, address="auto").settled([{"CPU": 4.0, "GPU": 1.0}] * 3)
