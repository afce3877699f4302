"""One image file as pixels, whatever kind of still image it is: as a viewer shows it.

The centre square is kept, resized to `size` x `size` pixels (bilinear, antialiased): what resizing the shorter side and
cropping the centre give (`crop`); or the whole image, its longer side resized to `size` pixels, between grey bars
(`pad`). The image is turned as its EXIF data say. Grey and CMYK become RGB, or all becomes grey where
one channel is wanted; 16 bits a channel become 8, what is transparent becomes white. Of several frames or pages the
first is taken. Colour profiles are not applied.

A file is known by its content, its ending only says that it is meant to be an image. The kinds are listed, since some
that Pillow knows are drawings that run a program (EPS, WMF), films or tables of data.

The text of `read_image` and of what it calls also stands in exported files, see `nas.exports.photographs`: NumPy and
Pillow are imported where they are used, since such a file builds its network without them.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import nullcontext
from os import SEEK_END
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ENDINGS_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "QOI": (".qoi",),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "TGA": (".tga", ".icb", ".vda", ".vst"),  # the last, as it is known by no signature
}
"""The kinds of still images, by Pillow's names, and how names of such files end, in either case."""

ENDINGS = tuple(ending for endings in ENDINGS_OF.values() for ending in endings)

HUGE = 24_000_000
"""Images of more pixels are decoded one at a time, since each takes hundreds of megabytes; a large JPEG rarely does."""

CROP, PAD = "crop", "pad"  # how an image that is no square fits a square
BARS = 114  # of 255: about the mean of photographs

_ONE_HUGE = threading.Lock()
_NUMPY = b"\x93NUMPY"  # with which a .npy file begins
SIDEWAYS = (5, 6, 7, 8)  # EXIF's orientations of images whose width is their height
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 258, 262  # EXIF's and TIFF's numbers


def is_image(name: str) -> bool:
    """Whether the name of a file is that of an image."""
    return name.lower().endswith(ENDINGS)


def placed(
    width: int, height: int, size: int, fit: str = "crop"
) -> tuple[tuple[float, float, float, float], tuple[int, int], tuple[int, int]]:
    """How an image of `width` x `height` pixels comes to be in a square of `size`, by `fit`.

    That is the part of it (left, top, right, bottom), as how many pixels this is shown (width, height), and where these
    begin (left, top): of a "crop" at the corner, all of the square.
    """
    if fit == "pad":
        scale = size / max(width, height)
        shown = max(1, round(width * scale)), max(1, round(height * scale))
        return (0.0, 0.0, width, height), shown, ((size - shown[0]) // 2, (size - shown[1]) // 2)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return (left, top, left + side, top + side), (size, size), (0, 0)


def in_square(image: Any, size: int, fit: str, resampling: Any, bars: int) -> Any:
    """A Pillow image as `placed` says, `bars` in what it leaves of the square."""
    from PIL import Image

    width, height = image.size
    part, shown, corner = placed(width, height, size, fit)
    resized = image.resize(shown, resampling, box=part)
    if shown == (size, size):
        return resized
    square = Image.new(
        image.mode, (size, size), bars if len(image.getbands()) == 1 else (bars,) * len(image.getbands())
    )
    square.paste(resized, corner)
    return square


def decode(file: str | Path | IO[bytes], size: int, channels: int = 3, fit: str = "crop") -> npt.NDArray[np.uint8]:
    """The image in a file: `[size, size, channels]`. Raises whatever Pillow does for one that it cannot read.

    It is in RGB, or of one channel as Pillow's "L", luma. Raises ValueError where other channels are wanted.
    """
    import numpy as np
    from PIL import Image

    if channels not in (1, 3):
        raise ValueError(f"a photograph has 3 channels, or 1, and {channels} are wanted: give an array, a .npy file")
    Image.init()
    with Image.open(file, formats=[kind for kind in ENDINGS_OF if kind in Image.OPEN]) as image:
        image.draft(None, (2 * size, 2 * size))  # a JPEG of many times that is scaled while it is decoded
        with _ONE_HUGE if image.width * image.height > HUGE else nullcontext():
            upright = as_shown(image, channels == 1)
            square = in_square(upright, size, fit, Image.Resampling.BILINEAR, BARS)
            return np.asarray(square).reshape(size, size, channels)


def as_shown(image: Any, grey: bool = False) -> Any:
    """An opened Pillow image in RGB, or `grey`, as a viewer shows it: upright, on white."""
    coloured = _rgb(image)
    return _upright(coloured.convert("L") if grey else coloured, _orientation(image))


def is_grey(image: Any) -> bool:
    """Whether an opened Pillow image has one channel of brightness, whatever its depth, and no colours."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def read_image(file: str | Path | IO[bytes], size: int, channels: int = 3, fit: str = "crop") -> npt.NDArray[np.uint8]:
    """As `decode`, without Pillow's warnings, and of a .npy file the array. ValueError, in one line, where none can be.

    `file` may be open, as an upload is; what is in it is then read from its beginning.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF data and of many pixels, which are no reason not to go on
        try:
            return _array(file, size, channels, fit) if _is_array(file) else decode(file, size, channels, fit)
        except ImportError:
            raise
        except Exception as error:  # the many ways of Pillow and its codecs to say that a file is damaged
            name = file if isinstance(file, str | Path) else "the file"
            raise ValueError(f"{name} cannot be read as an image: {why_unreadable(error, file)}") from None


def upright_size(file: str | Path | IO[bytes], channels: int = 3) -> tuple[int, int]:
    """Width and height of the image in a file that `read_image` reads, upright, without decoding it."""
    import numpy as np
    from PIL import Image

    if _is_array(file):
        height, width = _channels_last(np.load(file, allow_pickle=False), channels).shape[:2]
        return width, height
    Image.init()
    with warnings.catch_warnings(), Image.open(file) as image:
        warnings.simplefilter("ignore")
        return image.size[::-1] if _orientation(image) in SIDEWAYS else image.size


def why_unreadable(error: Exception, file: str | Path | IO[bytes]) -> str:
    """The reason why the image in `file` cannot be decoded, in one line that does not name it."""
    if _is_empty(file):
        return "the file is empty"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    called = str(file) if isinstance(file, str | Path) else file
    return text.replace(f" {called!r}", "") or type(error).__name__


def _is_array(file: str | Path | IO[bytes]) -> bool:
    """Whether it is a .npy file, by its content."""
    if isinstance(file, str | Path):
        with Path(file).open("rb") as opened:
            return opened.read(len(_NUMPY)) == _NUMPY
    file.seek(0)
    begins = file.read(len(_NUMPY))
    file.seek(0)
    return begins == _NUMPY


def _array(file: str | Path | IO[bytes], size: int, channels: int, fit: str) -> npt.NDArray[np.uint8]:
    """The image in a .npy file, `[H, W, C]`, `[C, H, W]` or `[H, W]`, as `decode` has it: `[size, size, channels]`.

    Numbers are uint8, or floating-point of 0 to 1, or of 0 to 255 where one is above 1. Each channel is resized by
    itself. Raises ValueError where it is none such.
    """
    import numpy as np
    from PIL import Image

    values = np.load(file, allow_pickle=False)
    shape = " x ".join(map(str, values.shape)) or "none"
    image = _channels_last(values, channels)
    if image.ndim != 3 or image.shape[2] != channels or not image.size:
        raise ValueError(f"it has the shape {shape}, and an image of {channels} channels is wanted, H x W x {channels}")
    if image.dtype != np.uint8:
        image = _array_in_bytes(image)
    if fit == "crop":
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    layers = [Image.fromarray(np.ascontiguousarray(image[..., channel])) for channel in range(channels)]
    squares = [in_square(layer, size, fit, Image.Resampling.BILINEAR, BARS) for layer in layers]
    return np.stack([np.asarray(square) for square in squares], axis=2)


def _channels_last(values: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
    """An array of an image in any of the forms that `_array` takes as `[H, W, C]`; others as they are."""
    image = values[..., None] if values.ndim == 2 else values
    if image.ndim == 3 and image.shape[2] != channels and image.shape[0] == channels:
        return image.transpose(1, 2, 0)
    return image


def _array_in_bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Floating-point brightnesses, of 0 to 1 or of 0 to 255, as uint8. Raises ValueError where they are others."""
    import numpy as np

    if values.dtype.kind != "f":
        raise ValueError(f"it is {values.dtype}, and images are uint8, or floating-point of 0 to 1 or 0 to 255")
    values = values.astype(np.float32)
    least, largest, slack = float(values.min()), float(values.max()), 1e-3  # of white: what resizing may round by
    white = 1.0 if largest <= 1 + slack else 255.0
    if not (least >= -slack * white and largest <= white * (1 + slack)):  # also where one is no number
        raise ValueError("its values are not 0 to 1 or 0 to 255: leave out their normalisation")
    return (values * (255 / white)).round().clip(0, 255).astype(np.uint8)


def _is_empty(file: str | Path | IO[bytes]) -> bool:
    if isinstance(file, str | Path):
        return Path(file).is_file() and Path(file).stat().st_size == 0
    return file.seek(0, SEEK_END) == 0


# ---------------------------------------------------------------------------- which way up


def _orientation(image: Any) -> Any:
    """What the EXIF data of a loaded Pillow image say of how it lies; damaged data say nothing, as in any viewer."""
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # of the many kinds that Pillow raises for them
        return None


def _upright(image: Any, orientation: Any) -> Any:
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


# ---------------------------------------------------------------------------- colours


def _rgb(image: Any) -> Any:
    """An opened Pillow image in RGB, 8 bits a channel, on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_grey(image))
    else:
        image = _with_its_clear_colour(image)
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _with_its_clear_colour(image: Any) -> Any:
    """`image`, loaded; the colour that a PNG of another depth declares as transparent is made one of 8 bits.

    Pillow scales the pixels and leaves that colour as it is in the file. Of 16 bits the upper 8 are compared.
    """
    clear = image.info.get("transparency")
    layout = image.tile[0][3] if image.format == "PNG" and clear is not None and image.tile else None
    image.load()
    if layout in ("L;2", "L;4"):
        image.info["transparency"] = clear * (85 if layout == "L;2" else 17)
    elif layout == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    return image


def _grey(image: Any) -> npt.NDArray[np.uint8]:
    """The 8 bits of an image of one channel of 16 bits, which Pillow would clip, or of 32: `[H, W]`."""
    import numpy as np

    values = np.asarray(image)
    tags = image.tag_v2 if image.format == "TIFF" else {}
    if image.mode == "F" or (image.mode == "I" and tags):
        return _of_no_known_range(values, (255, 65535) if image.mode == "I" else (1, 255, 65535))
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    grey: npt.NDArray[np.uint8] = (values >> (bits - 8)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    if (clear := image.info.get("transparency")) is not None:
        grey = np.where(values == clear, np.uint8(255), grey)
    return grey


def _of_no_known_range(values: npt.NDArray[Any], whites: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Values from black, at 0, to white: the least of `whites` that none of them is above, else their maximum."""
    import numpy as np

    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=np.inf, neginf=0.0)
    top = finite.max(initial=0, where=np.isfinite(finite))
    white = next((white for white in whites if top <= white), top)
    grey: npt.NDArray[np.uint8] = np.rint((finite / white).clip(0, 1) * 255).astype(np.uint8)
    return grey
