"""What comes of `nas look`: the page, and in numbers what is on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.files import write_atomically
from nas.seeing.job import Photograph, Seen
from nas.seeing.page import page
from nas.seeing.patches import Filters


@dataclass(frozen=True)
class Looked:
    """The page at `path`, of so many `bytes`, and what it shows.

    `filters` has for each layer which images excite which filter most, by their places among the validation images that
    were looked at, and where in them. `classes` has the scores of the maximised classes: of the noise, of what the
    penalty alone gives, of jitter and blur. `undefined` says why guided methods are not there; "" where they are.
    """

    path: Path
    bytes: int
    trained: bool
    filters: list[Filters]
    classes: dict[str, tuple[float, float, float]]
    photographs: list[Photograph]
    undefined: str

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        layers = [
            {
                "layer": one.layer.name,
                "filters": one.layer.filters,
                "silent": one.silent,
                "excited": {
                    str(number): [asdict(spot) | {"box": list(spot.box)} for spot in spots]
                    for number, spots in one.excited.items()
                },
            }
            for one in self.filters
        ]
        photographs = [
            {"image": one.name, "output": one.target, "share": one.share, "truth": one.truth}
            for one in self.photographs
        ]
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "trained": self.trained,
            "layers": layers,
            "classes": {name: list(scores) for name, scores in self.classes.items()},
            "photographs": photographs,
            "undefined": self.undefined,
        }


def write(path: Path, seen: Seen) -> Looked:
    """Write the page to `path`, atomically."""
    write_atomically(path, page(seen))
    scores = zip(*seen.plain.scores, seen.for_people.scores[1], strict=True)
    of = {
        seen.subject.names[target]: (float(noise), float(plain), float(people))
        for target, (noise, plain, people) in zip(seen.classes, scores, strict=True)
    }
    return Looked(
        path, path.stat().st_size, seen.subject.source.trained, seen.filters, of, seen.photographs,
        seen.subject.undefined,
    )  # fmt: skip
