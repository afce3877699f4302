"""What is found out before a search starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nas.ledger.config import Config
from nas.ledger.experience import EarlierRun, Experience, Result, choices_of
from nas.reward import Reward
from nas.searching.plan import _before, fit_width, typical_macs
from searchspaces import Mnas, NASBench201, Space


@pytest.mark.parametrize("target", [10e6, 60e6])
def test_the_fitted_width_brings_a_random_network_to_the_target(target: float) -> None:
    space = fit_width(Mnas(), target, 32)
    assert typical_macs(space, 32) == pytest.approx(target, rel=0.35)
    assert dataclasses.replace(space, width=1.0) == Mnas()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ["none; --experience builtin would begin from c10: 6 networks of mnas on cifar10"]),
        ({"data": "cifar10"}, []),
        ({"strategy": "random"}, []),
        ({"objectives": ("accuracy", "macs")}, []),
    ],
)
def test_what_a_search_might_begin_from_is_said_where_it_is_of_use(
    change: dict[str, object], said: list[str], config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file(name: str, space: Space) -> Experience:
        results = tuple(Result((0,) * len(space.choices), 0.5) for _ in range(6))
        run = EarlierRun(name, space.reference, {}, choices_of(space), "cifar10", {}, 0, results)
        (tmp_path / f"{name}.json").write_text(Experience((run,)).text or "")
        return Experience((run,))

    monkeypatch.setattr("nas.ledger.experience._PACKAGE", tmp_path)
    of_mnas, _ = file("c10", config.space), file("other", NASBench201())
    search = dataclasses.replace(config, **({"strategy": "controller"} | change))  # type: ignore[arg-type]
    assert _before(search, Experience()) == said
    assert _before(search, of_mnas) == ["c10: 6 networks of mnas on cifar10"]


def test_a_strategy_learns_from_losses_where_few_images_judge(config: Config) -> None:
    few, many = {"a": 200, "b": 188}, {"a": 2_500, "b": 2_500}
    assert dataclasses.replace(config, validation=few).learns_from_losses
    for other in (
        {"validation": many},
        {"validation": None},
        {"validation": few, "reward": Reward(signal="loss")},
        {"validation": few, "objectives": ("accuracy", "macs")},
        {"validation": few, "table": "table.csv"},
    ):
        assert not dataclasses.replace(config, **other).learns_from_losses  # type: ignore[arg-type]
