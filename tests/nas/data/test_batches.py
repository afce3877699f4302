"""Batches: layout, normalisation, determinism; each augmentation against a slow, plain one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import Augment, Images, eval_batches, train_batches
from nas.data.batches import Batch

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
NONE = Augment(pad=0, flip=False)


def random_images(n: int, height: int = 8, width: int = 10) -> Images:
    """Every image has its own label, so that a batch tells which images it holds."""
    rng = np.random.default_rng(0)
    return Images(torch.from_numpy(rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)), torch.arange(n))


def epoch(images: Images, augment: Augment, batch_size: int = 16, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return list(train_batches(images, MEAN, STD, batch_size=batch_size, augment=augment, generator=generator))


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """The definition, for `[..., H, W, 3]`, as `[..., 3, H, W]`."""
    return ((pixels / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).movedim(-1, -3)


def windows(image: torch.Tensor, pad: int) -> list[torch.Tensor]:
    """Each crop of a reflection-padded image `[H, W, 3]`, and its mirror image."""
    height, width, _ = image.shape
    padded = torch.from_numpy(np.pad(image.numpy(), ((pad, pad), (pad, pad), (0, 0)), mode="reflect"))
    crops = [padded[i : i + height, j : j + width] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
    return crops + [crop.flip(1) for crop in crops]


@pytest.mark.parametrize("augment", [NONE, Augment(), Augment(cutout=4), Augment(min_area=0.3)])
def test_batches_are_float32_channels_last(augment: Augment):
    for x, y in epoch(random_images(40), augment):
        assert x.shape == (16, 3, 8, 10)
        assert x.dtype == torch.float32
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert y.shape == (16,)
        assert y.dtype == torch.int64


def test_without_augmentation_a_batch_is_the_images_normalised():
    images = random_images(32)
    for x, y in epoch(images, NONE):
        torch.testing.assert_close(x, normalised(images.pixels[y]))


def test_crop_and_flip_yield_every_window_of_the_padded_image_and_nothing_else():
    images = random_images(1)
    expected = {w.numpy().tobytes() for w in windows(images.pixels[0], pad=2)}
    many = Images(images.pixels.expand(1000, -1, -1, -1).contiguous(), torch.arange(1000))
    found = set()
    for x, _ in epoch(many, Augment(pad=2), batch_size=1000):
        pixels = (x.movedim(1, 3) * torch.tensor(STD) + torch.tensor(MEAN)) * 255
        found = {image.numpy().tobytes() for image in pixels.round().to(torch.uint8)}
    assert found == expected


def test_flip_mirrors_about_half_of_the_images():
    images = random_images(1000)
    ((x, y),) = epoch(images, Augment(pad=0), batch_size=1000)
    plain = normalised(images.pixels[y])
    is_plain, is_flipped = (torch.isclose(x, z, atol=1e-5).flatten(1).all(1) for z in (plain, plain.flip(3)))
    assert (is_plain ^ is_flipped).all()
    assert 430 < is_flipped.sum() < 570


def test_a_resized_crop_of_all_of_the_image_is_the_image_or_its_mirror_image():
    images = random_images(200)
    ((x, y),) = epoch(images, Augment(min_area=1.0), batch_size=200)
    plain = normalised(images.pixels[y])
    is_plain, is_flipped = (torch.isclose(x, z, atol=1e-3).flatten(1).all(1) for z in (plain, plain.flip(3)))
    assert (is_plain ^ is_flipped).all() and 70 < is_flipped.sum() < 130


def test_a_resized_crop_has_the_areas_shapes_and_places_that_it_should():
    """Measured on ramps: red grows by 2 a column, green by 2 a row, so slopes and ends tell what was cropped."""
    size, n = 100, 2000
    ramp = torch.arange(size).mul(2).to(torch.uint8).expand(size, size)
    pixels = torch.stack([ramp, ramp.T, torch.zeros_like(ramp)], 2)
    images = Images(pixels.expand(n, -1, -1, -1).contiguous(), torch.arange(n))
    ((x, _),) = epoch(images, Augment(min_area=0.25), batch_size=n)
    at = (x.movedim(1, 3) * torch.tensor(STD) + torch.tensor(MEAN)) * 255 / 2  # source column and row of each pixel
    columns, rows = at[:, 50, :, 0], at[:, :, 50, 1]
    width, height = ((z[:, 75] - z[:, 25]) * 2 / size for z in (columns, rows))
    flipped = width < 0
    assert 0.45 < flipped.double().mean() < 0.55 and (height > 0).all()
    area, shape = width.abs() * height, width.abs() / height
    assert area.min() > 0.24 and area.max() < 1.01 and 0.6 < area.mean() < 0.65
    assert shape.min() > 0.74 and shape.max() < 1.35
    for middle, part in ((columns[:, 49:51].mean(1), width.abs()), (rows[:, 49:51].mean(1), height)):
        place = (middle - 49.5) / size / (1 - part + 1e-3)  # of the crop's middle, of all that it may be
        small = part < 0.8
        assert place[small].min() > -0.53 and place[small].max() < 0.53 and place[small].std() > 0.25


def test_cutout_sets_one_clipped_square_to_the_mean_colour():
    images = Images(torch.full((500, 8, 10, 3), 255, dtype=torch.uint8), torch.arange(500))
    ((x, _),) = epoch(images, Augment(pad=0, flip=False, cutout=4), batch_size=500)
    hole = x == 0
    assert (hole == hole[:, :1]).all()  # in all channels alike
    rows, columns = hole[:, 0].any(2), hole[:, 0].any(1)
    assert torch.equal(hole[:, 0], rows[:, :, None] & columns[:, None, :])  # a rectangle
    assert (rows.sum(1).unique().tolist(), columns.sum(1).unique().tolist()) == ([2, 3, 4], [2, 3, 4])
    assert hole[:, 0].any(0).all()  # anywhere
    torch.testing.assert_close(x[~hole].unique(), normalised(torch.tensor([255, 255, 255])[None, None]).unique())


def test_the_generator_decides_order_and_augmentation():
    images = random_images(64)
    first, again, other = (epoch(images, Augment(cutout=4), seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert not torch.equal(first[0][1], other[0][1])


def test_two_epochs_of_one_generator_differ():
    generator = torch.Generator().manual_seed(0)
    one, two = (
        next(train_batches(random_images(64), MEAN, STD, batch_size=64, augment=NONE, generator=generator))[1]
        for _ in range(2)
    )
    assert not torch.equal(one, two)


def test_an_epoch_is_of_full_batches_of_distinct_images():
    batches = epoch(random_images(50), NONE, batch_size=16)
    seen = torch.cat([y for _, y in batches]).tolist()
    assert [len(y) for _, y in batches] == [16, 16, 16]
    assert len(set(seen)) == 48


def test_fewer_images_than_a_batch_are_one_small_batch():
    batches = epoch(random_images(10), NONE, batch_size=16)
    assert sorted(batches[0][1].tolist()) == list(range(10))
    assert len(batches) == 1


def test_evaluation_is_every_image_in_order():
    images = random_images(50)
    batches = list(eval_batches(images, MEAN, STD, batch_size=16))
    assert [len(y) for _, y in batches] == [16, 16, 16, 2]
    assert torch.equal(torch.cat([y for _, y in batches]), images.labels)
    torch.testing.assert_close(torch.cat([x for x, _ in batches]), normalised(images.pixels))
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in batches)


def test_the_images_are_left_as_they_were():
    images = random_images(16)
    before = images.pixels.clone()
    epoch(images, Augment(cutout=4))
    list(eval_batches(images, MEAN, STD, batch_size=16))
    assert torch.equal(images.pixels, before)


def test_padding_as_large_as_the_image_is_refused():
    with pytest.raises(ValueError, match="must be smaller than the images, 8"):
        epoch(random_images(16), Augment(pad=8))


@pytest.mark.parametrize("min_area", [0.0, 1.1])
def test_a_share_is_a_share(min_area: float):
    with pytest.raises(ValueError, match="min_area is a share of the image"):
        Augment(min_area=min_area)


@pytest.mark.parametrize("wrong", [{"pad": -1}, {"cutout": -1}])
def test_negative_pixels_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="0 or more"):
        Augment(**wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cpu_generator_gives_cuda_the_same_batches():
    images = random_images(64)
    for (x, y), (u, v) in zip(
        epoch(images, Augment(cutout=4)), epoch(images.to("cuda"), Augment(cutout=4)), strict=True
    ):
        torch.testing.assert_close(x, u.cpu())
        assert torch.equal(y, v.cpu())
