"""Images that a CSV file lists: the class of each, perhaps its split, and other columns by which to group them.

    file,label,split
    images/001.jpg,daisy,train

Other labels than one class are read by `csv_labels`: `file,labels`, or columns that a person names. A header is needed;
capitals make no difference in it, and other names for the columns are known. The delimiter is a comma, a semicolon or a
tab. Files are named from the CSV's own folder, and none outside it is read.
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

from nas.data.csv_labels import SEVERAL, Meaning, Target, meaning_of
from nas.data.decoded import File
from nas.data.listing import Listing, entries, is_hidden
from nas.data.splits import SPELLINGS, SPLITS, FolderLayout, Split, some
from nas.data.targets import CLASSIFICATION, MULTILABEL
from nas.files import read_text
from nas.text.visible import visible_in_line

ENDINGS = (".csv", ".tsv")
DELIMITERS = (",", ";", "\t")
COLUMNS = {
    "file": ("file", "image", "filename", "path"),
    "label": ("label", "class", "target", "category", SEVERAL),
    "split": ("split",),
}
"""What a column may be called, in lower case."""
_SPLIT_OF = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}


@dataclass(frozen=True)
class Row:
    """One image: its file within the CSV's folder, its class, its split ("" without that column), and the whole row.

    `line` is the line of the CSV in which the row ends, counted from 1. `target` has its labels or numbers, where it
    has no class: then `label` is "".
    """

    line: int
    file: File
    label: str
    split: str
    values: tuple[str, ...]
    target: Target = ()


@dataclass(frozen=True)
class CsvFile:
    """What a CSV file says, which has been checked: see the module; `meaning` is what its labels are."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    meaning: Meaning

    @classmethod
    def of(cls, path: Path, task: str | None = None, labels: str | None = None) -> CsvFile:
        """Of this `task`, with the labels in these columns, where a person says so.

        Raises ValueError, with the line, for what is not as the module says or names a file that is not there.
        """
        columns, lines = _table(path)
        places = _places(path, columns, labels)
        if places is None:
            if columns and _named(columns, COLUMNS["file"]):
                raise ValueError(
                    f"{path} has no column label or labels: say which columns have the labels, as in --labels "
                    f"COLUMN,COLUMN. It has {', '.join(map(visible_in_line, columns))}"
                )
            has = f"it has {some(columns)}" if columns else "it has none"
            raise ValueError(
                f"{path} must begin with a line that names the columns, file and label and perhaps split: {has}"
            )
        rows, meaning = _meant(path, columns, places, tuple(_rows(path, columns, places, lines)), task)
        _check(path, rows, meaning)
        return cls(path, columns, rows, meaning)

    @property
    def targets(self) -> dict[str, Target]:
        """The labels or numbers of each file, by its name; empty where images have classes."""
        return {row.file.name: row.target for row in self.rows} if self.meaning.targets else {}

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


def layout_of(path: Path, task: str | None = None, labels: str | None = None) -> FolderLayout:
    """How the images of `path` are laid out, which is a folder of classes or splits, a CSV, or a folder with a CSV.

    The CSV in a folder is taken where the folders in it are no classes, and it is the only one. `task` and `labels` are
    what a person says of the labels, see `CsvFile.of`. Raises ValueError, with what to do, where the layout is none of
    these.
    """
    if path.is_file() and is_csv(path.name):
        return CsvFile.of(path, task, labels).layout()
    lists = _lists_in(path, labels) if path.is_dir() else []
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
        return CsvFile.of(lists[0], task, labels).layout()
    if labels is not None or task not in (None, CLASSIFICATION):
        what = "--labels names columns of a CSV" if labels is not None else f"--task {task} needs a CSV"
        raise ValueError(f"{what}, and the folders in {path} say what its images are: give --data folder:FILE.csv")
    return replace(layout, left_out=tuple(each.name for each in lists))


def is_csv(name: str) -> bool:
    """Whether the name of a file is that of a CSV."""
    return name.lower().endswith(ENDINGS)


def _lists_in(folder: Path, labels: str | None) -> list[Path]:
    """The CSV files in `folder` whose columns are those of a list of images, with these `labels` if they are named."""
    found = []
    for entry in entries(folder):
        path = folder / entry.name
        if is_csv(entry.name) and not is_hidden(entry.name) and path.is_file():
            try:
                if _places(path, _table(path)[0], labels) is not None:
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


def _places(path: Path, columns: Sequence[str], labels: str | None) -> dict[str, list[int]] | None:
    """Which column is the file, which have the `labels`, and which is the split; None where file or labels have none.

    Raises ValueError where two columns could be the same one, or one that is named in `labels` is not there.
    """
    places: dict[str, list[int]] = {}
    for column, names in COLUMNS.items():
        if column == "label" and labels is not None:
            places[column] = _of_person(path, columns, labels)
            continue
        found = _named(columns, (column,)) or _named(columns, names)
        if len(found) > 1:
            both = some([columns[place] for place in found])
            raise ValueError(f"{path} has several columns for the {column} ({both}): call the one to take {column}")
        if found:
            places[column] = found
    return places if {"file", "label"} <= places.keys() else None


def _named(columns: Sequence[str], names: Sequence[str]) -> list[int]:
    """The places of the columns that are called so, whatever their capitals."""
    return [place for place, column in enumerate(columns) if column.lower() in names]


def _of_person(path: Path, columns: Sequence[str], labels: str) -> list[int]:
    """The places of the columns that --labels names. Raises ValueError where one is not there, or is named twice."""
    places = []
    for name in (part.strip() for part in labels.split(",")):
        found = [place for place, column in enumerate(columns) if column == name] or _named(columns, (name.lower(),))
        if not name or len(found) != 1 or found[0] in places:
            why = "names nothing" if not name else "names it twice" if found and found[0] in places else "is not there"
            raise ValueError(
                f"--labels {visible_in_line(labels)}: {visible_in_line(repr(name))} {why}: {path} has the columns "
                f"{', '.join(map(visible_in_line, columns))}"
            )
        places += found
    return places


def _rows(
    path: Path, columns: Sequence[str], places: dict[str, list[int]], lines: Iterator[tuple[int, list[str]]]
) -> Iterator[Row]:
    """The rows, with what is in their columns checked but for labels, and that their files are there.

    ValueError for the first that is wrong.
    """
    seen: dict[str, int] = {}
    for line, values in lines:
        if len(values) < len(columns) or any(values[len(columns) :]):
            fields = f"{len(values)} field{'' if len(values) == 1 else 's'}"
            raise _wrong(path, line, f"it has {fields} where the first line has {len(columns)}")
        split = ""
        if "split" in places:
            given = values[places["split"][0]]
            split = _SPLIT_OF.get(given.lower(), "")
            if not split:
                raise _wrong(path, line, f"its split must be train, val or test, not {visible_in_line(repr(given))}")
        file = _file(path, line, values[places["file"][0]])
        if (first := seen.setdefault(file.name, line)) != line:
            raise _wrong(path, line, f"{visible_in_line(file.name)} is named in line {first} already")
        yield Row(line, file, "", split, tuple(values[: len(columns)]))


def _meant(
    path: Path, columns: Sequence[str], places: dict[str, list[int]], rows: tuple[Row, ...], task: str | None
) -> tuple[tuple[Row, ...], Meaning]:
    """The `rows` with their labels, and what these are. Raises ValueError where they are not what they should be."""
    if not rows:
        raise ValueError(f"{path} lists no image: there is nothing below its first line")
    of_labels = places["label"]
    cells = [[row.values[place] for place in of_labels] for row in rows]

    def wrong(place: int, why: str) -> ValueError:
        return _wrong(path, rows[place].line, why)

    usual = len(of_labels) == 1 and columns[of_labels[0]].lower() in COLUMNS["label"][:-1]
    given = task or (CLASSIFICATION if usual else None)  # as a column `label` was always read
    meaning = meaning_of([columns[place] for place in of_labels], cells, given, wrong)
    if meaning.targets:
        return tuple(replace(row, target=target) for row, target in zip(rows, meaning.targets, strict=True)), meaning
    for place, (label,) in enumerate(cells):
        if not label:
            raise wrong(place, "its label is empty")
    named = (replace(row, label=unicodedata.normalize("NFC", label)) for row, (label,) in zip(rows, cells, strict=True))
    return tuple(named), meaning


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


def _check(path: Path, rows: Sequence[Row], meaning: Meaning) -> None:
    """Raises ValueError unless there are two classes or more, and each has training images, as each label has."""
    trained = [row for row in rows if row.split in ("", "train")]
    if meaning.kind == CLASSIFICATION:
        first = {row.label: row for row in reversed(rows)}
        if len(first) < 2:
            raise ValueError(f"{path} must have images of two or more classes: it has one, {some([*first])}")
    if not trained:
        raise ValueError(f"{path} has no row of split train: say which images to train on")
    if meaning.kind == CLASSIFICATION:
        known = {row.label for row in trained}
        for label, row in sorted(first.items(), key=lambda item: item[1].line):
            if label not in known:
                raise _wrong(path, row.line, f"no row of split train has the label {visible_in_line(label)}")
    elif meaning.kind == MULTILABEL:
        for place, name in enumerate(meaning.names):
            if not any(row.target[place] for row in trained):
                raise ValueError(f"{path}: no row of split train has the label {visible_in_line(name)}: leave it out")


def _wrong(path: Path, line: int, why: str) -> ValueError:
    return ValueError(f"{path}, line {line:,}: {why}")
