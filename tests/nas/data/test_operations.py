"""Each operation on a batch against the same of Pillow, image by image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from nas.data import operations
from nas.data.policies import OPERATIONS, POLICIES, RAND_AUGMENT, TRIVIAL_AUGMENT, Policy

SIZE = (20, 26)  # height, width
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}


def pictures(height: int = SIZE[0], width: int = SIZE[1]) -> Tensor:
    """Six that differ in what operations look at: noise, dark noise, a ramp, few values, one value, black."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3))
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 4)[..., None] + np.array([0, 20, 40])
    few = rng.choice([10, 90, 91, 250], (height, width, 3))
    all_of_them = [noise, 40 + noise // 4, ramp, few, np.full_like(noise, 77), np.zeros_like(noise)]
    return torch.from_numpy(np.stack(all_of_them).astype(np.uint8))


def by_pillow(x: Tensor, operation: Callable[[Image.Image], Image.Image]) -> Tensor:
    return torch.stack([torch.from_numpy(np.array(operation(Image.fromarray(image.numpy())))) for image in x])


def operated(policy: Policy, name: str, strength: float, x: Tensor) -> Tensor:
    which = torch.full((len(x),), OPERATIONS.index(name))
    return policy.operate(x, which, torch.full((len(x),), strength))


def assert_close(found: Tensor, expected: Tensor, most: int = 1) -> None:
    """Pillow cuts what is behind the point, and we round."""
    assert found.dtype == torch.uint8 and found.shape == expected.shape
    assert (found.int() - expected.int()).abs().max() <= most


@pytest.mark.parametrize("strength", [-1.0, -0.4, 0.2, 1.0])
@pytest.mark.parametrize("name", ENHANCERS)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_colours_are_enhanced_as_pillow_does(policy: Policy, name: str, strength: float) -> None:
    factor = 1 + policy.factor * strength
    expected = by_pillow(pictures(), lambda image: ENHANCERS[name](image).enhance(factor))
    assert_close(operated(policy, name, strength, pictures()), expected, most=2)  # its grays are whole, too


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.5, 1.0])
def test_posterize_and_solarize_are_pillow_s(strength: float) -> None:
    bits = 8 - round(6 * strength)
    expected = by_pillow(pictures(), lambda image: ImageOps.posterize(image, bits))
    assert operated(TRIVIAL_AUGMENT, "posterize", strength, pictures()).equal(expected)
    threshold = 256 * (1 - strength)
    expected = by_pillow(pictures(), lambda image: ImageOps.solarize(image, threshold))  # type: ignore[arg-type]
    assert operated(TRIVIAL_AUGMENT, "solarize", strength, pictures()).equal(expected)


@pytest.mark.parametrize("size", [SIZE, (16, 16), (60, 50)])
def test_equalize_and_autocontrast_are_pillow_s(size: tuple[int, int]) -> None:
    x = pictures(*size)
    assert operated(TRIVIAL_AUGMENT, "equalize", 0.5, x).equal(by_pillow(x, ImageOps.equalize))
    assert_close(operated(TRIVIAL_AUGMENT, "autocontrast", 0.5, x), by_pillow(x, ImageOps.autocontrast))


def affine(name: str, amount: float) -> tuple[float, ...]:
    """Pillow's six numbers: from the place of a pixel in the result to its place in the image."""
    rows = {
        "shear x": (1, amount, 0, 0, 1, 0),
        "shear y": (1, 0, 0, amount, 1, 0),
        "translate x": (1, 0, amount, 0, 1, 0),
        "translate y": (1, 0, 0, 0, 1, amount),
    }
    return rows[name]


@pytest.mark.parametrize("strength", [-0.7, 0.25, 1.0])
@pytest.mark.parametrize("name", ["shear x", "shear y", "translate x", "translate y"])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_places_are_moved_as_pillow_does(policy: Policy, name: str, strength: float) -> None:
    side = SIZE[1] if name.endswith("x") else SIZE[0]
    shift = policy.part * side if policy.pixels is None else policy.pixels
    amount = strength * (policy.shear if name.startswith("shear") else shift)
    numbers = affine(name, amount)
    x = pictures()
    size = (SIZE[1], SIZE[0])
    expected = by_pillow(
        x, lambda image: image.transform(size, Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR)
    )
    compare_within(operated(policy, name, strength, x), expected, numbers)


@pytest.mark.parametrize("degrees", [-135.0, -30.0, 20.0, 90.0])
def test_rotations_are_pillow_s(degrees: float) -> None:
    x = pictures()
    expected = by_pillow(x, lambda image: image.rotate(degrees, Image.Resampling.BILINEAR))
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    middle = np.array([SIZE[1], SIZE[0]]) / 2
    shift = middle - np.array([[cosine, -sine], [sine, cosine]]) @ middle
    found = operated(TRIVIAL_AUGMENT, "rotate", degrees / 135, x)
    compare_within(found, expected, (cosine, -sine, shift[0], sine, cosine, shift[1]))


def compare_within(found: Tensor, expected: Tensor, numbers: tuple[float, ...]) -> None:
    """Where a pixel comes from within the image. At its border Pillow repeats it, and ours fades into black."""
    across, down = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    a, b, c, d, e, f = numbers
    column, row = a * across + b * down + c, d * across + e * down + f
    within = (column >= 0.5) & (column <= SIZE[1] - 0.5) & (row >= 0.5) & (row <= SIZE[0] - 0.5)
    outside = (column < -0.5) | (column > SIZE[1] + 0.5) | (row < -0.5) | (row > SIZE[0] + 0.5)
    for part in (torch.from_numpy(within), torch.from_numpy(outside)):
        assert_close(found[:, part], expected[:, part]) if part.any() else None
    assert not found[:, torch.from_numpy(outside)].any()


def test_turns_and_flips_are_numpy_s() -> None:
    x = pictures(12, 12)[:4]
    found = operations.turned(x, torch.arange(4))
    assert all(np.array_equal(found[k].numpy(), np.rot90(x[k].numpy(), k)) for k in range(4))
    found = operations.flipped(x, torch.tensor([True, False, True, False]))
    assert all(np.array_equal(found[k].numpy(), x[k].numpy()[:: 1 - 2 * (k % 2 == 0)]) for k in range(4))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_at_strength_0_images_are_as_they_were(policy: Policy, name: str) -> None:
    if name in ("autocontrast", "equalize"):  # which have no strength
        return
    assert operated(policy, name, 0.0, pictures()).equal(pictures())


def test_what_an_image_gets_does_not_depend_on_the_others() -> None:
    x = pictures().repeat(9, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    which, strength = TRIVIAL_AUGMENT.draw(len(x), generator)
    together = TRIVIAL_AUGMENT.operate(x, which, strength)
    for i in range(len(x)):
        alone = TRIVIAL_AUGMENT.operate(x[i : i + 1], which[i : i + 1], strength[i : i + 1])
        assert_close(together[i : i + 1], alone)


def test_all_operations_and_strengths_are_drawn() -> None:
    which, strength = TRIVIAL_AUGMENT.draw(20_000, torch.Generator().manual_seed(0))
    assert which.bincount().min() > 1200 and which.max() == len(OPERATIONS) - 1
    assert strength.abs().mul(30).round().unique().tolist() == list(range(31)) and abs(strength.mean()) < 0.02
    numbers = RAND_AUGMENT.draw(1000, torch.Generator().manual_seed(0))
    assert len(numbers) == 4 and not numbers[0].equal(numbers[2])
    assert numbers[1].unique().tolist() == pytest.approx([-0.9, 0.9])
