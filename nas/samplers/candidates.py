"""Candidates that a surrogate is asked about trial after trial, and what stays the same of them.

Two thirds of a pool were in the one before (`screened.py`). Since then one result came in: of what the process makes of
such a candidate, W k(told, candidate), all but the last row is as it was. So their covariances with all results, and
the products with W, are not worked out again before the process learns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.samplers.sight import Sight
from nas.samplers.surrogate import Array
from searchspaces.space import Arch


class Candidates:
    """Of canonical architectures, as the process of a `sight` sees them."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._asked: list[tuple[Sequence[Arch], Array]] = []  # since the process was conditioned, each with its columns
        self._columns: dict[Arch, int] = {}  # of what was asked before that
        self._above = np.zeros((0, 0))  # and what these were, as far as it is so still

    def renew(self, kept: int) -> None:
        """The process knows other results, the first `kept` of which it knew before."""
        self._columns = {arch: i for i, arch in enumerate(arch for archs, _ in self._asked for arch in archs)}
        self._above = np.concatenate([np.zeros((kept, 0)), *[found[:kept] for _, found in self._asked]], axis=1)
        self._asked = []

    def whitened(self, archs: Sequence[Arch]) -> Array:
        """W k(told, `archs`), `[n, m]`: see `GaussianProcess.whitened`."""
        codes, process = self._sight.codes(archs), self._sight.process
        columns = np.array([self._columns.get(arch, -1) for arch in archs], dtype=int)
        before, new = np.flatnonzero(columns >= 0), np.flatnonzero(columns < 0)
        found = np.concatenate(
            [
                process.whitened(codes[before], self._above[:, columns[before]]),
                process.whitened(codes[new], np.zeros((0, len(new)))),
            ],
            axis=1,
        )[:, np.argsort(np.concatenate([before, new]))]
        self._asked.append((archs, found))
        return found
