"""How long a network takes for one image on this device."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn


@torch.no_grad()
def latency(
    network: nn.Module, image_size: int, device: torch.device | str = "cpu", batch_size: int = 1, repeats: int = 30
) -> float:
    """Seconds for one image: the median over `repeats` timed batches, after a third as many to warm up.

    The median, since a machine's hiccups only ever make a batch slower. `network` is moved to `device`
    and left in evaluation mode.
    """
    device = torch.device(device)
    network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    images = torch.randn(batch_size, 3, image_size, image_size, device=device).to(memory_format=torch.channels_last)
    times = []
    for repeat in range(-(repeats // 3), repeats):
        start = time.perf_counter()
        network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat >= 0:
            times.append(time.perf_counter() - start)
    return statistics.median(times) / batch_size
