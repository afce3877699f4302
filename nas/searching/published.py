"""Tables of results of every network of a space, which answer a search's trials where nothing shall be trained.

A table has two accuracies of each architecture: what a search may see of it, which was cheap and is noisy, and what it
is judged by in the end. `nas search --evaluator table --table FILE` and `nas bench` read the published files that
`BENCHMARKS` knows as they are, and for any space anyone's CSV with these columns, of which the last three may lack:

    architecture    the space's own text, in quotes where it has commas
    observed        accuracy in %, what a search sees
    reported        accuracy in %, what it is judged by
    params, macs    of the network
    seconds         that its evaluation took

NAS-Bench-201's file may have the last three, too. Its cells were trained on several sets of images, and a CSV file does
not say which: its name does, where it has `cifar10` or `cifar100` in it, and else nobody said.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from nas.checks.schemas import FIGURES
from nas.files import decoded
from nas.ledger.config import Config
from searchspaces import Arch, Space


@dataclass(frozen=True)
class TableRow:
    """What a table says of an architecture; accuracies in %, None where it does not say."""

    arch: Arch
    observed: float
    reported: float
    params: float | None = None
    macs: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """What is known of a table before it is read. `observed` and `reported` say in words which accuracies those are."""

    title: str
    data: str | None  # as --data has it; None: whatever it was, nobody said
    observed: str
    reported: str
    rows: Callable[[Space, str], Iterator[TableRow]]  # of a file's text
    named: bool = False  # there is a file for each of several data, so its name says which

    @property
    def on(self) -> str:
        """The title, and where its files are of different data, on which: `NAS-Bench-201 on cifar100`."""
        return f"{self.title} on {self.data}" if self.named and self.data else self.title


@dataclass(frozen=True)
class Published:
    """A table that was read. Accuracies are in %, as they were published; architectures are in the file's order.

    `params`, `macs` and `seconds` have every architecture, or are empty.
    """

    space: Space
    path: Path
    sha256: str
    observed: dict[Arch, float]
    reported: dict[Arch, float]
    params: dict[Arch, float] = field(default_factory=dict)
    macs: dict[Arch, float] = field(default_factory=dict)
    seconds: dict[Arch, float] = field(default_factory=dict)

    @property
    def benchmark(self) -> Benchmark:
        return benchmark_of(self.space, self.path)

    def key(self, arch: Arch) -> Arch:
        """`arch` as the table has it: itself, else one that builds the same network. Raises ValueError if neither."""
        if arch in self.observed:
            return arch
        canonical = self.space.canonical(arch)
        if canonical not in self._by_canonical:
            raise ValueError(f"{self.space.format(arch)} is not in {self.path}: the search needs the whole table")
        return self._by_canonical[canonical]

    @cached_property
    def _by_canonical(self) -> dict[Arch, Arch]:
        return {self.space.canonical(arch): arch for arch in reversed(self.observed)}

    def accuracy(self, arch: Arch) -> float:
        """What a search sees of `arch`; 0..1."""
        return self.observed[self.key(arch)] / 100


def read(space: Space, path: str | Path) -> Published:
    """The table of `space` in the file `path`. Raises ValueError where that is none."""
    path = Path(path)
    benchmark = benchmark_of(space, path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    text = decoded(content, path)
    try:
        rows = _rows(benchmark, space, text)
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        raise _mistake(benchmark, space, path, error) from error
    if not rows:
        raise _mistake(benchmark, space, path, ValueError("it has no rows"))
    columns = {name: {row.arch: getattr(row, name) for row in rows} for name in ("params", "macs", "seconds")}
    return Published(
        space,
        path,
        hashlib.sha256(content).hexdigest(),
        {row.arch: row.observed for row in rows},
        {row.arch: row.reported for row in rows},
        **{name: {} if None in values.values() else values for name, values in columns.items()},
    )


@lru_cache(maxsize=1)  # a search looks at its table when it is prepared, and again when it starts
def _rows(benchmark: Benchmark, space: Space, text: str) -> list[TableRow]:
    """Of a file's text. Raises a number of errors where that is no table of `space`."""
    return list(benchmark.rows(space, text))


def _mistake(benchmark: Benchmark, space: Space, path: Path, error: Exception) -> ValueError:
    if benchmark is ANYONES:
        return ValueError(f"{path} is no table of {space.name} with the columns {', '.join(COLUMNS)}: {error}")
    return ValueError(f"{path} is not the table of {benchmark.title} that the space {space.name} needs: {error}")


def table_of(config: Config) -> Published | None:
    """The table that answers the trials of `config`, if one does. Raises ValueError where it is not what it was."""
    if config.table is None:
        return None
    table = read(config.space, Path(config.table))
    if table.sha256 != config.table_sha256:
        raise ValueError(f"{table.path} has changed since the run began: restore it, or say where it is with --table")
    return table


def benchmark_of(space: Space, path: Path) -> Benchmark:
    """What is known of the table of `space` in the file `path`, of which only the first line is read."""
    if space.name not in BENCHMARKS or COLUMNS[0] in _header(path):
        return ANYONES
    if space != type(space)():
        raise ValueError(f"the table of {space.name} is of networks at their published size: leave out --width")
    known = BENCHMARKS[space.name]
    return replace(known, data=_data_named(path.name)) if known.named else known


def _data_named(name: str) -> str | None:
    """The images that a file's `name` says, `nasbench201-cifar100.csv`; None where it says none, or two."""
    found = {f"cifar{classes}" for classes in re.findall(r"cifar[-_]?(100|10)(?!\d)", name.lower())}
    return found.pop() if len(found) == 1 else None


def _header(path: Path) -> list[str]:
    """The columns of a CSV file; none where there is no such file, which whoever reads it will say."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return next(csv.reader([file.readline(1000)]), [])
    except OSError:
        return []


def _nasbench201(space: Space, text: str) -> Iterator[TableRow]:
    found, seen = csv.DictReader(text.splitlines()), set[Arch]()
    for row in found:
        with _naming(f"line {found.line_num}"):
            arch = _new(row["cell"], space, seen)
            more = {name: float(row[name]) for name in ("params", "macs", "seconds") if row.get(name)}
            yield _row(arch, observed=float(row["val_acc_12"]), reported=float(row["test_acc_200"]), **more)


def _macro(space: Space, text: str) -> Iterator[TableRow]:
    for digits, row in json.loads(text).items():
        with _naming(f"architecture {digits}"):
            arch = space.check([int(digit) for digit in digits])
            accuracies = {"observed": row["test_acc"][0], "reported": row["mean_acc"]}
            yield _row(arch, **accuracies, params=row.get("params"), macs=row.get("flops"))


def _anyones(space: Space, text: str) -> Iterator[TableRow]:
    found = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (found.fieldnames or ())]:
        raise ValueError(f"it has no column {', '.join(missing)}")
    seen = set[Arch]()
    for row in found:
        with _naming(f"line {found.line_num}"):
            arch = _new(row["architecture"], space, seen)
            yield _row(arch, **{name: float(row[name]) for name in FIGURES if name in COLUMNS or row.get(name)})


def _new(text: str, space: Space, seen: set[Arch]) -> Arch:
    """The architecture that `text` is, which is then `seen`. Raises ValueError where it was before."""
    arch = space.parse(text)
    if arch in seen:
        raise ValueError(f"{text} stands there twice")
    seen.add(arch)
    return arch


def _row(arch: Arch, **figures: Any) -> TableRow:
    """Raises ValueError where one of the `figures` is none."""
    return TableRow(arch, **{name: FIGURES[name].checked(name, figure) for name, figure in figures.items()})


@contextlib.contextmanager
def _naming(where: str) -> Iterator[None]:
    """What is wrong within is a ValueError that says where."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{where}: it has no {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: {error}") from None


COLUMNS = ("architecture", "observed", "reported")
ANYONES = Benchmark("a table", None, "observed accuracy", "reported accuracy", _anyones)
BENCHMARKS = {
    "nasbench201": Benchmark(
        "NAS-Bench-201",
        None,
        "validation accuracy after 12 epochs",
        "test accuracy after 200 epochs",
        _nasbench201,
        named=True,
    ),
    "nasbench_macro": Benchmark(
        "NAS-Bench-Macro", "cifar10", "test accuracy of one training", "mean test accuracy of three trainings", _macro
    ),
}
