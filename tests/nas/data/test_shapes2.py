"""The second built-in set: what its classes are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nas.data import shapes2


def test_each_outline_and_each_pattern_is_in_two_classes():
    outlines, patterns = zip(*shapes2.THINGS, strict=True)
    assert len(set(shapes2.THINGS)) == len(set(shapes2.CLASS_NAMES)) == 10
    assert set(Counter(outlines).values()) == set(Counter(patterns).values()) == {2}
    assert set(outlines) == set(shapes2.OUTLINES) and set(patterns) == set(shapes2.PATTERNS)


@pytest.mark.parametrize("outline", shapes2.OUTLINES.values(), ids=shapes2.OUTLINES)
def test_each_outline_is_of_its_size_and_the_same_in_a_mirror(outline: shapes2.Field):
    """Trainings mirror images."""
    axis = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(axis, axis)
    inside = outline(x, y) < 0
    assert np.hypot(x, y)[inside].max() == pytest.approx(1.05, abs=0.1)
    assert (inside == (outline(-x, y) < 0)).mean() > 0.999


@pytest.mark.parametrize("pattern", [name for name in shapes2.PATTERNS if name != "plain"])
def test_each_pattern_has_two_colours_and_repeats(pattern: str):
    axis = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    x, y = np.meshgrid(axis, axis)
    level = shapes2.PATTERNS[pattern](x, y)
    assert 0.25 < (level > 0).mean() < 0.75
    if pattern != "ringed":
        np.testing.assert_allclose(shapes2.PATTERNS[pattern](x + 2 * np.pi, y + 2 * np.pi), level, atol=1e-9)
