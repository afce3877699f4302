"""A run is itself wherever its folder goes: renamed, copied, with its control or without, of an older version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nas.files import CONFIG, JOURNAL
from nas.ledger import beside
from nas.ledger.config import Budget, Config
from nas.ledger.identity import find_study
from nas.ledger.run import Run
from nas.searching import control


def told(run: Run, trials: int = 2) -> Run:
    """`run` with some trials in its ledger."""
    with run.driving() as study:
        study.optimize(lambda trial: 0.5, n_trials=trials)
    return run


def as_of_an_older_version(run: Run) -> Run:
    document = json.loads((run.path / CONFIG).read_text())
    older = {key: value for key, value in document.items() if key not in ("study", "id", "of", "beside")}
    (run.path / CONFIG).write_text(json.dumps(older))
    return Run.open(run.path)


def identity(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / CONFIG).read_text())
    return {key: document.get(key) for key in ("study", "id")}


@pytest.mark.parametrize("older", [False, True])
def test_a_renamed_run_goes_on_in_its_study(run: Run, older: bool) -> None:
    told(run)
    if older:
        as_of_an_older_version(run)
    moved = Run.open(run.path.rename(run.path.with_name("two")))
    assert moved.name == "two" and len(told(moved).rows()) == 4
    assert (moved.path / JOURNAL).read_text().count('"study_name"') == 1
    assert identity(moved.path)["study"] == "one"  # of an older one it is noted when it goes on


def test_a_copy_has_a_ledger_of_its_own(run: Run) -> None:
    told(run)
    copy = Run.open(Path(shutil.copytree(run.path, run.path.with_name("copy"))))
    told(copy, trials=1)
    assert (len(run.rows()), len(copy.rows())) == (2, 3)


def test_in_a_database_a_renamed_run_keeps_its_study(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/ledger.db")
    run = told(Run.create(tmp_path / "one", config, Budget(trials=9), f"sqlite:///{tmp_path}/ledger.db"))
    moved = Run.open(run.path.rename(tmp_path / "two"))
    assert len(told(moved).rows()) == 4
    older = as_of_an_older_version(moved)
    with pytest.raises(ValueError, match=r"has no study called two, it has one: .* add \"study\": \"THAT NAME\" to"):
        told(older)
    older.path.rename(tmp_path / "one")
    assert len(told(Run.open(tmp_path / "one")).rows()) == 6


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(("lose", "said"), [(Path.unlink, "is gone"), (lambda path: path.write_text(""), "is empty")])
def test_a_lost_ledger_is_not_begun_again(run: Run, older: bool, lose: Any, said: str) -> None:
    told(run)
    lost = as_of_an_older_version(run) if older else Run.open(run.path)
    lose(run.path / JOURNAL)
    for use in (Run.rows, told):
        with pytest.raises(ValueError, match=f"journal.log {said}, and with it the trials of one: restore it"):
            use(lost)


def test_what_never_began_begins(run: Run) -> None:
    assert len(told(run).rows()) == 2
    never = Run.create(run.path.with_name("older"), run.config, run.budget)
    (never.path / JOURNAL).unlink()
    never = as_of_an_older_version(never)
    with pytest.raises(ValueError, match="older has no trial yet: `nas resume older` starts it"):
        never.rows()
    assert len(told(never).rows()) == 2


def test_another_run_s_journal_is_not_taken_for_its_own(run: Run) -> None:
    other = told(Run.create(run.path.with_name("other"), run.config, run.budget))
    shutil.copy(other.path / JOURNAL, run.path / JOURNAL)
    with pytest.raises(ValueError, match=r"has no study called one, as .*, it has other: it is of another run"):
        run.rows()


@pytest.mark.parametrize(
    ("names", "recorded", "in_database", "found"),
    [
        (["a"], "a", False, "a"),
        (["a", "folder"], "a", True, "a"),
        (["a"], "b", False, None),
        (["a"], "", False, "a"),
        (["a", "folder"], "", False, "folder"),
        (["a", "b"], "", False, None),
        (["a"], "", True, None),
        ([], "", False, None),
    ],
)
def test_which_study_it_is(names: list[str], recorded: str, in_database: bool, found: str | None) -> None:
    assert find_study(names, recorded, "folder", in_database) == found


# ------------------------------------------------------------------ the run beside it


@pytest.fixture
def pair(run: Run) -> tuple[Run, Run]:
    search = Run.create(run.path.with_name("a"), run.config, run.budget, beside="a-random")
    return search, control.create(search)


@pytest.mark.parametrize(
    "renamed", [{"a": "b"}, {"a": "b", "a-random": "b-random"}, {"a-random": "c"}, {"a": "b", "a-random": "c"}]
)
def test_the_control_is_found_under_any_name(pair: tuple[Run, Run], renamed: dict[str, str]) -> None:
    search, random = pair
    runs_dir = search.path.parent
    for old, new in renamed.items():
        (runs_dir / old).rename(runs_dir / new)
    opened = Run.open(runs_dir / renamed.get("a", "a"))
    found = control.find(opened)
    assert found is not None and found.identity == random.identity
    assert beside.note_of_loss(opened, control.RANDOM) is None


def test_another_search_s_control_is_not_taken_for_its_own(pair: tuple[Run, Run]) -> None:
    search, random = pair
    again = search.path.rename(search.path.with_name("b"))
    random.path.rename(search.path.with_name("elsewhere-no-run"))
    (search.path.with_name("elsewhere-no-run") / CONFIG).unlink()
    other = Run.create(search.path, search.config, search.budget, beside="a-random")
    control.create(other)
    moved = Run.open(again)
    assert control.find(moved) is None
    assert "a-random, which was made to stand beside b, is not in" in (beside.note_of_loss(moved, "random") or "")


def test_a_control_of_an_older_version_is_found_by_its_name(pair: tuple[Run, Run]) -> None:
    search, random = map(as_of_an_older_version, pair)
    found = control.find(search)
    assert found is not None and found.path == random.path and beside.note_of_loss(search, "random") is None
