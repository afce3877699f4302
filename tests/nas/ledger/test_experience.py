"""What earlier searches found: read from ledgers and files, kept beside a run, and refused where it is of no use."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.files import EXPERIENCE
from nas.ledger.config import Budget, Config
from nas.ledger.experience import (
    EarlierRun,
    Experience,
    Result,
    builtin,
    choices_of,
    choose_experience,
    everything,
    experience_of,
)
from nas.ledger.run import Run
from nas.reward import Reward
from nas.samplers.sight import Sight
from nas.samplers.strategy import Knowledge
from searchspaces import Chain, Mnas, NASBench201, Space, get_space

SPACE = Mnas(width=0.1, image_size=16)


def earlier(name: str = "before", space: Space = SPACE, count: int = 8) -> EarlierRun:
    rng = random.Random(0)
    archs = [space.sample(rng) for _ in range(count)]
    results = tuple(
        Result(arch, 0.1 * i / count, tuple(space.features(arch)), macs=1e6 * (i + 1)) for i, arch in enumerate(archs)
    )
    choices, recipe = choices_of(space), {"epochs": 1}
    return EarlierRun(name, space.reference, space.settings(), choices, "cifar10", recipe, 3, results)


def written(path: Path, *runs: EarlierRun) -> str:
    text = Experience(runs).text
    assert text
    path.write_text(text)
    return str(path)


def test_a_file_says_what_was_written(tmp_path: Path) -> None:
    experience = Experience((earlier(), earlier("other", Chain())))
    written(tmp_path / "two.json", *experience.runs)
    assert Experience.read(tmp_path / "two.json") == experience
    assert Experience.read(tmp_path / "two.json").sha256 == experience.sha256
    assert Experience().text is None and Experience().sha256 is None


def test_a_search_is_told_architectures_of_its_own_choices_and_features_of_others(config: Config) -> None:
    wider = replace(config, space=Mnas(width=0.5, image_size=32), reward=Reward())
    of_same = earlier().for_search(wider)
    assert of_same.archs is not None and len(of_same.archs) == 8 and list(of_same.rewards)[1] == pytest.approx(0.1 / 8)
    of_other = earlier(space=Chain()).for_search(wider)
    assert of_other.archs is None and len(of_other.standings) == 8
    assert earlier().in_words(wider.space) == "before: 8 networks of mnas on cifar10"
    assert earlier(space=Chain()).in_words(wider.space).endswith("chain on cifar10, seen by their features alone")


def test_earlier_networks_are_rewarded_as_those_of_the_new_search() -> None:
    result = Result((0,), 0.5, macs=2e6, loss=1.0)
    assert result.reward(Reward()) == 0.5
    assert result.reward(Reward({"macs": 1e6})) == pytest.approx(0.5 * 2**-0.07)
    assert result.reward(Reward({"latency": 1e-3})) == 0.5, "it was not measured"
    assert result.reward(Reward(signal="loss")) == pytest.approx(2.718281828**-1)
    assert Result((0,), -0.5).reward(Reward(signal="loss")) == 0


def test_a_run_keeps_what_it_began_from(tmp_path: Path, config: Config) -> None:
    experience = Experience((earlier(),))
    config = replace(config, experience=experience.names, experience_sha256=experience.sha256)
    path = Run.create(tmp_path / "new", config, Budget(trials=3), experience=experience.text).path
    run = Run.open(path)
    assert run.config == config and experience_of(run) == experience
    assert experience_of(Run.create(tmp_path / "plain", replace(config, experience=(), experience_sha256=None),
                                    Budget(trials=3))) == Experience()  # fmt: skip
    (path / EXPERIENCE).write_text((path / EXPERIENCE).read_text().replace("cifar10", "cifar11"))
    with pytest.raises(ValueError, match="is not what new began with: restore it"):
        experience_of(run)
    (path / EXPERIENCE).unlink()
    with pytest.raises(ValueError, match="cannot read"):
        experience_of(run)


def test_files_and_runs_are_found_by_name_and_each_once(tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", earlier("a"), earlier("b", Chain()))
    assert choose_experience(file, tmp_path, SPACE).names == ("a", "b")
    assert choose_experience([file, file], tmp_path, SPACE).names == ("a", "b"), "the same is taken once"
    other = written(tmp_path / "c.json", earlier("a"))
    with pytest.raises(ValueError, match="two searches called a"):
        choose_experience(f"{file}, {other}", tmp_path, SPACE)
    with pytest.raises(ValueError, match="no run called nope"):
        choose_experience("nope", tmp_path, SPACE)
    assert choose_experience(None, tmp_path, SPACE) == Experience()


def test_an_unfit_run_is_refused(tmp_path: Path, config: Config) -> None:
    Run.create(tmp_path / "short", config, Budget(trials=3))
    with pytest.raises(ValueError, match="short has trained 0 networks, which say too little"):
        choose_experience("short", tmp_path, SPACE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 9}, "format 9, which a newer version"),
        ({"runs": []}, "must be a list of at least 1"),
        ({"more": 1}, "newer version of nas, or edited"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "one.json"
    document = json.loads(Path(written(path, earlier())).read_text())
    path.write_text(json.dumps(document | change))
    with pytest.raises(ValueError, match=said):
        Experience.read(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arch": [99] * len(SPACE.choices)}, "options, got index 99"),
        ({"arch": [0]}, "different numbers of choices"),
        ({"quality": 1.5}, "quality must be at most 1"),
        ({"standings": ["much"]}, "must be a number"),
    ],
)
def test_results_that_cannot_be_are_one_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "one.json"
    document = json.loads(Path(written(path, earlier())).read_text())
    document["runs"][0]["results"][0] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=said):
        choose_experience(str(path), tmp_path, SPACE)


def test_what_is_in_the_package_is_of_the_choices_of_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # it is there again
    assert [run.space for run in builtin(SPACE)] == ["mnas"]
    assert choose_experience("builtin", "nowhere", NASBench201()).names == ("c10-chain", "c10-compact", "c10-mnas")


@pytest.mark.parametrize("run", everything(), ids=lambda run: run.name)
def test_what_is_in_the_package_is_of_the_spaces_and_features_of_this_version(run: EarlierRun) -> None:
    space = get_space(run.space, **run.settings)
    assert run.fits(space) and run.data == "cifar10" and len(run.results) > 30
    assert run.command[:2] == ("nas", "search") and run.seed == 0 and len(set(run.results)) == len(run.results)
    sight = Sight(space.choices, space.simplified, Knowledge.of_space(space))
    now = sight.standings([space.simplified(result.arch) for result in run.results[:3]])
    np.testing.assert_allclose(now, [result.standings for result in run.results[:3]], atol=2e-3)
