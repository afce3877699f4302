"""Numbers as people write them: `10M` multiply-adds, `20m` of time, `1.3mJ` of energy."""

from __future__ import annotations

import contextlib
import math
import numbers
import re
import reprlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from statistics import mean, stdev
from typing import TypeVar

N = TypeVar("N", int, float)

_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
_BYTES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPELLED = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d"}
_SECONDS |= {word: _SECONDS[unit] for name, unit in _SPELLED.items() for word in (name, f"{name}s")}
_JOULES = {"nJ": 1e-9, "uJ": 1e-6, "µJ": 1e-6, "μJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3}  # mJ is no MJ


def parse_count(text: str | float) -> float:
    """`10M` -> 10,000,000. Suffixes k, M, G (or B); a number is itself. Raises ValueError for anything else."""
    if not isinstance(text, str):
        return _finite(text)
    match = re.fullmatch(r"([0-9.]+)\s*([a-zA-Z]?)", text.strip())
    if not match or match[2].lower() not in _COUNTS or not is_number(match[1]):
        raise ValueError(f"{text!r} is not a number: write 600k, 10M or 1.2G")
    return _finite(float(match[1]) * _COUNTS[match[2].lower()])


def parse_whole(text: str | float) -> int:
    """`5k` -> 5000. Raises ValueError as `parse_count`, and where it is no whole number."""
    count = parse_count(text)
    if abs(count - round(count)) > 1e-6:
        raise ValueError(f"{text} is no whole number")
    return round(count)


def parse_seconds(text: str | float) -> float:
    """`20m`, `20 min` -> 1200, `1h30m`, `1 hour 30 minutes` -> 5400, `5ms` -> 0.005; what is no text is seconds.

    Raises ValueError for anything else. A text without a unit is none: who types 20 may mean minutes.
    """
    if not isinstance(text, str):
        return _finite(text)
    parts = re.findall(r"([0-9.]+)\s*([a-zA-Zµμ]*)", text)
    if not parts or "".join(n + u for n, u in parts) != text.replace(" ", ""):
        raise ValueError(f"{text!r} is not a time: write 90s, 20m, 1h30m or 5ms")
    if any((u.lower() or "s") not in _SECONDS or not is_number(n) for n, u in parts):
        raise ValueError(f"{text!r} is not a time: write 90s, 20m, 1h30m or 5ms")
    if not all(u for _, u in parts):
        raise ValueError(f"{text!r} has no unit: write {text.strip()}s, {text.strip()}m or {text.strip()}h")
    return _finite(sum(float(n) * _SECONDS[u.lower()] for n, u in parts))


def parse_bytes(text: str | float) -> float:
    """`2GB` -> 2,000,000,000, `512MiB` -> 536,870,912; a number is itself. Raises ValueError for anything else."""
    if not isinstance(text, str):
        return _finite(text)
    match = re.fullmatch(r"([0-9.]+)\s*([a-zA-Z]*?)[bB]?", text.strip())
    if not match or match[2].lower() not in _BYTES or not is_number(match[1]):
        raise ValueError(f"{text!r} is not an amount of memory: write 500MB, 2GB or 1.5GiB")
    return _finite(float(match[1]) * _BYTES[match[2].lower()])


def parse_joules(text: str | float) -> float:
    """`1.3mJ` -> 0.0013; what is no text is joules. Raises ValueError for anything else."""
    if not isinstance(text, str):
        return _finite(text)
    match = re.fullmatch(r"([0-9.]+)\s*([a-zA-Zµμ]+)", text.strip())
    if not match or match[2] not in _JOULES or not is_number(match[1]):
        raise ValueError(f"{text!r} is not an energy: write 850uJ, 1.3mJ or 2J")
    return _finite(float(match[1]) * _JOULES[match[2]])


def parse_names(text: str) -> tuple[str, ...]:
    """`conv1, fc` -> `("conv1", "fc")`: what is joined by commas, one by one."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def format_count(count: float | None) -> str:
    """9,812,345 -> `9.81M`."""
    if count is None:
        return "-"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{suffix}" if count < 999.5 * size else f"{count / size:.0f}{suffix}"
    return f"{count:g}"


def format_many(number: int) -> str:
    """`15,625`, or of a million and more `1.2e+40`, also where that is more than a float holds."""
    if number < 1_000_000:
        return f"{number:,}"
    return f"{Decimal(number):.1e}"


def format_bytes(count: float | None) -> str:
    """2,345,678,901 -> `2.35 GB`."""
    if count is None:
        return "-"
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return f"{count:g} B"


def format_joules(joules: float | None) -> str:
    """0.0013 -> `1.3 mJ`."""
    if joules is None:
        return "-"
    for size, unit in ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ")):
        if joules >= size:
            return f"{joules / size:.3g} {unit}" if joules < 999.5 * size else f"{joules / size:.0f} {unit}"
    return f"{joules * 1e9:.3g} nJ"


def format_seconds(seconds: float | None) -> str:
    """75 -> `1m15s`."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def format_about(seconds: float) -> str:
    """0.85 -> `1s`, 75 -> `1m15s`: how long something will take, as a person would say it."""
    return format_ticking(max(1, round(seconds)))


def format_points(share: float) -> str:
    """`+0.3`: a difference of shares, in points of a percent; never `-0.0`."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def format_ticking(seconds: float) -> str:
    """5.7 -> `5s`, 75 -> `1m15s`: whole seconds, as a clock has them."""
    return f"{int(seconds)}s" if seconds < 60 else format_seconds(int(seconds))


def format_reward(reward: float | None) -> str:
    """0.61234 -> `0.6123`; one of another program's study may be huge: `1.798e+308`."""
    if reward is None:
        return "-"
    return f"{reward:.4f}" if abs(reward) < 1e6 else f"{reward:.4g}"


def format_percent(share: float | None) -> str:
    """0.6123 -> `61.2 %`."""
    return "-" if share is None else f"{100 * share:.1f} %"


AS_NUMBERS = ("r2", "spearman")
"""Metrics that are read as numbers, and not in percent: they are no shares of images."""


def format_quality(metric: str, quality: float | None) -> str:
    """What a network is judged by: 0.6123 -> `61.2 %`, of r2 and spearman `0.612`."""
    return format_percent(quality) if quality is None or metric not in AS_NUMBERS else f"{quality:.3f}"


def format_qualities(metric: str, qualities: Sequence[float]) -> str:
    """As `format_spread`, and of r2 and spearman `0.615 ± 0.004`."""
    if metric not in AS_NUMBERS:
        return format_spread(qualities)
    spread = f" ± {stdev(qualities):.3f}" if len(qualities) > 1 else ""
    return f"{mean(qualities):.3f}{spread}"


def format_spread(shares: Sequence[float]) -> str:
    """0.612 and 0.618 -> `61.5 ± 0.4 %`: mean and standard deviation; of one value, the value."""
    if len(shares) == 1:
        return format_percent(shares[0])
    return f"{100 * mean(shares):.1f} ± {100 * stdev(shares):.1f} %"


def parsed(option: str, parse: Callable[[str | float], N], value: str | float) -> N:
    """What `parse` makes of `value`; where it raises ValueError, that says of which `option`."""
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _finite(value: float) -> float:
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
            number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{reprlib.repr(value)} is no finite number")
    return number


def is_number(text: str) -> bool:
    """Whether Python reads a number of it, infinity and NaN included."""
    try:
        float(text)
    except ValueError:
        return False
    return True
