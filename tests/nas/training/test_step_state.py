"""All that a step may change can be copied and put back, and what it changes in Python is noticed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.devices.halted import DeviceFault
from nas.training.step_state import PythonState, StepState, generators_kept

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Holds(nn.Module):
    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        for name, value in attributes.items():
            setattr(self, name, value)


def training() -> tuple[nn.Module, torch.optim.Optimizer, StepState]:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    step(network, optimizer)  # which makes its momentum
    return network, optimizer, StepState(network, optimizer, CPU)


def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    network(torch.randn(4, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def numbers(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    remembered = [state["momentum_buffer"] for state in optimizer.state.values()]
    return [tensor.clone() for tensor in [*network.state_dict().values(), *remembered, torch.get_rng_state()]]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_what_is_done_within_it_has_not_been_done(error: type[BaseException] | None) -> None:
    network, optimizer, state = training()
    before, places = numbers(network, optimizer), [p.data_ptr() for p in network.parameters()]
    with pytest.raises(error or ()) if error else state.kept():  # noqa: SIM117
        with state.kept():
            step(network, optimizer)
            assert not all(map(torch.equal, before, numbers(network, optimizer)))
            if error:
                raise error
    assert all(map(torch.equal, before, numbers(network, optimizer)))
    assert places == [p.data_ptr() for p in network.parameters()]


def test_nothing_is_put_back_on_a_device_that_is_broken() -> None:
    network, optimizer, state = training()
    with pytest.raises(DeviceFault), state.kept():
        step(network, optimizer)
        after = numbers(network, optimizer)
        raise DeviceFault
    assert all(map(torch.equal, after, numbers(network, optimizer)))


def test_how_far_apart_is_told_in_units_of_what_a_step_changed() -> None:
    network, optimizer, state = training()
    before = state.copy()
    step(network, optimizer)
    after = state.copy()
    assert state.apart(before, after) == 0
    state.put(before)
    assert state.apart(before, after) == pytest.approx(1, rel=1e-3)
    for momentum in (remembered["momentum_buffer"] for remembered in optimizer.state.values()):
        momentum.add_(1e6)
    assert state.apart(before, after) > 10


CHANGES: dict[str, Any] = {
    "number": ({"seen": 0}, lambda module: setattr(module, "seen", 1)),
    "list": ({"seen": []}, lambda module: module.seen.append(1)),
    "in a dictionary of lists": ({"seen": {"a": [1]}}, lambda module: module.seen["a"].append(2)),
    "generator": ({"rng": random.Random(0)}, lambda module: module.rng.random()),
    "NumPy's": ({"rng": np.random.default_rng(0)}, lambda module: module.rng.random()),
    "torch's": ({"rng": torch.Generator()}, lambda module: torch.rand(1, generator=module.rng)),
    "new": ({}, lambda module: setattr(module, "flag", True)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_attributes_that_change_are_noticed(what: str) -> None:
    attributes, change = CHANGES[what]
    inner = Holds(**attributes)
    network = nn.Sequential(inner)
    before = PythonState.of(network, CPU)
    assert PythonState.of(network, CPU) == before
    change(inner)
    assert PythonState.of(network, CPU).attributes != before.attributes


def test_tensors_hooks_and_what_holds_itself_are_no_attributes() -> None:
    module = Holds(seen=[float("nan")], last=torch.ones(1))
    module.seen.append(module.seen)
    before = PythonState.of(module, CPU)
    module.last = torch.zeros(1)
    module.register_forward_hook(lambda *_: None)
    assert PythonState.of(module, CPU) == before


@pytest.mark.parametrize(
    ("draw", "device", "noticed"),
    [
        (random.random, CPU, True),
        (np.random.rand, CPU, True),
        (lambda: torch.rand(()), CPU, False),  # of the device itself
        (lambda: torch.rand(()), GPU, True),
    ],
)
def test_numbers_drawn_in_python_are_noticed_and_can_be_given_back(draw: Any, device: Any, noticed: bool) -> None:
    module = Holds()
    before = PythonState.of(module, device)
    with generators_kept(device):
        draw()
        assert (PythonState.of(module, device) != before) == noticed
    assert PythonState.of(module, device) == before
