"""Evaluation: in batches that fit, with the same result."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.baselines import build
from nas.data import Dataset
from nas.training import evaluation
from nas.training.evaluation import BATCH, accuracy, fitting_batch, predict
from nas.training.recipe import Recipe
from searchspaces.cost import largest_output
from searchspaces.layers import conv, head, network

RECIPE = Recipe(bf16=False)


CPU, GPU = torch.device("cpu"), torch.device("cuda")


def fits(network: nn.Module, size: int, device: torch.device = CPU, bf16: bool = False) -> int:
    return fitting_batch(network, size, Recipe(bf16=bf16), device)


class Fits(nn.Module):
    """Takes so many images at a time, and notes how many it was given."""

    def __init__(self, most: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.network, self.most, self.error = network(conv(8, stride=2), head(4)), most, error
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:  # it is not only counted
            self.seen.append(len(x))
            if len(x) > self.most:
                raise self.error("CUDA out of memory. Tried to allocate 17 GiB")
        out: Tensor = self.network(x)
        return out


def test_small_images_are_taken_as_ever() -> None:
    for name in ("resnet20", "wrn28-10", "densenet_bc_100_12", "mobilenet_v2"):
        assert fits(build(name, 10, 32), 32) == BATCH
    assert fits(build("resnet50", 10, 224), 224) == BATCH


def test_large_ones_are_taken_by_what_fits() -> None:
    network = build("efficientnet_b7", 10, 600)
    images, each = fits(network, 600), 4 * largest_output(network, 600)
    assert 1 < images < 40 and images * each <= evaluation.MEMORY < (images + 1) * each
    assert fits(network, 600, CPU, bf16=True) == fits(network, 600, GPU) == images
    assert fits(network, 600, GPU, bf16=True) in (2 * images, 2 * images + 1)


def test_one_image_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MEMORY", 1)
    assert fits(build("resnet20", 10, 32), 32) == 1


def test_a_network_that_cannot_be_counted_is_taken_as_a_small_one() -> None:
    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, : 2 + int(x.sum().item() > 1e9)]

    assert fits(Reads(), 16) == BATCH


@pytest.mark.parametrize("most", [1, 3, 7, 19, 20, 500])
def test_the_batch_is_halved_until_it_fits_and_the_result_is_the_same(most: int, tiny: Dataset) -> None:
    torch.manual_seed(0)
    module = Fits(most)
    found = predict(module, tiny.train, tiny, RECIPE)
    expected = predict(module.network, tiny.train, tiny, RECIPE)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert module.seen[-1] <= most and sum(module.seen) >= len(tiny.train)
    assert accuracy(found, tiny.train.labels) == accuracy(expected, tiny.train.labels)


@pytest.mark.parametrize(("most", "error"), [(0, torch.OutOfMemoryError), (100, RuntimeError), (0, ValueError)])
def test_what_no_smaller_batch_would_help_is_raised(most: int, error: Any, tiny: Dataset) -> None:
    module = Fits(most, error)
    with pytest.raises(error, match="CUDA out of memory"):
        predict(module, tiny.train, tiny, RECIPE)
    assert (module.seen[-1] == 1) == (error is torch.OutOfMemoryError)
