"""The benchmark of the controller, and that the controller learns on real tables of trained networks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
TABLES = {"nasbench201": "nasbench201-cifar10.csv", "macro": "nas-bench-macro_cifar10.json"}


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("controller_on_tables", ROOT / "benchmarks/controller_on_tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def path(table: str) -> Path:
    found = DATA / TABLES[table]
    if not found.exists():
        pytest.skip(f"the published table {found.name} is not in ../shared/data")
    return found


def test_the_tables_are_read_whole(bench: ModuleType) -> None:
    cells, networks = bench.nasbench201(path("nasbench201")), bench.macro(path("macro"))
    assert len(cells.observed) == len(cells.reported) == 5**6 and len(networks.observed) == 3**8
    assert max(cells.reported.values()) == 94.373
    assert (cells.observed[(3, 3, 4, 1, 3, 1)], cells.reported[(3, 3, 4, 1, 3, 1)]) == (82.834, 93.66)  # its second row
    assert networks.reported[(0, 2, 0, 1, 2, 1, 0, 0)] == pytest.approx(89.19666545)


def test_regret_never_rises_in_what_was_observed_and_a_seed_gives_one_curve(bench: ModuleType) -> None:
    table = bench.macro(path("macro"))
    for strategy in bench.STRATEGIES:
        curve = bench.search(table, strategy, seed=0, evaluations=40)
        assert curve.shape == (2, 40) and (np.diff(curve[1]) >= 0).all() and (curve[0] >= 0).all()
        assert (curve == bench.search(table, strategy, seed=0, evaluations=40)).all()


def clearly_better_than_random(bench: ModuleType, table: str, strategy: str, seeds: int, evaluations: int) -> None:
    loaded = getattr(bench, table)(path(table))
    ours, random = (
        np.array([bench.search(loaded, name, seed, evaluations)[0, -1] for seed in range(seeds)])
        for name in (strategy, "random")
    )
    assert ours.mean() < random.mean() / 2, f"regret {ours.mean():.3f}, random's {random.mean():.3f}"
    assert bench.sign_flip_p(random - ours) < 0.05


@pytest.mark.parametrize("strategy", ["reinforce", "ppo"])
@pytest.mark.parametrize("table", TABLES)
def test_it_learns_on_a_table(bench: ModuleType, table: str, strategy: str) -> None:
    clearly_better_than_random(bench, table, strategy, seeds=8, evaluations=250)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["reinforce", "ppo"])
@pytest.mark.parametrize("table", TABLES)
def test_it_is_clearly_better_than_random_at_1000_evaluations(bench: ModuleType, table: str, strategy: str) -> None:
    clearly_better_than_random(bench, table, strategy, seeds=30, evaluations=1000)


def test_the_command_prints_its_table_and_draws(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--macro",
        str(path("macro")),
        "--seeds",
        "3",
        "--evaluations",
        "50",
        "--plot",
        str(tmp_path / "c.png"),
    ]
    monkeypatch.setattr(sys, "argv", ["controller_on_tables.py", *arguments])
    bench.main()
    printed = capsys.readouterr().out
    assert "| strategy | 25 | 50 |" in printed and "ppo at 50" in printed
    assert (tmp_path / "c.png").stat().st_size > 10_000
