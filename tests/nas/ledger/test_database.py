"""A database is opened where a person named it, never made by looking, and its password is in no file."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

import nas
from nas.ledger.config import Budget, Config
from nas.ledger.database import has_secret, public, without_secrets
from nas.ledger.listing import ELSEWHERE, runs_in
from nas.ledger.run import CONFIG, Run, check_database
from nas.report.numbers import Numbers

CallNas = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STORAGE", "")  # so that what a test names is forgotten after it


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def edited(run: Run, **changes: object) -> Run:
    path = run.path / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return run


READS = [
    ("top", "one"),
    ("report", "one"),
    ("dashboard", "one", "--no-browser"),
    ("show", "one:best"),
    ("train", "one:best"),
    ("resume", "one"),
]


@pytest.mark.parametrize("words", READS)
def test_reading_opens_no_database_that_nobody_named(
    run: Run, url: str, words: tuple[str, ...], call_nas: CallNas, tmp_path: Path
) -> None:
    edited(run, storage=url)
    code, _, error = call_nas(*words, "--runs-dir", str(run.path.parent))
    assert code == 2 and f"add --storage {url}" in error and error.count("\n") == 1
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize("words", READS[:3])
def test_reading_makes_no_database(
    run: Run, url: str, words: tuple[str, ...], call_nas: CallNas, tmp_path: Path
) -> None:
    edited(run, storage=url)
    code, _, error = call_nas(*words, "--storage", url, "--runs-dir", str(run.path.parent))
    assert code == 2 and f"there is no file {tmp_path}/ledger.db" in error and error.count("\n") == 1
    assert not (tmp_path / "ledger.db").exists()
    (tmp_path / "ledger.db").touch()
    code, _, error = call_nas(*words, "--storage", url, "--runs-dir", str(run.path.parent))
    assert code == 2 and error.count("\n") == 1, error
    assert (tmp_path / "ledger.db").stat().st_size == 0


def test_another_database_than_the_run_s_is_refused(run: Run, url: str) -> None:
    edited(run, storage=url)
    with pytest.raises(ValueError, match=r"not in the sqlite:///other.db of --storage or NAS_STORAGE"):
        _ = Run.open(run.path, "sqlite:///other.db").study


def test_the_named_database_is_read(
    tmp_path: Path, config: Config, url: str, call_nas: CallNas, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "runs" / "one", config, Budget(trials=1), url)
    with run.driving() as study:
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert [listed.state for listed in runs_in(run.path.parent)] == [ELSEWHERE]
    assert len(nas.open(run.path, storage=url).study.trials) == 1
    assert call_nas("top", "one", "--storage", url, "--runs-dir", str(run.path.parent))[0] == 0
    monkeypatch.setenv("NAS_STORAGE", url)
    assert len(Run.open(run.path).rows()) == 1
    assert [listed.state for listed in runs_in(run.path.parent)] == ["done"]


SECRET = [
    ("postgresql://me:s3cret@host:5432/nas", "postgresql://me@host:5432/nas"),
    ("postgresql://host/nas?user=me&password=s3cret", "postgresql://host/nas"),
    ("mysql+pymysql://me:s3cret@host/nas?passwd=s3cret&charset=utf8", "mysql+pymysql://me@host/nas"),
    ("mssql+pyodbc://?odbc_connect=DRIVER%3DX%3BPWD%3Ds3cret", "mssql+pyodbc://"),
    ("postgresql://me:s3%40cret%2F@host/nas", "postgresql://me@host/nas"),
]


@pytest.mark.parametrize(("url", "kept"), SECRET)
def test_a_url_is_kept_without_what_is_secret(url: str, kept: str) -> None:
    assert public(url) == kept == public(kept)
    assert has_secret(url) and not has_secret(kept)
    assert without_secrets(["nas", "--storage", url, f"--storage={url}"]) == [
        "nas", "--storage", kept, f"--storage={kept}"
    ]  # fmt: skip


def test_a_password_that_would_not_be_seen_as_one_is_refused() -> None:
    with pytest.raises(ValueError, match="an @ in a name or password is written %40") as error:
        public("postgresql://me:s3@cret@host/nas")
    assert "s3" not in str(error.value)


def test_no_file_has_the_password(tmp_path: Path, config: Config, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"{url}?timeout=12345"  # what may be secret, of a database that is here
    monkeypatch.setattr("sys.argv", ["nas", "search", "--storage", secret])
    run = Run.create(tmp_path / "runs" / "one", config, Budget(trials=1), secret)
    assert "12345" not in (run.path / CONFIG).read_text()
    assert stat.S_IMODE((run.path / CONFIG).stat().st_mode) == 0o600
    assert Numbers.of(run).command == f"nas search --storage {url}"
    assert len(Run.open(run.path, secret).rows()) == 0


def test_an_older_run_loses_its_password_when_it_goes_on(tmp_path: Path, config: Config, url: str) -> None:
    run = Run.create(tmp_path / "runs" / "one", config, Budget(trials=1), url)
    secret = f"{url}?timeout=12345"
    edited(run, storage=secret, command=["nas", "search", "--storage", secret])
    opened = Run.open(run.path, secret)
    assert "12345" not in Numbers.of(opened).command
    with opened.driving():
        pass
    assert "12345" not in (run.path / CONFIG).read_text()
    assert stat.S_IMODE((run.path / CONFIG).stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["s3cret nonsense", "mysql://me:s3cret@host/nas", "sqlite:////no/where?x=s3cret"])
def test_what_a_driver_says_has_no_password(url: str) -> None:
    with pytest.raises(ValueError, match="cannot open the database") as error:
        check_database(url, ["one"])
    assert "s3cret" not in str(error.value)
