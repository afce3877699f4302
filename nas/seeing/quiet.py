"""Captum, which is an extra: whether it is there, and without what it says at each call."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator


def check_installed() -> None:
    """Raises ValueError, with what to install, where captum is not."""
    if importlib.util.find_spec("captum") is None:
        raise ValueError("nas look needs captum: pip install 'nas-toolkit[look]'")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Captum warns that it sets hooks and gradients, which it takes away again: there is nothing to do about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="captum")
        warnings.filterwarnings("ignore", message="Setting (forward, )?backward hooks", category=UserWarning)
        yield
