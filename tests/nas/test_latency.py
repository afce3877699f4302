"""Measured latency."""

from __future__ import annotations

import time

import torch
from torch import nn

from nas import baselines
from nas.latency import latency


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
