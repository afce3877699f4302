"""Files as an accident or a stranger changes them: byte by byte, or in what they say.

Each function takes a random source and content, and gives content that differs. `seed` and number of a try decide all.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable
from typing import Any

Mutator = Callable[[random.Random, bytes], bytes]

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, 1.5, -0.0, 2**31, 2**63, 2**70, -(2**70), 1e300, -1e300, 5e-324,
    float("nan"), float("inf"), float("-inf"), "", " ", "a", "high", "0.5", "nan", "best", "../../etc/passwd",
    "\x1b[2J", "\ud800", "é\u202e", "x" * 3000, [], [1], [[]], [None], ["a", "a"], {}, {"a": 1}, [0.1] * 300,
    "1970-01-01T00:00:00", "9999-12-31T23:59:59.999999", "cuda", "0,0,0",
)  # fmt: skip
"""What a value may be replaced by: of other types, beyond any bound, and legal ones in the wrong place."""
_TOO_LARGE, _TOO_DEEP = "\0too large\0", "\0too deep\0"  # placeholders for what `json.dumps` does not write
_RAW = {json.dumps(_TOO_LARGE): "1e999", json.dumps(_TOO_DEEP): "[" * 100_000 + "]" * 100_000}


def of_bytes(rng: random.Random, content: bytes) -> bytes:
    """`content` with an accident of a disk, a copy or an editor."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 1, 2, 8, 64, 4096)))
    some = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8))))
    flipped = bytes([content[start] ^ 1 << rng.randrange(8)]) if start < len(content) else b"\n"
    return rng.choice((
        lambda: content[:start] + flipped + content[start + 1 :],
        lambda: content[:start] + some + content[end:],
        lambda: content[:start] + content[end:],
        lambda: content[:start] + some + content[start:],
        lambda: content[:end] + content[start:],
        lambda: content[:start],
        lambda: content[:start] + b"\0" * (end - start) + content[end:],
        lambda: content[:start] + b"\xff\xfe\x80" + content[start:],
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode("latin1").encode("utf-16"),
        lambda: b"",
        lambda: _of_lines(rng, content),
        lambda: _of_lines(rng, content),
    ))()  # fmt: skip


def _of_lines(rng: random.Random, content: bytes) -> bytes:
    """With a line too many or too few, or at another place."""
    lines = content.splitlines(keepends=True) or [b""]
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(4)
    if how == 0:
        lines[one], lines[other] = lines[other], lines[one]
    elif how == 1:
        lines.insert(other, lines[one])
    elif how == 2:
        del lines[one]
    else:
        lines.insert(one, b"\r\n")
    return b"".join(lines)


def of_json(rng: random.Random, content: bytes) -> bytes:
    """With another value, key or text somewhere in a JSON document."""
    return _written(_changed(rng, json.loads(content)), indent=2).encode("utf-8", "surrogatepass")


def of_json_lines(rng: random.Random, content: bytes) -> bytes:
    """Likewise in one line of a journal; each kind of line is as likely, however often it is there."""
    lines = content.splitlines(keepends=True)
    kinds: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        log = json.loads(line)
        about = next(iter(log.get("user_attr") or log.get("system_attr") or [log.get("param_name", "")]), "")
        kinds.setdefault(f"{log['op_code']} {about.rstrip('0123456789')}" if log["op_code"] != 5 else "5", []).append(
            number
        )
    number = rng.choice(kinds[rng.choice(sorted(kinds))])
    lines[number] = _written(_changed(rng, json.loads(lines[number]))).encode("utf-8", "surrogatepass") + b"\n"
    return b"".join(lines)


def _written(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent)
    for placeholder, raw in _RAW.items():
        text = text.replace(placeholder, raw)
    return text


def _changed(rng: random.Random, value: Any) -> Any:
    """`value`, a JSON document, with one or two changes."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        value = _with_change(rng, value)
    return value


def _with_change(rng: random.Random, document: Any) -> Any:
    places = list(_places(document))
    if not places:
        return _odd(rng)
    holder, key = rng.choice(places)
    how = rng.randrange(10)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[rng.choice((f"{key}x", "", "é", key.upper(), "x" * 500))] = holder.pop(key)
    elif how == 2 and isinstance(holder, dict):
        holder[rng.choice(("new", "__class__", "self", "name", "seed", "1"))] = _odd(rng)
    elif how == 3:
        other, from_there = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[from_there])) if other is not holder else _odd(rng)
    elif how == 4 and isinstance(holder[key], str) and holder[key]:
        holder[key] = of_bytes(rng, holder[key].encode()).decode("utf-8", "replace")
    elif how == 5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = rng.choice((-holder[key], holder[key] * 1e6, holder[key] + 0.5, str(holder[key]), [holder[key]]))
    else:
        holder[key] = _odd(rng)
    return document


def _odd(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice((*ODD, _TOO_LARGE, _TOO_LARGE, _TOO_DEEP)))  # which may be changed itself


def _places(value: Any) -> Any:
    """Every container within `value` with each of its keys."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield value, key
        yield from _places(inner)


def of_safetensors(rng: random.Random, content: bytes) -> bytes:
    """With another header, other metadata, or numbers that are none."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    how = rng.randrange(4)
    if how == 0:
        position = rng.randrange(len(data) // 4) * 4
        data[position : position + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), float("-inf"))))
    elif how == 1:
        header = _changed(rng, header)
    elif metadata := header.get("__metadata__"):
        name = rng.choice(sorted(metadata))
        metadata[name] = _text_changed(rng, metadata[name])
    text = _written(header).encode("utf-8", "surrogatepass")
    size = rng.choice((len(text) + 1, 0, 2**62)) if how == 3 and rng.random() < 0.2 else len(text)
    return struct.pack("<Q", size) + text + bytes(data)


def _text_changed(rng: random.Random, text: str) -> str:
    """A text that may be JSON itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return rng.choice(("", "x" * 3000, "\x1b[31m", text.upper()))
    return _written(_changed(rng, {"": value}).get("", ""))


CELLS = (
    "", "nan", "NaN", "inf", "-inf", "1e300", "-1", "0", "100.1", "1e999", "abc", '"', ",,", "9" * 5000,
    "\x1b[2J", "é", "0x1",
)  # fmt: skip


def of_csv(rng: random.Random, content: bytes) -> bytes:
    """With another cell, or a row or column too many or too few."""
    lines = content.decode().splitlines()
    number = rng.choice((0, *rng.sample(range(len(lines)), k=min(3, len(lines)))))
    cells = lines[number].split(",")
    column = rng.randrange(len(cells))
    how = rng.randrange(5)
    if how == 0:
        del cells[column]
    elif how == 1:
        cells.insert(column, rng.choice(CELLS))
    else:
        cells[column] = rng.choice(CELLS)
    lines[number] = ",".join(cells)
    return ("\n".join(lines) + "\n").encode()
