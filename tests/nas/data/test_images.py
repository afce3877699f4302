"""Splits: balance, determinism, resizing, statistics; and that a search's data set has no test images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import Dataset, Images, load
from nas.data.images import visible
from nas.data.streamed import parts


def random_images(n: int, classes: int = 10, size: int = 8) -> Images:
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8))
    return Images(pixels, torch.from_numpy(rng.permutation(np.arange(n) % classes)))


def same(a: Images, b: Images) -> bool:
    return torch.equal(a.pixels, b.pixels) and torch.equal(a.labels, b.labels)


def as_rows(images: Images) -> list[bytes]:
    return [image.numpy().tobytes() for image in images.pixels]


def test_take_is_class_balanced_and_a_function_of_the_seed():
    images = random_images(1000)
    some = images.take(105, seed=3)
    assert len(some) == 105
    assert set(some.labels.bincount().tolist()) == {10, 11}
    assert same(some, images.take(105, seed=3))
    assert not same(some, images.take(105, seed=4))


def test_take_keeps_the_proportions_of_unequal_classes():
    labels = torch.tensor([0] * 300 + [1] * 100)
    images = Images(torch.zeros(400, 2, 2, 3, dtype=torch.uint8), labels)
    assert images.take(40, seed=0).labels.bincount().tolist() == [30, 10]


def test_taking_all_is_the_split_itself():
    images = random_images(50)
    assert same(images.take(50, seed=1), images)


def test_taking_too_many_says_how_many_there_are():
    with pytest.raises(ValueError, match="has 50"):
        random_images(50).take(51, seed=0)


def test_images_stay_with_their_labels():
    images = random_images(100)
    label_of = dict(zip(as_rows(images), images.labels.tolist(), strict=True))
    some = images.take(40, seed=0)
    assert [label_of[row] for row in as_rows(some)] == some.labels.tolist()


def test_resize_is_whole_uint8_and_antialiased():
    stripes = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    stripes[:, :, ::4] = 200
    small = Images(stripes, torch.zeros(2, dtype=torch.int64)).resize(2)
    assert small.pixels.shape == (2, 2, 2, 3)
    assert small.pixels.dtype == torch.uint8
    assert small.pixels.min() > 20  # without antialiasing every new pixel misses the stripes


def test_resize_keeps_channels_and_handles_more_than_one_chunk():
    pixels = torch.tensor([10, 100, 200], dtype=torch.uint8).expand(1500, 4, 4, 3).contiguous()
    large = Images(pixels, torch.zeros(1500, dtype=torch.int64)).resize(6)
    assert (large.pixels == torch.tensor([10, 100, 200], dtype=torch.uint8)).all()


def test_resize_to_the_same_size_is_the_identity():
    images = random_images(3, size=8)
    assert images.resize(8) is images


def test_to_moves_pixels_and_labels():
    moved = random_images(4).to("meta")
    assert moved.pixels.device.type == moved.labels.device.type == "meta"


def test_statistics_are_those_of_the_channels_in_0_to_1():
    images = random_images(1500)
    mean, std = images.channel_statistics()
    scaled = images.pixels.double().numpy() / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)))
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)))


def test_a_constant_channel_has_no_zero_deviation():
    images = Images(torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    assert min(images.channel_statistics()[1]) > 0


def test_split_holds_out_a_balanced_tenth_always_the_same():
    images = random_images(1000)
    dataset = Dataset.split("toy", tuple("abcdefghij"), images)
    assert (len(dataset.train), len(dataset.val)) == (900, 100)
    assert dataset.val.labels.bincount().tolist() == [10] * 10
    assert sorted(as_rows(dataset.train) + as_rows(dataset.val)) == sorted(as_rows(images))
    assert same(dataset.val, Dataset.split("toy", dataset.class_names, images).val)
    assert (dataset.mean, dataset.std) == dataset.train.channel_statistics()
    assert (dataset.num_classes, dataset.image_size) == (10, 8)


def test_the_split_is_frozen():
    """Another split would make earlier validation accuracies incomparable, and leak what they trained on."""
    labels = torch.arange(100) % 10
    pixels = torch.arange(100, dtype=torch.uint8).view(100, 1, 1, 1).expand(100, 1, 1, 3).contiguous()
    dataset = Dataset.split("toy", tuple("abcdefghij"), Images(pixels, labels))
    assert dataset.val.pixels[:, 0, 0, 0].tolist() == [14, 21, 40, 43, 49, 52, 67, 75, 78, 86]


def test_a_data_set_has_no_test_split_unless_it_is_given_one():
    dataset = Dataset.split("toy", ("a", "b"), random_images(20, classes=2))
    assert dataset.test is None and load("shapes").test is None


def test_a_data_set_moves_as_a_whole():
    moved = Dataset.split("toy", ("a", "b"), random_images(20, classes=2)).to("meta")
    assert moved.train.pixels.device.type == moved.val.labels.device.type == "meta"


def test_large_images_are_worked_on_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(20)
    resized, (mean, std) = images.resize(4), images.channel_statistics()
    monkeypatch.setattr("nas.data.streamed.VALUES", 3 * 8 * 8 * 3)
    assert [part.stop - part.start for part in parts(images.pixels)] == [3] * 7
    assert same(images.resize(4), resized)
    assert images.channel_statistics() == (pytest.approx(mean), pytest.approx(std))


def test_grey_is_luma_as_pillow_has_it() -> None:
    pixels = torch.randint(256, (5, 40, 40, 3), dtype=torch.uint8)
    images = Images(pixels, torch.zeros(5, dtype=torch.int64))
    grey = images.with_channels(1)
    for image, made in zip(pixels, grey.pixels, strict=True):
        assert np.array_equal(np.asarray(Image.fromarray(image.numpy()).convert("L")), made[..., 0].numpy())
    assert images.with_channels(3) is images
    again = grey.with_channels(3)
    assert torch.equal(again.with_channels(1).pixels, grey.pixels)
    with pytest.raises(ValueError, match="--channels 5: the images have 3"):
        images.with_channels(5)


@pytest.mark.parametrize("channels", [1, 5])
def test_images_of_other_channels_are_resized_measured_and_shown(channels: int) -> None:
    pixels = torch.randint(256, (6, 8, 8, channels), dtype=torch.uint8)
    images = Images(pixels, torch.zeros(6, dtype=torch.int64))
    assert images.resize(4).pixels.shape == (6, 4, 4, channels)
    mean, std = images.channel_statistics()
    values = pixels.double().flatten(0, 2) / 255
    assert mean == pytest.approx(values.mean(0).tolist()) and std == pytest.approx(values.std(0, correction=0).tolist())
    assert visible(pixels[0].numpy()).shape == ((8, 8) if channels == 1 else (8, 8, 3))
