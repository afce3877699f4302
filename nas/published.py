"""Published results of every network of a space, which answer a search's trials where nothing shall be trained.

A table has two accuracies of each architecture: what a search may see of it, which was cheap and is noisy, and what it
is judged by in the end. `nas search --evaluator table --table FILE` reads the files that `BENCHMARKS` knows.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.config import Config
from searchspaces import Arch, Space

Row = tuple[Arch, float, float]  # an architecture, what a search sees of it, what it is judged by: accuracies in %


@dataclass(frozen=True)
class Benchmark:
    """What is known of a table before it is read. `observed` and `reported` say in words which accuracies those are."""

    title: str
    data: str
    observed: str
    reported: str
    rows: Callable[[Space, str], Iterator[Row]]  # of a file's text


@dataclass(frozen=True)
class Published:
    """A table that was read. Accuracies are in %, as they were published; architectures are in the file's order."""

    space: Space
    path: Path
    sha256: str
    observed: dict[Arch, float]
    reported: dict[Arch, float]

    @property
    def title(self) -> str:
        return BENCHMARKS[self.space.name].title

    def accuracy(self, arch: Arch) -> float:
        """What a search sees of `arch` itself, not of those that build the same network; 0..1."""
        if arch not in self.observed:
            raise ValueError(f"{self.space.format(arch)} is not in {self.path}: the search needs the whole table")
        return self.observed[arch] / 100


def read(space: Space, path: Path) -> Published:
    """The table of `space` in the file `path`. Raises ValueError where that is none."""
    benchmark = benchmark_of(space)
    mistake = ValueError(f"{path} is not the table of {benchmark.title} that the space {space.name} needs")
    try:
        content = path.read_bytes()
        rows = list(benchmark.rows(space, content.decode()))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise mistake from error
    if not rows:
        raise mistake
    observed = {arch: seen for arch, seen, _ in rows}
    reported = {arch: final for arch, _, final in rows}
    return Published(space, path, hashlib.sha256(content).hexdigest(), observed, reported)


def table_of(config: Config) -> Published | None:
    """The table that answers the trials of `config`, if one does. Raises ValueError where it is not what it was."""
    if config.table is None:
        return None
    table = read(config.space, Path(config.table))
    if table.sha256 != config.table_sha256:
        raise ValueError(f"{table.path} has changed since the run began: restore it, or say where it is with --table")
    return table


def benchmark_of(space: Space) -> Benchmark:
    """What was published of `space`. Raises ValueError where nothing was."""
    if space.name not in BENCHMARKS:
        raise ValueError(f"no table of the space {space.name} was published: there are {', '.join(BENCHMARKS)}")
    if space != type(space)():
        raise ValueError(f"the table of {space.name} is of networks at their published size: leave out --width")
    return BENCHMARKS[space.name]


def _nasbench201(space: Space, text: str) -> Iterator[Row]:
    for row in csv.DictReader(text.splitlines()):
        yield space.parse(row["cell"]), float(row["val_acc_12"]), float(row["test_acc_200"])


def _macro(space: Space, text: str) -> Iterator[Row]:
    for digits, row in json.loads(text).items():
        yield space.check([int(digit) for digit in digits]), float(row["test_acc"][0]), float(row["mean_acc"])


BENCHMARKS = {
    "nasbench201": Benchmark(
        "NAS-Bench-201",
        "cifar10",
        "validation accuracy after 12 epochs",
        "test accuracy after 200 epochs",
        _nasbench201,
    ),
    "nasbench_macro": Benchmark(
        "NAS-Bench-Macro", "cifar10", "test accuracy of one training", "mean test accuracy of three trainings", _macro
    ),
}
