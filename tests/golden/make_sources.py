"""Writes to sources.json, beside each network of torchvision's and timm's, a digest of its tensors' names and shapes.

    python tests/golden/make_sources.py

It needs those libraries, which the tests of the names then do not. The rest of the file is written by hand.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import timm
import torch
import torchvision

GOLDEN = Path(__file__).with_name("sources.json")


def main() -> None:
    rows = json.loads(GOLDEN.read_text())
    for row in rows:
        if row["library"] == "pytorchcv":
            continue
        make = torchvision.models.get_model if row["library"] == "torchvision" else timm.create_model
        with torch.device("meta"):
            state = make(row["theirs"], **row.get("arguments", {})).state_dict()
        lines = sorted(f"{key} {tuple(t.shape)}" for key, t in state.items() if not key.endswith("num_batches_tracked"))
        row["tensors"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"wrote {len(rows)} sources to {GOLDEN}")


if __name__ == "__main__":
    main()
