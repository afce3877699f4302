"""Where a trial ran: which machine, which device, which versions of what decides speed and the last digits."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Self

import torch
from optuna import Study

PLACE = "place"  # an attribute of a trial: the number of its place, of which the study's "place 0" says the rest

_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Place:
    """A device of a machine, as it was seen from the process that trained there. What does not apply is empty."""

    machine: str  # its name in the network
    device: str  # cpu, cuda, cuda:1, ...
    torch: str
    gpus: str = ""  # which of the machine's GPUs the process was given: CUDA_VISIBLE_DEVICES
    gpu: str = ""  # what is written on it: NVIDIA H100 80GB HBM3
    driver: str = ""
    cuda: str = ""  # the version that PyTorch was built with

    @classmethod
    def here(cls, device: str) -> Place:
        """That of this process, which trains on `device`."""
        return _here(device, os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What a ledger says; what later versions add is left out, what is missing is empty."""
        return cls(**{field.name: str(values.get(field.name, "")) for field in fields(cls)})

    def to_dict(self) -> dict[str, str]:
        """What there is of it, as JSON values."""
        return {name: text for name, text in asdict(self).items() if text}

    @property
    def hardware(self) -> str:
        """`NVIDIA H100 80GB HBM3 (driver 550.54.15, CUDA 12.4) of node-3`, `cpu of node-3`."""
        known = [f"{name} {text}" for name, text in (("driver", self.driver), ("CUDA", self.cuda)) if text and self.gpu]
        versions = f" ({', '.join(known)})" if known else ""
        return f"{self.gpu or self.device}{versions} of {self.machine}"


class Places:
    """The places of a study's trials, each noted once, in the study; a trial has its number."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._numbers = {place: number for number, place in places_of(study).items()}

    def number_of(self, place: Place) -> int:
        """By which a trial refers to `place`, which is noted where it is new."""
        if place not in self._numbers:
            number = max(self._numbers.values(), default=-1) + 1
            self._study.set_user_attr(f"{PLACE} {number}", place.to_dict())
            self._numbers[place] = number
        return self._numbers[place]


def places_of(study: Study) -> dict[int, Place]:
    """By their numbers. What is no place, another program's, is passed over."""
    noted = {re.fullmatch(rf"{PLACE} (\d+)", name): value for name, value in study.user_attrs.items()}
    return {int(name[1]): Place.from_dict(value) for name, value in noted.items() if name and isinstance(value, dict)}


@cache
def _here(device: str, gpus: str) -> Place:
    machine = platform.node() or "an unnamed machine"
    if torch.device(device).type != "cuda":
        return Place(machine, device, torch.__version__, gpus)
    name = torch.cuda.get_device_properties(device).name
    return Place(machine, device, torch.__version__, gpus, name, driver_version(), torch.version.cuda or "")


def driver_version(file: Path = _DRIVER) -> str:
    """The NVIDIA driver's, which the kernel tells on Linux; else empty."""
    try:
        found = re.search(r"Module(?: for \S+)? +(\d+(?:\.\d+)+)", file.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""
