"""What `nas repair` keeps of a damaged journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from nas.engines import local
from nas.files import JOURNAL, sole_process
from nas.ledger.config import Budget, Config
from nas.ledger.journal import Damaged, lock_of
from nas.ledger.repair import repair
from nas.ledger.run import Run, TrialRow
from nas.searching.loop import Search
from tests.nas.conftest import Watcher


@pytest.fixture
def searched(run: Run, tiny: Dataset, pretended: None) -> Run:
    with run.driving() as study:
        local.run(Search(run, study, Budget(trials=4), Watcher(), tiny), tiny)
    return run


def lines_of(run: Run) -> list[bytes]:
    return (run.path / JOURNAL).read_bytes().splitlines(keepends=True)


def damage(run: Run, change: Callable[[int, bytes], bytes]) -> None:
    (run.path / JOURNAL).write_bytes(b"".join(change(number, line) for number, line in enumerate(lines_of(run))))


def rows(run: Run) -> list[TrialRow]:
    return Run.open(run.path).rows()


@pytest.mark.parametrize("broken", [b"\0\0\0\0\n", b"{\n", b"", b"\xff\xfe\n", b"[]\n", b'{"op_code": 77}\n'])
def test_wherever_a_line_is_broken_all_other_trials_are_kept(searched: Run, broken: bytes) -> None:
    whole, before = lines_of(searched), rows(searched)
    trials = [json.loads(line).get("trial_id") for line in whole]
    begins = [number for number, line in enumerate(whole) if json.loads(line)["op_code"] == 4]
    ends = [number for number, line in enumerate(whole) if json.loads(line)["op_code"] == 6]
    for number in {0, 1, 2, begins[0], begins[2], begins[2] + 1, ends[1], ends[1] - 1, begins[-1] + 5}:
        (searched.path / JOURNAL).write_bytes(b"".join([*whole[:number], broken, *whole[number + 1 :]]))
        found = repair(searched.path)
        of = begins.index(number) if number in begins else trials[number]
        now = rows(searched)
        assert [row for row in now if row.number != of] == [row for row in before if row.number != of], number
        assert len(now) == len(before)
        if found.original:
            assert found.original.read_bytes() == b"".join([*whole[:number], broken, *whole[number + 1 :]])
            found.original.unlink()


def test_it_can_be_resumed_after_it(searched: Run, tiny: Dataset) -> None:
    ends = [number for number, line in enumerate(lines_of(searched)) if b'"op_code":6' in line.replace(b" ", b"")]
    damage(searched, lambda number, line: b"\0\n" if number == ends[1] else line)
    with pytest.raises(Damaged, match=r"have `nas repair .*one` keep what can be read"):
        rows(searched)
    repair(searched.path)
    opened = Run.open(searched.path)
    with opened.driving() as study:
        local.run(Search(opened, study, Budget(trials=5), Watcher(), tiny), tiny)
    assert len({row.number for row in rows(searched)}) == 5 and all(row.arch for row in rows(searched))


def test_what_is_sound_stays_as_it_is(searched: Run, call_nas) -> None:
    whole = lines_of(searched)
    code, out, err = call_nas("repair", "one", "--runs-dir", str(searched.path.parent))
    assert (code, out) == (0, f"nothing is damaged: {len(whole)} lines, {len(rows(searched))} trials\n"), err
    assert lines_of(searched) == whole and not list(searched.path.glob("*.damaged*"))


def test_it_says_what_it_left_out_and_where_the_original_is(searched: Run, call_nas) -> None:
    for ending in ("", "-2"):
        damage(searched, lambda number, line: b"\0\0\n" if number == 5 else line)
        code, out, err = call_nas("repair", str(searched.path))
        assert code == 0 and "left out  line 6: 2 NUL bytes" in out, err
        assert f"what was there before is {searched.path}/journal.log.damaged{ending}" in out


def test_what_cannot_be_repaired_is_said(searched: Run, tmp_path: Path, config: Config) -> None:
    with sole_process(lock_of(searched.path / JOURNAL), "writing"), pytest.raises(ValueError, match="another process"):
        repair(searched.path)
    (searched.path / JOURNAL).unlink()
    with pytest.raises(ValueError, match=r"journal\.log is gone"):
        repair(searched.path)
    url = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(ValueError, match="in a database"):
        repair(Run.create(tmp_path / "db", config, Budget(trials=1), url).path)
