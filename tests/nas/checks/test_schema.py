"""What a file may say: a violation names the field, what it must be and what it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nas.checks.limits import COUNT, TEXT, Number, Optional
from nas.checks.schema import ListOf, MapOf, Moment, Object, OrNull, read

SCHEMA = Object(
    {
        "name": TEXT,
        "inner": Object({"count": COUNT, "when": Moment()}, needed=("count",)),
        "shares": ListOf(Number(0, 1), least=2, most=2),
        "by_name": MapOf(Optional(COUNT)),
        "other": OrNull(Object({}, open=True)),
    },
    needed=("name",),
)
WHOLE = {
    "name": "a",
    "inner": {"count": 1, "when": "2026-01-01T00:00:00"},
    "shares": [0, 0.5],
    "by_name": {"x": None, "y": 2},
    "other": {"whatever": []},
}


@pytest.mark.parametrize("document", [WHOLE, {"name": "a"}, {"name": "a", "other": None}])
def test_what_is_legal_is_as_it_was(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json", SCHEMA) == document


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": 5}, "is damaged: name must be a text, not 5; restore it from a copy"),
        ({"inner": []}, "inner must be an object, not []"),
        ({"inner": {}}, "inner.count is missing"),
        ({"inner": {"count": 0}}, "inner.count must be at least 1, not 0"),
        ({"inner": {"count": 1, "when": "soon"}}, "inner.when must be a date and a time, not 'soon'"),
        ({"inner": {"count": 1, "when": 7}}, "inner.when must be a date"),
        ({"inner": {"count": 1, "when": "9999-12-31T23:59:59-23:59"}}, "inner.when must be a date"),
        ({"shares": [0, float("nan")]}, "it has NaN where a finite number should be"),
        ({"shares": [0]}, "shares must be a list of 2, not of 1"),
        ({"shares": "ab"}, "shares must be a list, not 'ab'"),
        ({"by_name": {"x": "1"}}, "by_name.x must be a whole number, not '1'"),
        ({"by_name": 3}, "by_name must be an object, not 3"),
        ({"other": 1}, "other must be an object, not 1"),
        ({"inner": {"count": 1, "new": 1}}, "written by a newer version of nas, or edited: it has 'inner.new', which"),
    ],
)
def test_a_violation_is_one_line_with_the_file_and_the_field(tmp_path: Path, changed: Any, said: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(WHOLE | changed))
    with pytest.raises(ValueError, match=rf"a\.json .*{re.escape(said)}") as error:
        read(tmp_path / "a.json", SCHEMA)
    assert "\n" not in str(error.value)


def test_a_field_of_an_older_file_comes_out_by_its_name_of_today() -> None:
    schema = Object({"image_size": COUNT}, needed=("image_size",), renamed={"resolution": "image_size"})
    assert schema.checked("", {"resolution": 32}) == {"image_size": 32}
    assert schema.checked("", {"image_size": 32}) == {"image_size": 32}
    with pytest.raises(ValueError, match="image_size must be"):
        schema.checked("", {"resolution": 0})
