"""Text that somebody else chose, in which nothing acts: names of classes and runs, reasons in a ledger, paths.

A terminal obeys control characters. They can move its cursor, write over what stands there, and worse; characters that
turn the direction of writing around make a line read as what it is not. So all that is shown has them spelled.
"""

from __future__ import annotations

import unicodedata

_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_ACTING = {
    code: repr(chr(code))[1:-1]
    for code in range(0xE000)  # there are none above
    if unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp") or code in _TURNING
}
_IN_TEXT = {code: spelled for code, spelled in _ACTING.items() if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """`text` with what acts on a terminal spelled as Python does, `\\x1b`, but for ends of lines and tabs."""
    return text.translate(_IN_TEXT)


def visible_in_line(text: str) -> str:
    """The same, with these spelled, too: of what is one word of a line, as a name is."""
    return text.translate(_ACTING)
