"""Charts, and the markup that they are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from nas.report.charts import TITLES, Axis, Point, Series, chart, option_colour, stairs, strip, time_text
from nas.report.markup import join, tag

PLAIN = Axis("x", "{:g}".format)


def test_what_is_no_markup_is_escaped() -> None:
    assert (
        tag("p", {"class": 'a"b'}, "1 < 2 & 3", tag("b", None, 4)) == '<p class="a&quot;b">1 &lt; 2 &amp; 3<b>4</b></p>'
    )
    assert join("<", None, tag("wbr")) == "&lt;<wbr/>"


def test_a_chart_has_every_point_within_its_frame() -> None:
    points = [Point(x, x * x, f"point {x}") for x in range(10)]
    svg = ET.fromstring(chart([Series(0, points, points[-1:], [(0, 0), (9, 81)])], PLAIN, Axis("y", "{:g}".format)))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    circles = svg.findall(".//circle")
    assert len(circles) == 11 and {c.findtext("title") for c in circles} == {f"point {x}" for x in range(10)}
    assert all(0 < float(c.attrib["cx"]) < width and 0 < float(c.attrib["cy"]) < height for c in circles)


def test_one_point_and_equal_points_have_a_chart() -> None:
    for points in ([Point(0, 0, "")], [Point(5, 0.1, "")] * 3):
        assert len(ET.fromstring(chart([Series(0, points)], PLAIN, PLAIN)).findall(".//circle")) == len(points)


def test_very_many_points_are_one_path() -> None:
    svg = chart([Series(0, [Point(x, x, "a title") for x in range(TITLES + 1)])], PLAIN, PLAIN)
    assert "<circle" not in svg and svg.count("h0") == TITLES + 1


def test_ticks_are_round_and_at_whole_numbers_where_asked() -> None:
    whole = Axis("trials", "{:g}".format, zero=True, whole=True)
    svg = chart([Series(0, [Point(1, 0.5, ""), Point(2, 0.6, "")])], whole, Axis("time", time_text, times=True))
    assert re.findall(r'text-anchor="middle">([^<]+)<', svg) == ["0", "1", "2"]
    assert [time_text(s) for s in (0, 30, 90, 600, 5400, 7200)] == ["0", "30s", "1m30s", "10m", "1h30m", "2h"]


def test_stairs_stay_until_the_next() -> None:
    assert stairs([(1, 5), (3, 6)], 4) == [(1, 5), (3, 5), (3, 6), (4, 6)]
    assert stairs([], 4) == []


def test_a_strip_fills_each_column() -> None:
    svg = ET.fromstring(strip([[0.25, 0.75], [0.0, 1.0]], ["one", "two"]))
    assert [e.text for e in svg.iter("title")] == ["one", "two"]
    filled = [
        re.findall(r"M(\d) (\S+)h1V(\S+?)h", path.attrib["d"]) for path in svg.findall("path") if "fill" in path.attrib
    ]
    assert filled == [[("0", "0", "0.25")], [("0", "0.25", "1"), ("1", "0", "1")]]


def test_options_have_colours_of_their_own() -> None:
    assert len({option_colour(i, 13) for i in range(13)}) == 13
