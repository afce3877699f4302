"""What only a GPU can show of this package, each as a line that passes or fails: `python benchmarks/gpu.py --check`.

A check works on a device that is given; on a CPU what records is the stand-in of `nas.devices.tensor_program`, so that
the checks themselves are tested without a GPU. docs/cluster.md has the list.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from nas import baselines
from nas.baselines.zoo import BASELINES
from nas.data.batches import TrainBatches
from nas.data.images import Dataset, Images
from nas.devices import device as devices
from nas.devices.device import LONG
from nas.devices.halted import DeviceFault
from nas.devices.latency import latency
from nas.devices.recording import RECORDERS, CannotRecord, Work
from nas.devices.tensor_program import TensorPrograms
from nas.network import Designed
from nas.training import evaluation
from nas.training.evaluation import predict
from nas.training.recipe import Recipe
from nas.training.train import Training
from nas.training.trial import State, TrialResult, TrialSpec, run_trial
from searchspaces import SPACES, get_space
from searchspaces.layers import conv, head, network

RECIPE = Recipe(epochs=2, batch_size=32, bf16=False)
CLASSES = 4


class Skipped(Exception):
    """Why a check has nothing to say here."""


@dataclass(frozen=True)
class Check:
    """`says` is what it shows; `run` raises where that is not so, and gives what there is to add."""

    says: str
    run: Callable[[torch.device, bool], str]


CHECKS: list[Check] = []


def check(says: str) -> Callable[[Callable[[torch.device, bool], str]], None]:
    """Adds a check, a function of the device and of whether all of it is to be `quick`."""

    def add(run: Callable[[torch.device, bool], str]) -> None:
        CHECKS.append(Check(says, run))

    return add


def run_all(device: torch.device, quick: bool, say: Callable[[str], None] = print) -> bool:
    """Run every check on `device`, a line each; returns whether none failed."""
    failed = 0
    with _recording(device):
        for number, each in enumerate(CHECKS, 1):
            began = time.perf_counter()
            try:
                state, said = "pass", each.run(device, quick)
            except Skipped as why:
                state, said = "skip", str(why)
            except Exception as error:
                state, said = "FAIL", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                failed += 1
            seconds = time.perf_counter() - began
            say(f"{state}  {number:2}. {each.says}{f' ({said})' if said else ''} [{seconds:.1f} s]")
    say(f"{len(CHECKS) - failed} of {len(CHECKS)} did not fail")
    return not failed


@contextmanager
def _recording(device: torch.device) -> Iterator[None]:
    with patch.dict(RECORDERS, {} if device.type == "cuda" else {device.type: TensorPrograms}):
        yield


# ------------------------------------------------------------------ what the checks are made of


def images(count: int, size: int) -> Dataset:
    """Images of four classes that a small network tells apart: so many of the rows are brighter."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    pixels = rng.integers(0, 120, (count, size, size, 3), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[: size // CLASSES * label] += 120
    split = Images(torch.from_numpy(pixels), torch.from_numpy(labels))
    return Dataset.split("made", tuple("abcd"), split)


def data(device: torch.device, quick: bool, size: int = 32) -> Dataset:
    return images(200 if quick else 2_000, 16 if quick else size).to(device)


def small(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    named = {f"more{number}": lambda c, module=module: (module, c) for number, module in enumerate(more)}
    return network({"conv1": conv(8, stride=2), "conv2": conv(16, stride=2), **named, "fc": head(CLASSES)})


def trained(module: nn.Module, dataset: Dataset, recipe: Recipe = RECIPE, recorded: bool = True) -> Training:
    torch.manual_seed(1)
    training = Training(module, dataset, recipe, 0, recorded=recorded)
    list(training.epochs())
    return training


def losses(training: Training) -> Tensor:
    return torch.tensor([epoch.loss for epoch in training.done])


def assert_close(one: Training, other: Training, tolerance: float) -> float:
    """Of their losses; returns how far they are apart."""
    apart = ((losses(one) - losses(other)).abs() / losses(other)).max().item()
    assert apart <= tolerance, f"losses {losses(one).tolist()} and {losses(other).tolist()}"
    return apart


def needs_gpu(device: torch.device) -> None:
    if device.type != "cuda":
        raise Skipped("a GPU alone can show it")


def trial(module: nn.Module) -> TrialSpec:
    class Made(Designed):
        def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
            return module

    return TrialSpec(0, Made("resnet20"), RECIPE, 0)


def result_of(spec: TrialSpec, dataset: Dataset) -> TrialResult:
    going = run_trial(spec, dataset)
    while True:
        try:
            next(going)
        except StopIteration as end:
            result: TrialResult = end.value
            return result


class InTraining(nn.Module):
    """Does something in each training step."""

    def __init__(self, does: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.does = does

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.does(x)
        return x


# ------------------------------------------------------------------ a step that is recorded


def _networks(size: int, quick: bool) -> dict[str, Callable[[], nn.Module]]:
    def of_space(name: str, **settings: object) -> Callable[[], nn.Module]:
        space = get_space(name, **settings)
        return lambda: space.build(space.sample(random.Random(1)), CLASSES, size)

    made = {"resnet20": lambda: baselines.build("resnet8@0.25" if quick else "resnet20", CLASSES, size)}
    if not quick:
        made |= {"mnas": of_space("mnas", width=0.25), "nasnet": of_space("nasnet", n=1, filters=8)}
    return made


@check("a recorded training has the losses of an ordinary one: ResNet-20, Mnas, NASNet with paths dropped")
def same_losses(device: torch.device, quick: bool) -> str:
    dataset, said = data(device, quick), []
    for name, build in _networks(dataset.image_size, quick).items():
        both = []
        for recorded in (True, False):
            torch.manual_seed(0)
            both.append(trained(build(), dataset, recorded=recorded))
        assert not both[0].learn.single, f"{name} was not recorded: {both[0].learn.single}"
        said.append(f"{name} {assert_close(*both, 0.05):.1e}")
    return ", ".join(said)


@check("so has one with AdamW, in bfloat16, with resized crops and erased squares")
def same_losses_otherwise(device: torch.device, quick: bool) -> str:
    dataset, said = data(device, quick), []
    for changes in ({"optimizer": "adamw", "lr": 0.01}, {"bf16": True}, {"min_area": 0.3, "cutout": 4}):
        both = [trained(small(), dataset, replace(RECIPE, **changes), recorded) for recorded in (True, False)]
        assert not both[0].learn.single, f"{changes}: {both[0].learn.single}"
        said.append(f"{assert_close(*both, 0.05):.1e}")
    return ", ".join(said)


@check("so has one whose dropout and dropped paths draw random numbers on the device")
def same_random_numbers(device: torch.device, quick: bool) -> str:
    dataset = data(device, quick)
    both = [trained(small(nn.Dropout(0.5)), dataset, recorded=recorded) for recorded in (True, False)]
    assert not both[0].learn.single, both[0].learn.single
    return f"{assert_close(*both, 0.05):.1e}"


@check("every family of the zoo and every space is recorded, or says that it varies")
def all_networks(device: torch.device, quick: bool) -> str:
    size = 32
    dataset = images(60, size).to(device)
    recipe = replace(RECIPE, batch_size=4, epochs=1)
    builds: dict[str, Callable[[], nn.Module]] = {}
    for name, baseline in BASELINES.items():
        if baseline.min_size <= size and baseline.scalable and "@" not in name:
            builds[name] = lambda name=name: baselines.build(f"{name}@0.1", CLASSES, size)
    for name in SPACES:
        space = get_space(name)
        builds[name] = lambda space=space: space.build(space.sample(random.Random(1)), CLASSES, size)
    if quick:
        builds = {name: builds[name] for name in ("compact", "stochastic_depth_resnet110") if name in builds}
        builds["stochastic_depth_resnet8"] = lambda: baselines.build("stochastic_depth_resnet8@0.25", CLASSES, size)
        builds.pop("stochastic_depth_resnet110", None)
    for name, build in builds.items():
        single = trained(build(), dataset, recipe).learn.single
        assert bool(single) == name.startswith("stochastic_depth"), f"{name}: {single or 'was recorded'}"
    return f"{len(builds)} networks"


@check("a network that draws random numbers in Python is trained by ordinary steps")
def python_decides(device: torch.device, quick: bool) -> str:
    varies = InTraining(lambda x: random.random())
    single: str = trained(small(varies), data(device, quick)).learn.single
    assert "random numbers in Python" in single, single or "it was recorded"
    return single


@check("a replay that is another step is found by its comparison")
def another_step(device: torch.device, quick: bool) -> str:
    outside = {"calls": 0}

    class Alternates(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                outside["calls"] += 1
            return x * (outside["calls"] % 2)

    single: str = trained(small(Alternates()), data(device, quick)).learn.single
    assert "was another step" in single, single or "it was recorded"
    return ""


@check("a recording that fails is no end: the training goes on, and the device works")
def failed_recording(device: torch.device, quick: bool) -> str:
    class Refuses(TensorPrograms):
        def record(self, work: Work) -> Work:
            raise CannotRecord("a stand-in that refuses")

    waits = InTraining(lambda x: torch.cuda.synchronize(device) if device.type == "cuda" else None)
    with patch.dict(RECORDERS, {} if device.type == "cuda" else {"cpu": Refuses}):
        try:
            training = trained(small(waits, nn.Dropout(0.5)), data(device, quick))
        except DeviceFault as fault:
            raise Skipped(f"this torch does not recover, which is said: {fault}") from None
    assert training.learn.single.startswith("it cannot be recorded"), training.learn.single or "it was recorded"
    assert devices.fault_of(device) is None and torch.isfinite(losses(training)).all()
    assert not trained(small(nn.Dropout(0.5)), data(device, quick)).learn.single, "the next one was not recorded"
    return training.learn.single


@check("a training goes on from a checkpoint as one that was not interrupted")
def checkpoint(device: torch.device, quick: bool) -> str:
    dataset = data(device, quick)
    whole = trained(small(nn.Dropout(0.5)), dataset)
    first = Training(small(nn.Dropout(0.5)), dataset, RECIPE, 0)
    torch.manual_seed(1)
    next(first.epochs())
    snapshot = first.snapshot()
    second = Training(small(nn.Dropout(0.5)), dataset, RECIPE, 0)
    second.restore(snapshot)
    list(second.epochs())
    return f"{assert_close(second, whole, 0.05):.1e}"


@check("cuDNN that tries its convolutions out does not break a recording")
def tuned(device: torch.device, quick: bool) -> str:
    dataset = data(device, quick)
    long = replace(RECIPE, epochs=LONG)
    training = Training(small(), dataset, long, 0)
    next(training.epochs())
    assert not training.learn.single, training.learn.single
    return ""


# ------------------------------------------------------------------ the device


@check("a batch is the same as on the CPU")
def same_batches(device: torch.device, quick: bool) -> str:
    here = data(torch.device("cpu"), quick)
    for changes in ({}, {"cutout": 4}, {"min_area": 0.3}):
        augment = replace(RECIPE, **changes).augment()
        both = []
        for images in (here.train, here.train.to(device)):
            batches = TrainBatches(images, here.mean, here.std, batch_size=32, augment=augment)
            both.append([batches.batch(draw) for draw in batches.draw(torch.Generator().manual_seed(0))])
        for (x, y), (u, v) in zip(*both, strict=True):
            torch.testing.assert_close(x, u.cpu(), rtol=1e-3, atol=1e-3)
            assert torch.equal(y, v.cpu())
    return ""


@check("no tensor of a training is made elsewhere")
def hygiene(device: torch.device, quick: bool) -> str:
    dataset, module = data(device, quick), small(nn.Dropout(0.1))
    with torch.device("meta"):
        training = Training(module, dataset, RECIPE, 0)
        list(training.epochs())
        latency(module, dataset.image_size, device, repeats=3)
    return ""


@check("a GPU that is not the first trains and measures, and learns")
def another_gpu(device: torch.device, quick: bool) -> str:
    needs_gpu(device)
    if torch.cuda.device_count() < 2:
        raise Skipped("there is one GPU here")
    other = torch.device("cuda:1")
    training = trained(small(), data(other, quick), replace(RECIPE, epochs=8))
    assert not training.learn.single and training.done[-1].val_accuracy > 0.5
    assert latency(small(), 32, other) > 0 and torch.cuda.current_device() == 0
    return f"validation accuracy {training.done[-1].val_accuracy:.0%}"


@check("a training of so many seconds ends after them")
def seconds(device: torch.device, quick: bool) -> str:
    wanted = 0.3 if quick else 5.0
    training = trained(small(), data(device, quick), replace(RECIPE, seconds=wanted))
    took = training.done[-1].seconds
    assert wanted <= took <= 1.1 * wanted + 0.5, f"{took:.2f} s instead of {wanted:g}"
    return f"{took:.2f} s of {wanted:g}"


@check("the time of one image is that of a recording, and no longer than without")
def time_of_one(device: torch.device, quick: bool) -> str:
    module = baselines.build("resnet8@0.25" if quick else "mobilenet_v2", CLASSES, 32)
    recorded = latency(module, 32, device)
    kept = {kind: make for kind, make in RECORDERS.items() if kind != device.type}
    with patch.dict(RECORDERS, kept, clear=True):
        ordinary = latency(module, 32, device)
    assert device.type != "cuda" or recorded <= 1.05 * ordinary, f"{recorded:.2e} s, {ordinary:.2e} s without"
    return f"{1e3 * recorded:.3f} ms, {1e3 * ordinary:.3f} ms step by step"


@check("evaluation takes fewer images at a time where many do not fit")
def halved(device: torch.device, quick: bool) -> str:
    seen: list[int] = []
    total = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0

    class Large(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_meta:
                seen.append(len(x))
                if len(x) > 50 and not total:
                    raise torch.OutOfMemoryError("a stand-in")
                torch.empty(len(x) * total // 100, dtype=torch.uint8, device=x.device)
            return x

    module, dataset = small().to(device), data(device, quick)
    large = nn.Sequential(Large(), module)
    with patch.object(evaluation, "MEMORY", 2**40):
        found = predict(large, dataset.train, dataset, RECIPE)
    torch.testing.assert_close(found, predict(module, dataset.train, dataset, RECIPE), rtol=1e-3, atol=1e-4)
    assert seen[0] > seen[-1]
    return f"{seen[0]}, then {seen[-1]} images"


@check("a network that does not fit into memory fails alone, with that reason")
def out_of_memory(device: torch.device, quick: bool) -> str:
    def too_much(x: Tensor) -> None:
        if device.type != "cuda":
            raise torch.OutOfMemoryError("a stand-in")
        torch.empty(2 * torch.cuda.get_device_properties(device).total_memory, dtype=torch.uint8, device=device)

    dataset = data(device, quick)
    failed = result_of(trial(small(InTraining(too_much))), dataset)
    assert failed.state == State.FAILED and failed.reason.startswith("out of memory"), failed
    assert result_of(trial(small()), dataset).state == State.COMPLETE
    return ""


BREAK = """
import torch
from gpu_check import InTraining, RECIPE, images, result_of, small, trial
from nas.devices.halted import DeviceFault
dataset = images(200, 16).to("cuda")
table = torch.zeros(4, device="cuda")
try:
    print(result_of(trial(small(InTraining(lambda x: table[torch.full((4,), 9, device="cuda")]))), dataset))
except DeviceFault as fault:
    print("DeviceFault", fault)
"""


@check("an assertion that fails on the device is its fault, and no network's")
def broken(device: torch.device, quick: bool) -> str:
    """In a process of its own, which is no good after it."""
    needs_gpu(device)
    ran = subprocess.run(
        [sys.executable, "-c", BREAK], check=False, cwd=Path(__file__).parent, capture_output=True, text=True
    )
    last = (ran.stdout.strip().splitlines() or [""])[-1]
    assert last.startswith("DeviceFault"), f"{last or ran.stderr.strip().splitlines()[-1:]}"
    return last.removeprefix("DeviceFault ")


# ------------------------------------------------------------------ whole searches


@check("nas.search on the device: every trial is done, and recorded")
def search_here(device: torch.device, quick: bool) -> str:
    if quick:
        raise Skipped("it takes a while")
    return _search(device=str(device))


@check("nas.search with --gpus 1: Ray trains on it, a network at a time")
def search_with_ray(device: torch.device, quick: bool) -> str:
    needs_gpu(device)
    return _search(gpus=1)


@check("nas.search with --gpus 1 --gpus-per-trial 0.25: four at once, within their shares of the memory")
def search_in_shares(device: torch.device, quick: bool) -> str:
    needs_gpu(device)
    return _search(gpus=1, gpus_per_trial=0.25)


def _search(**where: object) -> str:
    import nas

    with tempfile.TemporaryDirectory() as folder:
        run = nas.search(
            space="mnas", width=0.25, data="shapes", trials=8, epochs=1, subset=1_000, runs_dir=folder, **where
        )
        assert len(run.trials) == 8
        for found in run.trials:
            assert found.state == State.COMPLETE and not found.reason, f"trial {found.number}: {found.reason}"
    return "8 trials"
