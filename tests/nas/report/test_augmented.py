"""The examples of training images in a report: there, once, small, and where they cannot be, it says why."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.source import DataSource
from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.report.augmented import TITLE, augmented
from nas.report.numbers import Numbers
from nas.report.page import page
from nas.training.recipe import Recipe

PICTURE = re.compile(r'<img src="data:image/png;base64,([^"]+)"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of two classes, at 16 pixels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "signs" / name).mkdir(parents=True)
        for number in range(15):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "signs" / name / f"{number}.png")
    return tmp_path / "signs"


def of_folder(config: Config, folder: Path, **changes: object) -> Config:
    source = DataSource("folder:signs", folder.parent, 16)
    recipe = dataclasses.replace(config.recipe, image_size=16, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(config, recipe=recipe).on(source, source.load(lambda _: None))


def written(*runs: Run) -> str:
    return page([Numbers.of(run) for run in runs])


def test_a_report_shows_what_the_network_sees(make_run, config: Config, folder: Path) -> None:
    run = make_run([], config=of_folder(config, folder, flip=False, policy="trivialaugment", mixup=0.2))
    html = written(run)
    (picture,) = PICTURE.findall(html)
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (8 * 16 + 20, 8 * 16 + 14)
    assert TITLE in html and len(picture) < 150_000
    said = "shifted by up to 4 pixels, changed by TrivialAugment, mixed by mixup (alpha 0.2)"
    assert "folder:signs at 16 pixels. The first column shows them as they are, the others as they were" in html
    assert said in html


def test_runs_that_see_the_same_share_it(make_run, config: Config, folder: Path) -> None:
    same = of_folder(config, folder)
    runs = [make_run([], name, config) for name, config in (
        ("one", same), ("two", dataclasses.replace(same, seed=1)), ("three", of_folder(config, folder, flip=False)),
    )]  # fmt: skip
    assert len(PICTURE.findall(written(*runs))) == 2


def test_where_the_images_are_gone_the_rest_is_there(make_run, config: Config, folder: Path) -> None:
    run = make_run([], config=of_folder(config, folder))
    folder.rename(folder.parent / "elsewhere")
    html = written(run)
    assert not PICTURE.search(html) and "Its training images are not shown: " in html and "How it was searched" in html
    assert str(folder) in html


def test_other_images_than_the_run_s_are_not_shown(make_run, config: Config, folder: Path) -> None:
    run = make_run([], config=of_folder(config, folder))
    (folder / "left" / "0.png").unlink()
    html = written(run)
    assert not PICTURE.search(html) and "not those that the run began with" in html


def test_nothing_is_downloaded(make_run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("it downloads")

    monkeypatch.setattr("nas.data.cifar.fetch", fail)
    there = dataclasses.replace(config, data="cifar10", data_dir=str(tmp_path), recipe=Recipe())
    html = written(make_run([], config=there))
    assert "Its training images are not shown: " in html and "cifar" in html


def test_a_run_on_a_table_has_none(make_run, config: Config) -> None:
    looked_up = dataclasses.replace(config, table="table.csv", table_sha256="0" * 64)
    assert augmented(Numbers.of(make_run([], config=looked_up)), ()) is None
