"""What a run may be called: nothing that means something else, or that cannot be typed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.baselines.zoo import BASELINES
from nas.comparison.candidates import choose
from nas.ledger.config import Budget, Config
from nas.ledger.names import SETS, as_name, check_name, check_room, is_network
from nas.ledger.run import Run
from nas.network import Designed
from nas.references.resolve import resolve
from nas.searching.choices import new_folder
from searchspaces import SPACES


@pytest.mark.parametrize("name", ["one", "a.b", "x-random", "köln", "日本", "17", "a_b+c", "besten", "é" * 100])
def test_names_of_runs(name: str, tmp_path: Path) -> None:
    check_name(name)
    assert new_folder(tmp_path, name, "stem") == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        *BASELINES, *SPACES, *SETS, "resnet26", "resnet21", "mobilenet_v2@0.5", "resnet20+zero_init", "wrn16-2",
        "", ".", "..", "-x", "--name", ".hidden", "a:b", "a/b", "a\\b", "a b", "a\tb", "a\nb", "a\0b", "a\u200bb",
        "a@b", "a,b", "x.json", "best", "top5", "é" * 101, "a\udcffb",
    ],
)  # fmt: skip
def test_names_that_no_run_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a run cannot be called "):
        new_folder(tmp_path, name, "stem")


def test_a_run_that_is_not_named_is_called_after_its_data(tmp_path: Path) -> None:
    for text in ("mnas-my pics", "mnas-a:b,c@d", "--x", ".x", "mnas-" + "é" * 300):
        folder = new_folder(tmp_path, None, text)
        check_name(folder.name)
    assert as_name("mnas-my pics") == "mnas-my-pics"


def test_there_must_be_room(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("file", "link"):
        with pytest.raises(ValueError, match="exists, and is no run: choose another --name"):
            check_room(tmp_path / taken)
    with pytest.raises(ValueError, match="is a file; choose another --runs-dir"):
        check_room(tmp_path / "file" / "runs" / "one")
    check_room(tmp_path / "deep" / "er" / "one")
    check_room(Path("one"))


def test_of_an_older_run_with_a_baseline_s_name_every_command_says_the_same(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "resnet20", config, Budget(trials=1))
    said: list[str] = []
    assert isinstance(resolve("resnet20", tmp_path), Designed)
    candidates = choose(["resnet20"], "", tmp_path, said.append)
    assert [(e.name, e.found) for e in candidates] == [("resnet20", False)]
    assert said == ["resnet20 is taken for the baseline; the best network of the run called so is resnet20:best"]
    run.path.rename(tmp_path / "mnas")
    with pytest.raises(ValueError, match=r"mnas:... is an architecture of the space: .*/mnas:best is a trial"):
        resolve("mnas:best", tmp_path)


def test_what_means_a_network() -> None:
    assert all(map(is_network, ("resnet20", "resnet21", "mobilenet_v2@0.5", "small", "mnas")))
    assert not any(map(is_network, ("one", "resnet_20", "x:best")))
