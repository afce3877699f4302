"""Text in pictures stays in them."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from nas.drawing.pictures import width, wrapped


def test_text_is_broken_where_it_may_be() -> None:
    text = "compact@max_macs=8M:" + ",".join(["n3_sep_k3_se0.25_s1_g2.0"] * 8) + " on folder:/home/somebody/pictures"
    lines = wrapped(text, 4.0, 10).split("\n")
    assert len(lines) > 3 and "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line, 10) <= 4.0 for line in lines)
    assert all(line[-1] in ",/" or text.partition(line)[2][:1] in ("", " ") for line in lines)
    assert wrapped("resnet20 on shapes", 4.0, 10) == "resnet20 on shapes"


def test_a_word_that_is_too_long_is_broken_anywhere() -> None:
    lines = wrapped("a " + "x" * 100, 2.0, 10).split("\n")
    assert "".join(lines) == "a" + "x" * 100 and all(width(line, 10) <= 2.0 for line in lines)
