"""The way around a kernel that writes beyond its memory: the same gradients, and the same network afterwards."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from nas.devices.kernels import sound_kernels
from nas.devices.precision import Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("stride", "pixels"), [(2, 16), (2, 15), (3, 16), ((2, 1), 16)])
def test_logits_and_gradients_are_the_same(stride: int | tuple[int, int], pixels: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 3, 1, stride, bias=True)
    x = torch.randn(8, 4, pixels, pixels, requires_grad=True)
    expected = conv(x)  # contiguous, which the faulty kernel is not for
    gradients = torch.autograd.grad(expected.square().sum(), [x, *conv.parameters()])
    with sound_kernels(conv, CPU):
        found = conv(x)
        found_gradients = torch.autograd.grad(found.square().sum(), [x, *conv.parameters()])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_gradients, gradients)


def test_only_what_is_affected_is_changed_and_only_within() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 1, 2),
        nn.Conv2d(8, 4, 1, 2),
        nn.Conv2d(4, 4, 3, 2),
        nn.Conv2d(4, 4, 1, 2, groups=2),
        nn.Conv2d(4, 4, 1),
    )
    before = [set(vars(module)) for module in network]
    with sound_kernels(network, CPU):
        assert ["forward" in vars(module) for module in network] == [True, False, False, False, False]
        copy.deepcopy(network)
    assert [set(vars(module)) for module in network] == before
    with sound_kernels(network, torch.device("meta")):
        assert not any("forward" in vars(module) for module in network)


def test_who_computes_in_another_way_already_goes_on_so() -> None:
    """As a person's own layer does, or one that stays in float32."""
    conv = nn.Conv2d(4, 4, 1, 2, dilation=2)
    own = conv.forward
    conv.forward = own
    with Precision(conv, True, CPU).kept(), sound_kernels(conv, CPU):
        assert conv.forward is own
    assert conv.forward is own
    del conv.forward
    with Precision(conv, True, CPU).kept():
        kept = conv.forward
        with sound_kernels(conv, CPU):
            assert conv.forward is kept
        assert conv.forward is kept
    assert "forward" not in vars(conv)


DIES = """
import torch
from torch import nn
from nas.devices.kernels import sound_kernels
torch.set_num_threads(1)
torch.manual_seed(0)
convs = [nn.Conv2d(c, 3, 1, 2, bias=False).to(memory_format=torch.channels_last) for c in (3, 4, 5, 6, 7)] * 8
for conv in convs:
    x = torch.randn(64, conv.in_channels, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    with sound_kernels(conv, torch.device("cpu")):
        y = conv(x)
        y.backward(torch.randn_like(y))
    kept = [torch.empty(7 * n + 1) for n in range(200)]  # the allocator comes across what was overwritten
"""


def test_a_process_that_trains_narrow_networks_lives() -> None:
    ran = subprocess.run([sys.executable, "-c", DIES], capture_output=True, env=os.environ, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
