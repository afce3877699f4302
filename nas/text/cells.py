"""How many columns of a terminal a text takes: an East Asian character takes two, an accent by itself none."""

from __future__ import annotations

import unicodedata

_FILLER = "\uffff"  # no character, so that no text has it


def columns_of(text: str) -> int:
    """The columns that `text`, which is one line, takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def spaced(text: str) -> str:
    """`text` with as many characters as it takes columns, to be cut and broken by them; `closed` is its inverse."""
    return text if text.isascii() else "".join(c + _FILLER if _columns(c) == 2 else c for c in text)


def closed(text: str) -> str:
    return text.replace(_FILLER, "")


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
