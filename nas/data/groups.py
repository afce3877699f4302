"""Images that belong together, of one patient or one video: they must be in one split, or a network is told the answer.

What group an image is of is said by `--group-by`: by a regular expression over its path below the data's, or by a
column of the CSV that lists it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.data.csv_list import CsvFile
from nas.data.splits import FolderLayout, some
from nas.text.visible import visible_in_line

Names = Mapping[str, Sequence[str]]
"""Of each split, its files as their split's folder has them."""
MOST_NAMED = 20  # columns
PASSES = 5  # through all groups, for as long as the balance gains by it
_A_NAME = re.compile(r"[\w -]+")  # which as an expression matches only itself: a column is meant


def typed(by: str) -> str:
    """`--group-by 'patient[0-9]+'`, as messages have it."""
    return f"--group-by '{visible_in_line(by)}'"


@dataclass(frozen=True)
class Groups:
    """The group of each image of each split, by the file's name in it; `by` is what --group-by is."""

    by: str
    of: dict[str, dict[str, str]]

    @classmethod
    def of_files(cls, by: str, layout: FolderLayout, root: Path, names: Names) -> Groups:
        """Of the files `names`, whose paths begin below `root`. Raises ValueError where one is of no group."""
        column = _column(layout.csv, by) if layout.csv else None
        if layout.csv and column is not None:
            return cls(by, _by_column(by, layout.csv, column, names))
        find = _compiled(by, layout.csv)
        below = {split: layout.splits[split].folder.relative_to(root) for split in names}
        paths = {split: [(below[split] / name).as_posix() for name in names[split]] for split in names}
        found = {split: dict(zip(names[split], map(find, whole), strict=True)) for split, whole in paths.items()}
        unmatched = [
            path for split in names for path, name in zip(paths[split], names[split], strict=True)
            if not found[split][name]
        ]  # fmt: skip
        if unmatched:
            total = sum(map(len, names.values()))
            raise ValueError(f"{typed(by)} finds no group in {len(unmatched):,} of {total:,} images: {some(unmatched)}")
        return cls(by, found)

    @cached_property
    def splits_of(self) -> dict[str, list[str]]:
        """The splits in which each group has images, sorted by its name."""
        found: dict[str, list[str]] = {}
        for split, groups in self.of.items():
            for group in dict.fromkeys(groups.values()):
                found.setdefault(group, []).append(split)
        return dict(sorted(found.items()))

    def numbers(self, split: str, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """The groups of these files as numbers, `[N]`, the same for the same files."""
        _, found = np.unique([self.of[split][name] for name in names], return_inverse=True)
        return found.astype(np.int64)

    def check(self, made: int, names: Sequence[str]) -> None:
        """Raises ValueError where `names` of `train` are of too few groups to make `made` other splits of them."""
        count = len({self.of["train"][name] for name in names})
        if made and count <= made:
            raise ValueError(
                f"{typed(self.by)} makes {count} group{'' if count == 1 else 's'} of the images that are split: "
                f"{made + 1} or more are needed, one at least for each split"
            )

    def words(self) -> str:
        """How many there are, and whether any is in two splits that the data give."""
        many = f"{len(self.splits_of):,} groups of images by {visible_in_line(self.by)}"
        torn = {group: splits for group, splits in self.splits_of.items() if len(splits) > 1}
        if not torn:
            return f"{many}: the images of each are in one split"
        group, splits = next(iter(torn.items()))
        are = "is" if len(torn) == 1 else "are"
        return (
            f"{many}: {len(torn):,} {are} in more than one of the splits that the data give, such as "
            f"{visible_in_line(group)} in {' and '.join(splits)}, so accuracies may be too high"
        )


def hold_out(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], n: int, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The places of about `n` images, all that some groups have, and of the rest: both sorted.

    `labels` and `groups` are `[N]`. Groups are gone through in a random order, a few times: one is taken, or given
    back, where the numbers of images, of each of its classes and in all, come nearer to their share by it. At least one
    is taken.
    """
    order = np.random.default_rng(seed).permutation(np.unique(groups)).tolist()
    classes = int(labels.max()) + 1
    pairs, counts = np.unique(groups * classes + labels, return_counts=True)
    wanted = n / len(labels) * np.bincount(labels, minlength=classes)
    missing = wanted.copy()
    taken: set[int] = set()
    nearest, least = order[0], np.inf
    for _ in range(PASSES):
        before = frozenset(taken)
        for group in order:
            first, end = np.searchsorted(pairs, (group * classes, (group + 1) * classes))
            of, more = pairs[first:end] % classes, counts[first:end] * (-1 if group in taken else 1)
            change = (more * (more - 2 * missing[of]) / wanted[of]).sum()
            change += more.sum() * (more.sum() - 2 * missing.sum()) / n
            if change < 0:
                taken ^= {group}
                missing[of] -= more
            elif not before and change < least:
                nearest, least = group, change
        if taken == before:
            break
    held = np.isin(groups, [*(taken or {nearest})])
    return np.flatnonzero(held), np.flatnonzero(~held)


# ---------------------------------------------------------------------------- what a text means


def _column(listed: CsvFile, by: str) -> int | None:
    """The place of the column that `by` names; None where it is an expression. ValueError where there is none."""
    lower = [column.lower() for column in listed.columns]
    if by in listed.columns:
        return listed.columns.index(by)
    if by.lower() in lower:
        return lower.index(by.lower())
    if _A_NAME.fullmatch(by):
        has = ", ".join(map(visible_in_line, listed.columns[:MOST_NAMED]))
        raise ValueError(f"{typed(by)}: {listed.path} has no column of that name: it has {has}")
    return None


def _by_column(by: str, listed: CsvFile, column: int, names: Names) -> dict[str, dict[str, str]]:
    """Raises ValueError, with the line, where a row has nothing in that column."""
    values = {}
    for row in listed.rows:
        if not (value := row.values[column]):
            raise ValueError(f"{listed.path}, line {row.line:,}: its {by} is empty, by which images are grouped")
        values[row.file.name] = value
    return {split: {name: values[name] for name in files} for split, files in names.items()}


def _compiled(by: str, listed: CsvFile | None) -> Callable[[str], str]:
    """What finds the group in a path, "" where there is none. Raises ValueError where `by` is no expression."""
    try:
        expression = re.compile(by)
    except (re.error, RecursionError, OverflowError) as error:
        neither = f" and no column of {listed.path}" if listed else ""
        raise ValueError(f"{typed(by)} is no regular expression{neither}: {error}") from None

    def find(path: str) -> str:
        match = expression.search(path)
        return (match[1 if expression.groups else 0] or "") if match else ""

    return find
