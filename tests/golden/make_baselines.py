"""Writes baselines.json: parameters, multiply-adds and activations of every hand-designed network.

    python tests/golden/make_baselines.py

A figure that changes is a change of the network: look at the difference before you commit it. `sources` names the
implementations that tests/nas/baselines/test_sources.py holds the network to, weights, logits and costs; it is
written by hand and kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from nas.baselines.listing import listing

GOLDEN = Path(__file__).with_name("baselines.json")


def main() -> None:
    old = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    lines = []
    for network in listing():
        row = {"image_size": network.image_size, "num_classes": network.num_classes, **asdict(network.cost)}
        row["cifar10"] = network.cifar10 and asdict(network.cifar10)
        row["sources"] = old.get(network.name, {}).get("sources", [])
        lines.append(f"{json.dumps(network.name)}: {json.dumps(row)}")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"wrote {len(lines)} networks to {GOLDEN}")


if __name__ == "__main__":
    main()
