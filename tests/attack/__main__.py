"""`python -m tests.attack --all`: attack the tool, and print what came of it as the table of docs/reliability.md.

Exits with 1 where anything went wrong, after it has said how to repeat each. `--tries` makes it shorter or longer.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from tests.attack.outcome import Attack, Outcome, table

TRIES: dict[str, int] = {
    "kills": 300,
    "moments": 30,
    "mutations": 10_000,
    "options": 1_000,
    "soak": 20_000,
    "clusters": 10,
}
"""The attacks, each a module here with an `attack`, and how many tries `--all` has of it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"what to attack with: {', '.join(TRIES)}")
    parser.add_argument("--all", action="store_true", help="with all of them")
    parser.add_argument("--tries", type=int, help="so many of each, in place of " + str(TRIES))
    parser.add_argument("--seed", type=int, default=0, help="decides every try (default: 0)")
    options = parser.parse_args()
    if unknown := set(options.attacks) - TRIES.keys():
        parser.error(f"no attack is called {', '.join(sorted(unknown))}: there are {', '.join(TRIES)}")
    names = list(TRIES) if options.all else options.attacks
    if not names:
        parser.error("name attacks, or give --all")
    outcomes = [outcome for name in names for outcome in run(name, options.tries or TRIES[name], options.seed)]
    print(table(outcomes))
    faults = [f"{o.attack} on {o.target}: {f.kind}: {f.how}" for o in outcomes for f in o.faults]
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


def run(name: str, tries: int, seed: int) -> list[Outcome]:
    """What the attack `name` gave, in a folder of its own."""
    attack: Attack = importlib.import_module(f"tests.attack.{name}").attack
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nas-attack-", ignore_cleanup_errors=True) as folder:
        outcomes = list(attack(tries, seed, Path(folder)))
    took, faults = time.monotonic() - began, sum(len(outcome.faults) for outcome in outcomes)
    print(f"{name}: {sum(o.tries for o in outcomes)} tries in {took:.0f} s, {faults} faults", file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
