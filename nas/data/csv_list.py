"""Images that a CSV file lists: the class of each, perhaps its split, and other columns by which to group them.

    file,label,split
    images/001.jpg,daisy,train

A header is needed; capitals make no difference in it, and other names for the columns are known. The delimiter is a
comma, a semicolon or a tab. Files are named from the CSV's own folder, and none outside it is read.
"""

from __future__ import annotations

import csv
import io
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nas.data.decoded import File
from nas.data.listing import Listing, entries, is_hidden
from nas.data.splits import SPELLINGS, SPLITS, FolderLayout, Split, some
from nas.files import read_text
from nas.text.visible import visible_in_line

ENDINGS = (".csv", ".tsv")
DELIMITERS = (",", ";", "\t")
COLUMNS = {
    "file": ("file", "image", "filename", "path"),
    "label": ("label", "class", "target", "category"),
    "split": ("split",),
}
"""What a column may be called, in lower case."""
_SPLIT_OF = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}


@dataclass(frozen=True)
class Row:
    """One image: its file within the CSV's folder, its class, its split ("" without that column), and the whole row.

    `line` is the line of the CSV in which the row ends, counted from 1.
    """

    line: int
    file: File
    label: str
    split: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class CsvFile:
    """What a CSV file says, which has been checked: see the module."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, path: Path) -> CsvFile:
        """Raises ValueError, with the line, for what is not as the module says or names a file that is not there."""
        columns, lines = _table(path)
        places = _places(path, columns)
        if places is None:
            has = f"it has {some(columns)}" if columns else "it has none"
            raise ValueError(
                f"{path} must begin with a line that names the columns, file and label and perhaps split: {has}"
            )
        rows = tuple(_rows(path, columns, places, lines))
        _check(path, rows)
        return cls(path, columns, rows)

    def layout(self) -> FolderLayout:
        """The splits that it has, of which each has its files by their classes."""
        parts = dict.fromkeys(row.split for row in self.rows)
        if "" in parts:
            return FolderLayout({"train": CsvSplit.of_rows(self, "train", self.rows)}, together=True, csv=self)
        splits: dict[str, Split] = {
            name: CsvSplit.of_rows(self, name, [row for row in self.rows if row.split == name])
            for name in SPLITS
            if name in parts
        }
        return FolderLayout(splits, csv=self)


@dataclass(frozen=True)
class CsvSplit(Split):
    """A split that is rows of a CSV file; `files` are theirs, by their classes and sorted."""

    called: str = ""
    kept: str = ""
    files: dict[str, Listing] = field(default_factory=dict)

    @classmethod
    def of_rows(cls, listed: CsvFile, name: str, rows: Sequence[Row]) -> CsvSplit:
        files: dict[str, Listing] = {label: Listing() for label in sorted({row.label for row in rows})}
        for row in sorted(rows, key=lambda row: row.file):
            files[row.label].files.append(row.file)
        called = f"the {name} rows of {visible_in_line(listed.path.name)}"
        classes: dict[str, list[str]] = {label: [] for label in files}
        return cls(listed.path.parent, classes, called=called, kept=f"{listed.path.name[:40]}-{name}", files=files)

    @property
    def name(self) -> str:
        return self.called

    @property
    def kept_as(self) -> str:
        return self.kept

    def listings(self) -> dict[str, Listing]:
        return self.files


def layout_of(path: Path) -> FolderLayout:
    """How the images of `path` are laid out, which is a folder of classes or splits, a CSV, or a folder with a CSV.

    The CSV in a folder is taken where the folders in it are no classes, and it is the only one. Raises ValueError, with
    what to do, where the layout is none of these.
    """
    if path.is_file() and is_csv(path.name):
        return CsvFile.of(path).layout()
    lists = _lists_in(path) if path.is_dir() else []
    try:
        layout = FolderLayout.of(path)
    except ValueError as error:
        if not lists:
            raise
        if len(lists) > 1:
            which = some([each.name for each in lists])
            raise ValueError(
                f"{error}. Or name one of its CSV files ({which}), as in --data folder:{lists[0]}"
            ) from None
        return CsvFile.of(lists[0]).layout()
    return replace(layout, left_out=tuple(each.name for each in lists))


def is_csv(name: str) -> bool:
    """Whether the name of a file is that of a CSV."""
    return name.lower().endswith(ENDINGS)


def _lists_in(folder: Path) -> list[Path]:
    """The CSV files in `folder` whose columns are those of a list of images."""
    found = []
    for entry in entries(folder):
        path = folder / entry.name
        if is_csv(entry.name) and not is_hidden(entry.name) and path.is_file():
            try:
                if _places(path, _table(path)[0]) is not None:
                    found.append(path)
            except ValueError:  # it is no such list
                continue
    return found


# ---------------------------------------------------------------------------- its text


def _table(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and the other lines that are not blank, by their numbers. ValueError as `read_text`."""
    text = read_text(path)
    header = text.strip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    lines = _lines(path, text, delimiter)
    _, columns = next(lines, (0, []))
    return tuple(columns), lines


def _lines(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values):
                yield reader.line_num, values
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"it cannot be read as CSV: {error}") from None


def _places(path: Path, columns: Sequence[str]) -> dict[str, int] | None:
    """Which column is the file, which the label and which the split; None where file or label is in none.

    Raises ValueError where two columns could be the same one.
    """
    lower = [column.lower() for column in columns]
    places: dict[str, int] = {}
    for column, names in COLUMNS.items():
        found = [place for place, name in enumerate(lower) if name == column] or [
            place for place, name in enumerate(lower) if name in names
        ]
        if len(found) > 1:
            both = some([columns[place] for place in found])
            raise ValueError(f"{path} has several columns for the {column} ({both}): call the one to take {column}")
        if found:
            places[column] = found[0]
    return places if {"file", "label"} <= places.keys() else None


def _rows(
    path: Path, columns: Sequence[str], places: dict[str, int], lines: Iterator[tuple[int, list[str]]]
) -> Iterator[Row]:
    """The rows, with what is in their columns checked, and that their files are there. ValueError for the first."""
    seen: dict[str, int] = {}
    for line, values in lines:
        if len(values) < len(columns) or any(values[len(columns) :]):
            fields = f"{len(values)} field{'' if len(values) == 1 else 's'}"
            raise _wrong(path, line, f"it has {fields} where the first line has {len(columns)}")
        label = unicodedata.normalize("NFC", values[places["label"]])
        if not label:
            raise _wrong(path, line, "its label is empty")
        split = ""
        if "split" in places:
            given = values[places["split"]]
            split = _SPLIT_OF.get(given.lower(), "")
            if not split:
                raise _wrong(path, line, f"its split must be train, val or test, not {visible_in_line(repr(given))}")
        file = _file(path, line, values[places["file"]])
        if (first := seen.setdefault(file.name, line)) != line:
            raise _wrong(path, line, f"{visible_in_line(file.name)} is named in line {first} already")
        yield Row(line, file, label, split, tuple(values[: len(columns)]))


def _file(path: Path, line: int, given: str) -> File:
    """The image file that a row names. Raises ValueError where it is not there, or not below the CSV's folder."""
    folder, shown = path.parent, visible_in_line(given)
    if not given:
        raise _wrong(path, line, "its file is empty")
    name = _below(folder, given)
    if "\\" in given and not (folder / name).exists():  # as Windows writes it
        name = _below(folder, given.replace("\\", "/"))
    if name == ".." or name.startswith("../") or Path(name).is_absolute():
        raise _wrong(path, line, f"{shown} is not below the folder of the CSV, and no other file is read")
    try:
        status = (folder / name).stat()
    except (OSError, ValueError):
        raise _wrong(path, line, f"there is no file {shown} in {folder}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _wrong(path, line, f"{shown} is no file")
    return File(name, status.st_size, status.st_mtime_ns)


def _below(folder: Path, given: str) -> str:
    """`given` from `folder`, without any `.` or `..` that can be done without: whatever a row calls it, one name."""
    whole = os.path.normpath(folder / given)
    return os.path.relpath(whole, folder)


# ---------------------------------------------------------------------------- what is refused


def _check(path: Path, rows: Sequence[Row]) -> None:
    """Raises ValueError unless there are two classes or more, and each has training images."""
    if not rows:
        raise ValueError(f"{path} lists no image: there is nothing below its first line")
    first = {row.label: row for row in reversed(rows)}
    if len(first) < 2:
        raise ValueError(f"{path} must have images of two or more classes: it has one, {some([*first])}")
    trained = {row.label for row in rows if row.split in ("", "train")}
    if not trained:
        raise ValueError(f"{path} has no row of split train: say which images to train on")
    for label, row in sorted(first.items(), key=lambda item: item[1].line):
        if label not in trained:
            raise _wrong(path, row.line, f"no row of split train has the label {visible_in_line(label)}")


def _wrong(path: Path, line: int, why: str) -> ValueError:
    return ValueError(f"{path}, line {line:,}: {why}")
