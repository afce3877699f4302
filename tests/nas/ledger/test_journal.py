"""A journal that was cut off, left locked, or opened twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from nas.ledger.journal import Damaged, Journal, drop_torn_lines, sole_writer

STUDY = b'{"op_code":0,"worker_id":"w","study_name":"s","directions":[2]}'
TRIAL = b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-01-01T00:00:00","x":[1,2]}'
NOTE = {"op_code": 8, "worker_id": "w", "trial_id": 0, "user_attr": {"a": 1}}
WHOLE = STUDY + b"\n" + TRIAL + b"\n"


@pytest.mark.parametrize(
    ("tail", "dropped"),
    [
        (b"", 0),
        (b'{"op_code":5,"par', 17),  # cut off in the middle
        (b'{"op_code":5}', 13),  # cut off before its newline
        (b"\0" * 5000, 5000),  # blocks that were never written
        (b'{"op_code"\n\0\0\0\n', 15),  # both, over two lines
    ],
)
def test_only_the_torn_end_is_dropped(tmp_path: Path, tail: bytes, dropped: int) -> None:
    journal = tmp_path / "journal.log"
    journal.write_bytes(WHOLE + tail)
    assert drop_torn_lines(journal) == dropped
    assert journal.read_bytes() == WHOLE
    assert drop_torn_lines(journal) == 0


@pytest.mark.parametrize("damage", [b"\0\0\0\0", b'{"op', b"\xff\xfe", b"", b"[1]", b"\0\0\0{"])
def test_damage_before_the_end_is_named_with_its_line_and_at_the_end_passed_over(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.log"
    for lines in ([damage, TRIAL], [TRIAL, damage, TRIAL]):
        path.write_bytes(b"\n".join([STUDY, *lines, b""]))
        with pytest.raises(
            Damaged,
            match=f"journal.log is damaged in line {len(lines)} .*`nas repair {tmp_path}` ",
        ):
            list(Journal(path).read_logs(0))
    path.write_bytes(WHOLE + damage + b"\n")
    journal = Journal(path)
    assert [log["op_code"] for log in journal.read_logs(0)] == [0, 4]
    drop_torn_lines(path)
    journal.append_logs([NOTE])
    assert [log["op_code"] for log in journal.read_logs(2)] == [8] and journal.last_line == 3


def test_a_lost_line_that_began_a_trial_is_noticed(tmp_path: Path) -> None:
    """The trials after it would take each other's results."""
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(Journal(path)))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=3)
    lines = path.read_bytes().splitlines(keepends=True)
    lost = [n for n, line in enumerate(lines) if b'"op_code":4' in line][1]
    path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    with pytest.raises(Damaged, match=f"damaged in line {lost + 1} .*no line before it begins trial 1: one is lost"):
        JournalStorage(Journal(path))


def test_what_is_no_journal_at_all_is_not_cut_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(Damaged, match=r"journal.log is damaged in line 1 .*: restore it from a copy, or have"):
        drop_torn_lines(path)
    assert path.read_bytes() == b"\x89PNG\r\n\x1a\n"


def test_a_mark_that_an_editor_wrote_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE)
    assert drop_torn_lines(path) == 0 and len(list(Journal(path).read_logs(0))) == 2


def test_long_lines_and_empty_or_missing_journals(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    assert drop_torn_lines(journal) == 0
    journal.write_bytes(b"")
    assert drop_torn_lines(journal) == 0
    line = b'{"text":"' + b"x" * 20_000 + b'"}\n'
    journal.write_bytes(line + line[:-5])
    assert drop_torn_lines(journal) == len(line) - 5
    assert journal.read_bytes() == line


def test_at_every_cut_the_study_goes_on(tmp_path: Path) -> None:
    """Wherever a journal is cut, what it held before is there and a search can write to it again."""

    def storage(path: Path) -> JournalStorage:
        return JournalStorage(JournalFileBackend(str(path)))

    original = tmp_path / "whole.log"
    study = optuna.create_study(storage=storage(original), study_name="s")
    study.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=2)
    whole = original.read_bytes()
    for cut in range(len(whole.split(b"\n")[0]) + 1, len(whole), 97):
        journal = tmp_path / f"{cut}.log"
        journal.write_bytes(whole[:cut])
        with sole_writer(journal):
            again = optuna.load_study(storage=storage(journal), study_name="s")
            before = len(again.trials)
            again.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=1)
        assert len(optuna.load_study(storage=storage(journal), study_name="s").trials) == before + 1


def test_what_is_noted_together_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> list[FrozenTrial]:  # as another process does
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        return optuna.load_study(study_name="s", storage=storage).trials

    writes: list[int] = []
    append = JournalFileBackend.append_logs

    def counting(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        writes.append(len(logs))
        append(backend, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", counting)
    journal = Journal(tmp_path / "journal.log")
    study = optuna.create_study(storage=JournalStorage(journal), study_name="s")
    writes.clear()
    with journal.together():
        trial = study.ask()
        with journal.together():
            trial.suggest_int("x", 0, 9)
        trial.suggest_int("y", 0, 9)
        trial.set_user_attr("a", 1)
        assert writes == [1] and read()[0].params == {} and read()[0].user_attrs == {}
    assert writes == [1, 3] and read()[0].params == trial.params and read()[0].user_attrs == {"a": 1}
    with journal.together():
        trial.set_user_attr("b", 2)
        assert study.tell(trial, 0.5).user_attrs == {"a": 1, "b": 2}
    assert writes == [1, 3, 2]
    trial = study.ask()
    with pytest.raises(KeyError), journal.together():
        trial.set_user_attr("lost", 1)
        raise KeyError
    assert read()[1].user_attrs == {}
    trial.set_user_attr("kept", 1)
    assert read()[1].user_attrs == {"kept": 1} and writes == [1, 3, 2, 1, 1]


def test_two_writers_are_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    imports = "from pathlib import Path; from nas.ledger.journal import sole_writer"
    code = f"{imports}\nwith sole_writer(Path({str(journal)!r})): pass"
    with sole_writer(journal):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert other.returncode != 0 and "another process is writing" in other.stderr
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lock_that_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    (tmp_path / "journal.log.lock").symlink_to(journal)  # as Optuna makes it
    with sole_writer(journal):
        assert not (tmp_path / "journal.log.lock").is_symlink()
