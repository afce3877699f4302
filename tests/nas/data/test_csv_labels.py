"""What the label columns of a CSV mean, and what is refused since it may mean several things."""

from __future__ import annotations

import pytest

from nas.data.csv_labels import Meaning, meaning_of


def meaning(columns: str, rows: list[str], task: str | None = None) -> Meaning:
    """Of rows as `a|b,3`: cells are parted by commas."""
    names = columns.split(",")
    cells = [row.split(",") if len(names) > 1 else [row] for row in rows]
    return meaning_of(names, cells, task, lambda place, why: ValueError(f"row {place}: {why}"))


@pytest.mark.parametrize(
    ("columns", "rows", "task", "kind", "names", "targets"),
    [
        ("labels", ["a;b", "", "b"], None, "multilabel", ("a", "b"), ((1, 1), (0, 0), (0, 1))),
        ("labels", ["red cell|b", "b"], None, "multilabel", ("b", "red cell"), ((1, 1), (1, 0))),
        ("labels", ["a, b", "b"], None, "multilabel", ("a", "b"), ((1, 1), (0, 1))),
        ("labels", ["a b", "b"], "multilabel", "multilabel", ("a", "b"), ((1, 1), (0, 1))),
        ("tags", ["a;b", "b"], None, "multilabel", ("a", "b"), ((1, 1), (0, 1))),
        ("car,tree", ["1,0", "0,1", "1,1"], None, "multilabel", ("car", "tree"), ((1, 0), (0, 1), (1, 1))),
        ("car,tree", ["1,0", "0,1"], "regression", "regression", ("car", "tree"), ((1, 0), (0, 1))),
        ("age", ["1.5", "20"], None, "regression", ("age",), ((1.5,), (20,))),
        ("age", ["1", "20"], "regression", "regression", ("age",), ((1,), (20,))),
        ("x,y", ["1,20", "-3,4"], None, "regression", ("x", "y"), ((1, 20), (-3, 4))),
        ("kind", ["red cell", "white cell"], None, "classification", (), ()),
        ("kind", ["1", "2"], "classification", "classification", (), ()),
    ],
)
def test_what_is_meant(
    columns: str, rows: list[str], task: str | None, kind: str, names: tuple[str, ...], targets: object
) -> None:
    found = meaning(columns, rows, task)
    assert (found.kind, found.names, found.targets) == (kind, names, targets)


@pytest.mark.parametrize(
    ("columns", "rows", "task", "said"),
    [
        ("age", ["1", "20"], None, "whole numbers may be classes.*say --task classification, multilabel or regression"),
        ("labels", ["a", "b"], None, "no cell has several labels, or none"),
        ("x,y", ["1,a", "2,b"], None, "say --task multilabel or regression"),
        ("labels", ["a;b", "c|d"], None, "has both ; and |"),
        ("labels", ["a;b", "c;c"], None, "row 1: it has a label twice: 'c;c'"),
        ("labels", ["", ""], None, "empty in every row"),
        ("age", ["1.5", "old"], "regression", "row 1: its age is 'old', and regression needs a number"),
        ("age", ["1.5", ""], "regression", "row 1: its age is empty"),
        ("age", ["1.5", "inf"], "regression", "row 1: its age is 'inf'"),
        ("a,b", ["1,0", "0,2"], "multilabel", "row 1: its b is '2', and must be 0 or 1"),
        ("a,b", ["1,0", "0,1"], "classification", "classification has one column, and these are 2: a, b"),
    ],
)
def test_what_is_refused(columns: str, rows: list[str], task: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("|", r"\|")):
        meaning(columns, rows, task)
