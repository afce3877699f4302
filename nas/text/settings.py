"""Values by their names, as a person writes them: `layers=12,stem=imagenet`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any

from nas.text.units import parse_count


def parse_settings(text: str) -> dict[str, Any]:
    """`0.25` or `max_macs=8M,num_classes=100`: the settings of a space; values are JSON, counts or words."""
    found: dict[str, Any] = {}
    for part in filter(None, re.split(r",(?![^\[]*\])", text)):
        name, equals, value = part.partition("=")
        found |= {name: _value(value)} if equals else {"width": _width(name)}
    return found


def by_name(changes: Iterable[str]) -> dict[str, str]:
    """`["cutout=16"]` -> `{"cutout": "16"}`."""
    return {name: text for name, _, text in (change.partition("=") for change in changes)}


def _value(text: str) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(ValueError):
        return round(parse_count(text))
    return text


def _width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no width multiplier: write mnas@0.25:..., say") from None
