"""A study of proxies: which networks, which trainings, and that it is run as a search is, interrupted or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from optuna.storages.journal import JournalFileBackend
from torch import nn

from nas.data import Dataset
from nas.engines import local
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.workload import SEARCH
from nas.proxies.draw import Drawn, draw
from nas.proxies.results import Proxy, results, study_of
from nas.proxies.study import Length, ProxyStudy, study_config, usual_cuts, usual_shorts
from nas.reward import Reward
from nas.searching.loop import Search
from nas.training.learning_curve import CurvePoint
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import State, TrialResult, TrialSpec, run_trial
from searchspaces import Arch, Choice, Space
from searchspaces.layers import conv, head, network
from tests.nas.conftest import Watcher

NETWORKS, SEEDS = 4, 2


@dataclass(frozen=True)
class Small(Space):
    """Two convolutions: quick to measure and to train."""

    image_size: int = 16
    name: ClassVar[str] = "small"

    @property
    def choices(self) -> tuple[Choice, ...]:
        sizes = {"width": (2, 3, 4, 6, 8, 12, 16, 24), "kernel": (1, 3, 5)}
        return tuple(Choice(f"conv{n}.{name}", options) for n in (1, 2) for name, options in sizes.items())

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        c1, k1, c2, k2 = (int(value) for value in self.options(arch).values())
        return network(conv(c1, k1, stride=2), conv(c2, k2, stride=2), head(num_classes))


SPACE = Small()


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    return draw(SPACE, NETWORKS, seed=0, num_classes=4, image_size=16)


@pytest.fixture
def config(drawn: list[Drawn]) -> Config:
    """Trainings of 180 images; cut at 40 and 100; a short one of 60 images, and one of 30 twice, at 12 pixels."""
    search = Config(SPACE, "tiny", Recipe(batch_size=20), Reward(), "random", 0)
    return study_config(search, drawn, [Length(60), Length(30, 2, 12)], [100, 40], SEEDS, 16, 180)


def drive(run: Run, dataset: Dataset, budget: Budget | None = None) -> None:
    """As a new process would."""
    opened = Run.open(run.path)
    with opened.driving() as study:
        local.run(Search(opened, study, budget or opened.budget, Watcher(), dataset), dataset)


def study_run(path: Path, config: Config) -> Run:
    return Run.create(path, config, Budget(trials=config.space.size))


def pretend(spec: TrialSpec, dataset: Dataset, on_step: OnStep | None = None) -> Generator[Epoch, None, TrialResult]:
    """Accuracy and loss are functions of the network, the seed and how long it is trained; one training fails."""
    if spec.number == 7:
        return TrialResult(State.FAILED, 0.0, reason="it was to fail")
    luck = sum(map(ord, spec.network.text)) % 7 / 100 + spec.seed / 1000
    curve = tuple(
        CurvePoint(n, 2 - n / 200 - luck, 2.1 - luck, n / 200 + luck, n / 10, 1.0) for n in (*spec.evaluate_at, 180)
    )
    yield Epoch(1, 1.0, 0.5, 180, 0.0, curve=curve)
    return TrialResult(State.COMPLETE, 0.0, 0.5, 1.0, curve=curve)


# ------------------------------------------------------------------ which networks


def test_networks_are_spread_over_their_size(drawn: list[Drawn]) -> None:
    macs = [one.macs for one in draw(SPACE, 8, seed=1, num_classes=4, image_size=16)]
    steps = np.diff(np.log(macs))
    assert macs == sorted(macs) and len({one.arch for one in drawn}) == NETWORKS
    assert macs[-1] > 3 * macs[0] and steps.max() < 3 * steps.mean()
    assert drawn == draw(SPACE, NETWORKS, seed=0, num_classes=4, image_size=16)


def test_a_range_of_sizes(drawn: list[Drawn]) -> None:
    least, most = drawn[1].macs, drawn[2].macs
    assert all(least <= one.macs <= most for one in draw(SPACE, 3, 0, 4, 16, least, most))
    with pytest.raises(
        ValueError, match="150 random architectures have 0 different networks of that size, 3 are wanted"
    ):
        draw(SPACE, 3, 0, 4, 16, most=10)


# ------------------------------------------------------------------ which trainings


@pytest.mark.parametrize(
    ("text", "length", "seen"),
    [
        ("12.5k", Length(12_500), 12_500),
        ("5kx4", Length(5000, 4), 20_000),
        ("12.5k@16", Length(12_500, 1, 16), 12_500),
        ("250x3@8", Length(250, 3, 8), 750),
        ("100k", Length(33_333, 3), 99_999),
        ("5kx2@16+init", Length(5000, 2, 16, True), 10_000),
    ],
)
def test_lengths(text: str, length: Length, seen: int) -> None:
    assert Length.parse(text, 45_000) == length and length.seen == seen
    assert Length.parse(length.text, 45_000) == length


@pytest.mark.parametrize("text", ["soon", "0", "5kx0", "50kx2", "", "5k@", "1.2.3k"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no training|is not a number|there are 45,000 images"):
        Length.parse(text, 45_000)


def test_usual_trainings_are_shorter_than_the_full_one() -> None:
    full = Length.parse("100k", 45_000)
    assert usual_cuts(full) == (6249, 12_499, 24_999, 49_999)
    shorts = usual_shorts(full, 32)
    assert {short.pixels for short in shorts} == {None, 16} and all(short.seen <= full.seen / 4 for short in shorts)
    assert all(Length.parse(short.text, 45_000) == short for short in shorts)


def test_each_training_has_its_recipe(config: Config) -> None:
    study = config.space
    assert isinstance(study, ProxyStudy) and study.size == SEEDS * 3 * NETWORKS
    assert study.trainings == ("full", "60", "30x2@12") and study.cuts == (40, 100)
    full, other = config.job((1, 0, 2)), config.job((0, 2, 2))
    assert full.recipe == config.recipe and full.seed == 1 and full.evaluate_at == (40, 100)
    assert (other.recipe.subset, other.recipe.epochs, other.recipe.image_size) == (30, 2, 12) and other.evaluate_at == (
        60,
    )
    assert study.format((1, 2, 3)) == "seed1_30x2@12_n3"
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("shorts", "cuts", "error"),
    [
        ([], [180], "--cuts are of 20 to 179 images, within the full training"),
        ([], [10], "--cuts are of 20 to 179 images"),
        ([Length(90, 2)], [], "--short 90x2 is not shorter than the full training of 180 images"),
        ([Length(90, 1, 32)], [], "--short 90@32: the full training has images of 16 pixels"),
    ],
)
def test_a_proxy_is_less_than_the_full_training(
    drawn: list[Drawn], shorts: list[Length], cuts: list[int], error: str
) -> None:
    search = Config(SPACE, "tiny", Recipe(batch_size=20), Reward(), "random", 0)
    with pytest.raises(ValueError, match=error):
        study_config(search, drawn, shorts, cuts, SEEDS, 16, 180)


# ------------------------------------------------------------------ the study, trained


def test_trainings_are_what_they_are_called(tmp_path: Path, tiny: Dataset, config: Config) -> None:
    run = study_run(tmp_path / "one", config)
    drive(run, tiny, Budget(trials=3 * NETWORKS))  # a seed
    found = results(run)
    assert found.missing == 3 * NETWORKS and not found.failures
    full, short, small = (found.curves[training, 0, 0] for training in ("full", "60", "30x2@12"))
    assert [point.images for point in full] == [40, 100, 180]
    assert [point.images for point in short] == [60]
    assert [point.images for point in small] == [20, 40], "whole batches"
    assert (found.values(Proxy("full", "area", 40))[0] == [-found.curves["full", 0, n][0].area for n in range(4)]).all()
    assert not found.repeated and found.ceiling is None
    assert found.judged and all(judged.networks == NETWORKS for judged in found.judged)
    costs = {judged.proxy: judged.seconds for judged in found.judged}
    assert 0 < costs[Proxy("full", "loss", 40)] < costs[Proxy("full", "loss", 100)] < costs[Proxy("full", "loss")]
    assert costs[Proxy("full", "accuracy", 40)] > costs[Proxy("full", "loss", 40)], "that has to be found out"


class Killed(BaseException):
    """As SIGKILL would: nothing after it runs."""


def test_an_interrupted_study_goes_on(
    tmp_path: Path, tiny: Dataset, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", pretend)
    whole, broken = study_run(tmp_path / "whole", config), study_run(tmp_path / "broken", config)
    drive(whole, tiny)
    append, written = JournalFileBackend.append_logs, 0

    def die(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        nonlocal written
        written += 1
        if written % 8 == 0:
            raise Killed
        append(backend, logs)

    deaths = 0
    with monkeypatch.context() as killing:
        killing.setattr(JournalFileBackend, "append_logs", die)
        for _ in range(100):
            try:
                drive(broken, tiny)
                break
            except Killed:
                deaths += 1
    found, expected = results(broken), results(whole)
    assert deaths > 2 and dataclasses.replace(found, run="", macs=0, params=0) == dataclasses.replace(
        expected, run="", macs=0, params=0
    )
    assert (found.macs == expected.macs).all() and found.missing == 0
    assert found.failures == {("60", 0, 3): "it was to fail"}


def test_a_failed_training_leaves_its_network_out(
    tmp_path: Path, tiny: Dataset, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", pretend)
    run = study_run(tmp_path / "one", config)
    drive(run, tiny)
    found = results(run)
    short = next(j for j in found.judged if j.proxy == Proxy("60", "accuracy"))
    assert np.isnan(found.values(short.proxy)).sum() == 1 and short.spearman.estimate > 0.5


def test_looks_come_from_any_engine(tiny: Dataset, config: Config) -> None:
    job = config.job((0, 0, 0))
    spec = TrialSpec(0, job.network, job.recipe, job.seed, evaluate_at=job.evaluate_at)
    training = run_trial(spec, spec.recipe.prepare(tiny))
    try:
        while True:
            next(training)
    except StopIteration as end:
        assert [point.images for point in end.value.curve] == [40, 100, 180]


def test_only_a_study_has_proxies(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "two", dataclasses.replace(config, space=SPACE, kind=SEARCH), Budget(trials=1))
    with pytest.raises(ValueError, match="two searches small: a study is one of nas proxy-study"):
        study_of(run)


@pytest.mark.parametrize("text", ["", "often", "0"])
def test_a_study_of_what_is_no_training_is_refused(text: str) -> None:
    """As a damaged file has it."""
    with pytest.raises(ValueError, match=f"'{text}' is no training"):
        ProxyStudy(("resnet8",), ("8", text), (), image_size=16, images=100)
