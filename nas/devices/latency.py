"""How long a network takes for one image on this device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas.devices.device import within
from nas.devices.recording import CannotRecord, Watch, recorder_of
from searchspaces.images import RGB


@torch.no_grad()
def latency(
    network: nn.Module, image_size: int, device: torch.device | str = "cpu", batch_size: int = 1, repeats: int = 30,
    channels: int = RGB,
) -> float:  # fmt: skip
    """Seconds for one image: the median over `repeats` timed batches, after a third as many to warm up.

    The median, since a machine's hiccups only ever make a batch slower. A GPU repeats a recording, as it would where
    the network is used: one image at a time it would else wait for Python. `network` is moved to `device` and left in
    evaluation mode.
    """
    device = torch.device(device)
    times = []
    with within(device):
        network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        images = torch.randn(batch_size, channels, image_size, image_size, device=device)
        images = images.to(memory_format=torch.channels_last)
        compute = _fastest(lambda: network(images), device)
        for repeat in range(-(repeats // 3), repeats):
            start = time.perf_counter()
            compute()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if repeat >= 0:
                times.append(time.perf_counter() - start)
    return statistics.median(times) / batch_size


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
