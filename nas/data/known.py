"""What was found out of a large file of images by reading all of it: kept in the cache, so that it is read once.

It is known by the file's path, size and time: where one changes, it is found out again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from typing import Any

from nas.files import cache_dir, read_json, write_atomically

VERSION = 1  # of what is kept: another number whenever it is found out otherwise


def known(what: str, identity: str | None, find_out: Callable[[], Any]) -> Any:
    """What `find_out` gives, as JSON has it, of the images of that `identity`; None: they are in no file.

    A cache that cannot be read or written is done without.
    """
    if identity is None:
        return find_out()
    key = hashlib.sha256(repr((VERSION, what, identity)).encode(errors="backslashreplace")).hexdigest()
    place = cache_dir() / "known" / f"{what}-{key[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        return read_json(place)[what]
    found = find_out()
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps({what: found}) + "\n")
    return found
