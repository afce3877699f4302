"""A step that is replayed is the step that would be taken, for every family of the zoo and every space, or none is.

What stands in for a CUDA graph repeats the operations of one step on the same memory, so it trains a network wrongly
where a graph would: by what Python decided in the step that was recorded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from nas import baselines
from nas.baselines.zoo import BASELINES
from nas.data.batches import Batch, Draw
from nas.devices import recording
from nas.devices.precision import Precision
from nas.devices.recording import CannotRecord
from nas.devices.tensor_program import TensorPrograms
from nas.training.fine_tuning import EVERYTHING
from nas.training.recipe import Recipe
from nas.training.step import RecordedStep, Step, make_step
from searchspaces import SPACES, get_space
from searchspaces.modules import share_progress

CPU = torch.device("cpu")
CLASSES = 4

QUICK = (
    "lenet5", "resnet8@0.25", "stochastic_depth_resnet8@0.25", "preact_resnet8@0.25", "wrn10-1@0.25",
    "densenet_bc_10_4",
)  # fmt: skip
SMALL = {  # settings of spaces that make small networks
    "chain": {"width": 0.1},
    "compact": {"width": 0.1},
    "mnas": {"width": 0.1},
    "nasbench201": {"cells": 1, "width": 0.25},
    "nasbench_macro": {"width": 0.1},
    "nasnet": {"n": 1, "filters": 4},
}


@pytest.fixture(autouse=True)
def recording_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    yield


def as_it_is(draw: Draw) -> Batch:
    x, y = draw
    return x, y


def losses_of(module: nn.Module, step: Step, size: int, steps: int) -> list[float]:
    torch.manual_seed(5)
    batches = [(torch.randn(2, 3, size, size), torch.randint(0, CLASSES, (2,))) for _ in range(steps)]
    module.train()
    progress = share_progress(module, CPU)
    losses = []
    for number, batch in enumerate(batches):
        progress.fill_(number / steps)
        losses.append(step(batch, torch.tensor(0.01 / (1 + number)).item()).item())
    return losses


def assert_recorded_alike(build: Callable[[], nn.Module], size: int, steps: int, bf16: bool = False) -> str:
    """Equal losses, numbers and all; returns why the steps were not recorded."""
    networks = []
    for _ in range(2):
        torch.manual_seed(1)
        networks.append(build())
    plain, again = networks
    ordinary = Step(plain, Precision(plain, bf16, CPU), Recipe(), EVERYTHING, as_it_is)
    step = make_step(again, Precision(again, bf16, CPU), Recipe(), EVERYTHING, as_it_is)
    expected = losses_of(plain, ordinary, size, steps)
    assert losses_of(again, step, size, steps) == expected
    for name, tensor in plain.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name
    assert isinstance(step, RecordedStep) == (not step.single)
    return step.single


VARY = ("stochastic_depth",)
"""What says that it varies; everything else is to be recorded."""


@pytest.mark.parametrize("name", QUICK)
def test_a_baseline_is_recorded_or_says_why_not(name: str) -> None:
    size = max(32, baselines.find(name).min_size)
    single = assert_recorded_alike(lambda: baselines.build(name, CLASSES, size), size, steps=6)
    assert bool(single) == name.startswith(VARY), single


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_recorded_or_says_why_not(name: str) -> None:
    baseline = baselines.find(name)
    thin = f"{name}@0.1" if baseline.scalable and "@" not in name else name
    size = max(32, baseline.min_size)
    single = assert_recorded_alike(lambda: baselines.build(thin, CLASSES, size), size, steps=20)
    assert bool(single) == name.startswith(VARY), single


@pytest.mark.parametrize("name", SPACES)
def test_networks_of_every_space_are_recorded(name: str) -> None:
    space = get_space(name, **SMALL[name])
    arch = space.sample(random.Random(1))
    assert not assert_recorded_alike(lambda: space.build(arch, CLASSES, 16), 16, steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", SPACES)
def test_many_networks_of_every_space_are_recorded(name: str, bf16: bool) -> None:
    space, rng = get_space(name, **SMALL[name]), random.Random(2)
    for _ in range(5):
        arch = space.sample(rng)
        assert not assert_recorded_alike(lambda arch=arch: space.build(arch, CLASSES, 16), 16, steps=20, bf16=bf16)


# ------------------------------------------------------------------ the stand-in itself


def recorded(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    return TensorPrograms(CPU).record(work)


def test_it_repeats_what_was_done_and_not_what_python_says_now() -> None:
    x, factor = torch.ones(3), 2.0
    replay = recorded(lambda: x * factor)
    x.fill_(5)
    factor = 3.0
    assert replay().tolist() == [10.0] * 3
    x.fill_(7)
    assert replay().tolist() == [14.0] * 3


def test_it_writes_where_the_recording_wrote() -> None:
    x, total = torch.ones(3), torch.zeros(3)
    replay = recorded(lambda: total.add_(x)[1:] + x.view(3, 1).sum())
    assert total.tolist() == [1.0] * 3
    x.fill_(2)
    first = replay()
    assert total.tolist() == [3.0] * 3 and first.tolist() == [9.0] * 2
    assert replay().data_ptr() == first.data_ptr() and first.tolist() == [11.0] * 2


def test_it_draws_new_random_numbers_from_the_same_generator() -> None:
    torch.manual_seed(0)
    replay = recorded(lambda: torch.rand(3, device=CPU))
    drawn = [replay().clone() for _ in range(2)]
    torch.manual_seed(0)
    torch.rand(3)
    assert all(torch.equal(mine, torch.rand(3)) for mine in drawn)


WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "branch": lambda x: 1 if x.sum() > 0 else 0,
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "mask of what is set": lambda x: x.__setitem__(x > 0, torch.zeros(3, device=CPU)),
    "numbers of Python's": lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("how", WAITS)
def test_it_refuses_what_a_graph_refuses(how: str) -> None:
    x = torch.ones(3)

    def work() -> Tensor:
        WAITS[how](x)
        return x

    with pytest.raises(CannotRecord, match="operation not permitted when stream is capturing"):
        recorded(work)
