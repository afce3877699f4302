"""What is said of too few, too uneven or no images to be judged by."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nas.data import Dataset, Images, load
from nas.data.judging import points, uncertainty, validation_of, warnings_of


@pytest.mark.parametrize(
    ("images", "said"),
    [(5000, "±1.4 points"), (1000, "±3.1 points"), (43, "±15 points"), (97, "±10 points"), (4, "±49 points")],
)
def test_the_uncertainty_is_the_binomials_at_half(images: int, said: str) -> None:
    assert uncertainty(images) == said


def test_nothing_is_less_certain_than_a_guess() -> None:
    assert points(0) == points(1) == 50


def split(*counts: int) -> Images:
    """So many images of each class."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Images(torch.zeros(len(labels), 8, 8, 3, dtype=torch.uint8), labels)


def data(train: tuple[int, ...], val: tuple[int, ...], test: tuple[int, ...] | None = None) -> Dataset:
    names = ("daisy", "rose", "tulip", "violet", "yarrow")[: len(train)]
    tested = None if test is None else split(*test)
    return Dataset("flowers", names, split(*train), split(*val), (0, 0, 0), (1, 1, 1), test=tested)


def test_of_good_data_nothing_is_said() -> None:
    assert warnings_of(load("shapes")) == [] and warnings_of(data((900, 900), (200, 200), (1, 1))) == []


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        (
            data((90, 90), (22, 21)),
            "an accuracy by 43 validation images is uncertain by ±15 points (95 %): smaller differences may be luck",
        ),
        (data((900, 900), (400, 0)), "no validation image is of rose: what has none is judged by nothing"),
        (
            data((1,) * 5, (400, 0, 0, 0, 0)),
            "no validation image is of rose, tulip, violet and 1 more: what has none is judged by nothing",
        ),
        (data((900, 0), (200, 200)), "no training image is of rose: what has none cannot be learned"),
        (data((900, 900), (200, 200), (0, 9)), "no test image is of daisy: what has none is tested by nothing"),
        (
            data((900, 100, 300), (360, 20, 20)),
            "classes are uneven (training images: rose 100, daisy 900): always saying daisy has a validation accuracy "
            "of 90.0 %",
        ),
    ],
)
def test_what_a_user_should_know(dataset: Dataset, line: str) -> None:
    assert line in warnings_of(dataset)


def test_a_subset_may_leave_a_class_out() -> None:
    dataset = data((300, 300, 300), (200, 200, 200))
    assert warnings_of(dataset, subset=3) == []
    assert warnings_of(dataset, subset=2)[0].startswith("no training image is of ")


def test_what_a_run_keeps() -> None:
    assert validation_of(data((9, 9), (3, 0))) == {"daisy": 3, "rose": 0}
    nothing = dataclasses.replace(data((9, 9), (3, 1)), val=split(0, 0))
    assert validation_of(nothing) is None and warnings_of(nothing) == []
