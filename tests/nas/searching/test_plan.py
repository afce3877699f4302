"""What is found out before a search starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.ledger.config import Config
from nas.ledger.experience import EarlierRun, Experience, Result, choices_of
from nas.options.commands import SearchOptions
from nas.reward import Reward
from nas.searching.choices import read_experience
from nas.searching.plan import _before, _paces, fit_width, typical_macs
from searchspaces import Mnas, NASBench201, Space


@pytest.mark.parametrize("target", [10e6, 60e6])
def test_the_fitted_width_brings_a_random_network_to_the_target(target: float) -> None:
    space = fit_width(Mnas(), target, 32)
    assert typical_macs(space, 32) == pytest.approx(target, rel=0.35)
    assert dataclasses.replace(space, width=1.0) == Mnas()


@pytest.mark.parametrize(
    ("asked", "data", "names"),
    [
        ({}, "flowers", ("c10",)),
        ({}, "cifar10", ()),
        ({"experience": "none"}, "flowers", ()),
        ({"experience": "builtin"}, "cifar10", ("c10",)),
        ({"strategy": "random"}, "flowers", ()),
        ({"objectives": "accuracy,macs"}, "flowers", ()),
        ({"space": "compact"}, "flowers", ()),
    ],
)
def test_a_search_begins_from_what_the_package_has_of_its_space_on_other_data(
    asked: dict[str, str], data: str, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, space in (("c10", Mnas()), ("other", NASBench201())):
        (tmp_path / f"{name}.json").write_text(earlier(name, space).text or "")
    monkeypatch.setattr("nas.ledger.experience._PACKAGE", tmp_path)
    options = SearchOptions(**asked)  # type: ignore[arg-type]
    assert read_experience(options, data).names == names


def test_what_a_search_begins_from_is_said(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.ledger.experience._PACKAGE", tmp_path)
    assert _before(config, Experience()) == []
    assert _before(config, earlier("c10", config.space)) == ["c10: 6 networks of mnas on cifar10"]
    (tmp_path / "c10.json").write_text(earlier("c10", config.space).text or "")
    assert _before(config, earlier("c10", config.space)) == [
        "c10: 6 networks of mnas on cifar10, in the package (none: --experience none)"
    ]


def earlier(name: str, space: Space) -> Experience:
    results = tuple(Result((0,) * len(space.choices), 0.5) for _ in range(6))
    return Experience((EarlierRun(name, space.reference, {}, choices_of(space), "cifar10", {}, 0, results),))


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


@pytest.mark.parametrize(
    ("measuring", "workers", "at_once", "paces"),
    [
        (0.0, 1, None, [8.0]),
        (3.0, 1, None, [11.0]),  # one after the other
        (3.0, 4, None, [8.0]),  # measured while others are trained
        (60.0, 4, None, [15.0]),
        (3.0, 1, (4, 2), [4.0, 3.0]),
    ],
)
def test_how_soon_one_trial_follows_another(
    measuring: float, workers: int, at_once: tuple[int, int] | None, paces: list[float]
) -> None:
    cluster: Any = None if at_once is None else SimpleNamespace(at_once=at_once[0], shared=at_once[1])
    assert _paces(8.0, measuring, workers, cluster) == paces
