"""What the tests of runs and searches share: trainings that take no time, and a run to put them in."""

from __future__ import annotations

import signal
import sys
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from nas.cli import main
from nas.data import Dataset
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run, TrialRow
from nas.network import Found
from nas.reward import Reward
from nas.searching.progress import Silent
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import State, TrialResult, TrialSpec
from searchspaces import Mnas
from searchspaces.cost import Cost


class Watcher(Silent):
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.rows: list[TrialRow] = []

    def started(self, spec: TrialSpec, size: Cost) -> None:
        self.begun.append(spec.number)

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self.rows.append(row)


@pytest.fixture(autouse=True)
def nothing_is_packaged(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches begin from nothing, so that no test depends on the ledgers in the package, but for those of them."""
    monkeypatch.setattr("nas.ledger.experience._PACKAGE", tmp_path_factory.getbasetemp() / "nothing")


def pretend(spec: TrialSpec, dataset: Dataset, on_step: OnStep | None = None) -> Generator[Epoch, None, TrialResult]:
    """A training whose accuracy is a function of the architecture; one in eleven fails."""
    assert isinstance(spec.network, Found)
    code = zlib.crc32(spec.network.space.format(spec.network.arch).encode())
    if code % 11 == 0:
        return TrialResult(State.FAILED, 0.0, reason="it was to fail")
    accuracy = code % 1000 / 1000
    for epoch in range(1, spec.recipe.epochs + 1):
        yield Epoch(epoch, 1.0, accuracy * epoch / spec.recipe.epochs, 100 * epoch, 0.0)
    return TrialResult(State.COMPLETE, 0.0, accuracy, 1.0)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", pretend)


@pytest.fixture
def config() -> Config:
    return Config(Mnas(width=0.1, image_size=16), "tiny", Recipe(batch_size=20), Reward({"macs": 1e6}), "ppo", 0)


@pytest.fixture
def run(tmp_path: Path, config: Config) -> Run:
    return Run.create(tmp_path / "runs" / "one", config, Budget(trials=12))


@pytest.fixture
def call_nas(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Calls `nas`: exit code, output, errors."""

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *args])
        with pytest.raises(SystemExit) as end:
            main()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which `main` has changed after a Ctrl-C
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert isinstance(end.value.code, int)
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return call


@pytest.fixture
def stays_inside() -> Callable[[Any], None]:
    """Draws a figure and asserts that all that belongs to its axes and titles is in it."""

    def check(figure: Any) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer, whole = canvas.get_renderer(), figure.bbox
        for box in [axes.get_tightbbox(renderer) for axes in figure.axes] + [
            text.get_window_extent(renderer) for text in figure.texts
        ]:
            assert min(box.x0, box.y0, whole.x1 - box.x1, whole.y1 - box.y1) >= -1, f"{box} of {whole}"

    return check


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which commands run, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def few_images(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, where the images of every data set are few."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, place=None, **how: tiny.val)
