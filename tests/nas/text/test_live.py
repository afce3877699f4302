"""Lines that change while something takes its time."""

from __future__ import annotations

import io
import time

import pytest

from nas.text.live import passing


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_passes_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out, pipe = Tty(), io.StringIO()
    with passing("reading shapes", out), passing("reading shapes", pipe):
        time.sleep(0.8)
    assert "reading shapes ...  0s" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K") and pipe.getvalue() == ""
    assert "\x1b[?25l" not in out.getvalue(), "the cursor is never hidden"
