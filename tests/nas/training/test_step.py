"""A recorded step is the same step, or an ordinary one. What stands in for a CUDA graph freezes what that freezes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.baselines import build
from nas.data.batches import Batch, Draw
from nas.devices import recording
from nas.devices.precision import Precision
from nas.devices.recording import CannotRecord, Work
from nas.devices.tensor_program import TensorPrograms
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.step import CHECKED, WARM_UP, RecordedStep, Step, make_step, optimizer
from searchspaces.modules import ScheduledDropPath, StochasticDepth, share_progress

CPU = torch.device("cpu")
RECIPE = Recipe()
SEED = torch.Generator().manual_seed(0)
BATCHES = [
    (torch.randn(4, 3, 8, 8, generator=SEED), torch.randint(0, 2, (4,), generator=SEED)) for _ in range(WARM_UP + 17)
]


def network(*extra: nn.Module) -> nn.Sequential:
    """Always of the same weights."""
    body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), *extra)
    made = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    torch.manual_seed(0)
    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            module.reset_parameters()
    return made


def as_it_is(draw: Draw) -> Batch:
    x, y = draw
    return x, y


def losses_of(step: Step) -> list[float]:
    """With the random numbers of every source the same for the same steps, and rates that are numbers of float32.

    A recorded step has its rate in a tensor, so others would be another rate by the seventh digit.
    """
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    rates = [torch.tensor(0.1 / (1 + number)).item() for number in range(len(BATCHES))]
    return [step(batch, rate).item() for batch, rate in zip(BATCHES, rates, strict=True)]


def ordinary(module: nn.Module, recipe: Recipe = RECIPE, tuning: FineTuning = EVERYTHING) -> Step:
    return Step(module, Precision(module, False, CPU), recipe, tuning, as_it_is)


def recorded(
    module: nn.Module, recipe: Recipe = RECIPE, recorder: Any = None, tuning: FineTuning = EVERYTHING
) -> RecordedStep:
    forward = Precision(module, False, CPU)
    return RecordedStep(module, forward, recipe, tuning, as_it_is, recorder or TensorPrograms(CPU))


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    for name, tensor in one.state_dict().items():
        assert tensor.equal(other.state_dict()[name]), name


@pytest.fixture
def recording_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    yield


# ------------------------------------------------------------------ the same step


class Unused(nn.Module):
    """Has a layer that no step ever uses, and a parameter that is not to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 1)
        self.fixed = nn.Parameter(torch.ones(1, 4, 1, 1), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fixed


RECIPES = {
    "sgd": Recipe(),
    "no momentum": Recipe(momentum=0.0),
    "adamw": Recipe(optimizer="adamw", lr=0.01),
}
MODULES: dict[str, Callable[[], list[nn.Module]]] = {
    "plain": list,
    "dropout": lambda: [nn.Dropout(0.5)],
    "stochastic depth": lambda: [StochasticDepth(0.5)],
    "drop-path": lambda: [ScheduledDropPath(0.5)],
    "parameters that are not used": lambda: [Unused()],
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("modules", MODULES)
def test_a_recorded_step_is_the_same_step(modules: str, recipe: str) -> None:
    plain, again = network(*MODULES[modules]()), network(*MODULES[modules]())
    step = recorded(again, RECIPES[recipe])
    assert losses_of(step) == losses_of(ordinary(plain, RECIPES[recipe]))
    assert step.single == "" and step.replays == len(BATCHES) - WARM_UP
    assert_equal(plain, again)


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_is_with_parts_that_are_frozen(recipe: str) -> None:
    tuning = FineTuning(("0",), backbone_lr=0.5)
    plain, again = network(), network()
    for module in (plain, again):
        module[0].requires_grad_(False)
    step = recorded(again, RECIPES[recipe], tuning=tuning)
    assert losses_of(step) == losses_of(ordinary(plain, RECIPES[recipe], tuning)) and not step.single
    assert_equal(plain, again)


def test_the_comparisons_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, trusted = network(nn.Dropout(0.5)), network(nn.Dropout(0.5))
    losses = losses_of(recorded(compared))
    assert {1, 2} <= CHECKED
    monkeypatch.setattr("nas.training.step.CHECKED", frozenset())
    assert losses_of(recorded(trusted)) == losses
    assert_equal(compared, trusted)


def test_a_path_is_dropped_by_the_progress_of_each_step() -> None:
    """Not by that of the step that was recorded: nothing is dropped at first, and everything later."""

    def losses_of_progress(make: Callable[[nn.Module], Step], *extra: nn.Module) -> list[float]:
        module = network(*extra)
        progress = share_progress(module, CPU)
        step = make(module)
        losses = []
        for number, batch in enumerate(BATCHES):
            progress.fill_(0.0 if number < WARM_UP + 4 else 1 - 1e-9)
            losses.append(step(batch, rate=0.0).item())
        assert not isinstance(step, RecordedStep) or step.single == ""
        return losses

    found = losses_of_progress(recorded, ScheduledDropPath(1.0))
    without = losses_of_progress(ordinary)
    assert found == losses_of_progress(ordinary, ScheduledDropPath(1.0))
    assert found[: WARM_UP + 4] == without[: WARM_UP + 4]
    assert all(loss != kept for loss, kept in zip(found[WARM_UP + 4 :], without[WARM_UP + 4 :], strict=True))


def test_losses_are_kept_although_the_memory_is_the_same() -> None:
    step = recorded(network())
    losses: list[Tensor] = [step(batch, 0.1) for batch in BATCHES]
    assert len({loss.item() for loss in losses}) == len(BATCHES)


# ------------------------------------------------------------------ what Python decides


class Sometimes(nn.Module):
    """Computes a layer where `decide` says so, at each step anew."""

    def __init__(self, decide: Callable[[Sometimes], bool]) -> None:
        super().__init__()
        self.layer, self.decide = nn.Conv2d(4, 4, 1), decide
        self.rng, self.numpy_rng, self.calls = random.Random(0), np.random.default_rng(0), 0

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layer(x) if self.decide(self) else x
        return out


def counted(module: Sometimes) -> bool:
    module.calls += 1
    return module.calls > WARM_UP + 4


DECIDE: dict[str, tuple[Callable[[Sometimes], bool], str]] = {
    "random": (lambda _: random.random() < 0.5, "draws random numbers in Python"),
    "seldom": (lambda _: random.random() < 1e-9, "draws random numbers in Python"),
    "numpy": (lambda _: np.random.rand() < 0.5, "draws random numbers in Python"),
    "a generator of its own": (lambda module: module.rng.random() < 0.5, "changes attributes"),
    "NumPy's generator": (lambda module: module.numpy_rng.random() < 0.5, "changes attributes"),
    "a counter": (counted, "changes attributes"),
    "a coin of torch": (lambda _: torch.rand(()).item() < 0.5, "_local_scalar_dense tells Python"),
    "the data": (lambda module: bool(module.layer.weight.sum() > 0), "tells Python what was computed"),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("how", DECIDE)
def test_a_network_that_varies_is_trained_by_ordinary_steps(how: str, optimizer: str) -> None:
    decide, reason = DECIDE[how]
    recipe = Recipe(optimizer=optimizer)
    plain, found = network(Sometimes(decide)), network(Sometimes(decide))
    step = recorded(found, recipe)
    assert losses_of(step) == losses_of(ordinary(plain, recipe))
    assert reason in step.single
    assert_equal(plain, found)


def test_a_replay_that_is_another_step_is_found_and_does_not_count() -> None:
    """Of what is nowhere to be seen before: the decision is out of a variable of no module."""
    outside = {"calls": 0}

    def decide(_: Sometimes) -> bool:
        outside["calls"] += 1
        return outside["calls"] % 2 == 0

    plain, found = network(Sometimes(decide)), network(Sometimes(decide))
    expected = losses_of(ordinary(plain))
    outside["calls"] = 0
    step = recorded(found)
    losses = losses_of(step)
    assert "was another step than the network's own" in step.single and step.replays <= 2
    assert losses[:WARM_UP] == expected[:WARM_UP] and all(map(math.isfinite, losses))


def test_a_replay_that_forgets_what_the_optimizer_remembers_is_found() -> None:
    class Forgets(TensorPrograms):
        def record(self, work: Work) -> Work:
            replay = super().record(work)

            def forgetting() -> Tensor:
                for remembered in step.optimizer.state.values():
                    remembered["momentum_buffer"].zero_()
                return replay()

            return forgetting

    module, plain = network(), network()
    step = recorded(module, recorder=Forgets(CPU))
    assert losses_of(step) == losses_of(ordinary(plain))
    assert "was off by" in step.single


def test_what_only_the_first_step_makes_is_no_variation() -> None:
    class Lazily(nn.Module):
        made: float | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.made is None:
                self.made = random.random()
            return x * self.made

    step = recorded(network(Lazily()))
    losses_of(step)
    assert step.single == ""


# ------------------------------------------------------------------ what cannot be recorded


class Refuses(TensorPrograms):
    def __init__(self, error: Exception) -> None:
        super().__init__(CPU)
        self.error = error

    def record(self, work: Work) -> Work:
        work()  # as far as it goes: a recording computes nothing, this does
        raise self.error


@pytest.mark.parametrize(
    "error", [CannotRecord("not permitted"), torch.OutOfMemoryError("no memory for a recording of its own")]
)
def test_what_cannot_be_recorded_goes_on_by_ordinary_steps(error: Exception) -> None:
    plain, module = network(nn.Dropout(0.5)), network(nn.Dropout(0.5))
    step = recorded(module, recorder=Refuses(error))
    assert losses_of(step) == losses_of(ordinary(plain))
    assert step.single == f"it cannot be recorded: {error}"
    assert_equal(plain, module)


def test_a_network_that_does_not_fit_into_memory_is_said() -> None:
    class Large(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        losses_of(recorded(network(Large())))


# ------------------------------------------------------------------ which step a training takes


def kind_of(module: nn.Module, recorded: bool = True) -> tuple[type[Step], str]:
    step = make_step(module, Precision(module, False, CPU), RECIPE, EVERYTHING, as_it_is, recorded)
    return type(step), step.single


def test_only_a_gpu_records() -> None:
    assert kind_of(network()) == (Step, "")
    assert kind_of(build("stochastic_depth_resnet8", 2)) == (Step, "")


def test_a_device_that_records_says_why_it_does_not(recording_here: None) -> None:
    assert kind_of(network(ScheduledDropPath(0.1))) == (RecordedStep, "")
    varies = "a SurvivingResidual says that it varies from step to step"
    assert kind_of(build("stochastic_depth_resnet8", 2)) == (Step, varies)
    assert kind_of(network(), recorded=False) == (Step, "it was asked for")


# ------------------------------------------------------------------ the optimizer


class LeftOut(nn.Module):
    """A layer that is left out of the first steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.layer, self.steps = nn.Conv2d(4, 4, 1), steps

    def forward(self, x: Tensor) -> Tensor:
        self.steps -= 1
        out: Tensor = self.layer(x) if self.steps < 0 else x
        return out


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_layer_may_be_left_out_of_the_first_steps(recipe: str) -> None:
    module = network(LeftOut(2))
    before = module[0][-1].layer.weight.clone()
    assert all(math.isfinite(loss) for loss in losses_of(ordinary(module, RECIPES[recipe])))
    assert not before.equal(module[0][-1].layer.weight)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_remembered_from_the_start_changes_no_step(recipe: str) -> None:
    """Against torch's own, which begins at the first gradient: the same to the bit."""
    usual, ours = network(), network()
    step, begins_late = ordinary(ours, RECIPES[recipe]), ordinary(usual, RECIPES[recipe])
    begins_late.optimizer.state.clear()
    assert losses_of(step) == losses_of(begins_late)
    assert_equal(usual, ours)


@pytest.mark.parametrize("recipe", RECIPES)
def test_something_is_remembered_of_every_parameter_that_is_trained(recipe: str) -> None:
    module = network(Unused())
    made = optimizer(EVERYTHING.groups(module), RECIPES[recipe])
    names = {"sgd": {"momentum_buffer"}, "adamw": {"step", "exp_avg", "exp_avg_sq"}, "no momentum": set()}[recipe]
    assert all(set(made.state.get(p, {})) == names for p in module.parameters())
    frozen = optimizer(FineTuning(("0",)).groups(module), RECIPES[recipe])
    assert set(frozen.state) <= set(module[-1].parameters())


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_an_older_version_remembered_is_taken_up(recipe: str) -> None:
    """It has nothing of the parameters that had no gradient yet."""
    module = network(Unused())
    step = ordinary(module, RECIPES[recipe])
    losses_of(step)
    old = {number: of for number, of in step.optimizer_state().items() if number < 2}
    step = recorded(module, RECIPES[recipe])
    step.restore_optimizer(old)
    assert all(map(math.isfinite, losses_of(step))) and not step.single


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_cuda_graph_learns_as_single_steps_do() -> None:
    device = torch.device("cuda")
    plain, graphed = network().to(device), network().to(device)
    single = Step(plain, Precision(plain, False, device), RECIPE, EVERYTHING, as_it_is)
    whole = make_step(graphed, Precision(graphed, False, device), RECIPE, EVERYTHING, as_it_is)
    assert isinstance(whole, RecordedStep)
    for x, y in BATCHES:
        expected = single((x.to(device), y.to(device)), 0.1)
        torch.testing.assert_close(whole((x.to(device), y.to(device)), 0.1), expected, rtol=1e-3, atol=1e-4)
    assert whole.single == ""
