"""What the tests of reports share: runs with given trials, and a browser.

The browser is a headless Chromium, driven over its DevTools protocol through a pipe: no other package is needed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from optuna.trial import FrozenTrial, TrialState

from nas.checks.schemas import LOG_PROBS, TRUST
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.samplers import distributions
from searchspaces import Arch

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe")  # fmt: skip

# The browser reads its descriptor 3 and writes its descriptor 4.
BEGIN = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

Trial = dict[str, Any]  # `arch`, `accuracy`, `macs`, ...; one with a `reason` failed, one with neither is running
MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path, config: Config) -> MakeRun:
    """`make_run(trials)`: a run whose ledger has these, each trained for 10 seconds, one after the other."""

    def make(trials: list[Trial], name: str = "one", config: Config = config) -> Run:
        run = Run.create(tmp_path / "runs" / name, config, Budget(trials=100))
        with run.driving() as study:
            study.add_trials([frozen(config, number, **trial) for number, trial in enumerate(trials)])
        return run

    return make


def frozen(
    config: Config,
    number: int,
    arch: Arch,
    accuracy: float | None = None,
    macs: int | None = None,
    reason: str = "",
    ended: float | None = None,
    log_prob: float | None = None,
    duplicate_of: int | None = None,
    refused: bool | None = None,
    single_steps: str | None = None,
    trust: list[float] | None = None,
) -> FrozenTrial:
    """As a search would have left it; `ended` is in seconds after the beginning."""
    end = datetime(2026, 1, 1) + timedelta(seconds=10.0 * (number + 1) if ended is None else ended)
    attrs = {"accuracy": accuracy, "macs": macs, "params": macs, "seconds": 10.0}
    attrs |= {"reason": reason or None, "duplicate_of": duplicate_of, "refused": refused}
    attrs |= {"single_steps": single_steps}
    if accuracy is not None:
        state = TrialState.COMPLETE
    else:
        state = TrialState.PRUNED if refused else TrialState.FAIL if reason else TrialState.RUNNING
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None if accuracy is None else config.reward(accuracy, {"macs": macs or 0}),
        datetime_start=end - timedelta(seconds=10),
        datetime_complete=None if state == TrialState.RUNNING else end,
        params=config.space.options(arch),
        distributions=distributions(config.space),
        user_attrs={name: value for name, value in attrs.items() if value is not None},
        system_attrs={
            **({} if log_prob is None else {LOG_PROBS: {c.name: log_prob for c in config.space.choices}}),
            **({} if trust is None else {TRUST: trust}),
        },
        intermediate_values={},
    )


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium here: apt install chromium")
    with Chromium.started(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


class Chromium:
    """One page. `complaints` are its console's errors and warnings, exceptions, and requests to anywhere."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._buffer, self._last = to, back, b"", 0
        self._session = ""
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    @classmethod
    @contextmanager
    def started(cls, program: str, folder: Path) -> Iterator[Self]:
        """`folder` is for its profile."""
        its_in, to = os.pipe()
        back, its_out = os.pipe()
        begin = [sys.executable, "-c", BEGIN, str(its_in), str(its_out), program, *FLAGS, f"--user-data-dir={folder}"]
        process = subprocess.Popen(begin, pass_fds=(its_in, its_out), stderr=subprocess.DEVNULL)
        os.close(its_in)
        os.close(its_out)
        try:
            yield cls(to, back)
        finally:
            process.kill()
            process.wait()
            os.close(to)
            os.close(back)

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something, and wait for the answer; what happens in between is noted."""
        self._last += 1
        asked = {"id": self._last, "method": method, "params": dict(params or {})}
        os.write(self._to, json.dumps(asked | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == self._last:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def open(self, page: Path, width: int, dark: bool) -> None:
        """Show `page` in a window `width` pixels wide."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.send("Page.navigate", {"url": page.as_uri()})
        self.wait()

    def wait(self) -> None:
        """Until all of the page is there."""
        self.value("new Promise(r => document.readyState == 'complete' ? r() : addEventListener('load', () => r()))")

    def value(self, script: str) -> Any:
        found = self.send("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True})
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._back, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium has gone")
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        with suppress(KeyError):
            self._note(message["method"], message["params"])
        return message

    def _note(self, event: str, params: Mapping[str, Any]) -> None:
        if event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        elif event == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.complaints.append(f"it asks for {params['request']['url']}")
