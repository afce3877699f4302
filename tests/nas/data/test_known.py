"""What was found out of a file's images is found out once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.data.known import known


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nas" / "known"


def never() -> None:
    pytest.fail("it is found out again")


def test_once_for_each_identity_and_question(cache: Path) -> None:
    assert known("mean", "a", lambda: [0.1, 0.2]) == [0.1, 0.2]
    assert known("mean", "a", never) == [0.1, 0.2]
    assert known("mean", "b", lambda: 3) == 3
    assert known("most", "a", lambda: 4) == 4
    assert len(list(cache.iterdir())) == 3


def test_what_is_in_no_file_is_not_kept(cache: Path) -> None:
    assert known("mean", None, lambda: 1) == 1 and known("mean", None, lambda: 2) == 2
    assert not cache.exists()


def test_a_damaged_cache_or_none_is_done_without(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known("mean", "a", lambda: 1)
    (kept,) = cache.iterdir()
    for content in ("", "[]", '{"most": 1}'):
        kept.write_text(content)
        assert known("mean", "a", lambda: 2) == 2
    kept.write_text("")
    kept.parent.parent.joinpath("file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept.parent.parent / "file"))
    assert known("mean", "a", lambda: 3) == 3
