"""Recording: CUDA graphs in one stream, what happens where one fails, and what is seen before it would.

There may be no GPU here: what of torch.cuda is called is a stand-in that notes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from nas.devices import device as devices
from nas.devices import recording
from nas.devices.halted import DeviceFault
from nas.devices.recording import RECOVERS, CannotRecord, CudaGraphs, Watch, recorder_of, torch_version

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")


class Stream:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class Cuda:
    """What `CudaGraphs` uses of torch.cuda."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.usual = self.current = Stream("usual", self.log)
        self.made: list[torch.device] = []
        self.fails_at_its_end = False

    def new_stream(self, device: torch.device) -> Stream:
        self.made.append(device)
        return Stream("side", self.log)

    def set_stream(self, stream: Stream) -> None:
        self.current = stream

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextlib.contextmanager
    def graph(self, graph: Any, stream: Stream) -> Iterator[None]:
        """As torch's: where its end fails, the stream stays the current one."""
        before, self.current = self.current, stream
        self.log.append("records")
        try:
            yield
        finally:
            if self.fails_at_its_end:
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture\nmore")
            self.current = before

    class CUDAGraph:
        replays = 0

        def replay(self) -> None:
            self.replays += 1


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    stands_in = Cuda()
    for name, value in {
        "Stream": stands_in.new_stream,
        "stream": stands_in.stream,
        "set_stream": stands_in.set_stream,
        "current_stream": lambda device: stands_in.current,
        "graph": stands_in.graph,
        "CUDAGraph": Cuda.CUDAGraph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setitem(devices.PROBES, "cuda", lambda device: None)
    monkeypatch.setattr(torch, "__version__", "2.13.0+cu130")
    return stands_in


def test_warm_up_and_recording_are_in_one_stream_of_the_device(cuda: Cuda) -> None:
    recorder, where = CudaGraphs(GPU), []

    def work() -> Tensor:
        where.append(cuda.current.name)
        return torch.ones(())

    for _ in range(3):
        recorder.aside(work)
    replay = recorder.record(work)
    assert cuda.made == [GPU] and where == ["side"] * 4 and cuda.current is cuda.usual
    assert cuda.log == ["side waits for usual", "usual waits for side"] * 3 + ["records"]
    assert replay() is replay() and where == ["side"] * 4  # in the same memory, and not done in Python again


@pytest.mark.parametrize("at_its_end", [False, True])
def test_a_recording_that_fails_is_left_behind(at_its_end: bool, cuda: Cuda) -> None:
    cuda.fails_at_its_end = at_its_end

    def work() -> Tensor:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(CannotRecord, match="previous error" if at_its_end else "not permitted"):
        CudaGraphs(GPU).record(work)
    assert cuda.current is cuda.usual


@pytest.mark.parametrize("version", ["2.6.0", "2.12.1+cu126", "2.9.0a0+git123"])
def test_an_older_torch_does_not_go_on_after_it(version: str, cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda.fails_at_its_end = True
    monkeypatch.setattr(torch, "__version__", version)
    assert torch_version() < RECOVERS
    with pytest.raises(DeviceFault, match=f"torch {version.partition('+')[0]}.* does not recover from"):
        CudaGraphs(GPU).record(lambda: torch.ones(()))
    assert cuda.current is cuda.usual


def test_nor_does_a_device_that_does_nothing_any_more(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: torch.device) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    cuda.fails_at_its_end = True
    monkeypatch.setitem(devices.PROBES, "cuda", broken)
    with pytest.raises(DeviceFault, match=r"and then cuda:1 did \(CUDA error: an illegal memory access"):
        CudaGraphs(GPU).record(lambda: torch.ones(()))


def test_memory_that_is_not_enough_for_a_recording_is_no_fault(cuda: Cuda) -> None:
    def work() -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(CannotRecord, match="out of memory"):
        CudaGraphs(GPU).record(work)


def test_only_gpus_record(cuda: Cuda) -> None:
    assert recorder_of(CPU) is None and isinstance(recorder_of(GPU), CudaGraphs)
    assert set(recording.RECORDERS) == {"cuda"}


SEEN: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "item": (lambda x: x.sum().item(), "_local_scalar_dense tells Python"),
    "branch": (lambda x: bool(x.sum() > 0), "_local_scalar_dense tells Python"),
    "where": (lambda x: x.nonzero(), "nonzero tells Python"),
    "unique": (lambda x: x.unique(), "unique2 tells Python"),
    "mask": (lambda x: x[x > 0], "index.Tensor counts what a mask leaves"),
    "new numbers": (lambda x: torch.tensor([1.0], device=CPU), "made of Python's numbers"),
    "moved": (lambda x: x.to("meta"), "_to_copy copies between cpu and meta"),
}
NOT_SEEN: dict[str, Callable[[Tensor], object]] = {
    "indices": lambda x: x[torch.arange(2, device=CPU)],
    "images by their numbers": lambda x: x.to(torch.uint8)[torch.arange(2, device=CPU)],
    "random numbers": lambda x: x + torch.rand(3, device=CPU),
    "a type": lambda x: x.to(torch.bfloat16),
    "arithmetic": lambda x: (x * 2.0 + 1).relu().sum(),
    "a mask that is multiplied": lambda x: torch.where(x > 0, x, 0.0),
}


@pytest.mark.parametrize("what", [*SEEN, *NOT_SEEN])
def test_what_waits_for_the_cpu_is_seen(what: str) -> None:
    work, reason = SEEN.get(what) or (NOT_SEEN[what], "")
    with Watch(CPU) as watch:
        work(torch.ones(3))
    assert reason in watch.reason and bool(reason) == bool(watch.reason), watch.reason


def test_it_is_seen_in_gradients_too() -> None:
    x = torch.ones(3, requires_grad=True)
    x.register_hook(lambda gradient: gradient * gradient.sum().item())
    y = (x * 2).sum()
    with Watch(CPU) as watch:
        y.backward()
    assert "tells Python" in watch.reason


def test_what_is_done_on_another_device_is_none_of_its_business() -> None:
    with Watch(GPU) as watch:
        torch.ones(3).sum().item()
        torch.tensor([1.0])
    assert watch.reason == ""
