"""`nas report` and `nas dashboard`."""

from __future__ import annotations

import builtins
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nas.cli import main
from nas.reward import Reward
from searchspaces import Mnas

SPACE = Mnas(width=0.1, image_size=16)


@pytest.fixture
def nas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command: gives its exit code and what it printed."""

    def run(*arguments: object) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def runs(make_run) -> Path:
    archs = [SPACE.sample(random.Random(i)) for i in range(3)]
    trials = [{"arch": arch, "accuracy": 0.1 * i, "macs": 1000} for i, arch in enumerate(archs)]
    make_run(trials, "one")
    return make_run(trials, "two").path.parent


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Makes a package one that is not installed."""

    def hide(package: str) -> None:
        real = builtins.__import__

        def imported(name: str, *arguments: Any, **named: Any) -> ModuleType:
            if name.partition(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
            return real(name, *arguments, **named)

        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", imported)

    return hide


def test_a_report_goes_to_the_folder_of_its_run(nas, runs: Path) -> None:
    code, out, _ = nas("report", "one", "--runs-dir", runs)
    assert code == 0 and out.startswith(f"wrote {runs / 'one' / 'report.html'}")
    assert (runs / "one" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_several_runs_or_another_place(nas, runs: Path, tmp_path: Path) -> None:
    assert nas("report", "one", "two", "one", "--runs-dir", runs)[0] == 0
    assert "two" in (runs / "one" / "report-with-two.html").read_text()
    assert nas("report", "one", "--out", tmp_path / "x.html", "--runs-dir", runs)[0] == 0
    assert (tmp_path / "x.html").exists()
    code, _, err = nas("report", "one", "--out", tmp_path / "nowhere" / "x.html", "--runs-dir", runs)
    assert code == 2 and "there is no folder" in err


def test_json_is_the_numbers_and_no_page(nas, runs: Path) -> None:
    code, out, _ = nas("report", "one", "two", "--json", "--runs-dir", runs)
    document = json.loads(out)
    assert code == 0 and [run["run"] for run in document["runs"]] == ["one", "two"] and document["controls"] == []
    assert not list(runs.glob("*/*.html"))


def test_an_unknown_run_is_one_line(nas, runs: Path) -> None:
    code, _, err = nas("report", "three", "--runs-dir", runs)
    assert code == 2 and err.count("\n") == 1 and "there are one, two" in err


def test_event_files(nas, runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert nas("report", "one", "--tensorboard", tmp_path / "events", "--runs-dir", runs)[0] == 0
    events = EventAccumulator(str(tmp_path / "events" / "one")).Reload()
    accuracies = [(event.step, event.value) for event in events.Scalars("trial/accuracy")]
    assert accuracies == [(1, 0), (2, pytest.approx(0.1)), (3, pytest.approx(0.2))]
    code, _, err = nas("report", "one", "--tensorboard", tmp_path / "events", "--runs-dir", runs)
    assert code == 2 and "exists" in err


def test_event_files_of_runs_with_other_rewards_share_no_name(make_run, config, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from nas.report.events import write
    from nas.report.numbers import Numbers

    trials = [{"arch": SPACE.sample(random.Random(0)), "accuracy": 0.1, "macs": 1000}]
    other = replace(config, reward=Reward({"macs": 5e6}))
    several = [Numbers.of(make_run(trials, name, config=c)) for name, c in (("a", config), ("b", other), ("c", config))]
    tags = {
        place.name: set(EventAccumulator(str(place)).Reload().Tags()["scalars"])
        for place in write(several, tmp_path / "events")
    }
    assert {"best/reward/a-c", "trial/reward/a-c", "trial/accuracy"} <= tags["a"] == tags["c"]
    assert {"best/reward/b", "trial/reward/b", "trial/accuracy"} <= tags["b"]


def test_what_is_not_installed_is_named(nas, runs: Path, tmp_path: Path, without) -> None:
    without("optuna_dashboard")
    code, _, err = nas("dashboard", "one", "--runs-dir", runs)
    assert code == 2 and err == "nas: nas dashboard needs optuna-dashboard: pip install optuna-dashboard\n"


def test_event_files_without_tensorboard(nas, runs: Path, tmp_path: Path, without) -> None:
    without("tensorboard")
    sys.modules.pop("torch.utils.tensorboard", None)
    code, _, err = nas("report", "one", "--tensorboard", tmp_path, "--runs-dir", runs)
    assert code == 2 and err == "nas: --tensorboard needs tensorboard: pip install tensorboard\n"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for optuna-dashboard: remembers what it was asked to serve."""
    asked: list[dict[str, Any]] = []
    module = ModuleType("optuna_dashboard")

    def run_server(storage: Any, host: str, port: int) -> None:
        if port == 1:
            raise OSError(98, "Address already in use")
        asked.append({"studies": [s.study_name for s in storage.get_all_studies()], "host": host, "port": port})

    module.run_server = run_server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optuna_dashboard", module)
    return asked


def test_the_dashboard_serves_the_ledger_to_this_machine_alone(nas, runs: Path, served: list[dict[str, Any]]) -> None:
    code, out, _ = nas("dashboard", "two", "--port", 8099, "--no-browser", "--runs-dir", runs)
    assert code == 0 and "http://127.0.0.1:8099/dashboard/studies/0" in out
    assert served == [{"studies": ["two"], "host": "127.0.0.1", "port": 8099}]


def test_a_port_that_is_taken_is_one_line(nas, runs: Path, served: list[dict[str, Any]]) -> None:
    code, _, err = nas("dashboard", "two", "--port", 1, "--no-browser", "--runs-dir", runs)
    assert code == 2 and err == "nas: port 1 is not free: choose another --port\n" and served == []
