"""`nas fuse`."""

from __future__ import annotations

import json
from pathlib import Path

from nas import api
from nas.cli import common
from nas.files import write_atomically
from nas.options.commands import FuseOptions


def fuse(asked: FuseOptions) -> None:
    """Have different trained networks vote, and say what that gains.

    Beside the votes stand each network alone, the classes on which it is the best, and how alike they err. Weights are
    fitted on validation images; the test images are looked at once. Networks of one architecture: nas soup.
    """
    out = None if asked.out is None else Path(asked.out)
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent} for {out.name}: make it first")
    if out is not None and out.is_dir():
        raise ValueError(f"--out {out} is a folder: name a file, {out / 'fusion.json'}")
    common.load_torch()
    from nas.fusion.report import in_words

    fusion = api.fuse.of(asked)
    if out is not None:
        write_atomically(out, json.dumps(fusion.to_dict(), indent=2) + "\n")
    if asked.as_json:
        common.print_json(fusion.to_dict())
        return
    common.to_stdout(in_words(fusion))
    if out is not None:
        common.to_stdout(f"wrote {out}")
