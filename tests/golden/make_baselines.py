"""Writes baselines.json: parameters, multiply-adds and activations of every hand-designed network.

    python tests/golden/make_baselines.py

A figure that changes is a change of the network: look at the difference before you commit it. sources.json says which
networks other implementations agree with, and tests/nas/baselines/test_sources.py holds them to it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from nas.baselines.listing import listing

GOLDEN = Path(__file__).with_name("baselines.json")


def main() -> None:
    lines = []
    for network in listing():
        row = {"image_size": network.image_size, "num_classes": network.num_classes, **asdict(network.cost)}
        row["cifar10"] = network.cifar10 and asdict(network.cifar10)
        lines.append(f"{json.dumps(network.name)}: {json.dumps(row)}")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"wrote {len(lines)} networks to {GOLDEN}")


if __name__ == "__main__":
    main()
