"""Measured latency."""

from __future__ import annotations

import sys
import time

import pytest
import torch
from torch import nn

from nas import baselines
from nas.checks.schemas import RUNTIMES
from nas.devices.latency import Effort, Measured, latency, measure_latency, onnx_latency, timed
from nas.devices.recording import RECORDERS, CannotRecord, Work
from nas.devices.tensor_program import TensorPrograms


class Sleeps(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.004)
        return x


def test_it_is_seconds_for_one_image() -> None:
    assert 0.004 <= latency(Sleeps(), 8, repeats=5) < 0.04
    assert 0.001 <= latency(Sleeps(), 8, repeats=5, batch_size=4) < 0.01


def test_a_measured_network_can_still_be_trained() -> None:
    network = baselines.build("resnet20@0.5", 10, 32)
    latency(network, 32, repeats=2)
    network.train()(torch.randn(2, 3, 32, 32)).sum().backward()


class Calls(nn.Module):
    """Counts how often it is computed in Python."""

    def __init__(self, reads: bool = False) -> None:
        super().__init__()
        self.layer, self.reads, self.calls = nn.Conv2d(3, 4, 1), reads, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out: torch.Tensor = self.layer(x)
        return out * out.mean().item() if self.reads else out


def test_where_a_device_records_the_recording_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image at a time a GPU would wait for Python."""
    monkeypatch.setitem(RECORDERS, "cpu", TensorPrograms)
    network = Calls()
    assert latency(network, 8, repeats=30) > 0
    assert network.calls == 3  # to warm up, to see whether it can be recorded, and to record it


@pytest.mark.parametrize("refuses", [False, True])
def test_what_cannot_be_recorded_is_timed_as_it_is(refuses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses(TensorPrograms):
        def record(self, work: Work) -> Work:
            raise CannotRecord("no")

    monkeypatch.setitem(RECORDERS, "cpu", Refuses if refuses else TensorPrograms)
    network = Calls(reads=not refuses)
    assert latency(network, 8, repeats=30) > 0
    assert network.calls == 2 + 40


# ---------------------------------------------------------------------------- one timing loop


class Pretended:
    """Something to compute that takes as long as `times` says, over and over, and the clock that says so."""

    def __init__(self, *times: float) -> None:
        self.times, self.calls, self.now = times, 0, 0.0

    def __call__(self) -> None:
        self.now += self.times[self.calls % len(self.times)]
        self.calls += 1

    def timed(self, effort: Effort, images: int = 1) -> Measured:
        return timed(self, effort, images, clock=lambda: self.now)


def test_median_and_spread() -> None:
    work = Pretended(1.0, 2.0, 3.0, 4.0, 90.0)
    assert work.timed(Effort.of(5), images=2) == Measured(1.5, pytest.approx(2 / 3), 5)
    assert work.calls == 6  # one to warm up
    assert Pretended(2.0).timed(Effort.of(1)) == Measured(2.0, 0.0, 1)


def test_a_fast_network_is_timed_more_often() -> None:
    effort = Effort(least=4, most=50, seconds=1.0)
    fast, slow, instant = Pretended(0.05), Pretended(3.0), Pretended(0.001)
    assert fast.timed(effort).repeats == pytest.approx(20, abs=1) and fast.calls == pytest.approx(27, abs=1)
    assert slow.timed(effort).repeats == 4 and slow.calls == 5
    assert instant.timed(effort).repeats == 50


# ---------------------------------------------------------------------------- other runtimes

LITTLE = Effort(least=5, most=20, seconds=0.02)


def small() -> nn.Module:
    torch.manual_seed(0)
    return baselines.build("resnet8@0.5", 10, 32)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_measures(runtime: str) -> None:
    if runtime != "pytorch":
        pytest.importorskip("onnxruntime")
    if runtime == "onnxruntime-int8":
        pytest.importorskip("torchao")
    found = measure_latency(small(), 32, runtime, threads=1, effort=LITTLE)
    assert 1e-6 < found.seconds < 1 and found.spread >= 0 and 5 <= found.repeats <= 20


def test_an_exported_network_is_as_it_was() -> None:
    pytest.importorskip("onnxruntime")
    network = small().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.random.get_rng_state()
    measure_latency(network, 32, "onnxruntime", effort=LITTLE)
    assert network.training and torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_images_of_other_channels() -> None:
    pytest.importorskip("onnxruntime")
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert measure_latency(network, 8, "onnxruntime", channels=2, effort=LITTLE).seconds > 0


def test_threads_are_those_asked_for_and_only_then() -> None:
    seen = set()

    class Notes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.add(torch.get_num_threads())
            return x

    before = torch.get_num_threads()
    measure_latency(Notes(), 8, threads=2, effort=LITTLE)
    assert seen == {2} and torch.get_num_threads() == before


def test_another_runtime_is_refused() -> None:
    with pytest.raises(
        ValueError, match="--latency-runtime is one of pytorch, onnxruntime, onnxruntime-int8, not 'tvm'"
    ):
        measure_latency(small(), 32, "tvm")


def test_a_missing_package_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install 'nas-toolkit\[export\]'"):
        onnx_latency(b"", 32)
