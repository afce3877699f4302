"""Images of training that are nearly the same as held-out ones, by which an accuracy is better than it should be.

Each image has a perceptual hash of 64 bits (Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions"; by the library `imagehash`): what is left of its brightness at the lowest frequencies. Copies that were
saved again, resized or coloured have hashes that differ in few bits. docs/data.md says how often others do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from nas.text.visible import visible_in_line

NEAR = 2  # bits of 64 in which hashes of nearly the same images may differ
BANDS = ((0, 22), (22, 21), (43, 21))  # first bit and bits of NEAR + 1 parts: one at least is equal in two near hashes
FLAT = 8  # of 255: an image whose brightness varies by less shows nothing by which it could be known
NO_HASH = 0  # of such an image; others have about half of their bits set

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Twins:
    """How many training images are nearly the same as some held-out one, and a pair of the same hash, if one is.

    `train` and `held_out` are the places of the pair in both lists.
    """

    count: int
    train: int
    held_out: int


def hash_of(pixels: npt.NDArray[np.uint8]) -> int:
    """The hash of an image `[H, W, 3]`, or a grey one `[H, W, 1]`; `NO_HASH` where it shows nothing."""
    grey = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("L")
    darkest, brightest = grey.getextrema()
    if brightest - darkest < FLAT:  # type: ignore[operator]  # of one channel they are numbers
        return NO_HASH
    bits = imagehash.phash(grey).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def twins(train: Hashes, held_out: Hashes) -> Twins | None:
    """Which images of these hashes, `[N]` and `[M]`, are nearly the same; None where none are.

    Takes memory in proportion to N + M: pairs are looked for only among hashes with a part in common.
    """
    known, place = np.unique(np.concatenate([train, held_out]), return_inverse=True)
    of_train, of_held_out = place[: len(train)], place[len(train) :]
    partner = np.full(len(known), -1)  # of each hash: one near it that a held-out image has
    held, trained = np.zeros(len(known), bool), np.zeros(len(known), bool)
    held[of_held_out], trained[of_train] = True, True
    for one, other in _near_pairs(known):
        for a, b in ((one, other), (other, one)):
            wanted = trained[a] & held[b]
            partner[a[wanted]] = b[wanted]
    partner[held] = np.flatnonzero(held)  # its own is nearest
    partner[known == NO_HASH] = -1
    found = partner[of_train]
    places = np.flatnonzero(found >= 0)
    if not len(places):
        return None
    equal = places[found[places] == of_train[places]]
    first = int(equal[0] if len(equal) else places[0])
    return Twins(len(places), first, int(np.flatnonzero(of_held_out == found[first])[0]))


def _near_pairs(known: Hashes) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pairs of different hashes of `known` that differ in at most `NEAR` bits, as two lists of places; some twice."""
    for first, bits in BANDS:
        band = (known >> np.uint64(first)) & np.uint64((1 << bits) - 1)
        order = np.argsort(band, kind="stable")
        band, hashes = band[order], known[order]
        here = np.arange(len(known))
        for step in range(1, len(known)):  # those whose band is that of the hash `step` places on
            here = here[: np.searchsorted(here, len(known) - step)]
            here = here[band[here] == band[here + step]]
            if not len(here):
                break
            near = here[_is_near(hashes[here] ^ hashes[here + step])]
            if len(near):
                yield order[near], order[near + step]


def _is_near(differing: Hashes) -> npt.NDArray[np.bool_]:
    """Where at most `NEAR` bits are set: nothing is left when the lowest was cleared so many times."""
    for _ in range(NEAR):
        differing = differing & (differing - np.uint64(1))
    near: npt.NDArray[np.bool_] = differing == 0
    return near


def warning(found: Twins, total: int, part: str, pair: tuple[str, str], advice: str) -> str:
    """What is said of `found` among `total` training images, where the files of its pair have these names."""
    are = "is" if found.count == 1 else "are"
    return (
        f"{found.count:,} of {total:,} training images {are} nearly the same as {part} images, such as "
        f"{' and '.join(map(visible_in_line, pair))}: accuracies look better than they are. {advice}"
    )
