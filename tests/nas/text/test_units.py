"""Numbers as people write them."""

from __future__ import annotations

import pytest

from nas.cli.tables import table
from nas.text.units import (
    format_bytes,
    format_count,
    format_joules,
    format_percent,
    format_seconds,
    parse_bytes,
    parse_count,
    parse_joules,
    parse_seconds,
    parse_whole,
)


@pytest.mark.parametrize(("text", "count"), [("10M", 10e6), ("1.2G", 1.2e9), ("500k", 5e5), ("42", 42), (" 3 m ", 3e6)])
def test_counts(text: str, count: float) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20m", 1200),
        ("1h30m", 5400),
        (90, 90),
        ("5ms", 0.005),
        ("1.5h", 5400),
        ("2d", 172800),
        ("850us", 85e-5),
        ("850 µs", 85e-5),
        ("7ns", 7e-9),
        ("40min", 2400),
        ("30sec", 30),
        ("1hour", 3600),
        ("2 Hours 30 mins", 9000),
        ("1hr15minutes", 4500),
        ("90 seconds", 90),
        ("3days", 259200),
    ],
)
def test_times(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "number"), [("20", "20"), (" 1.5 ", "1.5"), ("0", "0"), ("1h30", "1h30")])
def test_a_time_that_is_typed_has_its_unit(text: str, number: str) -> None:
    with pytest.raises(ValueError, match=f"has no unit: write {number}s, {number}m or {number}h"):
        parse_seconds(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, "9" * 400, None])
def test_what_is_not_finite_or_no_number_is_refused(number: object) -> None:
    for parse, unit in ((parse_count, ""), (parse_seconds, "s")):
        with pytest.raises(ValueError, match="finite number"):
            parse(number + unit if isinstance(number, str) else number)  # type: ignore[arg-type]


def test_whole_numbers() -> None:
    assert [parse_whole(text) for text in ("5k", "1.1k", 7, "4.35k", 3.0)] == [5000, 1100, 7, 4350, 3]
    for text in ("100.5", 0.5, "1.0005k"):
        with pytest.raises(ValueError, match=f"{text} is no whole number"):
            parse_whole(text)


@pytest.mark.parametrize("text", ["", "ten", "10X", "-3M", "1.2.3k", "10 M M"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number: write"):
        parse_count(text)


@pytest.mark.parametrize("text", ["", "soon", "10y", "-5m", "m", "1..2s", "5m!"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: write"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2e9), ("512MiB", 2**29), ("1.5g", 1.5e9), ("800", 800), (" 3 kB ", 3e3), ("1TiB", 2**40)]
)
def test_amounts_of_memory(text: str, size: float) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-2GB", "2 G B", "2PB", "GB", "1.2.3MB"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory: write"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "joules"), [("1.3mJ", 0.0013), ("2 J", 2), ("850uJ", 85e-5), ("850µJ", 85e-5), ("3kJ", 3e3), (0.5, 0.5)]
)
def test_energies(text: str | float, joules: float) -> None:
    assert parse_joules(text) == pytest.approx(joules)


@pytest.mark.parametrize("text", ["", "some", "-2mJ", "2", "2MJ", "mJ", "2mj", "2mW"])
def test_what_is_no_energy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an energy: write"):
        parse_joules(text)


def test_formats() -> None:
    assert [format_bytes(n) for n in (0, 999, 1420, 999_900_000, 2.345e9)] == [
        "0 B", "999 B", "1.42 kB", "1000 MB", "2.35 GB",
    ]  # fmt: skip
    assert [format_count(n) for n in (None, 0, 999, 1000, 9_812_345, 999_900_000, 2.5e9)] == [
        "-", "0", "999", "1k", "9.81M", "1000M", "2.5G",
    ]  # fmt: skip
    assert [format_seconds(s) for s in (None, 0.0051, 3.14, 59.7, 75, 3700)] == [
        "-", "5.1ms", "3.1s", "1m00s", "1m15s", "1h01m",
    ]  # fmt: skip
    assert [format_joules(j) for j in (0, 2e-9, 0.0013, 2.5, 3e3)] == ["0 nJ", "2 nJ", "1.3 mJ", "2.5 J", "3 kJ"]
    assert format_percent(0.6123) == "61.2 %" and format_percent(None) == "-"


def test_a_table_lines_up() -> None:
    assert table(("name", "n"), [("a", "10"), ("bcdef", "7")]) == "name    n\n---------\na      10\nbcdef   7"
