"""Charts of the page, as SVG: axes, points, lines, and strips of shares. Colours are its variables, `--run0` and so on.

A chart of the page says what a point is when one points at it, follows the reader's light or dark theme and the width
of a telephone, and is there without any installation: matplotlib, of an extra, does none of this. Pictures for a paper,
with logarithmic axes, as PNG and PDF, are matplotlib's (`nas.drawing.pictures`). Nothing is drawn by both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nas.report.markup import Markup, join, tag
from nas.text.units import format_seconds

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 10, 42  # margins
LIMIT = 1e100
TITLES = 500  # points of a chart that say what they are when pointed at, at most: each costs some 150 bytes
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_RAMP = ((62, 73, 137), (49, 120, 142), (63, 163, 137), (160, 200, 90), (240, 190, 80), (226, 124, 82))


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Series:
    """What one run has in a chart: `points`, of which `marked` stand out, and a `line` through places.

    A `band` is what lies between two lines: places `(x, low, high)`.
    """

    colour: int
    points: Sequence[Point]
    marked: Sequence[Point] = ()
    line: Sequence[tuple[float, float]] = ()
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Axis:
    """`words` says what is measured, `text` writes a value."""

    words: str
    text: Callable[[float], str]
    times: bool = False  # seconds: ticks at minutes and hours
    zero: bool = False  # begins at 0
    whole: bool = False  # no ticks between whole numbers


@dataclass(frozen=True)
class _Scale:
    """From values to places in the picture, with ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: list[float] = field(default_factory=list)

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def chart(series: Sequence[Series], x: Axis, y: Axis) -> Markup:
    """Points and lines. What is beyond ±`LIMIT`, as a value of another program's may be, is left out."""
    series = [_drawable(s) for s in series]
    places = [(p.x, p.y) for s in series for p in (*s.points, *s.marked)] + [at for s in series for at in s.line]
    places += [(x, y) for s in series for x, *edges in s.band for y in edges]
    places = places or [(0.0, 0.0)]
    across = _scale([px for px, _ in places], x, LEFT, WIDTH - RIGHT)
    up = _scale([py for _, py in places], y, HEIGHT - BOTTOM, TOP)
    many = sum(len(s.points) for s in series) > TITLES
    parts = [_axes(across, up, x, y), *(_band(s, across, up) for s in series if s.band)]
    parts += [_cloud(s, across, up) if many else _dots(s.points, s.colour, across, up, 2.6, "dot") for s in series]
    for s in series:
        line = "L".join(f"{across(px):g} {up(py):g}" for px, py in s.line)
        parts.append(tag("path", {"d": f"M{line}", "class": "line", "stroke": _colour(s.colour)}) if line else join())
        parts.append(_dots(s.marked, s.colour, across, up, 4, "mark"))
    label = f"{y.words} against {x.words}"
    return tag(
        "svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "chart", "role": "img", "aria-label": label}, *parts
    )


def _drawable(series: Series) -> Series:
    return replace(
        series,
        points=[point for point in series.points if abs(point.y) < LIMIT],
        marked=[point for point in series.marked if abs(point.y) < LIMIT],
        line=[(x, y) for x, y in series.line if abs(y) < LIMIT],
        band=[(x, low, high) for x, low, high in series.band if max(abs(low), abs(high)) < LIMIT],
    )


def stairs(places: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """A line that stays at each value until the next place, and at the last until `end`."""
    line: list[tuple[float, float]] = []
    for x, y in places:
        line += [(x, line[-1][1]), (x, y)] if line else [(x, y)]
    return [*line, (max(end, line[-1][0]), line[-1][1])] if line else []


def strip(shares: Sequence[Sequence[float]], titles: Sequence[str]) -> Markup:
    """A column a window, divided among the options; it is stretched to whatever width there is."""
    parts, floors = [], [0.0] * len(shares)
    for option in range(len(shares[0])):
        tops = [low + column[option] for low, column in zip(floors, shares, strict=True)]
        spans = [(i, *span) for i, span in enumerate(zip(floors, tops, strict=True)) if span[1] > span[0]]
        there = "".join(f"M{i} {low:.3g}h1V{top:.3g}h-1z" for i, low, top in spans)
        if there:
            parts.append(tag("path", {"d": there, "fill": option_colour(option, len(shares[0]))}))
        floors = tops
    for i, title in enumerate(titles):
        parts.append(tag("path", {"d": f"M{i} 0h1v1h-1z", "class": "over"}, tag("title", None, title)))
    box = {"viewBox": f"0 0 {len(shares)} 1", "preserveAspectRatio": "none", "class": "strip", "aria-hidden": "true"}
    return tag("svg", box, *parts)


def option_colour(option: int, options: int) -> str:
    """From blue for the first to orange for the last."""
    place = option / max(1, options - 1) * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _axes(across: _Scale, up: _Scale, x: Axis, y: Axis) -> Markup:
    parts = []
    for tick in up.ticks:
        place = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": up(tick), "y2": up(tick), "class": "grid"}
        parts.append(tag("line", place))
        parts.append(tag("text", {"x": LEFT - 8, "y": up(tick) + 4, "text-anchor": "end"}, y.text(tick)))
    for tick in across.ticks:
        parts.append(tag("text", {"x": across(tick), "y": HEIGHT - 24, "text-anchor": "middle"}, x.text(tick)))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", {"x": middle, "y": HEIGHT - 5, "text-anchor": "middle", "class": "axis"}, x.words))
    return join(*parts)


def _dots(points: Sequence[Point], colour: int, across: _Scale, up: _Scale, radius: float, kind: str) -> Markup:
    circles = [
        tag("circle", {"cx": across(p.x), "cy": up(p.y), "r": radius}, tag("title", None, p.title)) for p in points
    ]
    return tag("g", {"class": kind, "fill": _colour(colour)}, *circles)


def _cloud(series: Series, across: _Scale, up: _Scale) -> Markup:
    """Very many points as one path of dots without titles."""
    dots = "".join(f"M{across(p.x):g} {up(p.y):g}h0" for p in series.points)
    return tag("path", {"d": dots, "class": "cloud", "stroke": _colour(series.colour)})


def _band(series: Series, across: _Scale, up: _Scale) -> Markup:
    above = [(x, high) for x, _, high in series.band]
    below = [(x, low) for x, low, _ in reversed(series.band)]
    edge = "L".join(f"{across(x):g} {up(y):g}" for x, y in (*above, *below))
    return tag("path", {"d": f"M{edge}z", "class": "band", "fill": _colour(series.colour)})


def _colour(run: int) -> str:
    return f"var(--run{run % 6})"


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> _Scale:
    low, high = (0.0 if axis.zero else min(values)), max(values)
    room = (high - low) * 0.04 or abs(high) * 0.05 or 1.0
    low, high = (low if axis.zero else low - room), high + room
    step = _step(high - low, axis)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return _Scale(low, high, start, end, [step * i for i in range(first, last + 1)])


def _step(extent: float, axis: Axis) -> float:
    """Between ticks: round, for four to seven of them or so."""
    wished = max(extent / 5, 1.0 if axis.whole else 0.0)
    if axis.times and wished > 1:
        return next((float(step) for step in _TIMES if step >= wished), 86400.0 * math.ceil(wished / 86400))
    power = 10.0 ** math.floor(math.log10(wished))
    factors = (1, 2, 5, 10) if axis.whole else (1, 2, 2.5, 5, 10)
    return next(factor * power for factor in factors if factor * power >= wished * 0.9999)


def time_text(seconds: float) -> str:
    """`0`, `90s`, `20m`, `1h30m`: as `format_seconds`, without what is zero."""
    if seconds < 60:
        return f"{seconds:g}s" if seconds else "0"
    text = format_seconds(seconds)
    return text[:-3] if text[-3:] in ("00s", "00m") else text
