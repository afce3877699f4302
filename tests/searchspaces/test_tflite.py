"""The operators of a network's .tflite file, as litert-torch 0.10 and ai-edge-quantizer 0.10 write it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas import baselines
from searchspaces.cost import shapes_only
from searchspaces.footprint import operators_of
from searchspaces.layers import Layer, avg_pool, chain, concat, conv, head, max_pool, pad_channels, relu, residual
from searchspaces.modules import SqueezeExcite
from searchspaces.tflite import Operator


def operators(module: nn.Module, size: int = 8, channels: int = 4) -> list[Operator]:
    return operators_of(module, size, channels)[0][1:]


def of(layer: Layer, size: int = 8, channels: int = 4) -> list[str]:
    with shapes_only():
        module, _ = layer(channels)
    return [operator.kind for operator in operators(module, size, channels)]


def test_a_norm_and_an_activation_are_in_their_convolution() -> None:
    with shapes_only():
        module, _ = chain(conv(8), conv(8, act=None), conv(8, act=nn.ReLU6), conv(8, act=nn.Hardswish))(4)
    found = operators(module)
    assert [operator.kind for operator in found] == ["CONV_2D"] * 4 + ["HARD_SWISH"]
    assert [operator.fused for operator in found] == [True, False, True, False, False]
    assert [operator.weights for operator in found] == [8 * 4 * 9, *[8 * 8 * 9] * 3, 0]


def test_a_norm_that_follows_no_convolution_is_four_operators_and_has_the_activation() -> None:
    module = nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.ReLU())
    found = operators(module)
    assert [operator.kind for operator in found] == ["MAX_POOL_2D", "SUB", "MUL", "MUL", "ADD"]
    assert found[-1].fused and [operator.weights for operator in found] == [0, 4, 4, 4, 4]


def test_a_sum_has_its_activation_and_a_tensor_that_others_read_has_none() -> None:
    assert of(residual(conv(4), act=relu)) == ["CONV_2D", "ADD"]
    branches = concat(chain(lambda c: (nn.ReLU(), c), conv(4)), chain(lambda c: (nn.ReLU(), c), conv(4, 1)))
    kinds = of(chain(conv(4, act=None), residual(branches, conv(8, 1))))
    assert kinds.count("RELU") == 1  # of both branches, which is no part of the convolution that the shortcut reads


def test_padding_that_is_not_tensorflows_is_an_operator_of_its_own() -> None:
    assert of(conv(4, 3, stride=1)) == of(conv(4, 1, stride=2)) == of(conv(4, 3, padding=0)) == ["CONV_2D"]
    assert of(conv(4, 3, stride=2)) == ["PAD", "CONV_2D"]  # on 8 pixels SAME has none on the left
    assert of(conv(4, 3, stride=2), size=9) == ["CONV_2D"]
    assert of(conv(4, 3, stride=2, padding="tf")) == ["CONV_2D"]
    assert of(max_pool(3, 2)) == ["PADV2", "MAX_POOL_2D"] and of(max_pool(2, 2, padding=0)) == ["MAX_POOL_2D"]
    assert of(avg_pool(3)) == ["AVERAGE_POOL_2D"]


def test_channels_are_sliced_padded_and_shuffled() -> None:
    assert of(pad_channels(8, subsample=2)) == ["STRIDED_SLICE", "STRIDED_SLICE", "PAD"]
    assert of(pad_channels(8)) == ["PAD"]
    assert of(lambda c: (nn.ChannelShuffle(2), c)) == ["RESHAPE", "TRANSPOSE", "RESHAPE"]


def test_squeeze_excite_is_five_operators() -> None:
    found = operators(SqueezeExcite(4, 2, nn.ReLU))
    assert [operator.kind for operator in found] == ["MEAN", "CONV_2D", "CONV_2D", "LOGISTIC", "MUL"]
    assert found[0].shape == (4, 1, 1) and found[1].fused


def test_a_head_pools_to_a_vector_by_one_operator() -> None:
    found = operators(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)))
    assert [(operator.kind, operator.shape) for operator in found] == [("MEAN", (4,)), ("FULLY_CONNECTED", (10,))]
    assert of(chain(conv(8), head(10))) == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


class Joined(nn.Module):
    """Joins what it is given, pooled, with what a convolution makes of it; and that again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.unused = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled, made = F.max_pool2d(x, 3, 1, 1), self.conv(x)
        self.unused(x)
        return torch.cat([torch.cat([pooled, made], 1), made], 1)


def test_what_is_joined_has_one_scale_and_what_is_unused_is_not_there() -> None:
    kinds = [operator.kind for operator in operators(Joined())]
    assert kinds == [
        *("MAX_POOL_2D", "CONV_2D", "QUANTIZE", "CONCATENATION"),
        *("QUANTIZE", "QUANTIZE", "CONCATENATION"),
    ]


class InPlace(nn.Module):
    """What is changed in place is read changed."""

    def forward(self, x: Tensor) -> Tensor:
        y = x + x
        F.relu(y, inplace=True)
        y *= x
        return y


def test_what_is_changed_in_place_is_what_is_read_afterwards() -> None:
    found = operators(InPlace())
    assert [(operator.kind, operator.fused, operator.reads) for operator in found] == [
        ("ADD", True, (0, 0)),
        ("MUL", False, (1, 0)),
    ]


def test_resnet8_is_written_as_litert_torch_writes_it_but_for_a_transpose() -> None:
    """Which stands before the last mean."""
    with shapes_only():
        module = baselines.build("resnet8", 10, 32)
    shortcut, block = ["STRIDED_SLICE", "STRIDED_SLICE", "PAD", "ADD"], ["PAD", "CONV_2D", "CONV_2D"]
    kinds = [operator.kind for operator in operators(module, 32, 3)]
    assert kinds == ["CONV_2D"] * 3 + ["ADD"] + 2 * (block + shortcut) + ["MEAN", "FULLY_CONNECTED"]
