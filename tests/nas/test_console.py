"""Text that fits a terminal."""

from __future__ import annotations

import io

import pytest

from nas.console import can_change, elided, first_that_fits, fitted, say, width_of
from nas.live import passing


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
    assert fitted(f"\n{line}\n", 80).count("\n") == 3, "empty lines stay"


def test_the_row_of_a_table_stays_whole() -> None:
    row = "resnet8   11.5 ± 0.8 %  10.8 ± 0.9 %  12.2M   75.3k        73.7k   307 kB  512 in 1.9s       276"
    assert fitted(f"{row}\n{'-' * 90}", 80) == f"{row}\n{'-' * 90}"


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
