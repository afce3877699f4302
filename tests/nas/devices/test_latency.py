"""Measured latency."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from nas import baselines
from nas.devices.latency import latency
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
