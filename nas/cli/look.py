"""`nas look`."""

from __future__ import annotations

from nas import api
from nas.cli import common
from nas.options.commands import LookOptions


def look(asked: LookOptions) -> None:
    """Write what a network sees as one HTML page.

    It has the filters of its first layer, the image patches that excite filters of each layer, each class at its most,
    and where the network looks on photographs.
    """
    common.load_torch()
    done = api.look.of(asked)
    if asked.as_json:
        common.print_json(done.to_dict())
        return
    common.to_stdout(f"wrote {done.path}, {done.bytes / 1000:,.0f} kB")
