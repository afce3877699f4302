"""Every baseline is what it says: its size to the last parameter, any classes, any image that is large enough."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from nas import baselines
from nas.baselines import BASELINES, build, find
from nas.baselines.listing import listed, rows_of
from nas.baselines.zoo import FAMILIES, scaled_name
from searchspaces.cost import cost, shapes_only
from searchspaces.layers import SMALL_IMAGE
from searchspaces.modules import Residual

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "baselines.json").read_text())
REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "complexity.json"

# Members of the families that are formulas, and variants, beside the names of the zoo
OTHERS = [
    "resnet14",
    "mobilenet_v2@0.35",
    "resnet20@0.5",
    "resnet50+stride_1x1",
    "resnet18+zero_init@0.5",
    "mobilenet_v2@0.35x1.5",
]


def weightless(name: str, classes: int, size: int) -> nn.Sequential:
    with shapes_only():
        return build(name, classes, size)


# ---------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("name", BASELINES)
def test_it_costs_what_it_did(name: str) -> None:
    """`python tests/golden/make_baselines.py` writes the file anew."""
    network, golden = listed(name), GOLDEN[name]
    assert (network.image_size, network.num_classes) == (golden["image_size"], golden["num_classes"])
    for found, known in ((network.cost, golden), (network.cifar10, golden["cifar10"])):
        assert (found is None) == (known is None)
        if found:
            assert (found.params, found.macs, found.activations) == tuple(
                known[key] for key in ("params", "macs", "activations")
            )


@pytest.mark.skipif(not REFERENCE.exists(), reason="the table of published figures is not on this machine")
def test_it_equals_the_published_figures() -> None:
    reference = json.loads(REFERENCE.read_text())
    for name, row in reference["networks"].items():
        found = cost(weightless(name, row["num_classes"], row["image_size"]), row["image_size"])
        assert (found.params, found.macs) == (row["params"], row["macs"]), name
    assert set(reference["names_of_the_rest"]) <= BASELINES.keys()


@pytest.mark.parametrize("name", BASELINES)
def test_its_rows_add_up(name: str) -> None:
    network = listed(name)
    rows = rows_of(network)
    assert sum(row.cost.params for row in rows) == network.cost.params
    assert sum(row.cost.macs for row in rows) == network.cost.macs
    assert rows[-1].output == (network.num_classes,)
    assert all(re.fullmatch(r"[A-Za-z]\w*", row.name) for row in rows), "rows have the names of the paper's table"


# ---------------------------------------------------------------------------- images and classes


@pytest.mark.parametrize("name", [*BASELINES, *OTHERS])
def test_the_least_image_is_the_least(name: str) -> None:
    least = find(name).min_size
    assert cost(weightless(name, 7, least), least).macs > 0
    if least > 1:
        with pytest.raises(ValueError, match=rf"{re.escape(name)} needs images of at least {least} pixels"):
            build(name, 7, least - 1)
        with pytest.raises(ValueError), shapes_only():
            cost(find(name).builder(7, least - 1), least - 1)


@pytest.mark.parametrize("name", [*BASELINES, *OTHERS])
def test_a_cifar_form_is_one(name: str) -> None:
    """It looks at 32 pixels closely: before the classifier something is left of them."""
    baseline = find(name)
    if baseline.for_small_images:
        small = cost(weightless(name, 10, 32), 32)
        assert small.macs > 0 and baseline.min_size <= 32
    if baseline.cifar:
        assert baseline.image_size > SMALL_IMAGE


def images(name: str) -> int:
    """The pixels at which it is quick to try: CIFAR's where it can, else a little more than the least."""
    baseline = find(name)
    return 32 if baseline.for_small_images else baseline.min_size + 5


def sized(names: list[str]) -> list[object]:
    """Networks of over 50 million parameters take seconds each."""
    return [pytest.param(name, marks=pytest.mark.slow) if _is_large(name) else name for name in names]


def _is_large(name: str) -> bool:
    row = GOLDEN.get(name)
    return row is not None and (row["cifar10"] or row)["params"] > 50e6


@pytest.mark.parametrize("name", sized([*BASELINES, *OTHERS]))
def test_it_trains(name: str) -> None:
    """An odd number of classes, train and eval mode, and a gradient on every parameter."""
    torch.manual_seed(0)
    size = images(name)
    network = build(name, 7, size)
    out = network(torch.randn(2, 3, size, size))
    logits, *auxiliary = out if isinstance(out, tuple) else (out,)
    assert logits.shape == (2, 7) and all(a.shape == (2, 7) for a in auxiliary)
    sum(x.square().sum() for x in (logits, *auxiliary)).backward()  # type: ignore[union-attr]
    without = [key for key, p in network.named_parameters() if p.grad is None]
    assert not without or "stochastic_depth" in name, without
    network.eval()
    with torch.no_grad():
        x = torch.randn(1, 3, size, size)
        out = network(x)
        assert out.shape == (1, 7) and torch.isfinite(out).all()
        assert torch.equal(out, network(x))


@pytest.mark.parametrize("name", ["resnet18@0.25", "mobilenet_v2@0.25"])
def test_it_exports(name: str) -> None:
    torch.manual_seed(0)
    network, x = build(name, 7, 32).eval(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), network(x))


# ---------------------------------------------------------------------------- names


def test_width_scales_the_cost() -> None:
    sizes = [cost(weightless(f"mobilenet_v2@{w}", 10, 32), 32).macs for w in (0.25, 0.5, 1.0)]
    assert sizes == sorted(sizes) and sizes[-1] > 5 * sizes[0]


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1+bn+complex_bypass", "shufflenet_v2_x1_0"])
def test_references_scale_to_any_width(name: str) -> None:
    """Down to one filter; and the width 1 is the network itself, whose published error it has not to lose."""
    sizes = [cost(weightless(f"{name}@{w}", 10, 32), 32) for w in (0.01, 0.37, 1.0, 1.6)]
    assert [size.macs for size in sizes] == sorted({size.macs for size in sizes})
    assert sizes[2] == cost(weightless(name, 10, 32), 32)


def test_a_name_may_say_the_image_size() -> None:
    assert find("mobilenet_v2@0.75-160").image_size == 160
    assert find("mobilenet_v2@0.75").top1 is None, "no error is published of it"


def test_a_name_may_say_the_depth() -> None:
    deeper = find("resnet20@1x1.2-40")
    assert deeper.image_size == 40 and deeper.top1 is None
    with shapes_only():
        assert str(build("resnet20@1x1.3", 10, 32)) == str(build("resnet26", 10, 32)), "four blocks a stage"
    assert scaled_name("resnet20+zero_init@0.5x2-40", 1.5, 1.25, 48) == "resnet20+zero_init@0.75x2.5-48"


def test_a_residual_network_may_start_as_the_identity() -> None:
    blocks = [m for m in build("resnet8+zero_init", 10, 32).modules() if isinstance(m, Residual)]
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(blocks[0](x), x)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet7", "6n"),
        ("resnet_7", "no baseline called 'resnet_7'"),
        ("resnet20@x", "number of 0 to 100"),
        ("resnet20@-1", "number of 0 to 100"),
        ("resnet20@0", "number of 0 to 100"),
        ("plain18+zero_init", "plain18 has no residual blocks"),
        ("resnet50+colour", "no option 'colour': it has stride_1x1, and zero_init"),
        ("alexnet@0.5", "alexnet has no width multiplier"),
        ("squeezenet1_1@1x1.2", "squeezenet1_1 has no depth multiplier"),
        ("resnet20@1.1x", "resnet20: the depth multiplier '' is a number of 0 to 100, as in resnet20@1.1x1.2"),
        ("resnet20@1.1x0", "the depth multiplier '0'"),
    ],
)
def test_mistakes_are_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        baselines.build(name)


def test_classes_are_positive() -> None:
    with pytest.raises(ValueError, match="num_classes must be at least 1, not 0"):
        build("resnet20", 0, 32)


def test_every_family_says_its_form() -> None:
    """The form that an error message prints is one that the pattern takes, with numbers in it."""
    assert all(form and "{" in form for _, form, _ in FAMILIES)
