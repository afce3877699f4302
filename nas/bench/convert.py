"""NAS-Bench-201's published results as the CSV file that `nas bench` and `nas search --evaluator table` read.

    python -m nas.bench.convert NATS-tss-v1_0-3ffb9-simple.tar nasbench201-cifar10.csv

The archive is that of NATS-Bench (Dong et al. 2020, arXiv:2009.00437), whose topology search space are NAS-Bench-201's
cells, as it was downloaded or unpacked. It holds a compressed pickle for each architecture, and a pickle can call
anything: so these may name nothing but dictionaries and NumPy's numbers, see `nas.data.pickles`.
"""

from __future__ import annotations

import argparse
import bz2
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from nas.data.pickles import NUMBERS, unpickled
from nas.files import write_atomically
from searchspaces.nasbench201 import NASBench201

COLUMNS = ("cell", "val_acc_12", "test_acc_200")
MEMBER = re.compile(r"(?:.*/)?\d+\.pickle\.pbz2")  # beside meta.pickle.pbz2, which has the names of all
LARGEST = 64 * 2**20  # bytes of a member, decompressed; published ones have less than one

# Of what was trained, on which images: the names of the validation after 12 epochs, and of the test after 200
SPLITS = {
    "cifar10": (("cifar10-valid", "x-valid@11"), ("cifar10", "ori-test@199")),
    "cifar100": (("cifar100", "x-valid@11"), ("cifar100", "x-test@199")),
}


def convert(archive: str | Path, data: str = "cifar10") -> str:
    """The CSV file's text: a line for each cell, accuracies in %, each the mean over the seeds that there are.

    `data` is cifar10 or cifar100. Raises ValueError where `archive` is no such archive, with the member's name.
    """
    if data not in SPLITS:
        raise ValueError(f"--data is one of {', '.join(SPLITS)}, not {data!r}")
    space, lines = NASBench201(), dict[str, tuple[str, str]]()
    for name, content in _members(Path(archive)):
        try:
            cell, accuracies = _row(_unpickled(content), data)
            space.parse(cell)
            if cell in lines:
                raise ValueError(f"{cell} is there twice")
        except Exception as error:  # a broken pickle can raise anything
            raise ValueError(f"{name} in {archive} is not what NATS-Bench publishes: {error!r}") from None
        lines[cell] = Path(name).name, ",".join([cell, *(f"{accuracy:.3f}" for accuracy in accuracies)])
    if len(lines) < space.size:
        raise ValueError(
            f"{archive} has {len(lines):,} of {space.size:,} cells: download it again, or unpack all of it"
        )
    return "\n".join([",".join(COLUMNS), *(line for _, line in sorted(lines.values()))]) + "\n"


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Of a .tar or a folder the name and the content, still compressed, of each architecture's file."""
    if archive.is_dir():
        for path in sorted(archive.glob("*.pickle.pbz2")):
            if MEMBER.fullmatch(path.name):
                yield path.name, path.read_bytes()
        return
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and MEMBER.fullmatch(member.name) and (file := tar.extractfile(member)):
                    yield member.name, file.read()
    except tarfile.TarError:
        what = "NATS-tss-v1_0-3ffb9-simple.tar, or the folder that is in it"
        raise ValueError(f"{archive} is no whole archive: what is read is {what}") from None


def _unpickled(content: bytes) -> Any:
    plain = bz2.BZ2Decompressor().decompress(content, LARGEST)
    return unpickled(plain, NUMBERS, "results never do")


def _row(found: Mapping[str, Any], data: str) -> tuple[str, list[float]]:
    """A cell and its two accuracies; `found` has by the number of epochs the results by images and seed."""
    accuracies = []
    for epochs, (images, name) in zip(("12", "200"), SPLITS[data], strict=True):
        of_seeds = [of["eval_acc1es"] for (on, _), of in found[epochs]["all_results"].items() if on == images]
        accuracies.append(fmean(float(values[name]) for values in of_seeds))
    if not all(0 <= accuracy <= 100 for accuracy in accuracies):
        raise ValueError(f"accuracies are in %, not {accuracies}")
    return str(found["200"]["arch_str"]), accuracies


def main(arguments: list[str] | None = None) -> int:
    """The command: a mistake is one line on standard error and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m nas.bench.convert", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path, help="NATS-tss-v1_0-3ffb9-simple.tar, or the folder that is in it")
    parser.add_argument("table", type=Path, help="the CSV file to write")
    parser.add_argument("--data", default="cifar10", choices=sorted(SPLITS), help="which results")
    chosen = parser.parse_args(arguments)
    try:
        write_atomically(chosen.table, convert(chosen.archive, chosen.data))
    except (ValueError, OSError) as error:
        print(f"nas.bench.convert: {error}", file=sys.stderr)
        return 2
    cells = f"{NASBench201().size:,} cells on {chosen.data}"
    print(f"wrote {chosen.table}: {cells}, validation after 12 epochs and test after 200")
    return 0


if __name__ == "__main__":
    sys.exit(main())
