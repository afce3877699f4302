"""Where a trial ran, and that a ledger says it once."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.devices.place import Place, Places, driver_version, places_of

GPU = Place("node-3", "cuda", "2.6.0+cu124", "5", "NVIDIA H100 80GB HBM3", "550.54.15", "12.4")


def test_a_place_is_noted_once_and_found_again() -> None:
    study = optuna.create_study()
    places = Places(study)
    here = Place.here("cpu")
    assert [places.number_of(one) for one in (here, GPU, here, GPU)] == [0, 1, 0, 1]
    assert Places(study).number_of(GPU) == 1  # of a process that goes on
    study.set_user_attr("place of another program", {"machine": 1})
    study.set_user_attr("place 7", "no place")
    assert places_of(study) == {0: here, 1: GPU}


def test_in_words() -> None:
    assert GPU.hardware == "NVIDIA H100 80GB HBM3 (driver 550.54.15, CUDA 12.4) of node-3"
    assert Place.here("cpu").hardware.startswith("cpu of ")
    assert Place.from_dict(GPU.to_dict() | {"of a later version": 1}) == GPU


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023\n", "535.54.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n", "550.54.15"),
        ("nonsense\n", ""),
    ],
)
def test_the_driver_by_what_the_kernel_says(text: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "version").write_text(text)
    assert driver_version(tmp_path / "version") == version
    assert driver_version(tmp_path / "none") == ""
