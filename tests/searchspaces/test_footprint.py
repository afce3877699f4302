"""Flash and memory: by hand, beside what tflite-micro uses for real files, and by rows."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from nas import baselines
from searchspaces import get_space
from searchspaces.cost import cost, shapes_only
from searchspaces.footprint import Buffer, Footprint, footprint, operators_of, part_of, planned
from searchspaces.layers import Layer, chain, conv, mbconv, pad_channels, relu, residual, squeeze_excite
from searchspaces.scaled import RowSpace, footprint_of


def tensors(module: nn.Module, size: int, channels: int = 3) -> int:
    """Bytes of the arena for tensors alone."""
    part = part_of(*operators_of(module, size, channels))
    image = Buffer(-(-channels * size * size // 16) * 16, 0, part.read)
    return planned([image, *part.buffers, *part.scratch])


def of(layer: Layer, size: int, channels: int) -> int:
    with shapes_only():
        module, _ = layer(channels)
    return tensors(module, size, channels)


# ---------------------------------------------------------------------------- by hand


def test_a_convolution_needs_its_weights_and_its_tensors() -> None:
    found = footprint(nn.Conv2d(4, 8, 3, padding=1), image_size=8, channels=4)
    weights, scales = 8 * 4 * 3 * 3 + 8 * 4, 8 * 2 * (4 + 8)
    assert found.flash == weights + scales + 700 + 150 + 2 * 133
    structures = 4 * (92 + 8 + 3 * 3)  # the arena's own, a node, and three tensors, in pointers
    kernel = 108 + 2 * 8 * 4  # with a multiplier and a shift for each channel
    assert found.memory == 8 * 8 * (4 + 8) + structures + kernel


def test_a_batch_norm_adds_nothing_to_a_convolution_with_a_bias() -> None:
    plain, normed = nn.Conv2d(4, 8, 3), nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    assert footprint(plain, 8, 4) == footprint(normed, 8, 4)


def test_a_residual_block_keeps_its_input() -> None:
    """Three tensors of 16 channels at once: the input, what the second convolution reads, and what it puts out."""
    assert of(residual(chain(conv(16), conv(16, act=None)), act=relu), 8, 16) == 3 * 8 * 8 * 16


def test_an_inverted_residual_needs_two_expanded_tensors_and_its_input() -> None:
    assert of(mbconv(8, expand=6), 8, 8) == 8 * 8 * (48 + 48 + 8)


def test_a_squeeze_excite_keeps_what_it_weights() -> None:
    """What it reads and puts out; and with what it reads at one time the mean, its sums in int32, and two arrays."""
    assert of(squeeze_excite(4), 8, 16) == 2 * 8 * 8 * 16 + 16
    assert of(squeeze_excite(4), 1, 16) == 16 + 16 + 16 * 4 + 2 * 16


def test_padding_makes_a_larger_copy() -> None:
    assert of(conv(16, stride=2), 8, 16) == 8 * 8 * 16 + 10 * 10 * 16
    assert of(pad_channels(32), 8, 16) == 8 * 8 * (16 + 32)


def test_lenet5() -> None:
    """Its first tanh reads and puts out 6 maps of 28x28: the largest pair."""
    with shapes_only():
        module = baselines.build("lenet5", 10, 32)
    assert tensors(module, 32, 1) == 2 * 28 * 28 * 6
    weights = [(25 * 1, 6), (25 * 6, 16), (25 * 16, 120), (120, 84), (84, 10)]  # a channel's, and channels
    numbers = sum(c * (w + 4 + 2 * (4 + 8)) for w, c in weights)
    assert footprint(module, 32, 1).flash == numbers + 700 + 12 * 150 + (2 * 5 + 1) * 133 + 4 * 2


# ---------------------------------------------------------------------------- the plan


def test_the_largest_is_placed_first_and_the_others_into_gaps() -> None:
    assert planned([Buffer(32, 0, 1), Buffer(64, 1, 2), Buffer(16, 2, 3)]) == 64 + 32
    assert planned([Buffer(16, 0, 0), Buffer(16, 1, 1)]) == 16
    gap = [Buffer(64, 0, 1), Buffer(48, 1, 2), Buffer(32, 2, 3)]  # 32 fits under 48, where 64 was
    assert planned(gap) == 64 + 48


def test_the_plan_may_need_more_than_is_needed_at_once() -> None:
    """As of ResNet-20 in tflite-micro: PAD's output is placed first, and splits what is left."""
    with shapes_only():
        module = baselines.build("resnet20", 10, 32)
    assert tensors(module, 32) == 34 * 34 * 16 + 3 * 32 * 32 * 16 > 3 * 32 * 32 * 16


@pytest.mark.parametrize(
    ("name", "flash", "head", "tail"),
    [
        ("resnet8", 89_280, 51_264, 7_168),
        ("resnet20", 300_912, 67_648, 14_528),
        ("mobilenet_v1@0.25", 300_288, 69_760, 30_224),
        ("mobilenet_v2@0.35", 617_376, 114_688, 72_512),
        ("mnasnet_a1@0.35", 737_056, 114_688, 90_896),
        ("efficientnet_b0@0.35", 883_088, 163_840, 127_952),
        ("squeezenet1_1", 820_848, 81_920, 32_800),
        ("shufflenet_v2_x0_5", 500_736, 83_040, 61_232),
    ],
)
def test_real_files(name: str, flash: int, head: int, tail: int) -> None:
    """The size of an int8 file for ten classes and 32 pixels, and what tflite-micro says of its arena for it on x86-64:
    the head has the tensors, the tail all that stays. See benchmarks/footprint.py."""
    with shapes_only():
        module = baselines.build(name, 10, 32)
    found = footprint(module, 32, pointer=8)
    assert found.flash == pytest.approx(flash, rel=0.01)
    assert tensors(module, 32) == head
    assert found.memory - head == pytest.approx(tail, rel=0.04)


# ---------------------------------------------------------------------------- any module


class Sized(nn.Module):
    """Needs the numbers of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return x[: int(x.sum())]


class Both(nn.Module):
    """Two outputs, by name; both stay to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(16, 16, 1) for _ in range(3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        first = self.first(x)
        return {"first": first, "last": self.third(self.second(x))}


def test_all_outputs_stay() -> None:
    assert tensors(Both(), 8, 16) == 3 * 8 * 8 * 16


class Mixer(nn.Module):
    """Weights that no layer has, a layer that no writer knows, and a linear layer on `[B, T, C]`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.along, self.linear = nn.Parameter(torch.ones(64, 64)), nn.Conv1d(3, 3, 5), nn.Linear(60, 7)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.along(x.flatten(2) @ self.weight))
        return out


def test_no_weights_are_left_out() -> None:
    module = Mixer()
    found = footprint(module, 8)
    weights = 64 * 64 + (3 * 3 * 5 + 3) + 7 * (60 + 4 + 24)
    assert found.flash == weights + 700 + 4 * 150 + 5 * 133 + 4 * 3  # reshaped to so many numbers


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Conv2d(3, 8, 5), nn.Conv2d(8, 8, 9)),
        nn.Conv2d(4, 8, 3),
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(4)),
        Sized(),
    ],
    ids=["too small", "channels", "norm", "numbers"],
)
def test_errors_are_those_of_cost(module: nn.Module) -> None:
    with pytest.raises(ValueError, match=" ") as of_cost:
        cost(module, 8)
    with pytest.raises(ValueError, match=" ") as of_footprint:
        footprint(module, 8)
    assert str(of_footprint.value) == str(of_cost.value)


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    footprint(module, 8)
    assert module.training and all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


# ---------------------------------------------------------------------------- rows


@pytest.mark.parametrize("name", ["compact", "mnas", "nasbench201", "nasbench_macro"])
def test_a_network_of_rows_needs_what_the_network_does(name: str) -> None:
    space, rng = get_space(name), random.Random(0)
    assert isinstance(space, RowSpace)
    for _ in range(6):
        arch, width, classes, size = space.sample(rng), rng.uniform(0.1, 1.0), rng.randint(2, 200), rng.choice((24, 33))
        rows = space.rows(arch, width, classes, size)
        with shapes_only():
            module = space.network_at(arch, width, classes, size)
        assert footprint_of(rows, size) == footprint(module, size)


@pytest.mark.parametrize("name", ["compact", "mnas"])
def test_wider_networks_need_more_flash_and_hardly_ever_less_memory(name: str) -> None:
    space, rng = get_space(name, max_macs=8_000_000), random.Random(1)
    assert isinstance(space, RowSpace)
    found = list[tuple[Footprint, Footprint]]()
    for _ in range(12):
        arch, step = space.sample(rng), rng.randrange(16, 256)
        one, other = (footprint_of(space.rows(arch, space.width_at(s), 10, 32), 32) for s in (step, step + 8))
        found.append((one, other))
    assert all(one.flash <= other.flash for one, other in found)
    assert sum(one.memory > other.memory for one, other in found) <= 1
