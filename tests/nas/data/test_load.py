"""Which data sets there are, and where they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.data import NAMES, load, load_test


def test_the_names():
    assert NAMES == ("cifar10", "cifar100", "shapes2", "shapes")


@pytest.mark.parametrize("function", [load, load_test])
def test_an_unknown_name_is_answered_with_the_known_ones(function, tmp_path: Path):
    with pytest.raises(ValueError, match="no data set 'mnist': choose one of cifar10, cifar100, shapes2, shapes"):
        function("mnist", tmp_path)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"NAS_DATA": "{tmp}/mine", "XDG_CACHE_HOME": "{tmp}/xdg"}, "mine"),
        ({"XDG_CACHE_HOME": "{tmp}/xdg"}, "xdg/nas"),
        ({"HOME": "{tmp}"}, ".cache/nas"),
    ],
)
def test_the_default_folder(variables: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("NAS_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    with pytest.raises(ValueError, match="put cifar-10-python") as caught:
        load("cifar10", download=False)
    assert str(tmp_path / folder) in str(caught.value)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=str(tmp_path / "data")):
        load("cifar10", "~/data", download=False)
