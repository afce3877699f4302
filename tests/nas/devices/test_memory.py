"""The memory that tensors take, against PyTorch's own account of what it allocates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.baselines import build
from nas.devices.memory import NoRoom, check_room, inference_memory, shape_of, training_memory


def allocated(module: nn.Module, images: torch.Tensor, training: bool) -> int:
    """The peak of what the profiler sees allocated in a pass, and what was there before."""
    module.train(training)
    there = sum(t.nbytes for t in (*module.parameters(), *module.buffers(), images))
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as seen, torch.set_grad_enabled(training):
        out = module(images)
        if training:
            out.sum().backward()
    now = most = 0
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    momentum = sum(p.nbytes for p in module.parameters()) if training else 0
    return there + momentum + most


@pytest.mark.parametrize(("name", "pixels", "batch"), [("resnet20", 32, 16), ("efficientnet_b0", 64, 4)])
def test_training_takes_what_pytorch_allocates(name: str, pixels: int, batch: int) -> None:
    real = allocated(build(name, 10, pixels), torch.randn(batch, 3, pixels, pixels), training=True)
    assert training_memory(lambda: build(name, 10, pixels), pixels, batch) == pytest.approx(real, rel=0.03)


def test_inference_takes_what_pytorch_allocates() -> None:
    real = allocated(build("mobilenet_v2", 10, 64), torch.randn(8, 3, 64, 64), training=False)
    assert inference_memory(lambda: build("mobilenet_v2", 10, 64), 64, 8) == pytest.approx(real, rel=0.03)


def test_two_layers_by_hand() -> None:
    """At the peak the first product and its rectified copy live, beside images and weights."""

    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    assert inference_memory(make, 8) == 4 * (3 * 64 + 12 + 2 * 4 * 64)


def test_it_grows_with_the_batch_and_counts_auxiliary_classifiers() -> None:
    sizes = [training_memory(lambda: build("resnet8", 10, 32), 32, batch) for batch in (1, 8, 64)]
    assert sizes == sorted(sizes) and sizes[-1] > 20 * sizes[0]
    plain, tapped = (training_memory(lambda n=name: build(n, 10, 96), 96, 1) for name in ("googlenet", "googlenet+aux"))
    assert tapped > plain


def test_what_cannot_fit_is_refused_before_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> nn.Module:
        return build("resnet8", 10, 64)

    needed = training_memory(make, 64, 100)
    monkeypatch.setattr("nas.devices.memory.memory_of", lambda device: needed)
    monkeypatch.setattr("nas.devices.memory.computes_in_bf16", lambda device: False)
    check_room(make, 64, 100, training=True, device="cpu")
    with pytest.raises(
        NoRoom, match=r"a step of 101 images of 64 pixels a side takes .* give a smaller network, --batch"
    ):
        check_room(make, 64, 101, training=True, device="cpu")
    check_room(make, 64, 101, training=True, device="cuda")  # which says so itself
    check_room(make, 64, 101, training=False, device="cpu")
    with pytest.raises(NoRoom, match="inference with 1,000 images"):
        check_room(make, 64, 1_000, training=False, device="cpu")
    monkeypatch.setattr("nas.devices.memory.computes_in_bf16", lambda device: True)
    check_room(make, 64, 101, training=True, device="cpu")


def test_what_cannot_be_worked_out_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sized(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[: int(x.sum().item())]

    monkeypatch.setattr("nas.devices.memory.memory_of", lambda device: 1)
    check_room(Sized, 8, 4, training=True, device="cpu")


def test_a_network_too_large_to_build_is_refused_unbuilt() -> None:
    with pytest.raises(NoRoom):
        check_room(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 10**12)), 8, 1, training=False, device="cpu")


def test_a_shape_has_what_the_network_has_but_its_weights() -> None:
    module = build("resnet8", 10, 32)
    module[0].requires_grad_(False)
    shape = shape_of(module)
    assert all(tensor.is_meta for tensor in (*shape.parameters(), *shape.buffers()))
    for (name, of_shape), (same, parameter) in zip(shape.named_parameters(), module.named_parameters(), strict=True):
        assert name == same and of_shape.shape == parameter.shape and of_shape.requires_grad == parameter.requires_grad
    assert not any(parameter.is_meta for parameter in module.parameters())
    assert inference_memory(lambda: shape_of(module), 32) == inference_memory(lambda: build("resnet8", 10, 32), 32)
