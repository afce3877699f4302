"""Writes to sources.json, beside each network that a library has, a digest of its tensors' names and shapes.

    python tests/golden/make_sources.py

It needs torchvision, timm, efficientnet_pytorch and efficientnet_lite_pytorch, which the tests of the names then do
not. The rest of the file is written by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import efficientnet_lite_pytorch
import efficientnet_pytorch
import timm
import torch
import torchvision
from torch import nn

GOLDEN = Path(__file__).with_name("sources.json")


def maker(row: dict[str, Any]) -> Callable[..., nn.Module]:
    """What makes the network of `row` by its name there."""
    if row["library"] == "efficientnet_pytorch":
        package = efficientnet_lite_pytorch if "lite" in row["name"] else efficientnet_pytorch
        return package.EfficientNet.from_name
    return torchvision.models.get_model if row["library"] == "torchvision" else timm.create_model


def main() -> None:
    rows = json.loads(GOLDEN.read_text())
    for row in rows:
        if row["library"] == "pytorchcv":
            continue
        with torch.device("meta"):
            state = maker(row)(row["theirs"], **row.get("arguments", {})).state_dict()
        lines = sorted(f"{key} {tuple(t.shape)}" for key, t in state.items() if not key.endswith("num_batches_tracked"))
        row["tensors"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"wrote {len(rows)} sources to {GOLDEN}")


if __name__ == "__main__":
    main()
