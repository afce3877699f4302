"""Figures of each label and number, beside torchmetrics' and by hand."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional import mean_absolute_error, mean_squared_error, r2_score

from nas.training.figures import POINTS, per_label, per_number, r2, scatter, spearman


def test_labels_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.2], [0.8, 0.6], [0.3, 0.7], [0.1, 0.4]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = per_label(probabilities, labels)
    assert found["precision"] == [0.5, 0.5]
    assert found["recall"] == [0.5, 0.5]
    assert found["f1"] == [0.5, 0.5]
    assert found["images"] == [2, 2]
    assert found["average_precision"] == pytest.approx([(1 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2])


def test_numbers_as_torchmetrics_has_them() -> None:
    numbers = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 100.0])
    said = numbers + torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    found = per_number(said, numbers)
    for n in (0, 1):
        assert found["r2"][n] == pytest.approx(r2_score(said[:, n], numbers[:, n]).item(), abs=1e-5)
        assert found["mae"][n] == pytest.approx(mean_absolute_error(said[:, n], numbers[:, n]).item(), rel=1e-5)
        assert found["rmse"][n] == pytest.approx(mean_squared_error(said[:, n], numbers[:, n]).sqrt().item(), rel=1e-5)


def test_numbers_that_do_not_vary_have_figures_all_the_same() -> None:
    same, varying = torch.ones(4), torch.arange(4.0)
    assert r2(varying.mean().repeat(4), varying) == 0
    assert (r2(varying, same), r2(same, same)) == (0, 1)
    assert spearman(same, varying) == 0
    assert spearman(varying, varying) == pytest.approx(1, abs=1e-5)
    assert spearman(-varying, varying) == pytest.approx(-1, abs=1e-5)


def test_a_scatter_has_pairs_of_what_is_and_what_was_said_and_not_too_many() -> None:
    numbers = torch.arange(2 * POINTS + 1.0)[:, None]
    (pairs,) = scatter(numbers + 1, numbers)
    assert pairs[:2] == [[0, 1], [3, 4]]
    assert len(pairs) <= POINTS
