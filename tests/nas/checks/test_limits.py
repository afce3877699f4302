"""What a number may be, of a person's or of a file's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.checks.limits import COUNT, LARGEST, SEED, Flag, Number, Optional, Word
from nas.checks.schemas import RECIPE_FIELDS as FIELDS
from nas.samplers import read_settings
from nas.text.settings import parse_settings
from nas.training.recipe import Recipe


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [10**400, -(10**400), 1e400, float("nan"), [], "", True + 0j])
def test_no_value_of_a_recipe_is_beyond_all_measure(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        Recipe(**{name: value})
    words = sum(map(len, getattr(FIELDS[name], "known", ())))  # that it may be, which are named
    assert len(str(caught.value)) < 120 + words


def test_whole_numbers_end_where_pytorchs_do() -> None:
    assert COUNT.checked("n", LARGEST) == LARGEST == SEED.most
    with pytest.raises(ValueError, match="n must be at most 9,223,372,036,854,775,807, not a number of 19 digits"):
        COUNT.checked("n", LARGEST + 1)
    with pytest.raises(ValueError, match="n must be at most 5, not a number of 401 digits"):
        Number(most=5, whole=True).checked("n", 10**400)


@pytest.mark.parametrize("text", ["9" * 5_000, "[" * 100_000, "", "x", "1e", "1 2"])
@pytest.mark.parametrize("kind", [COUNT, Number(), Optional(Number()), Word(("a", "b")), Flag()])
def test_a_text_that_is_no_value_is_said_to_be_none(kind: Any, text: str) -> None:
    with pytest.raises(ValueError, match="n"):
        kind.parsed("n", text)


@pytest.mark.parametrize("text", ["9" * 5_000, "[" * 100_000])
def test_settings_that_json_cannot_read_are_words(text: str) -> None:
    assert isinstance(parse_settings(f"a={text}")["a"], str)
    with pytest.raises(ValueError, match="batch"):
        read_settings("controller", {"batch": text})


@pytest.mark.parametrize("pixels", [7, 16_385, 10**30])
def test_images_have_a_size_that_a_machine_can_hold(pixels: int) -> None:
    with pytest.raises(ValueError, match="image_size must be at"):
        Recipe(image_size=pixels)


@pytest.mark.parametrize("value", [5, 0.5, b"x", ["x"], Path("pictures"), {}])
@pytest.mark.parametrize("name", ["space", "strategy", "name"])
def test_what_is_no_text_is_said_to_be_none(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"--{name} must be a text, not {re.escape(repr(value)[:5])}"):
        nas.search(trials=1, runs_dir=tmp_path, **{name: value})
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("option", ["--classes", "--image-size"])
@pytest.mark.parametrize("value", ["0", "9" * 400])
@pytest.mark.parametrize(
    "command", [("show", "resnet8"), ("scale", "--phi", "1"), ("export", "resnet8", "--untrained", "--to", "json")]
)
def test_a_network_has_so_many_classes_and_pixels(call_nas, command: tuple[str, ...], option: str, value: str) -> None:
    code, out, err = call_nas(*command, option, value)
    assert code == 2 and not out and err.startswith(f"nas: {option} must be at ") and len(err) < 120
