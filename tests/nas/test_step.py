"""A recorded step is the same step. There may be no GPU here, so what is recorded is done again by a function."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nas.baselines import build
from nas.precision import Precision
from nas.recipe import Recipe
from nas.step import WARM_UP, RecordedStep, Step, Work, make_step
from nas.tuning import EVERYTHING
from searchspaces.modules import ScheduledDropPath

CPU = torch.device("cpu")
RECIPE = Recipe()
BATCHES = [(torch.randn(4, 3, 8, 8), torch.randint(0, 2, (4,))) for _ in range(WARM_UP + 4)]


def network(*extra: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), *extra)
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def losses_of(step: Step) -> list[float]:
    return [step(x, y, rate=0.1 / (1 + number)).item() for number, (x, y) in enumerate(BATCHES)]


def recorded(module: nn.Module, record: Callable[[Work], Work], recipe: Recipe = RECIPE) -> RecordedStep:
    return RecordedStep(module, Precision(module, False, CPU), recipe, EVERYTHING, record, warm_up=lambda work: work())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_recorded_step_learns_as_any_other(optimizer: str) -> None:
    recipe = Recipe(optimizer=optimizer)
    plain, again = network(), network()
    expected = losses_of(Step(plain, Precision(plain, False, CPU), recipe, EVERYTHING))
    recordings = []

    def record(work: Work) -> Work:
        recordings.append(work)
        return work

    assert losses_of(recorded(again, record, recipe)) == pytest.approx(expected, rel=1e-4)
    assert len(recordings) == 1
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)


def test_losses_are_kept_although_the_memory_is_the_same() -> None:
    module, static = network(), torch.zeros(())

    def record(work: Work) -> Work:
        return lambda: static.copy_(work())

    step = recorded(module, record)
    losses: list[Tensor] = [step(x, y, 0.1) for x, y in BATCHES]
    assert len({loss.item() for loss in losses}) == len(BATCHES)


def test_what_cannot_be_recorded_goes_on_step_by_step() -> None:
    def record(work: Work) -> Work:
        work()  # as far as it goes: a recording computes nothing, this does
        raise RuntimeError("operation not permitted when stream is capturing")

    step = recorded(network(), record)
    assert all(map(math.isfinite, losses_of(step)))
    assert step.steps == len(BATCHES)


def test_a_network_that_does_not_fit_into_memory_is_said() -> None:
    def record(work: Work) -> Work:
        raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        losses_of(recorded(network(), record))


def test_only_a_gpu_records_and_nothing_that_changes_in_the_course_of_a_training() -> None:
    for device, module, kind in (
        (CPU, network(), Step),
        (torch.device("cuda"), network(ScheduledDropPath(0.1)), Step),
        (torch.device("cuda"), build("stochastic_depth_resnet8", 2), Step),
    ):
        assert type(make_step(module, Precision(module, False, device), Recipe(), EVERYTHING)) is kind


class LeftOut(nn.Module):
    """A layer that is left out of the first steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.layer, self.steps = nn.Conv2d(4, 4, 1), steps

    def forward(self, x: Tensor) -> Tensor:
        self.steps -= 1
        out: Tensor = self.layer(x) if self.steps < 0 else x
        return out


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_layer_may_be_left_out_of_the_first_steps(optimizer: str) -> None:
    module = network(LeftOut(2))
    before = module[0][-1].layer.weight.clone()  # type: ignore[index, union-attr]
    step = make_step(module, Precision(module, False, CPU), Recipe(optimizer=optimizer), EVERYTHING)
    assert all(math.isfinite(loss) for loss in losses_of(step))
    assert not before.equal(module[0][-1].layer.weight)  # type: ignore[index, union-attr]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_cuda_graph_learns_as_single_steps_do() -> None:
    device = torch.device("cuda")
    plain, graphed = network().to(device), network().to(device)
    single = Step(plain, Precision(plain, False, device), Recipe(), EVERYTHING)
    whole = make_step(graphed, Precision(graphed, False, device), Recipe(), EVERYTHING)
    assert isinstance(whole, RecordedStep)
    for x, y in BATCHES:
        expected = single(x.to(device), y.to(device), 0.1)
        torch.testing.assert_close(whole(x.to(device), y.to(device), 0.1), expected, rtol=1e-3, atol=1e-4)
