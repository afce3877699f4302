"""Receptive fields against what a gradient reaches, in networks in which nothing that it passes is zero."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nas import baselines
from searchspaces import get_space
from searchspaces.layers import avg_pool, concat, conv, identity, max_pool, network, pad_channels, residual, separable
from searchspaces.receptive import WHOLE, Fields


class Open(TorchFunctionMode):
    """A forward through which every gradient passes: positive weights, means in the place of maxima, no activations."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.conv2d:
            x, weight, _, *rest = args
            return F.conv2d(x, torch.ones_like(weight) / weight[0].numel(), None, *rest)
        if func in (F.relu, F.hardtanh, F.batch_norm, F.local_response_norm):
            return args[0]
        if func in (F.max_pool2d, torch.max_pool2d):
            names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
            given = dict(zip(names, args[1:], strict=False)) | kwargs
            x = args[0].clamp(min=-1e30)  # of TensorFlow's padding, which is -inf
            return F.avg_pool2d(
                x, given["kernel_size"], given.get("stride"), given.get("padding", 0), given["ceil_mode"]
            )
        return func(*args, **kwargs)


def maps(module: nn.Module, image: Tensor) -> list[Tensor]:
    """What each of the module's parts puts out, where that is a map of more than one position."""
    found: list[Tensor] = []
    hooks = [part.register_forward_hook(lambda _, __, out: found.append(out)) for part in module.modules()]
    module(image)
    for hook in hooks:
        hook.remove()
    return [one for one in found if isinstance(one, Tensor) and one.ndim == 4 and one.shape[-1] > 1]


def reached(one: Tensor, row: int, column: int, image: Tensor) -> tuple[int, int, int, int]:
    """The rectangle of the image that has a gradient of that position."""
    (gradient,) = torch.autograd.grad(one[0, :, row, column].sum(), image, retain_graph=True)
    rows, columns = (gradient[0].abs().sum(0).sum(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


def check(module: nn.Module, side: int) -> int:
    """A dozen maps of `module` at corners and at a side; returns how many positions were compared."""
    module = module.double().eval()
    fields = Fields()
    with torch.no_grad(), fields:
        known = [fields.of(one) for one in maps(module, fields.begin(torch.rand(1, 3, side, side).double()))]
    image = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    with Open():
        found = maps(module, image)
    assert len(found) == len(known)
    compared = 0
    for one, field in [*zip(found, known, strict=True)][:: max(1, len(found) // 12)]:
        assert field is not None
        if field.gated or field.rows is WHOLE:
            continue
        down, right = one.shape[-2] - 1, one.shape[-1] - 1
        for row, column in ((0, 0), (down // 2, right), (down, right // 3)):
            box = field.box(row, column, side)
            clipped = max(box.top, 0), max(box.left, 0), min(box.bottom, side), min(box.right, side)
            assert clipped == reached(one, row, column, image)
            compared += 1
    return compared


def small(*layers: Any) -> nn.Sequential:
    return network(conv(4), *layers)


@pytest.mark.parametrize(
    "module",
    [
        small(conv(4, 5, stride=2), max_pool(3, 2), conv(4, 3)),
        small(conv(4, 3, dilation=3), conv(4, (1, 7)), conv(4, (5, 1), stride=(2, 1))),
        small(conv(4, 3, stride=2, padding="tf"), max_pool(3, 2, padding="tf"), conv(4, 4, padding=1)),
        small(residual(conv(4, 5)), concat(conv(4, 3), avg_pool(3, 1), identity()), separable(8, 5, 2)),
        small(residual(conv(8, 3, stride=2), pad_channels(8, subsample=2))),
        small(conv(4, 11, stride=4, padding=0), max_pool(2, 2, ceil=True), conv(4, 2, padding=0)),
    ],
    ids=["strides", "dilations", "tensorflow", "branches", "option-a", "unpadded"],
)
def test_fields_are_what_a_gradient_reaches(module: nn.Module) -> None:
    assert check(module, 48) > 10


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet8", "preact_resnet20", "densenet_bc_40_12", "mobilenet_v2@0.25", "shufflenet_v2_x0_5"]
)
def test_of_known_networks(name: str) -> None:
    assert check(baselines.build(name, 10, 32), 32) > 10


@pytest.mark.parametrize("name", ["compact", "nasnet", "chain"])
def test_of_found_networks(name: str) -> None:
    import numpy as np

    space = get_space(name, image_size=32)
    assert check(space.build(space.sample(np.random.default_rng(1)), 10), 32) > 5


def test_the_published_field_of_vgg() -> None:
    """Araujo et al., table 1: 212 pixels after pool5 of VGG-16, of stride 32; of AlexNet 195."""
    fields = Fields()
    module = baselines.build("vgg16", 10, 96).eval()
    pools = [part for part in module.modules() if isinstance(part, nn.MaxPool2d)]
    found: list[Tensor] = []
    pools[-1].register_forward_hook(lambda _, __, out: found.append(out))
    with torch.no_grad(), fields:
        module(fields.begin(torch.zeros(1, 3, 96, 96)))
    field = fields.of(found[0])
    assert field is not None and field.rows.step == 32 and field.rows.last - field.rows.first + 1 == 212


def test_a_gate_is_said() -> None:
    """Squeeze-and-excitation scales by what the whole image shows; the field is of the path that it scales."""
    from searchspaces.layers import squeeze_excite

    fields, module = Fields(), small(squeeze_excite(2)).eval()
    with torch.no_grad(), fields:
        field = fields.of(module(fields.begin(torch.zeros(1, 3, 16, 16))))
    assert field is not None and field.gated and field.box(5, 5, 16) == (4, 4, 7, 7)


def test_what_is_not_known_sees_everything() -> None:
    fields = Fields()
    with fields:
        image = fields.begin(torch.zeros(1, 3, 16, 16))
        field = fields.of(F.interpolate(image, size=(8, 8)))
    assert field is not None and field.box(3, 3, 16) == (0, 0, 16, 16)
