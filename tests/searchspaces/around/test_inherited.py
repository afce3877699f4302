"""Weights of the original in changed networks."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from nas.references.around import Around
from nas.references.resolve import described


def trained(name: str) -> nn.Module:
    """The network, with running averages of its own and all else as random as can be."""
    torch.manual_seed(0)
    network = described(name).build(10, 32)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 1.5)
    return network.eval()


def changed(space: Around, weights: dict[str, Tensor], **options: object) -> nn.Module:
    """The original but for `options`, and its weights but for what is new: that is zero."""
    chosen = space.options(space.as_is) | {name.replace("__", "."): value for name, value in options.items()}
    arch = space.from_options(chosen)
    network = space.build(arch).eval()
    network.load_state_dict(space.inherited(arch, weights, 10, 32), strict=False)
    return network


FAMILIES = ["wrn16-1", "mobilenet_v2@0.25", "densenet_16_4", "squeezenet1_1@0.25", "se_resnet18@0.125", "vgg11_bn"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_wider_network_computes_the_same(name: str) -> None:
    space, original = Around(network=name), trained(name)
    widened = {choice.name.replace(".", "__"): 1.5 for choice in space.choices if choice.kind in ("width", "expand")}
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        wide = changed(space, original.state_dict(), **widened)
        before, after = original(images), wide(images)
    assert sum(p.numel() for p in wide.parameters()) > 1.3 * sum(p.numel() for p in original.parameters())
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2@0.25"])
def test_larger_kernels_compute_the_same(name: str) -> None:
    space, original = Around(network=name), trained(name)
    larger = {choice.name.replace(".", "__"): 5 for choice in space.choices if choice.kind == "kernel"}
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(changed(space, original.state_dict(), **larger)(images), original(images), atol=1e-4)


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name != "vgg11_bn"]
)  # its classifier reads another layer
def test_a_narrower_one_has_no_layer_that_is_new(name: str) -> None:
    space, original = Around(network=name, vary=("width", "expand", "depth", "kernel")), trained(name)
    for seed in range(3):
        arch = space.sample(random.Random(seed))
        fewer = {
            choice.name: min(option, own) if choice.kind == "depth" else option  # type: ignore[type-var]
            for choice, option, own in zip(
                space.choices, space.options(arch).values(), space.options(space.as_is).values(), strict=True
            )
        }
        arch = space.from_options(fewer)
        assert space.inherited(arch, original.state_dict(), 10, 32).keys() == space.build(arch).state_dict().keys()


def test_a_block_that_was_added_has_the_weights_of_the_one_that_it_is_a_copy_of() -> None:
    space, original = Around(network="wrn16-1"), trained("wrn16-1")
    stage = space.choices[[choice.kind for choice in space.choices].index("depth")].group
    weights = changed(space, original.state_dict(), **{f"{stage}__depth": 3}).state_dict()
    copies = {name: t for name, t in weights.items() if name.startswith(f"{stage}.2.")}
    assert copies and all(torch.equal(t, weights[name.replace(".2.", ".1.", 1)]) for name, t in copies.items())


def test_channels_with_the_largest_weights_are_kept() -> None:
    space, original = Around(network="vgg11_bn"), trained("vgg11_bn")
    with torch.no_grad():
        original.conv1_1[0].weight[::2] *= 10  # type: ignore[index, operator]
    narrow = changed(space, original.state_dict(), conv1_1__width=0.5)
    assert torch.equal(narrow.conv1_1[0].weight, original.conv1_1[0].weight[::2])  # type: ignore[index]
    assert torch.equal(narrow.conv2_1[0].weight, original.conv2_1[0].weight[:, ::2])  # type: ignore[index]


def test_what_is_of_another_kind_starts_anew() -> None:
    space, original = Around(network="resnet8"), trained("resnet8")
    arch = space.from_options(space.options(space.as_is) | {"conv3_x.op": "sep", "conv3_x.se": "se"})
    found = space.inherited(arch, original.state_dict(), 10, 32)
    missing = space.build(arch).state_dict().keys() - found.keys()
    assert {name.split(".")[0] for name in missing} == {"conv3_x"}
    assert len(missing) == 2 * 2 + 4  # two convolutions of two layers, and a gate of two with biases
