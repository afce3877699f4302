"""The mean of weights: of equal ones the same, of two the mean, with norms' statistics as computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.soups.mixing import Pot, Tensors, are_equal, greedy, inside, mean_of
from nas.soups.results import GREEDY, UNIFORM, Soup, cook
from nas.training.evaluation import Judged
from nas.training.recipe import Recipe
from nas.training.shared import calibrate, calibrated_by


def small(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 4),
    ).eval()  # fmt: skip


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def pot(tiny: Dataset) -> Pot:
    return Pot(small(9), tiny, tiny.val, Recipe())


def test_the_soup_of_two_is_their_mean(pot: Pot) -> None:
    one, other = tensors(small(0)), tensors(small(1))
    other["1.num_batches_tracked"] += 3
    pot.fill([one, other])
    for name, tensor in pot.module.state_dict().items():
        if not name.startswith("1.running") and name != "1.num_batches_tracked":
            assert torch.allclose(tensor, (one[name] + other[name]) / 2)
    assert mean_of([one, other])["1.num_batches_tracked"] == one["1.num_batches_tracked"]


def test_the_soup_of_equal_ones_is_each_of_them(pot: Pot) -> None:
    one = tensors(small(0))
    one["1.running_mean"] += 0.25  # which no calibration would find
    pot.fill([one, {name: tensor.clone() for name, tensor in one.items()}, one])
    assert are_equal([one, tensors(pot.module)])


def test_statistics_are_those_of_the_training_images(tiny: Dataset) -> None:
    """A convolution that passes red on: its norm's mean and variance are those of the red of the images."""
    module = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(256, 4))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))
    calibrate(module, tiny)
    red = (tiny.train.take(calibrated_by(tiny), seed=0).pixels[..., 0].float() / 255 - tiny.mean[0]) / tiny.std[0]
    assert calibrated_by(tiny) == 100 and not module.training
    assert module[1].running_mean.item() == pytest.approx(red.mean().item(), abs=1e-5)
    assert module[1].running_var.item() == pytest.approx(red.var().item(), rel=1e-4)
    assert module[1].momentum == 0.1


def test_statistics_of_a_soup_are_neither_ones(pot: Pot) -> None:
    """The mean of a filter and its opposite puts out nothing but its bias: so its norm has no variance."""
    one, other = tensors(small(0)), tensors(small(0))
    other["0.weight"] = -other["0.weight"]
    pot.fill([one, other])
    norm = pot.module[1]  # type: ignore[index]
    assert torch.allclose(norm.running_mean, one["0.bias"], atol=1e-3) and norm.running_var.max() < 1e-5
    assert torch.allclose((one["1.running_var"] + other["1.running_var"]) / 2, torch.ones(4))


def test_nothing_is_dropped_while_statistics_are_computed(pot: Pot) -> None:
    module = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    calibrate(module, pot.dataset)
    first = module[2].running_mean.clone()
    calibrate(module, pot.dataset)
    assert torch.equal(first, module[2].running_mean)


class Scripted(Pot):
    """A pot in which the quality of a soup is that of its numbers, as told."""

    def __init__(self, qualities: dict[tuple[int, ...], float]) -> None:
        self.qualities = qualities

    def judge(self, several: Sequence[Tensors]) -> Judged:
        return Judged(self.qualities[tuple(int(one["n"]) for one in several)], None)


def test_the_greedy_soup_takes_what_does_not_make_it_worse() -> None:
    several = [{"n": torch.tensor(number)} for number in range(4)]
    pot = Scripted({(2, 0): 0.6, (2, 0, 3): 0.55, (2, 0, 1): 0.6})
    steps = greedy(pot, several, [0.5, 0.3, 0.58, 0.4])
    assert [(step.tried, step.quality, step.kept) for step in steps] == [
        (2, 0.58, True), (0, 0.6, True), (3, 0.55, False), (1, 0.6, True),
    ]  # fmt: skip
    assert inside(steps) == [2, 0, 1]


def test_what_is_cooked_is_told_and_stays_in_the_pot(pot: Pot) -> None:
    several = [tensors(small(seed)) for seed in range(3)]
    roots = [frozenset({"a"}), frozenset({"a", "b"}), frozenset({"c"})]
    for mix in (GREEDY, UNIFORM):
        cooked = cook(pot, several, ("x", "y", "z"), ({}, {}, {}), roots, mix)
        soup = cooked.soup
        assert soup.kept.val == pot.judge([several[number] for number in cooked.numbers]).quality == cooked.val.quality
        best = next(one for one in soup.ingredients if one.name == soup.best)
        uniform, by_steps = soup.mixed
        assert uniform.members == ("x", "y", "z") and by_steps.val >= best.val == max(o.val for o in soup.ingredients)
        assert best.halfway is None and best.akin and sum(one.halfway is None for one in soup.ingredients) == 1
        kept = [step for step in soup.steps if step.kept]
        assert [step.val for step in kept] == sorted(step.val for step in kept) and len(soup.steps) == 3
        assert (kept[-1].val, kept[-1].test) == (by_steps.val, by_steps.test)
        assert soup.gain.estimate == pytest.approx(soup.kept.test - best.test)
        assert Soup.from_dict(soup.to_dict() | {"weights": {}}) == replace(soup)


def test_without_norms_nothing_is_calibrated(tiny: Dataset) -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 4))
    assert Pot(plain, tiny, tiny.val, Recipe()).calibrated == 0
    assert Pot(small(0), tiny, tiny.val, Recipe()).calibrated == 100
