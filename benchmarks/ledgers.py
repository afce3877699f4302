"""Makes the ledgers in the package, which `nas search --experience builtin` begins from, of runs.

    python benchmarks/ledgers.py runs/compact-cifar10 runs/mnas-cifar10

Each run becomes `nas/ledger/builtin/NAME.json`, with the command and the seed by which it was made. docs/controller.md
has the commands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nas.ledger
from nas.files import write_atomically
from nas.ledger.experience import EarlierRun, Experience
from nas.ledger.run import Run

BUILTIN = Path(nas.ledger.__file__).parent / "builtin"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    for path in parser.parse_args().runs:
        opened = Run.open(path)
        run = EarlierRun.of(opened)
        text = Experience((run,)).text
        assert text is not None
        write_atomically(BUILTIN / f"{run.name}.json", text)
        print(f"{run.in_words(opened.config.space)}: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
