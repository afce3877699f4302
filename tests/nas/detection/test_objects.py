"""Which box finds which object."""

from __future__ import annotations

import torch

from nas.detection.objects import NONE, Objects, matched

BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 6], [20, 20, 30, 30], [20, 20, 60, 60], [80, 80, 90, 90]])


def test_the_best_box_and_all_that_overlap_by_half_find_an_object() -> None:
    objects = Objects.of([torch.tensor([[0.0, 0, 10, 9]])], [torch.tensor([2])])
    classes, boxes = matched(objects, BOXES)
    assert classes.tolist() == [[2, 2, NONE, NONE, NONE]]
    assert boxes[0, :2].tolist() == [[0, 0, 10, 9]] * 2


def test_an_object_that_nothing_overlaps_by_half_belongs_to_the_best() -> None:
    objects = Objects.of([torch.tensor([[25.0, 25, 50, 50]])], [torch.tensor([1])])
    assert matched(objects, BOXES)[0].tolist() == [[NONE, NONE, NONE, 1, NONE]]


def test_of_two_objects_a_box_finds_the_one_that_it_overlaps_more() -> None:
    objects = Objects.of([torch.tensor([[20.0, 20, 30, 29], [20, 20, 30, 30]])], [torch.tensor([0, 1])])
    assert matched(objects, BOXES)[0][0, 2] == 1


def test_the_best_box_of_an_object_is_its_own_though_it_overlaps_another_more() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    objects = Objects.of([torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 10]])], [torch.tensor([0, 1])])
    assert matched(objects, boxes)[0].tolist() == [[1, 0]]


def test_images_have_as_many_objects_as_they_have() -> None:
    objects = Objects.of(
        [torch.tensor([[0.0, 0, 10, 10], [80, 80, 90, 90]]), torch.empty(0, 4)],
        [torch.tensor([0, 1]), torch.empty(0, dtype=torch.int64)],
    )
    assert objects.classes.tolist() == [[0, 1], [NONE, NONE]]
    assert matched(objects, BOXES)[0].tolist() == [[0, 0, NONE, NONE, 1], [NONE] * 5]
    assert objects.rows.shape == (2, 2, 5)
    assert all(torch.equal(one, other) for one, other in zip(Objects.of_rows(objects.rows), objects, strict=True))
    empty = Objects(torch.empty(2, 0, 4), torch.empty(2, 0, dtype=torch.int64))
    assert matched(empty, BOXES)[0].tolist() == [[NONE] * 5] * 2


def test_an_object_beside_all_boxes_is_nobody_s() -> None:
    objects = Objects.of([torch.tensor([[200.0, 200, 210, 210]])], [torch.tensor([0])])
    assert matched(objects, BOXES)[0].unique().tolist() == [NONE]
