"""Votes as computed by hand; fitted weights as a grid finds them; greedy selection never goes down."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.fusion.errors import oracle, pairs
from nas.fusion.judging import TEST, VAL, Judging
from nas.fusion.votes import MOST_STEPS, Vote, fitted, greedy, of_counts, together

CLASSES = ("cat", "dog", "owl")


def judging(labels: Tensor, kind: str = "classification", metric: str = "accuracy") -> Judging:
    return Judging("made", kind, metric, CLASSES, {VAL: labels, TEST: labels})


def noisy(labels: Tensor, networks: int, seed: int = 0, sure: float = 1.0) -> Tensor:
    """Probabilities `[M, N, 3]` of networks that err by themselves, each more than the one before."""
    generator = torch.Generator().manual_seed(seed)
    right = torch.nn.functional.one_hot(labels, 3).double()
    logits = torch.randn((networks, len(labels), 3), generator=generator, dtype=torch.float64)
    return torch.stack([(sure * right + (1 + 0.3 * n) * logits[n]).softmax(1) for n in range(networks)])


def test_a_vote_is_the_mean_by_its_weights() -> None:
    one, other = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]), torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.3, 0.4]])
    said = Vote.uniform(2).said(torch.stack([one, other]), "classification")
    assert torch.allclose(said, ((one + other) / 2).double())
    quarter = of_counts("x", (3, 1)).said(torch.stack([one, other]), "classification")
    assert torch.allclose(quarter[0], torch.tensor([0.4, 0.45, 0.15], dtype=torch.float64))


def test_weights_by_class_are_made_to_sum_to_one_again() -> None:
    of_each = torch.tensor([[[0.5, 0.5, 0.0]], [[0.1, 0.3, 0.6]]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]], dtype=torch.float64)
    by_hand = torch.tensor([[0.5, 0.4, 0.6]], dtype=torch.float64)
    assert torch.allclose(together(weights, of_each, "classification"), by_hand / 1.5)
    assert torch.allclose(together(weights, of_each, "multilabel"), by_hand)
    assert Vote("x", weights).voters == [0, 1] and Vote("x", weights[:1].new_tensor([0.0, 1.0])).voters == [1]


def test_fitted_weights_are_those_that_a_grid_finds() -> None:
    by = judging(torch.arange(300) % 3)
    of_each = noisy(by.labels[VAL], 2)
    vote = fitted(of_each, by)
    losses = [
        by.loss(together(torch.tensor([w, 1 - w]).double(), of_each, by.kind)).item()
        for w in torch.linspace(0, 1, 1001)
    ]
    best = min(range(1001), key=lambda at: losses[at]) / 1000
    assert vote.weights.sum() == pytest.approx(1) and 0.5 < best < 1
    assert vote.weights[0].item() == pytest.approx(best, abs=2e-3)
    assert by.loss(vote.said(of_each, by.kind)) < by.loss(Vote.uniform(2).said(of_each, by.kind))


def test_a_network_that_says_nothing_does_not_vote() -> None:
    by = judging(torch.arange(300) % 3)
    useful = noisy(by.labels[VAL], 1, sure=3.0)
    useless = noisy(by.labels[VAL].roll(1), 1, seed=1, sure=3.0)
    vote = fitted(torch.cat([useful, useless]), by)
    assert vote.voters == [0] and vote.weights.tolist() == [1, 0]


def test_weights_by_class_fit_no_worse_and_know_who_knows_what() -> None:
    by = judging(torch.arange(600) % 3)
    of_each = noisy(by.labels[VAL], 2, sure=1.5)
    of_each[0, :, 2] = 1 / 3  # the first knows nothing of owls
    of_each = of_each / of_each.sum(2, keepdim=True)
    whole, each = fitted(of_each, by), fitted(of_each, by, by_class=True)
    assert each.weights.shape == (2, 3) and torch.allclose(each.weights.sum(0), torch.ones(3, dtype=torch.float64))
    assert by.loss(each.said(of_each, by.kind)) < by.loss(whole.said(of_each, by.kind))
    assert each.weights[0, 2] < each.weights[0, 0]


def test_numbers_and_labels_are_weighed_too() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn((200, 2), generator=generator) * torch.tensor([1.0, 100.0])
    noise = torch.randn((2, 200, 2), generator=generator) * torch.tensor([1.0, 100.0])
    said = torch.stack([numbers + 0.1 * noise[0], numbers + 0.3 * noise[1]])
    vote = fitted(said, judging(numbers, "regression", "r2"))
    assert vote.weights[0].item() == pytest.approx(0.9, abs=0.03)  # by the inverse of the variances: 9 to 1
    labels = (numbers > 0).float()
    sure = torch.stack([(4 * labels - 2 + noise[0] / 100).sigmoid(), torch.full_like(labels, 0.5)])
    assert fitted(sure, judging(labels, "multilabel", "macro-f1")).voters == [0]


def test_greedy_selection_never_goes_down_and_begins_with_the_best() -> None:
    by = judging(torch.arange(300) % 3)
    of_each = noisy(by.labels[VAL], 4)
    steps = greedy(of_each, by)
    alone = [by.quality(said, VAL) for said in of_each]
    assert steps[0].quality == max(alone) == alone[steps[0].added]
    qualities = [step.quality for step in steps]
    assert qualities == sorted(qualities) and qualities[-1] > qualities[0] and len(steps) <= MOST_STEPS
    for number, step in enumerate(steps, start=1):
        assert sum(step.counts) == number
        said = of_counts("x", step.counts).said(of_each, by.kind)
        assert by.quality(said, VAL) == pytest.approx(step.quality)


def test_errors_are_counted_as_by_hand() -> None:
    """Of ten images both have 4 right, the first alone 3, the second alone 1, and neither 2."""
    labels = torch.zeros(10, dtype=torch.long)
    right, wrong, other = [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]
    first = torch.tensor([right] * 7 + [wrong] * 3)
    second = torch.tensor([right] * 4 + [wrong] * 3 + [right] + [wrong] + [other])
    by = judging(labels)
    (pair,) = pairs(torch.stack([first, second]), by)
    assert pair.both_wrong == 0.2 and pair.by_chance == pytest.approx(0.3 * 0.5)
    assert pair.correlation == pytest.approx((4 * 2 - 3 * 1) / (7 * 3 * 5 * 5) ** 0.5)
    assert pair.q == pytest.approx((8 - 3) / (8 + 3)) and pair.kappa == pytest.approx(2 * 5 / (7 * 5 + 5 * 3))
    assert pair.alike == 0.5
    assert oracle(torch.stack([first, second]), by) == 0.8


def test_numbers_err_alike_as_their_residuals_correlate() -> None:
    numbers = torch.arange(8.0)[:, None]
    off = torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1])[:, None]
    (same,) = pairs(torch.stack([numbers + off, numbers + 2 * off]), judging(numbers, "regression", "r2"))
    (opposed,) = pairs(torch.stack([numbers + off, numbers - off]), judging(numbers, "regression", "r2"))
    assert same.correlation == pytest.approx(1) and opposed.correlation == pytest.approx(-1)
    assert same.both_wrong is None and oracle(numbers[None], judging(numbers, "regression", "r2")) is None
