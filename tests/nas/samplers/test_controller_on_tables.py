"""The benchmark of the controller, and that the controller learns on real tables of trained networks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from nas.published import Published, read

ROOT = Path(__file__).parents[3]
TABLES = ["nasbench201", "macro"]

Load = Callable[[str], Published]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("controller_on_tables", ROOT / "benchmarks/controller_on_tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def load(bench: ModuleType, published_table: Callable[[str], Path]) -> Load:
    """Reads a table of the benchmark."""
    return lambda table: read(bench.SPACES[table], published_table(bench.SPACES[table].name))


def test_regret_never_rises_in_what_was_observed_and_a_seed_gives_one_curve(bench: ModuleType, load: Load) -> None:
    table = load("macro")
    for strategy in bench.STRATEGIES:
        curve = bench.search(table, strategy, seed=0, evaluations=40)
        assert curve.shape == (2, 40) and (np.diff(curve[1]) >= 0).all() and (curve[0] >= 0).all()
        assert (curve == bench.search(table, strategy, seed=0, evaluations=40)).all()


def clearly_better_than_random(
    bench: ModuleType, table: Published, strategy: str, seeds: int, evaluations: int
) -> None:
    ours, random = (
        np.array([bench.search(table, name, seed, evaluations)[0, -1] for seed in range(seeds)])
        for name in (strategy, "random")
    )
    assert ours.mean() < random.mean() / 2, f"regret {ours.mean():.3f}, random's {random.mean():.3f}"
    assert bench.sign_flip_p(random - ours) < 0.05


@pytest.mark.parametrize("strategy", ["reinforce", "ppo"])
@pytest.mark.parametrize("table", TABLES)
def test_it_learns_on_a_table(bench: ModuleType, load: Load, table: str, strategy: str) -> None:
    clearly_better_than_random(bench, load(table), strategy, seeds=8, evaluations=250)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["reinforce", "ppo"])
@pytest.mark.parametrize("table", TABLES)
def test_it_is_clearly_better_than_random_at_1000_evaluations(
    bench: ModuleType, load: Load, table: str, strategy: str
) -> None:
    clearly_better_than_random(bench, load(table), strategy, seeds=30, evaluations=1000)


def test_the_command_prints_its_table_and_draws(
    bench: ModuleType,
    published_table: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [
        "--macro",
        str(published_table("nasbench_macro")),
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
