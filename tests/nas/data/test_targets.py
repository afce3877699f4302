"""What labels are: what outputs say of them, and by which parts of the images splits are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data.images import Images
from nas.data.targets import CLASSES, Targets, strata


def test_outputs_say_probabilities_of_classes_or_of_labels() -> None:
    outputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert CLASSES.said(outputs).sum(1) == pytest.approx([1] * 5)
    assert torch.equal(Targets("multilabel").said(outputs), outputs.sigmoid())


def test_numbers_are_standardised_by_the_training_images_and_said_in_their_units() -> None:
    numbers = torch.tensor([[1.0, 1000], [2, 3000], [6, 2000]])
    targets = Targets.of("regression", numbers, ("a", "b"))
    assert (targets.mean, targets.std) == (pytest.approx((3, 2000)), pytest.approx((14**0.5 / 3**0.5, 816.4966)))
    inside = targets.standardised(numbers)
    assert inside.mean(0) == pytest.approx([0, 0], abs=1e-6)
    assert torch.allclose(targets.said(inside), numbers)


def test_a_number_that_never_changes_is_refused() -> None:
    with pytest.raises(ValueError, match="b is 7 for all training images"):
        Targets.of("regression", torch.tensor([[1.0, 7], [2, 7]]), ("a", "b"))


def test_parts_are_by_the_rarest_label_or_the_tenth() -> None:
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 0]], np.float32)
    assert strata(labels).tolist() == [1, 0, 3, 2, 1]
    assert strata(np.array([2, 0, 1])).tolist() == [2, 0, 1]
    numbers = np.random.default_rng(0).permutation(100).astype(np.float32)[:, None]
    assert (strata(numbers) == numbers[:, 0] // 10).all()


def test_a_subset_has_its_share_of_every_tenth() -> None:
    numbers = torch.randperm(200, generator=torch.Generator().manual_seed(0)).float()[:, None]
    taken, rest = Images(torch.zeros(200, 8, 8, 3, dtype=torch.uint8), numbers).divide(20, seed=0)
    assert torch.bincount((taken.labels[:, 0] // 20).long(), minlength=10).tolist() == [2] * 10
    assert len(rest) == 180
