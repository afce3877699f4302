"""The first built-in set: its shapes, and how well networks of two widths learn them."""

from __future__ import annotations

from math import cos, pi, radians, sin, sqrt

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas.data import Augment, Dataset, Images, eval_batches, load, load_test, shapes, train_batches

AREAS = {  # by school geometry, but for the crescent
    "disc": pi,
    "ring": pi * (0.97**2 - 0.53**2),
    "crescent": 1.477,
    "half-disc": pi / 2,
    "triangle": 3 * sqrt(3) / 4,
    "square": 1.56**2,
    "frame": 1.72**2 - 1,
    "star": 5 * 0.5 * cos(radians(36)) * sin(radians(36)),
    "cross": 2 * (2 * 0.6) - 0.6**2,
    "heart": 0.8**2 * 2 + pi * 0.8**2 / 2,
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("shapes")


@pytest.fixture(scope="module")
def unseen() -> Images:
    return load_test("shapes")


@pytest.mark.parametrize("name", shapes.CLASS_NAMES)
def test_each_shape_has_its_area_and_size(name: str):
    axis = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(axis, axis)
    inside = shapes.SHAPES[name](x, y) < 0
    assert inside.sum() * 0.01**2 == pytest.approx(AREAS[name], rel=0.03)
    assert np.hypot(x, y)[inside].max() == pytest.approx(1.1, abs=0.15)


@pytest.mark.slow
def test_a_wider_network_is_better_and_neither_is_perfect(dataset: Dataset, unseen: Images):
    narrow, wide = (accuracy_after_training(width, dataset, unseen) for width in (8, 32))
    assert 0.3 < narrow < wide - 0.05 < 0.85


def accuracy_after_training(width: int, dataset: Dataset, unseen: Images, epochs: int = 10) -> float:
    """Of a plain network of four 3x3 convolutions."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for c_in, c_out in ((3, width), (width, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * width, 10)).to(memory_format=torch.channels_last)
    steps = epochs * (len(dataset.train) // 128)
    optimizer = torch.optim.AdamW(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    statistics = dataset.mean, dataset.std
    for _ in range(epochs):
        for x, y in train_batches(dataset.train, *statistics, batch_size=128, augment=Augment(), generator=generator):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        batches = eval_batches(unseen, *statistics, batch_size=500)
        return sum(int((net(x).argmax(1) == y).sum()) for x, y in batches) / len(unseen)
