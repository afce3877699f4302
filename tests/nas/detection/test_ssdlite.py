"""SSDLite: parameters, default boxes by the paper, and detectors that learn where a square is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nas.baselines.zoo import build
from nas.detection.boxes import overlaps
from nas.detection.detector import CANDIDATES, Detector, Found, found
from nas.detection.efficientdet import TABLE_1, with_pyramid
from nas.detection.objects import NONE, Objects
from nas.detection.ssdlite import BOXES, Head, defaults, scales, ssdlite
from searchspaces.cost import shapes_only

SIDE = 64


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_paper_s() -> None:
    """MobileNetV2, table 6: 4.3 million, for COCO's 80 classes, on the 576 channels within a block of stride 16 and the
    1280 before the classifier. The authors' code has three boxes rather than six at each pixel of the first map."""
    with shapes_only():
        trunk = params(build("mobilenet_v2")) - (1280 * 1000 + 1000)
        head = params(Head({16: 576, 32: 1280}, 80, 6))
    assert trunk == 2_223_872
    three_boxes_fewer = 3 * (81 + 4) * (576 + 1)
    assert (trunk + head, trunk + head - three_boxes_fewer) == (4_484_148, 4_337_013)


def test_scales_are_equation_4() -> None:
    assert scales(6) == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0])
    assert scales(1) == [0.2, 1.0]


def test_default_boxes_are_the_paper_s() -> None:
    """Section 2.2: shapes 1, 2, 1/2, 3 and 1/3 of one scale, a square of the mean with the next, about each pixel."""
    boxes = defaults(2, 2, 0.2, 0.35).view(2, 2, BOXES, 4)
    sides = boxes[..., 2:] - boxes[..., :2]
    torch.testing.assert_close(sides[..., :5, :].prod(-1), torch.full((2, 2, 5), 0.04))
    torch.testing.assert_close(
        sides[0, 0, :5, 0] / sides[0, 0, :5, 1], torch.tensor([1, 2, 0.5, 3, 1 / 3]), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(sides[1, 1, 5], torch.full((2,), math.sqrt(0.2 * 0.35)))
    middles = (boxes[..., 2:] + boxes[..., :2]) / 2
    torch.testing.assert_close(middles[0, 1, 0], torch.tensor([0.75, 0.25]))


def test_at_320_pixels_it_has_the_paper_s_maps() -> None:
    detector = ssdlite(build("mobilenet_v2@0.35", 10, 320), 3, 320).eval()
    said = detector.said(torch.zeros(1, 3, 320, 320))
    assert len(said.boxes) == BOXES * sum(side**2 for side in (20, 10, 5, 3, 2, 1))
    assert said.logits.shape == (1, len(said.boxes), 4)


@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v2@0.5", "vgg11", "resnet8"])
def test_it_stands_on_networks(network: str) -> None:
    """Of another size than they are built for, not square, and of an odd number of pixels."""
    torch.manual_seed(0)
    detector = ssdlite(build(network, 10, SIDE), 5, SIDE)
    x = torch.randn(2, 3, SIDE, 79)
    said = detector.said(x)
    assert said.logits.shape == (2, len(said.boxes), 6) and said.offsets.shape == (2, len(said.boxes), 4)
    objects = Objects.of(
        [torch.tensor([[0.1, 0.1, 0.5, 0.5]]), torch.empty(0, 4)], [torch.tensor([4.0]), torch.tensor([])]
    )
    detector.loss(detector(x), Objects.of_rows(objects.rows)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    outputs = detector.eval()(x)
    assert outputs.shape == (2, len(said.boxes), 4 + 5)
    assert outputs.min() >= 0 and outputs.max() <= 1


# ---------------------------------------------------------------------------- what is found


def test_what_is_found_is_sorted_and_without_doubles() -> None:
    boxes = torch.tensor([[[0.0, 0, 0.25, 0.5], [0, 0, 0.25, 0.45], [0, 0.5, 0.5, 1], [0.5, 0.5, 0.75, 0.75]]])
    scores = torch.tensor([[[0.9, 0.2], [0.8, 0.0], [0.0, 0.95], [0.005, 0.0]]])
    objects = found(torch.cat([boxes, scores], dim=2))
    known = objects.classes[0] != NONE
    assert objects.scores[0, known].tolist() == pytest.approx([0.95, 0.9, 0.2])
    assert objects.classes[0, known].tolist() == [1, 0, 1]
    assert objects.boxes[0, known].tolist() == [[0, 0.5, 0.5, 1], [0, 0, 0.25, 0.5], [0, 0, 0.25, 0.5]]
    assert not objects.scores[0, ~known].any()
    again = Found.of_rows(objects.rows)
    assert all(torch.equal(one, other) for one, other in zip(objects, again, strict=True))


def test_many_images_are_each_as_alone() -> None:
    random = torch.Generator().manual_seed(0)
    corners = torch.rand(20, 30, 2, generator=random) * 0.5
    outputs = torch.cat([corners, corners + 0.3, torch.rand(20, 30, 2, generator=random)], dim=2)
    together = found(outputs)
    for number in range(20):
        alone = found(outputs[number : number + 1])
        assert all(torch.equal(one[0], all_of[number]) for one, all_of in zip(alone, together, strict=True))


def test_no_more_candidates_are_looked_at_than_there_are() -> None:
    n = CANDIDATES + 50
    outputs = torch.cat([torch.tensor([0.0, 0, 0.5, 0.5]).repeat(1, n, 1), torch.rand(1, n, 1)], dim=2)
    assert (found(outputs).classes != NONE).sum() == 1


@pytest.fixture
def learned() -> Callable[[Detector], float]:
    """The mean overlap (0..1) of the best box with a bright square, of two classes by its colour, after 60 steps; 0
    where the class is wrong."""

    def of(detector: Detector) -> float:
        random = torch.Generator().manual_seed(1)
        optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-3)

        def batch(n: int) -> tuple[torch.Tensor, Objects]:
            x = torch.randn(n, 3, SIDE, SIDE, generator=random) * 0.3
            corners = torch.randint(0, 36, (n, 2), generator=random)
            sides = torch.randint(14, 28, (n, 1), generator=random)
            boxes, classes = torch.cat([corners, corners + sides], 1), torch.randint(2, (n, 1), generator=random)
            for image, (left, top, right, bottom), (kind,) in zip(x, boxes.tolist(), classes.tolist(), strict=True):
                image[2 * kind, top:bottom, left:right] += 3
            return x, Objects(boxes[:, None] / SIDE, classes)

        for _ in range(60):
            x, objects = batch(8)
            detector.loss(detector(x), objects).backward()
            optimizer.step()
            optimizer.zero_grad()
        detector.eval()
        x, objects = batch(32)
        with torch.no_grad():
            seen = found(detector(x))
        shares = overlaps(seen.boxes[:, :1], objects.boxes)[:, 0, 0]
        return shares.where(seen.classes[:, 0] == objects.classes[:, 0], 0.0).mean().item()

    return of


@pytest.mark.parametrize("kind", ["ssdlite", "efficientdet"])
def test_detectors_learn_where_a_square_is(kind: str, learned: Callable[[Detector], float]) -> None:
    torch.manual_seed(0)
    network = build("resnet18@0.25", 10, 128)
    row = TABLE_1["d0"]._replace(image_size=128, width=24, layers=1, head_layers=1, box=2.0)
    detector = ssdlite(network, 2, 128) if kind == "ssdlite" else with_pyramid(network, 2, row)
    for norm in detector.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.1  # EfficientNet's means are of some hundred steps
    assert learned(detector) > 0.5


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"above 0 and below 0\.95, not 1"):
        ssdlite(build("resnet8", 10, 32), 2, 32, smallest=1.0)
