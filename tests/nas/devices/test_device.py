"""Working on a device: everything is inside of it, nothing is made on another, and a broken one is told from a failure.

There may be no GPU here, so a CPU stands in for one: what is entered, asked and waited for is by the device's type.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas.baselines import build
from nas.data import Dataset
from nas.devices import device as devices
from nas.devices import recording
from nas.devices.device import AHEAD, LONG, Leash, fault_of, out_of_memory, tuned, within
from nas.devices.halted import DeviceFault
from nas.devices.latency import latency
from nas.devices.tensor_program import TensorPrograms
from nas.network import Designed
from nas.searching.timing import training_seconds
from nas.training.evaluation import predict
from nas.training.recipe import Recipe
from nas.training.train import Training, train
from nas.training.trial import State, TrialSpec, run_trial
from searchspaces import NASNet
from searchspaces.layers import conv, head, mbconv, network

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=20, bf16=False)


def small(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    named = {f"more{number}": lambda c, module=module: (module, c) for number, module in enumerate(more)}
    return network({"conv1": conv(8, stride=2), "conv2": mbconv(16, 2, expand=2), **named, "fc": head(4)})


# ------------------------------------------------------------------ inside of the device


class Inside:
    """Which device is the current one."""

    def __init__(self) -> None:
        self.depth = 0

    @contextlib.contextmanager
    def __call__(self, device: torch.device) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


class Computed(TorchDispatchMode):
    """Notes what of a network's work is done inside of the device, and what while nobody is."""

    def __init__(self, inside: Inside) -> None:
        super().__init__()
        self.inside, self.found = inside, {True: set(), False: set()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(
            kind in func.name() for kind in ("convolution", "batch_norm", "softmax", "fused", "mul", "index_select")
        ):
            self.found[self.inside.depth > 0].add(func.name())
        return func(*args, **kwargs or {})


WORK: dict[str, Callable[[Dataset], object]] = {
    "train": lambda data: list(train(small(), data, RECIPE, seed=0, evaluate_at=(60,))),
    "predict": lambda data: predict(small(), data.val, data, RECIPE),
    "latency": lambda data: latency(small(), 16, repeats=3),
    "timing": lambda data: training_seconds(small, data, RECIPE),
}


@pytest.mark.parametrize("what", WORK)
def test_all_work_is_inside_of_its_device(what: str, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside()
    monkeypatch.setitem(devices.CONTEXTS, "cpu", inside)
    monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    with Computed(inside) as computed:
        WORK[what](tiny)
    assert "aten::convolution" in computed.found[True] and not computed.found[False]


def test_whoever_looks_at_an_epoch_is_outside_again(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside()
    monkeypatch.setitem(devices.CONTEXTS, "cpu", inside)
    for _ in train(small(), tiny, RECIPE, seed=0):
        assert inside.depth == 0


def test_a_recorder_is_made_for_the_device_inside_of_it(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, made = Inside(), []

    def make(device: torch.device) -> TensorPrograms:
        made.append((device, inside.depth))
        return TensorPrograms(device)

    monkeypatch.setitem(devices.CONTEXTS, "cpu", inside)
    monkeypatch.setitem(recording.RECORDERS, "cpu", make)
    list(train(small(), tiny, RECIPE, seed=0))
    latency(small(), 16, repeats=3)
    assert [device for device, _ in made] == [CPU, CPU] and all(depth for _, depth in made)


# ------------------------------------------------------------------ nothing on another device

ELSEWHERE = torch.device("meta")
"""Where tensors are made whose device nobody says: it does nothing together with those that are here."""


class MadeElsewhere(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.ones(1)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("changes", [{}, {"cutout": 4}, {"min_area": 0.3, "optimizer": "adamw"}, {"bf16": True}])
def test_a_training_makes_no_tensor_elsewhere(
    changes: dict[str, Any], recorded: bool, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if recorded:
        monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    module = small(nn.Dropout(0.1))
    with ELSEWHERE:
        training = Training(module, tiny, replace(RECIPE, **changes), 0, evaluate_at=(60,))
        epochs = list(training.epochs())
        training.restore(training.snapshot())
    assert len(epochs) == 2 and len(epochs[-1].curve) == 3
    assert all(tensor.device == CPU for tensor in module.state_dict().values())


@pytest.mark.parametrize("name", ["resnet8@0.25", "stochastic_depth_resnet8@0.25"])
def test_baselines_make_none(name: str, tiny: Dataset) -> None:
    module = build(name, 4, 16)
    with ELSEWHERE:
        list(train(module, tiny, replace(RECIPE, epochs=1), seed=0))


def test_nor_do_cells_with_paths_that_are_dropped(tiny: Dataset) -> None:
    space = NASNet(n=1, filters=4)
    module = space.build(tuple(0 for _ in space.choices), 4, 16)
    with ELSEWHERE:
        list(train(module, tiny, replace(RECIPE, epochs=1), seed=0))


def test_nor_does_what_looks_at_a_network(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recording.RECORDERS, "cpu", TensorPrograms)
    module = small()
    with ELSEWHERE:
        assert predict(module, tiny.val, tiny, RECIPE).device == CPU
        latency(module, 16, CPU, repeats=3)

    def here() -> nn.Module:
        with CPU:
            return small()

    with ELSEWHERE:
        assert training_seconds(here, tiny, RECIPE) is not None


def test_one_that_is_made_elsewhere_would_be_found(tiny: Dataset) -> None:
    module = small(MadeElsewhere())
    with ELSEWHERE, pytest.raises(RuntimeError, match="meta"):
        list(train(module, tiny, RECIPE, seed=0))


# ------------------------------------------------------------------ broken devices


class Breaks:
    """A device that works until `broken`."""

    def __init__(self) -> None:
        self.broken = False

    def __call__(self, device: torch.device) -> None:
        if self.broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Breaks:
    breaks = Breaks()
    monkeypatch.setitem(devices.PROBES, "cpu", breaks)
    return breaks


class Raises(nn.Module):
    def __init__(self, error: Exception, device: Breaks | None = None) -> None:
        super().__init__()
        self.error, self.device = error, device

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            if self.device is not None:
                self.device.broken = True
            raise self.error
        return x


ERRORS = (
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    IndexError("anything"),
)


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_an_error_of_a_broken_device_is_its_fault_whatever_it_says(
    error: Exception, device: Breaks, tiny: Dataset
) -> None:
    said = "the device cpu is broken for this process: CUDA error: an illegal memory access was encountered$"
    with pytest.raises(DeviceFault, match=said):
        list(train(small(Raises(error, device)), tiny, RECIPE, seed=0))


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_an_error_on_a_device_that_works_is_the_network_s(error: Exception, device: Breaks, tiny: Dataset) -> None:
    with pytest.raises(type(error), match=str(error)):
        list(train(small(Raises(error)), tiny, RECIPE, seed=0))


class Broken(Designed):
    """A network in whose training something is raised."""

    raises: nn.Module

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        return small(self.raises)


def trial(raises: nn.Module) -> TrialSpec:
    network = Broken("resnet20")
    object.__setattr__(network, "raises", raises)
    return TrialSpec(0, network, RECIPE, 0)


def test_a_trial_tells_a_fault_of_the_device_from_its_own(device: Breaks, tiny: Dataset) -> None:
    def end(raises: nn.Module) -> Any:
        with pytest.raises(StopIteration) as stop:
            next(run_trial(trial(raises), tiny))
        return stop.value.value

    memory = end(Raises(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")))
    assert memory.state == State.FAILED and memory.reason.startswith("out of memory: CUDA out of memory")
    assert end(Raises(ValueError("its own"))).reason == "ValueError: its own"
    with pytest.raises(DeviceFault, match="is broken for this process"):
        next(run_trial(trial(Raises(ERRORS[0], device)), tiny))


def test_a_device_without_memory_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(device: torch.device) -> None:
        raise torch.OutOfMemoryError("not even eight numbers")

    monkeypatch.setitem(devices.PROBES, "cpu", full)
    assert fault_of(CPU) is None


def test_a_device_that_nobody_asks_does_not_break() -> None:
    assert fault_of(CPU) is None
    with pytest.raises(ValueError, match="as it was"), within(CPU):
        raise ValueError("as it was")


def test_out_of_memory_has_many_words() -> None:
    for error in (
        MemoryError(),
        torch.OutOfMemoryError("x"),
        RuntimeError("... DefaultCPUAllocator: can't allocate memory"),
    ):
        assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("CUDA error: unspecified launch failure"))


# ------------------------------------------------------------------ not too far ahead


class Event:
    def __init__(self, log: list[tuple[str, int]], number: int) -> None:
        self.log, self.number, self.records = log, number, 0

    def record(self) -> None:
        self.log.append(("record", self.number))

    def synchronize(self) -> None:
        self.log.append(("wait", self.number))


def test_steps_do_not_run_ahead_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[str, int]] = []
    made: list[Event] = []

    def make() -> Event:
        made.append(Event(log, len(made)))
        return made[-1]

    monkeypatch.setitem(devices.EVENTS, "cpu", make)
    leash = Leash(CPU)
    for step in range(3 * AHEAD):
        leash.step()
        waited = sum(what == "wait" for what, _ in log)
        assert step + 1 - waited <= AHEAD
    assert len(made) == AHEAD
    oldest_first = [number for what, number in log if what == "wait"]
    assert oldest_first == [number % AHEAD for number in range(2 * AHEAD)]


def test_a_training_is_on_a_leash(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[str, int]] = []
    monkeypatch.setitem(devices.EVENTS, "cpu", lambda: Event(log, 0))
    list(train(small(), tiny, RECIPE, seed=0))
    assert sum(what == "record" for what, _ in log) == 18


def test_convolutions_are_tried_out_on_gpus_in_long_trainings_alone() -> None:
    before = torch.backends.cudnn.benchmark
    for device, steps, tried in (("cuda", LONG, True), ("cuda", LONG - 1, before), ("cpu", LONG, before)):
        with pytest.raises(KeyError), tuned(torch.device(device), steps):
            assert torch.backends.cudnn.benchmark is tried
            raise KeyError
        assert torch.backends.cudnn.benchmark is before
