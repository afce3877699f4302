"""Baselines are exact: published parameters and multiply-adds, to the last one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nas import baselines
from searchspaces.cost import cost, shapes_only

# Published counts; He et al. 2015 table 6 says 0.27M, Sandler et al. 2018 table 4 says 3.4M and 300M.
PUBLISHED = {
    ("resnet20", 10, 32): (269_722, 40_551_040),
    ("mobilenet_v2", 1000, 224): (3_504_872, 300_774_272),
}


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case[0])
def test_params_and_macs_are_the_published_ones(case: tuple[str, int, int]) -> None:
    name, classes, size = case
    with shapes_only():
        found = cost(baselines.build(name, classes, size), size)
    assert (found.params, found.macs) == PUBLISHED[case]


REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "complexity.json"


@pytest.mark.skipif(not REFERENCE.exists(), reason="the table of published figures is not on this machine")
def test_every_baseline_equals_the_reference_table() -> None:
    table = json.loads(REFERENCE.read_text())["networks"]
    for name in baselines.BASELINES:
        row = table[name]
        with shapes_only():
            found = cost(baselines.build(name, row["num_classes"], row["image_size"]), row["image_size"])
        assert (found.params, found.macs) == (row["params"], row["macs"]), name


@pytest.mark.parametrize("name", [*baselines.BASELINES, "mobilenet_v2@0.35", "resnet20@0.5"])
@pytest.mark.parametrize(("classes", "size"), [(7, 32), (100, 48)])
def test_they_train(name: str, classes: int, size: int) -> None:
    network = baselines.build(name, classes, size)
    out = network(torch.randn(2, 3, size, size))
    assert out.shape == (2, classes)
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_width_scales_the_cost() -> None:
    sizes = [cost(baselines.build(f"mobilenet_v2@{w}", 10, 32), 32).macs for w in (0.25, 0.5, 1.0)]
    assert sizes == sorted(sizes) and sizes[-1] > 5 * sizes[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet7", "no baseline called 'resnet7'"),
        ("resnet20@x", "positive number"),
        ("resnet20@-1", "positive number"),
    ],
)
def test_mistakes_are_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        baselines.build(name)


def test_a_cifar_resnet_has_6n_plus_2_layers() -> None:
    from nas.baselines.resnet import cifar_resnet

    with pytest.raises(ValueError, match="6n"):
        cifar_resnet(21, 10)
