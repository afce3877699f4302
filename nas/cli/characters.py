# ruff: noqa: RUF001 - characters that look alike are what this is about
"""Output never fails for its characters: what a terminal's or a pipe's encoding lacks is written with what it has."""

from __future__ import annotations

import codecs
import io
import unicodedata
from typing import TextIO

PLAINLY = "plainly"
"""The name of the error handler, as in `sys.stdout.reconfigure(errors=PLAINLY)`."""

SPELLED = {
    "±": "+-",
    "×": "x",
    "·": ".",
    "•": "*",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "ß": "ss",
    "\N{NO-BREAK SPACE}": " ",
}


def spell_plainly(*streams: TextIO | None) -> None:
    """From now on, have `streams` spell the characters that their encoding lacks, see `plain`."""
    codecs.register_error(PLAINLY, _spell)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAINLY)


def plain(character: str) -> str:
    """`character` in ASCII: `±` is `+-`, `é` is `e`; what has no such spelling is escaped, as in `\\u65e5`.

    So is half a surrogate pair, which is how Python reads a byte of a file's name that is no UTF-8.
    """
    if character in SPELLED:
        return SPELLED[character]
    letters = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if letters.isascii():
        return letters
    return character.encode("ascii", "backslashreplace").decode("ascii")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end
