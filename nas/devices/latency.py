"""How long a network takes for one image on this device, by PyTorch or by what runs it where it is used."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.checks.schemas import RUNTIMES
from nas.devices.device import within
from nas.devices.onnx_runtime import onnx_session
from nas.devices.recording import CannotRecord, Watch, recorder_of
from searchspaces.images import RGB

PYTORCH, ONNXRUNTIME, ONNXRUNTIME_INT8 = RUNTIMES
CALIBRATION = 8  # random images that int8 is scaled by: its time does not depend on what is on them


@dataclass(frozen=True)
class Effort:
    """How often something is timed: for so many `seconds`, but `least` and `most` times at least and at most.

    A third as often it is done before, to warm up.
    """

    least: int = 7
    most: int = 2000
    seconds: float = 0.75

    @classmethod
    def of(cls, repeats: int) -> Effort:
        """So often, however long it takes."""
        return cls(repeats, repeats, 0.0)


@dataclass(frozen=True)
class Measured:
    """The median of `repeats` times, in seconds for one image; the `spread` is their middle half's, over the median."""

    seconds: float
    spread: float
    repeats: int


def measure_latency(
    network: nn.Module,
    image_size: int,
    runtime: str = PYTORCH,
    threads: int = 1,
    device: torch.device | str = "cpu",
    channels: int = RGB,
    effort: Effort = Effort(),
) -> Measured:
    """How long `network` takes for one image by a `runtime` with so many `threads` of the CPU.

    `pytorch` runs it as it is, on `device`, see `latency`. `onnxruntime` runs a copy of it on the CPU, as exported to
    ONNX in float32, `onnxruntime-int8` as exported with int8 weights and activations. Exporting takes seconds, and
    leaves the network as it was. Raises ValueError where it cannot be exported, or a package is missing.
    """
    if runtime == PYTORCH:
        with _threads(threads):
            return _by_pytorch(network, image_size, device, 1, channels, effort)
    if runtime not in RUNTIMES:
        raise ValueError(f"--latency-runtime is one of {', '.join(RUNTIMES)}, not {runtime!r}")
    content = _exported(network, image_size, channels, int8=runtime == ONNXRUNTIME_INT8)
    return onnx_latency(content, image_size, threads, channels, effort)


def latency(
    network: nn.Module, image_size: int, device: torch.device | str = "cpu", batch_size: int = 1, repeats: int = 30,
    channels: int = RGB,
) -> float:  # fmt: skip
    """Seconds for one image: the median over `repeats` timed batches, after a third as many to warm up.

    The median, since a machine's hiccups only ever make a batch slower. A GPU repeats a recording, as it would where
    the network is used: one image at a time it would else wait for Python. `network` is moved to `device` and left in
    evaluation mode.
    """
    return _by_pytorch(network, image_size, device, batch_size, channels, Effort.of(repeats)).seconds


def onnx_latency(
    content: bytes, image_size: int, threads: int = 1, channels: int = RGB, effort: Effort = Effort()
) -> Measured:
    """How long onnxruntime takes for one image on the CPU, of a .onnx file with that `content`.

    Its input is `images` [batch, channels, image_size, image_size], as of the files that `nas export` writes. Raises
    ValueError without the packages.
    """
    session = onnx_session(content, threads, batch_size=1)
    images = _random_images(1, channels, image_size).numpy()
    return timed(lambda: session.run(None, {"images": images}), effort)


def timed(
    compute: Callable[[], object], effort: Effort, images: int = 1, clock: Callable[[], float] = time.perf_counter
) -> Measured:
    """How long `compute`, which is of so many `images`, takes for one, in seconds of `clock`."""
    _times(compute, effort.least // 3, effort.most // 3, effort.seconds / 3, clock)
    times = _times(compute, effort.least, effort.most, effort.seconds, clock)
    median = statistics.median(times)
    first, _, third = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else (median,) * 3
    return Measured(median / images, (third - first) / median, len(times))


def _times(
    compute: Callable[[], object], least: int, most: int, seconds: float, clock: Callable[[], float]
) -> list[float]:
    times: list[float] = []
    begin = clock()
    while len(times) < least or (len(times) < most and clock() - begin < seconds):
        start = clock()
        compute()
        times.append(clock() - start)
    return times


# ---------------------------------------------------------------------------- PyTorch


@torch.no_grad()
def _by_pytorch(
    network: nn.Module, image_size: int, device: torch.device | str, batch_size: int, channels: int, effort: Effort
) -> Measured:
    device = torch.device(device)
    with within(device):
        network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        images = torch.randn(batch_size, channels, image_size, image_size, device=device)
        images = images.to(memory_format=torch.channels_last)
        compute = _fastest(lambda: network(images), device)

        def done() -> None:
            compute()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return timed(done, effort, batch_size)


def _fastest(compute: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """What repeats a recording of `compute`; itself where `device` records nothing, or not this."""
    recorder = recorder_of(device)
    if recorder is None:
        return compute
    recorder.aside(compute)  # what is made once, and cuDNN's choice, may be made here
    with Watch(device) as watch:
        recorder.aside(compute)
    if watch.reason:
        return compute
    try:
        return recorder.record(compute)
    except (CannotRecord, torch.OutOfMemoryError):
        return compute


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Within it PyTorch computes with so many threads of the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------------------- ONNX


def _exported(network: nn.Module, image_size: int, channels: int, int8: bool) -> bytes:
    """The content of a .onnx file of `network` for one image; `network` stays where it is and in its mode."""
    from nas.exports.formats import NOTHING  # exports are above us: who measures by PyTorch needs none of it
    from nas.exports.steps import int8_bytes, program_bytes

    module = deepcopy(network).cpu().eval()
    if not int8:
        return program_bytes(module, image_size, "onnx", NOTHING, channels, one_image=True)
    batches = [image.unsqueeze(0) for image in _random_images(CALIBRATION, channels, image_size)]
    (content,) = int8_bytes(module, image_size, ["onnx"], batches, NOTHING, channels, one_image=True)
    return content


def _random_images(count: int, channels: int, image_size: int) -> Tensor:
    """The same ones each time, which are not drawn from torch's own generator: a trial's weights are."""
    return torch.randn(count, channels, image_size, image_size, generator=torch.Generator().manual_seed(0))
