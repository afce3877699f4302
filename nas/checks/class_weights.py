"""The weights of classes as a person gives them: `balanced`, `equal`, or a file with one for each class."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.checks.limits import Number, quoted
from nas.files import read_text
from nas.text.units import is_number

EQUAL, BALANCED = "equal", "balanced"
WEIGHT = Number(0, 1e9, above=True)

Pairs = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ClassWeights:
    """None, `equal`, `balanced`, or pairs of a class's name and its weight, read from a .json or .csv file."""

    def checked(self, name: str, value: Any) -> Any:
        if value in (None, EQUAL, BALANCED):
            return value
        if isinstance(value, str):
            return self.parsed(name, value)
        pairs = list(value.items()) if isinstance(value, Mapping) else value
        if not isinstance(pairs, list | tuple) or not pairs or not all(_is_pair(pair) for pair in pairs):
            raise ValueError(f"{name} must be {EQUAL}, {BALANCED} or a weight for each class, not {quoted(value)}")
        found = tuple((label, float(WEIGHT.checked(f"{name} of {label}", weight))) for label, weight in pairs)
        if len({label for label, _ in found}) < len(found):
            raise ValueError(f"{name} has two weights for one class")
        return found

    def parsed(self, name: str, text: str) -> Any:
        if text.lower() in ("none", "null"):
            return None
        return text if text in (EQUAL, BALANCED) else self.checked(name, _read(name, Path(text)))


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)


def _read(name: str, path: Path) -> list[Any]:
    """`{"cat": 2, "dog": 1}`, or lines as `cat,2`. Raises ValueError where the file is neither."""
    if not path.is_file():
        kinds = f"{EQUAL}, {BALANCED}, or a .json or .csv file with a weight for each class"
        raise ValueError(f"{name} is {kinds}: there is no file {path}")
    text = read_text(path)
    if path.suffix.lower() == ".json":
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no JSON: {error}") from None
        if not isinstance(document, dict) or not document:
            raise ValueError(f'{path} must have a weight for each class, as in {{"cat": 2, "dog": 1}}')
        return list(document.items())
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if rows and len(rows[0]) == 2 and not is_number(rows[0][1]):  # a header
        rows = rows[1:]
    if not rows or not all(len(row) == 2 and is_number(row[1]) for row in rows):
        raise ValueError(f"{path} must have a line for each class with its name and its weight, as in cat,2")
    return [(label, float(weight)) for label, weight in rows]
