"""One image file: every kind of still image is what a viewer shows of it, to the exact pixel where nothing is lossy."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features

from nas.data import Images
from nas.data import image_file as module
from nas.data.image_file import (
    BARS,
    ENDINGS,
    ENDINGS_OF,
    decode,
    is_image,
    placed,
    read_image,
    upright_size,
    why_unreadable,
)

RED = (200, 30, 60)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
GREY, COLOUR, GREY_ALPHA = 0, 2, 4  # a PNG's colour types
AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
WEBP = pytest.mark.skipif(not features.check("webp"), reason="this Pillow reads no WebP")


def colour(path: Path) -> tuple[int, ...]:
    """The one colour of an image."""
    pixels = decode(path, 8)
    assert pixels.shape == (8, 8, 3) and pixels.dtype == np.uint8
    assert np.ptp(pixels.astype(int), axis=(0, 1)).max() <= 3
    return tuple(pixels[4, 4].tolist())


def greys(path: Path, size: int = 8) -> list[int]:
    """The first row of an image whose pixels are all grey."""
    pixels = decode(path, size)
    assert (pixels == pixels[:, :, :1]).all()
    return [int(value) for value in pixels[0, :, 0]]


def png(path: Path, depth: int, kind: int, row: bytes, width: int = 8, clear: Sequence[int] = ()) -> Path:
    """A PNG of `width` x `width` pixels, all rows alike, of a depth and colour type that Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, width, depth, kind, 0, 0, 0))]
    parts += [chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))] if clear else []
    parts += [chunk(b"IDAT", zlib.compress((b"\0" + row) * width)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


# ---------------------------------------------------------------------------- kinds of files


LOSSLESS = (
    "apng",
    "bmp",
    "dib",
    "gif",
    "ico",
    "j2k",
    "jp2",
    "pcx",
    "PNG",
    "pnm",
    "ppm",
    "qoi",
    "rgb",
    "tga",
    "TIF",
    "tiff",
)


@pytest.mark.parametrize("ending", [*LOSSLESS, pytest.param("webp", marks=WEBP), pytest.param("WebP", marks=WEBP)])
def test_every_kind_without_loss_is_exact(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image.{ending}"
    Image.new("RGB", (20, 16), RED).save(path, **({"lossless": True} if ending.lower() == "webp" else {}))
    assert is_image(path.name) and colour(path) == RED


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "jpe", "jfif", "mpo", pytest.param("avif", marks=AVIF)])
def test_every_kind_with_loss_is_near(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image.{ending}"
    Image.new("RGB", (20, 16), RED).save(path)
    assert is_image(path.name) and np.abs(np.subtract(colour(path), RED)).max() <= 3


def test_endings_are_pillows() -> None:
    """Those of the kinds that we read, all of them; MPO is how cameras write two JPEGs in one file."""
    known = Image.registered_extensions()
    for kind, endings in ENDINGS_OF.items():
        theirs = {ending for ending, format_ in known.items() if format_ == kind}
        assert set(endings) - {".mpo"} == theirs, kind
    assert len(set(ENDINGS)) == len(ENDINGS)


@pytest.mark.parametrize(
    "name", ["a.eps", "a.ps", "a.wmf", "a.emf", "a.pdf", "a.svg", "a.mpg", "a.txt", "a", "jpg", "a.h5"]
)
def test_what_is_no_still_image_is_none(name: str) -> None:
    assert not is_image(name)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), RED).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(tmp_path / "image.jpg")
    assert colour(tmp_path / "image.jpg") == RED
    (tmp_path / "drawing.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    with pytest.raises(OSError, match="cannot identify"):
        decode(tmp_path / "drawing.png", 8)


@pytest.mark.parametrize("ending", ["gif", "png", "tiff", pytest.param("webp", marks=WEBP)])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, ending: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), "blue")
    lossless = {"lossless": True} if ending == "webp" else {}
    first.save(tmp_path / f"film.{ending}", save_all=True, append_images=[second], **lossless)
    with Image.open(tmp_path / f"film.{ending}") as film:
        assert film.n_frames == 2  # type: ignore[attr-defined]
    assert colour(tmp_path / f"film.{ending}") == RED


# ---------------------------------------------------------------------------- colours


@pytest.mark.parametrize(
    ("mode", "ending", "expected"),
    [
        ("RGB", "png", RED),
        ("RGBA", "png", RED),
        ("P", "png", RED),
        ("P", "gif", RED),
        ("RGBX", "tiff", RED),
        ("CMYK", "tiff", RED),
        ("L", "png", (84, 84, 84)),
        ("LA", "png", (84, 84, 84)),
        ("PA", "png", RED),
        ("1", "png", BLACK),
        ("1", "tiff", BLACK),
        ("1", "pbm", BLACK),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, ending: str, expected: tuple[int, ...]) -> None:
    image = Image.new("RGB", (20, 10), RED)
    if mode == "PA":
        image = image.quantize(4).convert("RGBA").quantize(4)
    else:
        image = image.quantize(4) if mode == "P" else image.convert(mode, dither=Image.Dither.NONE)
    image.save(tmp_path / f"image.{ending}")
    assert colour(tmp_path / f"image.{ending}") == expected


@pytest.mark.parametrize(
    ("mode", "ink", "expected"),
    [
        ("L", 87, (87, 87, 87)),
        ("RGB", RED, RED),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),  # written as Adobe does, inverted
        ("CMYK", (0, 0, 0, 255), BLACK),
        ("CMYK", (0, 0, 0, 0), WHITE),
    ],
)
def test_every_mode_of_jpeg(tmp_path: Path, mode: str, ink: Any, expected: tuple[int, ...]) -> None:
    Image.new(mode, (16, 16), ink).save(tmp_path / "image.jpg", quality=100)
    assert np.abs(np.subtract(colour(tmp_path / "image.jpg"), expected)).max() <= 2


def test_sixteen_bits_of_grey_become_eight(tmp_path: Path) -> None:
    values = np.tile(np.array([0, 255, 256, 30000, 32768, 65279, 65280, 65535], np.uint16), (8, 1))
    expected = [0, 0, 1, 117, 128, 254, 255, 255]
    for ending in ("png", "tiff", "pgm", "jp2"):
        Image.fromarray(values).save(tmp_path / f"deep.{ending}")
        assert greys(tmp_path / f"deep.{ending}") == expected, ending
    Image.fromarray(values.astype(">u2")).save(tmp_path / "big-endian.tiff")
    assert greys(tmp_path / "big-endian.tiff") == expected


def test_sixteen_bits_of_grey_of_which_some_are_transparent(tmp_path: Path) -> None:
    """The colour that is transparent is one of 16 bits: another with the same upper 8 is not."""
    row = struct.pack(">8H", 30000, 30001, 0, 65535, 30000, 29999, 1, 256)
    path = png(tmp_path / "deep.png", 16, GREY, row, clear=(30000,))
    assert greys(path) == [255, 117, 0, 255, 255, 117, 0, 1]


def test_sixteen_bits_of_colour_and_of_grey_with_alpha(tmp_path: Path) -> None:
    deep = png(tmp_path / "rgb.png", 16, COLOUR, struct.pack(">3H", 200 << 8, 30 << 8 | 255, 60 << 8) * 8)
    assert colour(deep) == RED
    row = struct.pack(">3H", 256, 0, 0) + struct.pack(">3H", 0, 0, 0) * 7
    clear = png(tmp_path / "clear.png", 16, COLOUR, row, clear=(256, 0, 0))
    assert decode(clear, 8)[0].tolist() == [[255, 255, 255]] + [[0, 0, 0]] * 7
    row = struct.pack(">4H", 30000, 65535, 0, 0) * 4
    assert greys(png(tmp_path / "alpha.png", 16, GREY_ALPHA, row)) == [117, 255] * 4
    Image.new("RGBA", (8, 8), (*RED, 255)).save(tmp_path / "rgba.png")
    assert colour(tmp_path / "rgba.png") == RED


@pytest.mark.parametrize(
    ("depth", "row", "clear", "expected"),
    [
        (1, b"\xaa", 1, [255, 0] * 4),
        (1, b"\xaa", 0, [255, 255] * 4),
        (2, b"\x1b\x1b", 1, [0, 255, 170, 255] * 2),
        (4, b"\x05\xaf" * 2, 5, [0, 255, 170, 255] * 2),
        (8, bytes([0, 5, 85, 255] * 2), 85, [0, 5, 255, 255] * 2),
    ],
)
def test_grey_of_any_depth_of_which_some_is_transparent(
    tmp_path: Path, depth: int, row: bytes, clear: int, expected: list[int]
) -> None:
    assert greys(png(tmp_path / "shallow.png", depth, GREY, row, clear=(clear,))) == expected


def test_tiff_of_twelve_bits_and_with_white_at_zero(tmp_path: Path) -> None:
    """As a scanner or a microscope writes: tags and samples by hand, as Pillow writes neither."""

    def tiff(bits: int, photometric: int, data: bytes) -> Path:
        tags = [(256, 8), (257, 8), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 8)]
        tags.append((279, len(data)))
        entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags)
        ifd = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
        path = tmp_path / f"{bits}-{photometric}.tif"
        path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + ifd)
        return path

    twelve = bytes([0xFF, 0xF8, 0x00]) * 4 * 8  # pairs of samples: 0xfff, 0x800
    assert greys(tiff(12, 1, twelve)) == [255, 128] * 4
    sixteen = struct.pack("<8H", *[0, 65535] * 4) * 8
    assert greys(tiff(16, 1, sixteen)) == [0, 255] * 4
    assert greys(tiff(16, 0, sixteen)) == [255, 0] * 4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.2, 0.6, 1.0], [0, 51, 153, 255]),  # white is 1
        ([0, 0.2, 0.5, np.nan], [0, 51, 128, 0]),
        ([0, 51, 153, 254], [0, 51, 153, 254]),  # 255
        ([-7, 51, 153, np.inf], [0, 51, 153, 255]),
        ([0, 257, 514, 65535], [0, 1, 2, 255]),  # 65535
        ([0, 20000, 60000, 100000], [0, 51, 153, 255]),  # the maximum
        ([0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_values_of_no_known_range(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    Image.fromarray(np.tile(np.array(values * 2, np.float32), (8, 1))).save(tmp_path / "measured.tiff")
    assert greys(tmp_path / "measured.tiff") == expected * 2


def test_whole_numbers_of_32_bits(tmp_path: Path) -> None:
    for values, expected in (([0, 1, 2, 255], [0, 1, 2, 255]), ([-5, 257, 514, 65535], [0, 1, 2, 255])):
        Image.fromarray(np.tile(np.array(values * 2, np.int32), (8, 1))).save(tmp_path / "counts.tiff")
        assert greys(tmp_path / "counts.tiff") == expected * 2


@pytest.mark.parametrize("alpha", [0, 128, 255])
@pytest.mark.parametrize("ending", ["png", "tiff", "tga", "ico", "qoi", pytest.param("webp", marks=WEBP)])
def test_what_is_transparent_is_on_white(tmp_path: Path, ending: str, alpha: int) -> None:
    lossless = {"lossless": True, "exact": True} if ending == "webp" else {}
    Image.new("RGBA", (16, 16), (*RED, alpha)).save(tmp_path / f"clear.{ending}", **lossless)
    white = np.array(WHITE)
    expected = np.rint(white + (np.array(RED) - white) * alpha / 255)
    assert colour(tmp_path / f"clear.{ending}") == tuple(expected)


def test_transparent_palettes_and_grey(tmp_path: Path) -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([*RED, 0, 0, 255])
    palette.paste(1, (4, 0, 8, 8))
    palette.save(tmp_path / "several.png", transparency=b"\x00\xff")
    palette.save(tmp_path / "one.png", transparency=0)
    palette.save(tmp_path / "one.gif", transparency=0)
    for name in ("several.png", "one.png", "one.gif"):
        assert decode(tmp_path / name, 8)[0].tolist() == [[255, 255, 255]] * 4 + [[0, 0, 255]] * 4, name
    Image.new("LA", (8, 8), (87, 0)).save(tmp_path / "grey.png")
    assert colour(tmp_path / "grey.png") == WHITE


# ---------------------------------------------------------------------------- shape and place


def test_the_centre_square_is_kept(tmp_path: Path) -> None:
    """As resizing the shorter side and cropping the centre do."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "wide.png")
    both = ImageOps.fit(image, (16, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(decode(tmp_path / "wide.png", 16), np.asarray(both))
    small = Image.fromarray(pixels[:4, :4])
    small.save(tmp_path / "small.png")
    assert decode(tmp_path / "small.png", 16).shape == (16, 16, 3)  # enlarged


@pytest.mark.parametrize(("width", "height"), [(40, 24), (24, 40), (40, 40), (400, 1)])
def test_the_whole_image_is_kept_between_bars(tmp_path: Path, width: int, height: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    np.save(tmp_path / "photo.npy", pixels)
    part, (across, down), (left, top) = placed(width, height, 40, "pad")
    square = read_image(tmp_path / "photo.png", 40, fit="pad")
    assert np.array_equal(square, read_image(tmp_path / "photo.npy", 40, fit="pad"))
    assert part == (0, 0, width, height) and max(across, down) == 40
    beside = np.ones((40, 40), bool)
    beside[top : top + down, left : left + across] = False
    assert (square[beside] == BARS).all()
    if max(width, height) == 40:  # nothing is resized
        assert np.array_equal(square[~beside].reshape(height, width, 3), pixels)
    for file in ("photo.png", "photo.npy"):
        assert upright_size(tmp_path / file) == (width, height)


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_a_split_is_resized_as_files_are(tmp_path: Path, size: int) -> None:
    """CIFAR and `shapes` are resized as tensors, folders as they are decoded: alike within a level."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    split = Images(torch.from_numpy(pixels)[None], torch.zeros(1, dtype=torch.int64)).resize(size)
    assert np.abs(decode(tmp_path / "image.png", size).astype(int) - split.pixels[0].numpy()).max() <= 1


def test_a_large_jpeg_is_scaled_while_it_is_decoded(tmp_path: Path) -> None:
    """To the same picture, near enough."""
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((800, 600))
    smooth.save(tmp_path / "large.jpg", quality=95)
    expected = np.asarray(ImageOps.fit(smooth, (32, 32), Image.Resampling.BILINEAR))
    assert np.abs(decode(tmp_path / "large.jpg", 32).astype(int) - expected).max() < 12


@pytest.mark.parametrize(
    "ending", ["jpg", "png", "tiff", pytest.param("webp", marks=WEBP), pytest.param("avif", marks=AVIF)]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_data_say(tmp_path: Path, ending: str, orientation: int) -> None:
    """Upright it has four quarters of four greys; the file has it as a camera held otherwise."""
    quarters = np.kron(np.array([[0, 90], [170, 250]], np.uint8), np.ones((16, 16), np.uint8))
    lies = {
        1: quarters, 2: quarters[:, ::-1], 3: quarters[::-1, ::-1], 4: quarters[::-1],
        5: quarters.T, 6: np.rot90(quarters), 7: np.rot90(quarters, 2).T, 8: np.rot90(quarters, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"webp": {"lossless": True}, "avif": {"quality": 100}, "jpg": {"quality": 100}}.get(ending, {})
    Image.fromarray(np.ascontiguousarray(lies)).convert("RGB").save(
        tmp_path / f"turned.{ending}", exif=exif, **lossless
    )
    seen = decode(tmp_path / f"turned.{ending}", 32)[8::16, 8::16, 0]
    assert np.abs(seen.astype(int) - [[0, 90], [170, 250]]).max() <= 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0no EXIF data", b"Exif\0\0MM\0*\0\0\0\x08\0\x05", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_damaged_exif_data_are_no_damaged_image(tmp_path: Path, ending: str, exif: bytes) -> None:
    Image.new("L", (16, 8), 90).save(tmp_path / f"odd.{ending}", exif=exif)
    assert colour(tmp_path / f"odd.{ending}") == (90, 90, 90)


# ---------------------------------------------------------------------------- files that cannot be read


@pytest.mark.parametrize("ending", ["bmp", "gif", "jpg", "png", "ppm", "tiff", pytest.param("webp", marks=WEBP)])
def test_a_truncated_file_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Exception, match=r".") as caught:
        decode(path, 8)
    said = why_unreadable(caught.value, path)
    assert said and "\n" not in said and str(tmp_path) not in said


def test_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "notes.jpg").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    said = {}
    for name in ("empty.jpg", "notes.jpg", "folder.jpg", "absent.jpg"):
        with pytest.raises(OSError, match=r".") as caught:
            decode(tmp_path / name, 8)
        said[name] = why_unreadable(caught.value, tmp_path / name)
    assert said == {
        "empty.jpg": "the file is empty",
        "notes.jpg": "cannot identify image file",
        "folder.jpg": "Is a directory",
        "absent.jpg": "No such file or directory",
    }


def test_a_bomb_is_refused_by_its_size_in_pixels(tmp_path: Path) -> None:
    path = png(tmp_path / "bomb.png", 1, GREY, b"\0" * 2500, width=20_000)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(Image.DecompressionBombError, match="400000000 pixels"):
        decode(path, 8)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_huge_images_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = []

    class Lock:
        def __enter__(self) -> None:
            entered.append(True)

        def __exit__(self, *args: object) -> None: ...

    monkeypatch.setattr(module, "_ONE_HUGE", Lock())
    monkeypatch.setattr(module, "HUGE", 5000)
    noise = Image.effect_noise((80, 80), 99)
    noise.save(tmp_path / "huge.png")
    noise.save(tmp_path / "huge.jpg")  # scaled while it is decoded
    noise.crop((0, 0, 40, 40)).save(tmp_path / "small.png")
    for name, expected in (("small.png", 0), ("huge.jpg", 0), ("huge.png", 1)):
        decode(tmp_path / name, 8)
        assert len(entered) == expected, name


def test_grey_where_one_channel_is_wanted(tmp_path: Path) -> None:
    """As Pillow's L, of what a viewer shows: on white, upright."""
    pixels = np.random.default_rng(0).integers(256, size=(12, 20, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "clear.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    shown = Image.new("RGB", (20, 12), "white")
    opened = Image.open(tmp_path / "clear.png")
    shown.paste(opened, mask=opened.getchannel("A"))
    wanted = np.asarray(shown.convert("L").crop((4, 0, 16, 12)))
    assert np.array_equal(decode(tmp_path / "clear.png", 12, 1), wanted[..., None])
    assert np.array_equal(decode(tmp_path / "grey.png", 12, 1)[..., 0], pixels[:, 4:16, 0])
    with pytest.raises(ValueError, match="a photograph has 3 channels, or 1, and 5 are wanted"):
        read_image(tmp_path / "grey.png", 12, 5)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_an_array_of_one_image(channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(256, size=(12, 20, channels), dtype=np.uint8)
    path = tmp_path / "image.npy"
    for saved in (values, values.transpose(2, 0, 1), values / 255, values.astype(np.float32)):
        np.save(path, saved)
        assert np.array_equal(read_image(path, 12, channels), values[:, 4:16])
        with path.open("rb") as upload:
            assert np.array_equal(read_image(upload, 12, channels), values[:, 4:16])
    assert read_image(path, 6, channels).shape == (6, 6, channels)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((9, 9, 4)), "it has the shape 9 x 9 x 4, and an image of 5 channels is wanted, H x W x 5"),
        (np.zeros((9, 9, 5), int), "it is int64, and images are uint8"),
        (np.full((9, 9, 5), -0.1), "its values are not 0 to 1 or 0 to 255"),
        (np.full((9, 9, 5), np.nan), "its values are not 0 to 1 or 0 to 255"),
        (np.full((9, 9, 5), None), "Object arrays cannot be loaded"),
    ],
)
def test_an_array_that_is_no_image_is_refused(values: Any, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", values, allow_pickle=True)
    with pytest.raises(ValueError, match=said) as caught:
        read_image(tmp_path / "image.npy", 8, 5)
    assert "\n" not in str(caught.value) and "image.npy" in str(caught.value)
