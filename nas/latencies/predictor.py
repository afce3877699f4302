"""A network's time from those of its rows, corrected by what whole networks took.

Rows are measured alone, each as a small network of its own. There are too many different ones to measure all (two
hundred networks of `compact` within 8M multiply-adds have 1,500, of as many widths), so the logarithm of a row's time
is learned, from its figures: a ridge regression, and a Gaussian process on what that leaves. The sum S over a network's
rows is not yet its time: a row alone has its maps brought into the runtime's layout and back, a network has rows fused,
and caches that the row before has filled. So of whole networks, too, a correction is learned:

    log T = a + b log S + c . x          x the figures of the whole network, |c|^2 penalised

Where a network cannot be cut into rows, log T is learned from x as a row's time is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nas.latencies import figures
from nas.latencies.figures import Array
from nas.latencies.regression import Ridge, Smooth
from searchspaces.kernels import Part

STRENGTH = 1.0  # of the ridge under a process
CORRECTION = 20.0  # of the ridge that corrects sums of rows
FEWEST_ROWS, FEWEST_NETWORKS = 12, 8
FOLDS = 10
REMEMBERED = 1 << 16  # rows, of about a kilobyte each: to find a width asks for some hundred


class Timed(NamedTuple):
    """What was measured: a network, or a row, which is a network of one part."""

    parts: tuple[Part, ...]
    seconds: float


class Predictor:
    """Of the measurements `rows` and `networks`; without rows it goes by the figures of whole networks alone."""

    def __init__(self, rows: Sequence[Timed], networks: Sequence[Timed]) -> None:
        self._rows = RowTimes(rows) if len(rows) >= FEWEST_ROWS else None
        self._log_seconds = self._of(self._rows, networks)

    def seconds(self, parts: Sequence[Part]) -> float:
        """What a network of `parts` takes."""
        return float(np.exp(self._log_seconds([parts])[0]))

    def unseen(self, networks: Sequence[Timed]) -> Array:
        """Seconds that are predicted for each of `networks` by one that has not seen that one as a whole: `[n]`.

        They are left out by tens, in the order in which they are given.
        """
        found = np.zeros(len(networks))
        for fold in range(min(FOLDS, len(networks))):
            others = [timed for number, timed in enumerate(networks) if number % FOLDS != fold]
            left_out = networks[fold::FOLDS]
            found[fold::FOLDS] = np.exp(self._of(self._rows, others)([timed.parts for timed in left_out]))
        return found

    def sums(self, networks: Sequence[Sequence[Part]]) -> Array | None:
        """Seconds of the rows of each, added up without a correction; None where rows were not measured."""
        return None if self._rows is None else np.array([self._rows.sum(parts) for parts in networks])

    @staticmethod
    def _of(rows: RowTimes | None, networks: Sequence[Timed]) -> Callable[[Sequence[Sequence[Part]]], Array]:
        """What says the logarithms of seconds of networks, learned of `networks`."""
        whole, y = _whole([timed.parts for timed in networks]), np.log([timed.seconds for timed in networks])
        if rows is None:
            smooth = Smooth(whole, y, STRENGTH)
            return lambda asked: smooth(_whole(asked))
        sums = np.log([rows.sum(timed.parts) for timed in networks])
        slope, level = np.polyfit(sums, y, 1)
        correction = Ridge(whole, y - (level + slope * sums), CORRECTION)

        def log_seconds(asked: Sequence[Sequence[Part]]) -> Array:
            sums = np.log([rows.sum(parts) for parts in asked])
            predicted: Array = level + slope * sums + correction(_whole(asked))
            return predicted

        return log_seconds


class RowTimes:
    """How long rows take alone, by their figures; those that were asked for last are remembered."""

    def __init__(self, rows: Sequence[Timed]) -> None:
        parts = [timed.parts[0] for timed in rows]
        self._smooth = Smooth(np.array([figures.of_part(part) for part in parts]), _logs(rows), STRENGTH)
        self._known: dict[Part, float] = {}

    def sum(self, parts: Sequence[Part]) -> float:
        """Seconds of all of `parts`."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        if new := [part for part in dict.fromkeys(parts) if part not in self._known]:
            seconds = np.exp(self._smooth(np.array([figures.of_part(part) for part in new])))
            self._known |= zip(new, seconds.tolist(), strict=True)
        return sum(self._known[part] for part in parts)


class Error(NamedTuple):
    """How far predictions are from what was measured: the mean absolute one as a share of that, and their orders."""

    mape: float
    spearman: float


def error_of(predicted: Array, measured: Array) -> Error:
    """Of `[n]` seconds each."""
    from scipy.stats import rankdata  # which takes half a second to import

    ranks = np.array([rankdata(predicted), rankdata(measured)])
    differ = bool((ranks.std(1) > 0).all())
    return Error(float(np.mean(np.abs(predicted / measured - 1))), float(np.corrcoef(ranks)[0, 1]) if differ else 0.0)


def _whole(networks: Sequence[Sequence[Part]]) -> Array:
    return np.array([figures.of_network(parts) for parts in networks])


def _logs(timed: Sequence[Timed]) -> Array:
    logs: Array = np.log([one.seconds for one in timed])
    return logs
