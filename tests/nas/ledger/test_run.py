"""A run's folder: made, found, locked, guarded against edits."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from nas.data import Dataset
from nas.data.source import DataSource
from nas.files import BEGINNING, CONFIG, JOURNAL
from nas.ledger.config import Budget, Config, differences
from nas.ledger.names import check_room
from nas.ledger.run import RUN, Run, check_database, folder_of
from nas.training.trial import State


def test_what_was_made_is_what_is_opened(run: Run, config: Config) -> None:
    opened = Run.open(str(run.path))
    assert opened.path == run.path
    assert (opened.config, opened.budget) == (config, Budget(trials=12))
    document = json.loads((run.path / "config.json").read_text())
    del document["budget"]["timing"]  # as runs were written that did not count it
    (run.path / "config.json").write_text(json.dumps(document))
    assert Run.open(run.path).budget == Budget(trials=12)
    versions = json.loads((run.path / "config.json").read_text())["versions"]
    assert {"nas", "torch", "optuna", "python"} <= versions.keys()


def test_a_name_that_exists_is_refused(run: Run, config: Config) -> None:
    with pytest.raises(ValueError, match="`nas resume one` continues it"):
        Run.create(run.path, config, Budget(trials=1))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot make the folder .*Not a directory; choose another --runs-dir"):
        Run.create(tmp_path / "file" / "run", config, Budget(trials=1))


def test_a_run_that_is_not_there_is_said_with_those_that_are(run: Run) -> None:
    with pytest.raises(ValueError, match=r"no run called two in .*: there are one"):
        Run.open(run.path.parent / "two")
    with pytest.raises(ValueError, match="there are none yet"):
        Run.open(run.path / "deeper")


def test_a_damaged_config_is_said(run: Run) -> None:
    (run.path / "config.json").write_text('{"config": ')
    with pytest.raises(ValueError, match=r"config.json is damaged"):
        Run.open(run.path)


def test_an_edited_config_is_refused_by_name(run: Run) -> None:
    with run.driving():
        pass
    path = run.path / "config.json"
    document = json.loads(path.read_text())
    document["config"]["recipe"]["epochs"] = 5
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"edited since .*\(recipe.epochs: 1 -> 5\)"), Run.open(path.parent).driving():
        pass


def test_two_drivers_are_refused(run: Run) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom nas.ledger.run import Run\n"
        f"with Run.open(Path({str(run.path)!r})).driving(): pass"
    )
    with run.driving():
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is writing" in other.stderr


def test_a_run_of_a_time_with_fewer_settings_goes_on(run: Run) -> None:
    with run.driving() as study:
        older = study.user_attrs["config"] | {"space": {"name": "mnas", "settings": {"width": 0.1, "image_size": 16}}}
        newer = ("data_sha256", "skip_unreadable", "group_by")
        study.set_user_attr("config", {k: v for k, v in older.items() if k not in newer})
    with Run.open(run.path).driving():
        pass


def test_an_empty_ledger_has_no_best(run: Run) -> None:
    assert run.rows() == []
    with run.driving():
        pass
    assert run.rows() == []
    with pytest.raises(ValueError, match="no completed trial"):
        run.best_row()


def test_a_journal_damaged_in_the_middle_is_said(run: Run) -> None:
    with run.driving() as study:
        study.optimize(lambda trial: 0.5, n_trials=2)
    path = run.path / "journal.log"
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:7]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"journal.log is damaged"):
        run.rows()


@pytest.mark.parametrize(
    "line",
    [
        '{"op_code": 99}',
        "{}",
        '{"op_code": 4, "study_id": 0, "worker_id": 7}',
        '{"op_code": 6, "trial_id": 0, "state": 99, "worker_id": ""}',
        '{"op_code": []}',
    ],
)
def test_a_line_that_is_no_log_of_optuna_s_is_said(run: Run, line: str) -> None:
    with run.driving() as study:
        study.optimize(lambda trial: 0.5, n_trials=1)
    path = run.path / "journal.log"
    written = path.read_text().splitlines()
    path.write_text("\n".join([*written[:3], line, *written[3:], ""]))
    with pytest.raises(ValueError, match=r"journal.log is damaged in line 4 .*`nas repair "):
        run.rows()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "config.json is damaged in line 1"),
        (b'{\n"config": {\0\0', "config.json is damaged in line 2: it has NUL bytes"),
        (b"{}", "config.json is damaged: config is missing; restore it from a copy"),
        (b'{"config": {"space": 5}, "budget": {}}', "config.json is damaged"),
        (b"\xff\xfe\xff", "config.json is damaged in line 1: it is no text"),
    ],
)
def test_a_damaged_config_is_said_with_its_line(run: Run, content: bytes, said: str) -> None:
    (run.path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        Run.open(run.path)


def test_a_config_may_have_a_mark(run: Run) -> None:
    path = run.path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Run.open(run.path).config == run.config


def test_a_database_can_hold_the_ledger(tmp_path: Path, config: Config) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    run = Run.create(tmp_path / "db", config, Budget(trials=1), url)
    with run.driving() as study:
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert [row.state for row in Run.open(run.path, url).rows()] == [State.FAILED]


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////nowhere/at/all.db", "mysql://localhost/x"])
def test_a_database_that_cannot_be_opened_is_said(tmp_path: Path, config: Config, url: str) -> None:
    with pytest.raises(ValueError, match="cannot open the database"):
        Run.create(tmp_path / "db", config, Budget(trials=1), url)
    assert not (tmp_path / "db").exists()


def test_two_runs_do_not_share_a_study(tmp_path: Path, config: Config) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Run.create(tmp_path / "a" / "one", config, Budget(trials=1), url)
    with pytest.raises(ValueError, match="has a run called one already"):
        Run.create(tmp_path / "b" / "one", config, Budget(trials=1), url)


def test_a_full_disk_leaves_no_half_made_run(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.ledger.run.write_new", full)
    with pytest.raises(OSError, match="No space"):
        Run.create(tmp_path / "one", config, Budget(trials=1))
    assert not (tmp_path / "one").exists()
    url = f"sqlite:///{tmp_path}/ledger.db"
    with pytest.raises(OSError, match="No space"):
        Run.create(tmp_path / "one", config, Budget(trials=1), url)
    monkeypatch.undo()
    Run.create(tmp_path / "one", config, Budget(trials=1), url)  # whose name is free in the database


@pytest.mark.parametrize("in_database", [False, True])
@pytest.mark.parametrize("killed_at", ["write_new", "fsync", "link", "_begin_ledger", "_sign", "unlink"])
def test_a_name_is_free_or_its_run_resumes_wherever_making_it_was_killed(
    tmp_path: Path, config: Config, killed_at: str, in_database: bool
) -> None:
    path, url = tmp_path / "one", f"sqlite:///{tmp_path}/ledger.db" if in_database else None

    def killed(*_: object) -> None:
        os._exit(9)

    process = os.fork()
    if process == 0:
        owners = {
            "write_new": "nas.ledger.run",
            "fsync": "nas.files.os",
            "link": "nas.files.os",
            "unlink": "pathlib.Path",
        }
        owner = owners.get(killed_at, "nas.ledger.run.Run")
        pytest.MonkeyPatch().setattr(f"{owner}.{killed_at}", killed)
        Run.create(path, config, Budget(trials=1), url)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    if killed_at in ("write_new", "fsync", "link") or (killed_at == "unlink" and not (path / CONFIG).exists()):
        check_room(path)
        if url:
            check_database(url, ["one"])
        Run.create(path, config, Budget(trials=1), url)
    else:
        with pytest.raises(ValueError, match="`nas resume one` continues it"):
            Run.create(path, config, Budget(trials=1), url)
    with Run.open(path, url).driving() as study:
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert len(Run.open(path, url).rows()) == 1
    assert not (path / BEGINNING).exists()


def test_a_first_line_that_was_cut_off_while_the_run_was_made_is_dropped(run: Run) -> None:
    journal = run.path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:20])
    with pytest.raises(ValueError, match="damaged in line 1"), Run.open(run.path).driving():
        pass
    (run.path / BEGINNING).touch()
    with Run.open(run.path).driving() as study:
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert len(Run.open(run.path).rows()) == 1


def test_of_several_that_make_one_run_at_once_one_does(tmp_path: Path, config: Config) -> None:
    path, url = tmp_path / "one", f"sqlite:///{tmp_path}/ledger.db"
    check_database(url, ["one"])

    def make(_: int) -> str:
        try:
            return Run.create(path, config, Budget(trials=1), url).identity.id
        except ValueError as error:
            assert "exists: `nas resume one`" in str(error)
            return ""

    with ThreadPoolExecutor(8) as pool:
        made = [made for made in pool.map(make, range(8)) if made]
    assert made == [Run.open(path).identity.id]
    assert Run.open(path, url).study.user_attrs == {RUN: made[0]}


def test_the_run_of_another_machine_is_not_taken(tmp_path: Path, config: Config) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Run.create(tmp_path / "here" / "one", config, Budget(trials=1), url)
    with pytest.raises(ValueError, match="a run called one already: choose another --name, or have Optuna remove"):
        check_database(url, ["one"])
    with pytest.raises(ValueError, match="a run called one already"):
        Run.create(tmp_path / "there" / "one", config, Budget(trials=1), url)
    assert not (tmp_path / "there" / "one").exists()
    assert len(Run.open(tmp_path / "here" / "one", url).rows()) == 0


@pytest.mark.parametrize(
    ("budget", "message"), [({}, "an end"), ({"trials": 0}, "at least 1"), ({"seconds": 0}, "time")]
)
def test_a_budget_without_end_or_beginning_is_refused(budget: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Budget(**budget)


def test_differences_are_named() -> None:
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "d": 4}) == [
        "a.b: 1 -> 3",
        "c: 2 -> None",
        "d: None -> 4",
    ]


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_an_empty_name_names_nothing(name: str, tmp_path: Path) -> None:
    """`nas top "$RUN"`, where that is not set, does not mean the folder of all runs."""
    with pytest.raises(ValueError, match="names no run and no network: it is empty"):
        folder_of(name, tmp_path)


def test_what_a_run_keeps_of_its_images(config: Config, tiny: Dataset) -> None:
    source = DataSource("folder:fruits", Path("/here"), 16, skip_unreadable=True, group_by="p[0-9]+")
    dataset = dataclasses.replace(tiny, name="folder:fruits", sha256="abc")
    kept = Config.from_dict(config.on(source, dataset).to_dict())
    assert (kept.data, kept.data_dir, kept.data_sha256, kept.skip_unreadable) == ("folder:fruits", "/here", "abc", True)
    assert kept.num_classes == 4 and kept.validation == {"a": 5, "b": 5, "c": 5, "d": 5}
    assert kept.source == dataclasses.replace(source, sha256="abc", image_size=config.recipe.image_size)


def test_a_newer_format_is_said_to_be_newer_and_not_damaged(run: Run) -> None:
    document = json.loads((run.path / CONFIG).read_text())
    assert document["format"] == 1
    (run.path / CONFIG).write_text(json.dumps(document | {"format": 2, "config": "another"}))
    with pytest.raises(ValueError, match=r"is of format 2, which a newer version of nas writes; .* up to 1: install"):
        Run.open(run.path)
    (run.path / CONFIG).write_text(json.dumps({name: value for name, value in document.items() if name != "format"}))
    assert Run.open(run.path).config == run.config
