"""Text that fits a terminal."""

from __future__ import annotations

import io

import pytest

from nas.text.columns import table
from nas.text.console import can_change, elided, first_that_fits, fitted, say, width_of
from nas.text.live import passing


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_goes_on_below_its_words() -> None:
    line = "time      about 269ms a trial on cpu, 2 at once: about 1,311 trials in the 2m57s left of 3m00s"
    assert fitted(line, 80).splitlines() == [
        "time      about 269ms a trial on cpu, 2 at once: about 1,311 trials in the 2m57s",
        "          left of 3m00s",
    ]
    assert fitted(line, None) == fitted(line, 120) == line
    mistake = "nas: no run called slow in runs: there are compare-1, many-seed0, many-seed1"
    assert fitted(mistake, 72).splitlines() == [mistake[: mistake.index("many-seed1") - 1], "     many-seed1"]
    assert fitted(f"\n{line}\n", 80).count("\n") == 3, "empty lines stay"


HEADER = ("network", "test accuracy", "MACs", "trained on", "activations")
ROWS = [("resnet8@0.57", "36.7 ± 2.5 %", "3.98M", "7.94k in 20s", "41.5k"), ("one:best", "35.4 %", "4M", "-", "")]


def test_a_table_that_is_too_wide_goes_on_below_with_its_first_column() -> None:
    lines = table(HEADER, ROWS).splitlines()
    lines.insert(2, "up to 4M MACs:")
    said = fitted("\n".join(["before", "", *lines, "", "after"]), 44)
    assert said.splitlines() == [
        "before",
        "",
        "network       test accuracy   MACs",
        "----------------------------------",
        "up to 4M MACs:",
        "resnet8@0.57   36.7 ± 2.5 %  3.98M",
        "one:best             35.4 %     4M",
        "",
        "network         trained on  activations",
        "---------------------------------------",
        "up to 4M MACs:",
        "resnet8@0.57  7.94k in 20s        41.5k",
        "one:best                 -",
        "",
        "after",
    ]
    assert fitted("\n".join(lines), 80) == fitted("\n".join(lines), None) == "\n".join(lines)


@pytest.mark.parametrize("width", range(27, 70))
def test_no_cell_of_a_table_is_lost_or_broken(width: int) -> None:
    said = fitted(table(HEADER, ROWS), width)
    assert max(map(len, said.splitlines())) <= width
    assert all(cell in said for cell in (*HEADER, *ROWS[0], *ROWS[1]))


def test_words_in_the_last_column_go_on_below_themselves() -> None:
    then = "star 14.1 %, half-disc 11.6 %"
    said = fitted(table(("image", "class", "then"), [("a.jpg", "square", then), ("b.jpg", "disc", "ring 1 %")]), 36)
    assert said.splitlines() == [
        "image  class   then",
        "-------------------------------",
        "a.jpg  square  star 14.1 %,",
        "               half-disc 11.6 %",
        "b.jpg  disc    ring 1 %",
    ]


def test_a_word_stays_whole() -> None:
    path = "/a-place/" + "x" * 90
    assert path in fitted(f"results   {path}/", 80).splitlines()[-1]
    assert "mnas-shapes-1" in fitted("`nas top mnas-shapes-1` lists them " * 5, 40)


def test_what_is_too_long_is_cut_with_an_ellipsis() -> None:
    assert elided("failed: out of memory", 21) == "failed: out of memory"
    assert elided("failed: out of memory", 20) == "failed: out of me..." and len(elided("a" * 99, 20)) == 20
    assert first_that_fits(["all of it", "less"], 6) == "less" and first_that_fits(["all", "le"], None) == "all"


def test_a_pipe_has_any_width_and_a_terminal_the_one_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(io.StringIO()) is None and width_of(Tty()) == 80
    monkeypatch.setenv("COLUMNS", "120")
    assert width_of(io.StringIO()) is None and width_of(Tty()) == 120
    out = Tty()
    say("word " * 50, out)
    assert max(map(len, out.getvalue().splitlines())) <= 120


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_dumb_terminal_gets_plain_lines(term: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    out = Tty()
    with passing("reading shapes", out):
        pass
    assert not can_change(out) and out.getvalue() == ""


def test_characters_that_take_two_columns_are_counted_so() -> None:
    rows = [("日本/花.jpg", "雛菊", "rose"), ("one.jpg", "rose", "tulip")]
    lines = table(("image", "class", "then"), rows).splitlines()
    assert lines[2:] == ["日本/花.jpg  雛菊   rose", "one.jpg      rose   tulip"]
    assert lines[1] == "-" * 25
    text = "\n".join(lines)
    assert fitted(text, 25) == text
    assert fitted(text, 20).splitlines()[:4] == [
        "image        class",
        "-" * 18,
        "日本/花.jpg  雛菊",
        "one.jpg      rose",
    ]
    assert fitted("日本 語", 5) == "日本\n語"
