"""Searches on tables: what is counted, that they are those of a real study, workers, and that strategies learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import ClassVar

import numpy as np
import optuna
import pytest
from torch import nn

from nas.bench.costs import macs_of
from nas.bench.runs import choose_task, run
from nas.bench.searches import ASKED, Result, Setup, Task, _Search, search
from nas.samplers import distributions, make_sampler
from nas.samplers.strategy import Context, Feedback, Proposal
from nas.searching.published import Published, read
from nas.statistics.wilcoxon import signed_rank_p
from searchspaces import Arch, Choice, NASBench201, NASBenchMacro, Space
from searchspaces.cost import cost, shapes_only

MACRO = NASBenchMacro()
SPACES: dict[str, Space] = {"nasbench201": NASBench201(), "nasbench_macro": MACRO}
OURS = ["reinforce", "ppo", "evolution", "local-search", "bananas", "random"]


def accuracy(arch: Arch) -> float:
    """In %; the same for architectures that build the same network."""
    return 60 + sum(option * position for position, option in enumerate(MACRO.canonical(arch))) / 2


@pytest.fixture(scope="module")
def table() -> Published:
    archs = list(product(range(3), repeat=8))
    seen = {arch: accuracy(arch) for arch in archs}
    macs = {arch: 1e6 * (1 + sum(arch)) for arch in archs}
    return Published(MACRO, Path("table"), "", seen, {arch: value + 1 for arch, value in seen.items()}, macs=macs)


@pytest.fixture(scope="module")
def task(table: Published) -> Task:
    return Task(table, table.observed, table.reported)


def evaluated(task: Task, setup: Setup, seed: int, evaluations: int) -> list[Arch]:
    found = _Search(task, setup, seed)
    ended: list[Arch] = []
    end = found._end
    found._end = lambda number: ended.append(found.running[number].arch) or end(number)  # type: ignore[method-assign, func-returns-value]
    found.run(evaluations)
    return ended


@pytest.mark.parametrize("strategy", [*OURS, "tpe", "nsga2"])
def test_every_evaluation_is_of_another_network_and_regret_is_of_what_looked_best(task: Task, strategy: str) -> None:
    setup = Setup(strategy)
    archs = evaluated(task, setup, 0, 40)
    assert len({MACRO.canonical(arch) for arch in archs}) == 40
    curve = search(task, setup, 0, 40)
    best = [max(archs[:n], key=accuracy) for n in range(1, 41)]
    assert curve.regret.tolist() == [accuracy((2,) * 8) - accuracy(arch) for arch in best]
    assert (curve.regret == search(task, setup, 0, 40).regret).all()
    assert (curve.regret != search(task, setup, 1, 40).regret).any()


@pytest.mark.parametrize("strategy", OURS)
def test_it_is_the_search_of_a_study_without_the_study(task: Task, strategy: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=make_sampler(strategy, MACRO, 5))
    archs = []
    for _ in range(25):
        trial = study.ask(distributions(MACRO))
        archs.append(MACRO.from_options(trial.params))
        study.tell(trial, accuracy(archs[-1]) / 100)
    assert evaluated(task, Setup(strategy), 5, 25) == archs


class Stuck:
    """Proposes one architecture for ever."""

    def __init__(self) -> None:
        self.told: list[tuple[Arch, float]] = []

    def propose(self, context: Context) -> Proposal:
        return Proposal((0,) * 8)

    def tell(self, feedback: Feedback) -> None:
        self.told.append((feedback.arch, feedback.reward))


def test_repeats_are_told_and_then_replaced(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    monkeypatch.setattr("nas.bench.searches.start", lambda *_: stuck)
    curve = search(task, Setup("stuck"), 0, 3)
    assert curve.substitutes == 2 and len(stuck.told) == 3 + 2 * ASKED
    assert stuck.told[0] == stuck.told[ASKED] == ((0,) * 8, 0.6) != stuck.told[1 + ASKED]
    stuck.told.clear()
    assert search(task, Setup("stuck", repeats=True), 0, 5).substitutes == 0
    assert stuck.told == [((0,) * 8, 0.6)] * 5
    stuck.told.clear()
    search(task, Setup("stuck", workers=3), 0, 12)
    assert len(set(stuck.told)) == 12 and stuck.told.count(((0,) * 8, 0.6)) >= 1 + 11 * ASKED
    ran = stuck.told.index(((0,) * 8, 0.6))
    assert stuck.told[ran : ran + 1 + 2 * ASKED] == [((0,) * 8, 0.6)] * (1 + 2 * ASKED), "with the twins of what ran"


@dataclasses.dataclass(frozen=True)
class Small(Space):
    """Three choices of three options; which of the first two has which is all the same."""

    name: ClassVar[str] = "small"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"c{i}", (0, 1, 2)) for i in range(3))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError

    def canonical(self, arch: Arch) -> Arch:
        return (*sorted(arch[:2]), arch[2])


@pytest.mark.parametrize("strategy", [*OURS, "tpe"])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_search_may_go_to_the_last_network_and_no_further(strategy: str, workers: int) -> None:
    listed = {arch: float(sum(arch)) for arch in product(range(3), repeat=3) if arch[0] <= arch[1]}
    task = Task(Published(Small(), Path("small"), "", listed, listed), listed, listed)
    assert task.networks == 18 == len(listed)
    assert search(task, Setup(strategy, workers), 0, 18).regret[-1] == 0.0
    with pytest.raises(ValueError, match="the table has 18 different networks: no search can evaluate 19"):
        search(task, Setup(strategy, workers), 0, 19)


def test_workers_see_results_late_and_take_less_time(task: Task) -> None:
    told_before: list[int] = []

    class Watched(Stuck):
        def propose(self, context: Context) -> Proposal:
            told_before.append(len(self.told))
            assert len(context.running) < 8
            return Proposal(tuple(int(digit) for digit in np.base_repr(context.number, 3).rjust(8, "0"))[::-1])

    task = dataclasses.replace(task, table=dataclasses.replace(task.table, seconds=dict.fromkeys(task.seen, 10.0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.bench.searches.start", lambda *_: Watched())
        curve = search(task, Setup("watched", workers=8), 0, 16)
    assert told_before[:8] == [0] * 8, "all began before anything was known"
    assert curve.clock.tolist() == [10.0] * 8 + [20.0] * 8


def test_times_are_log_normal_of_mean_1(task: Task) -> None:
    clock = search(task, Setup("random"), 0, 2000).clock
    times = np.diff(clock, prepend=0)
    assert times.mean() == pytest.approx(1, abs=0.05) and np.log(times).std() == pytest.approx(0.5, abs=0.03)
    eight = search(task, Setup("random", workers=8), 0, 2000).clock
    assert eight[-1] == pytest.approx(2000 / 8, rel=0.1) and (np.diff(eight) >= 0).all()


def test_workers_are_the_same_searches_each_time(task: Task) -> None:
    for strategy in ("ppo", "evolution", "local-search", "tpe"):
        curves = [search(task, Setup(strategy, workers=5), 3, 30) for _ in range(2)]
        assert (curves[0].regret == curves[1].regret).all() and (curves[0].clock == curves[1].clock).all()


# ---------------------------------------------------------------------------- many searches


def test_processes_give_what_one_gives_in_the_order_of_the_seeds(task: Task) -> None:
    setups = [Setup("evolution"), Setup("random", workers=2)]
    said: list[str] = []
    alone, together = (run(task, setups, range(7, 17), 30, jobs, said.append) for jobs in (1, 2))
    assert [r.setup for r in alone] == setups and len(said) == 4 and "random, 2 workers: 10 searches done" in said[1]
    for a, b in zip(alone, together, strict=True):
        assert (a.regret == b.regret).all() and (a.clock == b.clock).all()
    assert (alone[0].regret[3] == search(task, setups[0], 10, 30).regret).all()


def test_mean_and_deviation_are_over_searches(task: Task) -> None:
    curves = [search(task, Setup("random"), seed, 10) for seed in range(4)]
    result = Result.of(Setup("random"), curves)
    values = [curve.regret[4] for curve in curves]
    assert result.mean(5) == pytest.approx(np.mean(values)) and result.deviation(5) == pytest.approx(
        np.std(values, ddof=1)
    )
    assert Result.of(Setup("random"), curves[:1]).deviation(5) == 0.0


def test_mnasnets_reward_is_seen_and_judged(table: Published) -> None:
    task = choose_task(table, "mnas", None, -0.07, print)
    arch = (2, 1, 0, 0, 1, 2, 1, 0)
    target = float(np.median(list(table.macs.values())))
    assert task.seen[arch] == pytest.approx(accuracy(arch) * (8e6 / target) ** -0.07)
    assert task.judged[arch] == pytest.approx((accuracy(arch) + 1) * (8e6 / target) ** -0.07)
    other = choose_task(table, "mnas", 3e6, -1.0, print)
    assert other.seen[arch] == pytest.approx(accuracy(arch) * 3 / 8)
    for arguments, said in ((("cost", None), "--reward is accuracy or mnas"), (("accuracy", 1e6), "add that")):
        with pytest.raises(ValueError, match=said):
            choose_task(table, *arguments, -0.07, print)


# ---------------------------------------------------------------------------- costs


def test_costs_that_add_up_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    space = NASBench201(cells=1)
    archs = [tuple(map(int, np.random.default_rng(i).integers(5, size=6))) for i in range(300)]
    table = Published(space, Path("t"), "", dict.fromkeys(archs, 1.0), dict.fromkeys(archs, 1.0))
    macs = macs_of(table, print)
    for arch in archs[:5]:
        with shapes_only():
            network = space.build(arch)
        assert macs[arch] == cost(network, 32).macs


def test_others_are_built_once_for_all_that_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    archs = [(0, 0, *rest) for rest in product(range(2), repeat=6)]
    table = Published(MACRO, Path("t"), "", dict.fromkeys(archs, 1.0), dict.fromkeys(archs, 1.0))
    assert macs_of(dataclasses.replace(table, macs={(0,) * 8: 5.0}), print) == {(0,) * 8: 5.0}
    monkeypatch.setattr("nas.bench.costs._shares", lambda space: [[0, 0, 0]] * 8)  # they do add up, in fact
    built: list[Arch] = []
    monkeypatch.setattr("nas.bench.costs._macs", lambda space, arch: built.append(arch) or 7)
    said: list[str] = []
    monkeypatch.setattr("nas.bench.costs.SLOW", 10)
    assert set(macs_of(table, said.append).values()) == {7.0}
    assert len(built) == 1 + len({MACRO.canonical(arch) for arch in archs}) and "no column macs: building" in said[0]


def test_macs_of_the_published_tables(published_table: Callable[[str], Path]) -> None:
    """Those of Macro are in its file; those of the cell are the published ones (see docs/spaces/nasbench.md)."""
    macro = read(MACRO, published_table("nasbench_macro"))
    assert macro.macs[(0, 2, 0, 1, 2, 1, 0, 0)] == 47_327_744 and len(macro.params) == 3**8
    space = NASBench201()
    arch = space.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    )
    assert macs_of(read(space, published_table("nasbench201")), print)[arch] == 153_272_960


def test_a_search_that_has_seen_all_of_cifar100_does_not_hand_over_the_best(
    published_table: Callable[[str], Path],
) -> None:
    table = read(SPACES["nasbench201"], published_table("nasbench201 on cifar100"))
    task = Task(table, table.observed, table.reported)
    assert table.benchmark.on == "NAS-Bench-201 on cifar100" and task.best == pytest.approx(73.513, abs=0.01)
    assert task.floor == pytest.approx(1.233, abs=0.001)


# ---------------------------------------------------------------------------- do strategies learn?


def clearly_better_than_random(table: Published, strategy: str, seeds: int, evaluations: int) -> None:
    task = Task(table, table.observed, table.reported)
    ours, random = run(task, [Setup(strategy), Setup("random")], range(seeds), evaluations, 1, lambda _: None)
    assert ours.mean(evaluations) < random.mean(evaluations) / 2
    assert signed_rank_p(ours.regret[:, -1], random.regret[:, -1]) < 0.05


@pytest.mark.parametrize(
    ("strategy", "seeds"),
    [
        ("reinforce", 8), ("ppo", 8), ("evolution", 40), ("local-search", 40),
        pytest.param("bananas", 8, marks=pytest.mark.slow),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", SPACES)
def test_it_learns_on_a_table(published_table: Callable[[str], Path], name: str, strategy: str, seeds: int) -> None:
    clearly_better_than_random(read(SPACES[name], published_table(name)), strategy, seeds, evaluations=250)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["reinforce", "ppo"])
@pytest.mark.parametrize("name", SPACES)
def test_it_is_clearly_better_than_random_at_1000_evaluations(
    published_table: Callable[[str], Path], name: str, strategy: str
) -> None:
    clearly_better_than_random(read(SPACES[name], published_table(name)), strategy, seeds=30, evaluations=1000)
