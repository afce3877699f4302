"""Augmentations in batches: reproducible, of fixed shapes, nothing where they are off, and mixed labels that agree."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional as F

from nas.checks import schemas
from nas.data import Augment, Images
from nas.data.augmentation import NO_POLICY, ColorJitter, Rotation
from nas.data.batches import Batch, TrainBatches
from nas.data.mixing import Mixing, own_share
from nas.data.policies import POLICIES
from nas.devices.tensor_program import TensorPrograms

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
NONE = Augment(pad=0, flip=False)
EACH: dict[str, dict[str, Any]] = {
    "no flip": {"flip": False},
    "vertical flip": {"vertical_flip": True},
    "quarter turns": {"quarter_turns": True},
    "rotation": {"rotation": 20},
    "colour jitter": {"color_jitter": 0.4},
    "trivialaugment": {"policy": "trivialaugment"},
    "randaugment": {"policy": "randaugment"},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
    "either mixture": {"mixup": 0.2, "cutmix": 1.0},
    "all": {
        "vertical_flip": True, "quarter_turns": True, "rotation": 5, "color_jitter": 0.1, "policy": "trivialaugment",
        "mixup": 0.2, "cutmix": 1.0, "cutout": 4,
    },
    "all, resized": {"min_area": 0.3, "policy": "randaugment", "vertical_flip": True, "cutmix": 1.0, "cutout": 4},
}  # fmt: skip


def random_images(n: int = 48, side: int = 12) -> Images:
    """Every image has its own label."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return Images(torch.from_numpy(pixels), torch.arange(n))


def batches_of(images: Images, augment: Augment, seed: int = 0, batch_size: int = 16) -> list[Batch]:
    batches = TrainBatches(images, MEAN, STD, batch_size=batch_size, augment=augment, num_classes=len(images))
    return [batches.batch(draw) for draw in batches.draw(torch.Generator().manual_seed(seed))]


def denormalised(x: torch.Tensor) -> torch.Tensor:
    """`[B, 3, H, W]` as 0..255 in `[B, H, W, 3]`."""
    return (x.movedim(1, 3) * torch.tensor(STD) + torch.tensor(MEAN)) * 255


@pytest.mark.parametrize("changes", EACH.values(), ids=EACH)
def test_batches_have_their_shapes_and_depend_on_the_seed_alone(changes: dict[str, Any]) -> None:
    images, augment = random_images(), Augment(**changes)
    first, again, other = (batches_of(images, augment, seed) for seed in (0, 0, 1))
    assert len(first) == 3
    for (x, y), (u, v) in zip(first, again, strict=True):
        assert x.shape == (16, 3, 12, 12) and x.dtype == torch.float32 and x.isfinite().all()
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert x.equal(u) and y.equal(v)
    assert not first[0][0].equal(other[0][0])


@pytest.mark.parametrize("changes", EACH.values(), ids=EACH)
def test_a_batch_can_be_recorded(changes: dict[str, Any]) -> None:
    """Nothing is decided by what tensors hold, no random number is drawn: a recording of one batch makes the others."""
    batches = TrainBatches(random_images(), MEAN, STD, batch_size=16, augment=Augment(**changes), num_classes=48)
    draws = list(batches.draw(torch.Generator().manual_seed(0)))
    held = [tensor.clone() for tensor in draws[0]]

    def work() -> torch.Tensor:
        x, y = batches.batch(tuple(held))
        return torch.cat([x.flatten(), y.flatten().float()])

    replay = TensorPrograms(torch.device("cpu")).record(work)
    for draw in draws:
        for mine, drawn in zip(held, draw, strict=True):
            assert mine.shape == drawn.shape and mine.dtype == drawn.dtype
            mine.copy_(drawn)
        x, y = batches.batch(draw)
        assert replay().equal(torch.cat([x.flatten(), y.flatten().float()]))


@pytest.mark.parametrize("changes", EACH.values(), ids=EACH)
def test_the_images_are_left_as_they_were(changes: dict[str, Any]) -> None:
    images = random_images()
    before = images.pixels.clone()
    batches_of(images, Augment(**changes))
    assert images.pixels.equal(before)


def test_what_is_off_draws_nothing() -> None:
    """So that a recipe of before gives the batches of before."""
    one, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    batches = TrainBatches(random_images(), MEAN, STD, batch_size=16, augment=Augment(cutout=4))
    list(batches.draw(one))
    torch.randperm(48, generator=other)
    for _ in range(3):
        torch.randint(-4, 5, (16, 1), generator=other)
        torch.randint(-4, 5, (16, 1), generator=other)
        torch.rand(16, 1, generator=other)
        torch.randint(12, (16, 1), generator=other)
        torch.randint(12, (16, 1), generator=other)
    assert one.get_state().equal(other.get_state())


def test_without_a_flip_no_image_is_mirrored() -> None:
    images = random_images()
    for augment in (NONE, Augment(flip=False, min_area=1.0)):
        for x, y in batches_of(images, augment):
            torch.testing.assert_close(denormalised(x), images.pixels[y].float(), atol=0.2, rtol=0)


def test_half_of_the_images_are_flipped_and_a_quarter_has_each_turn() -> None:
    images = random_images(400)
    ((x, y),) = batches_of(images, Augment(pad=0, flip=False, vertical_flip=True), batch_size=400)
    plain, found = images.pixels[y], denormalised(x).round()
    same, flipped = ((found == z).flatten(1).all(1) for z in (plain, plain.flip(1)))
    assert (same ^ flipped).all() and 160 < flipped.sum() < 240
    ((x, y),) = batches_of(images, Augment(pad=0, flip=False, quarter_turns=True), batch_size=400)
    plain, found = images.pixels[y], denormalised(x).round()
    turns = torch.stack([(found == plain.rot90(k, (1, 2))).flatten(1).all(1) for k in range(4)])
    assert (turns.sum(0) == 1).all() and (turns.sum(1) > 60).all()


def test_rotations_are_of_all_angles_and_reflect_the_border() -> None:
    rotation = Rotation(20)
    (degrees,) = rotation.draw(2000, torch.Generator().manual_seed(0))
    assert -20 <= degrees.min() < -19 and 19 < degrees.max() <= 20 and abs(degrees.mean()) < 1
    white = torch.full((4, 16, 16, 3), 200, dtype=torch.uint8)
    assert rotation(white, iter([torch.tensor([0.0, 5, 45, -20])])).equal(white)  # no black corners
    images = random_images(2).pixels
    assert rotation(images, iter([torch.zeros(2)])).equal(images)


def test_colour_jitter_is_pillow_s_enhancers_one_after_the_other() -> None:
    images = random_images(6).pixels
    jitter = ColorJitter(0.4)
    (factors,) = jitter.draw(6, torch.Generator().manual_seed(0))
    assert factors.shape == (6, 3) and factors.min() >= 0.6 and factors.max() <= 1.4
    found = jitter(images, iter([factors]))
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for image, changed, of_image in zip(images, found, factors.tolist(), strict=True):
        expected = Image.fromarray(image.numpy())
        for kind, factor in zip(kinds, of_image, strict=True):
            expected = kind(expected).enhance(factor)
        assert np.abs(np.asarray(expected).astype(int) - changed.numpy()).max() <= 3  # it rounds three times
    assert jitter(images, iter([torch.ones(6, 3)])).equal(images)


# ---------------------------------------------------------------------------- mixing


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1e-6, 100.0])
def test_mixup_blends_images_and_labels_by_one_share(alpha: float) -> None:
    images = random_images()
    plain, mixed = (batches_of(images, Augment(pad=0, flip=False, mixup=a)) for a in (0.0, alpha))
    for (x, y), (_, labels) in zip(mixed, plain[:1] * 3, strict=True):
        share = y.amax(1)[0].item()
        first = y.argmax(1)  # the larger part
        assert y.shape == (16, 48) and ((y > 0).sum(1) <= 2).all() and labels.ndim == 1
        torch.testing.assert_close(y.sum(1), torch.ones(16))
        rest = y.clone().scatter_(1, first[:, None], 0.0)
        second = torch.where(rest.amax(1) > 0, rest.argmax(1), first)
        expected = share * images.pixels[first].float() + (1 - share) * images.pixels[second].float()
        torch.testing.assert_close(denormalised(x), expected, atol=0.01, rtol=0)


def test_shares_have_the_distribution_that_they_should() -> None:
    generator = torch.Generator().manual_seed(0)
    for alpha in (0.2, 1.0):
        shares = torch.stack([Mixing(alpha, 0, 2).draw(generator) for _ in range(2000)])[:, 0]
        assert abs(shares.mean() - 0.5) < 0.03
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)  # of Beta(alpha, alpha)


def test_cutmix_puts_a_rectangle_of_the_other_image_and_as_much_of_its_label() -> None:
    images = random_images()
    areas = []
    for seed in range(8):
        for x, y in batches_of(images, Augment(pad=0, flip=False, cutmix=1.0), seed):
            pixels = denormalised(x).round()
            for image, target in zip(pixels, y, strict=True):
                sources = target.nonzero().flatten().tolist()
                found = torch.stack([(image == images.pixels[s]).all(2) for s in sources])
                assert (found.sum(0) == 1).all()  # each pixel is of one of the two
                torch.testing.assert_close(found.float().mean((1, 2)), target[sources], atol=1e-4, rtol=0)
                areas.append(target.max().item())
                rectangles = [part for part in found if is_rectangle(part)]
                assert rectangles
    assert len(set(areas)) > 10


def is_rectangle(part: torch.Tensor) -> bool:
    return bool((part == (part.any(1)[:, None] & part.any(0)[None, :])).all())


def test_a_rectangle_is_clipped_at_the_border_and_its_label_with_it() -> None:
    whole = own_share(torch.tensor([0.75, 1.0, 0.5, 0.5]), 16, 16)
    assert (whole == 0).sum() == 64  # a quarter of 256
    corner = own_share(torch.tensor([0.75, 1.0, 0.0, 0.0]), 16, 16)
    assert (corner == 0).sum() == 16 and not corner[:4, :4].any()
    assert own_share(torch.tensor([0.75, 0.0, 0.0, 0.0]), 16, 16).unique().tolist() == [0.75]


def test_with_both_each_batch_draws_which() -> None:
    generator = torch.Generator().manual_seed(0)
    cut = torch.stack([Mixing(0.2, 1.0, 2).draw(generator) for _ in range(400)])[:, 1]
    assert 160 < cut.sum() < 240
    assert all(Mixing(a, b, 2).draw(generator)[1] == (b > 0) for a, b in ((0.2, 0), (0, 1.0)))


def test_a_mixture_is_with_another_image_than_the_last_batch_s() -> None:
    """The partner is the one before in the batch, whose order is random: no image is mixed with itself."""
    seen = []
    for seed in range(3):
        for _, y in batches_of(random_images(), Augment(mixup=1.0), seed):
            assert ((y > 0).sum(1) == 2).all()
            seen.append({frozenset(row.nonzero().flatten().tolist()) for row in y})
    assert all(len(one & other) < 3 for one, other in pairwise(seen))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_mixed_labels_is_the_mixed_loss_with_label_smoothing(smoothing: float) -> None:
    labels = torch.arange(5)
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    _, y = Mixing(1.0, 0, 7)(torch.zeros(5, 4, 4, 3), labels, torch.tensor([0.3, 0.0, 0.0, 0.0]))
    one, other = (F.cross_entropy(logits, to, label_smoothing=smoothing) for to in (labels, labels.roll(1)))
    torch.testing.assert_close(F.cross_entropy(logits, y, label_smoothing=smoothing), 0.3 * one + 0.7 * other)


# ---------------------------------------------------------------------------- words and mistakes


def test_what_is_done_is_said() -> None:
    assert Augment().words() == "shifted by up to 4 pixels and mirrored"
    assert Augment(min_area=0.25, cutout=8).words() == (
        "parts of 0.25 to 1 of them and mirrored, a square of 8 pixels cut out"
    )
    assert Augment(flip=False).words() == "shifted by up to 4 pixels"
    assert Augment(**EACH["all"]).words() == (
        "shifted by up to 4 pixels and mirrored, mirrored top to bottom, turned by quarters, rotated by up to 5 "
        "degrees, colours changed by up to 10 %, changed by TrivialAugment, a square of 4 pixels cut out, mixed by "
        "mixup (alpha 0.2) or CutMix (alpha 1)"
    )


def test_policies_are_those_that_a_recipe_may_have() -> None:
    assert (NO_POLICY, *POLICIES) == schemas.POLICIES
    with pytest.raises(ValueError, match="policy is one of none, trivialaugment, randaugment, not 'auto'"):
        Augment(policy="auto")


def test_quarter_turns_are_of_square_images() -> None:
    images = Images(torch.zeros(4, 8, 10, 3, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="quarter_turns are of square images, and these are 8 x 10 pixels"):
        TrainBatches(images, MEAN, STD, batch_size=2, augment=Augment(quarter_turns=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("changes", EACH.values(), ids=EACH)
def test_a_cpu_generator_gives_cuda_the_same_batches(changes: dict[str, Any]) -> None:
    images, augment = random_images(), Augment(**changes)
    for (x, y), (u, v) in zip(batches_of(images, augment), batches_of(images.to("cuda"), augment), strict=True):
        torch.testing.assert_close(y, v.cpu())
        apart = (denormalised(x) - denormalised(u.cpu())).abs()
        assert apart.quantile(0.99) <= 1.01  # a value between two is rounded to either, and a policy may amplify it


@pytest.mark.parametrize("changes", [{"color_jitter": 0.4}, {"policy": "trivialaugment"}, {"policy": "randaugment"}])
def test_grey_is_changed_as_rgb_of_equal_colours_is(changes: dict[str, Any]) -> None:
    grey = torch.randint(256, (16, 12, 12, 1), dtype=torch.uint8)
    (change,) = Augment(pad=0, flip=False, **changes).changes()
    drawn = change.draw(16, torch.Generator().manual_seed(3))
    one = change(grey, iter(drawn))
    three = change(grey.expand(-1, -1, -1, 3).contiguous(), iter(drawn))
    assert one.shape == grey.shape and not torch.equal(one, grey)
    assert (one.int() - three.int()).abs().max() <= 1  # luma of three equal values is rounded


@pytest.mark.parametrize("changes", [{"color_jitter": 0.4}, {"policy": "trivialaugment"}])
def test_colours_of_other_channels_are_refused(changes: dict[str, Any]) -> None:
    images = Images(torch.zeros(4, 12, 12, 5, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=f"these have 5 channels: leave out {next(iter(changes))}"):
        TrainBatches(images, (0.5,) * 5, (0.2,) * 5, batch_size=4, augment=Augment(**changes))


@pytest.mark.parametrize("channels", [1, 5])
def test_places_of_any_channels_are_changed(channels: int) -> None:
    images = Images(torch.randint(256, (4, 12, 12, channels), dtype=torch.uint8), torch.arange(4))
    moved = Augment(cutout=3, rotation=20, vertical_flip=True, quarter_turns=True, mixup=0.2, min_area=0.5)
    batches = TrainBatches(images, (0.5,) * channels, (0.2,) * channels, batch_size=4, augment=moved)
    x, y = batches.batch(next(batches.draw(torch.Generator().manual_seed(0))))
    assert x.shape == (4, channels, 12, 12) and y.shape == (4, 4) and x.isfinite().all()
