"""What a person asks for of a machine or a cluster: how many trials at once, each on what."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

Machine = Mapping[str, float]
"""What Ray says that a machine has: so many "CPU" and "GPU"."""


@dataclass(frozen=True)
class Cluster:
    """Where trials run, and how many at once. Raises ValueError for what this machine does not have.

    `workers` trials at once, each on `threads` CPU cores; or `gpus` GPUs, with as many trials at once on each as
    `gpus_per_trial` leaves room for, each with `threads` cores as well. `address` ("auto" or host:port) is a running
    Ray cluster, whose machines have this package; alone it means all of its GPUs or, where it has none, all of its
    cores, those of machines that join later too.
    """

    workers: int | None = None
    gpus: int | None = None
    gpus_per_trial: float = 1.0
    address: str | None = None
    threads: int = 1
    grows: bool = False  # with what joins: `gpus` or `workers` are those that were there at first
    on: str | None = None  # what a trial trains on, whatever it was given: GPUs may be there for Ray alone, as in tests

    def __post_init__(self) -> None:
        for name in ("workers", "gpus", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} must be at least 1, not {value}")
        if not 0 < self.gpus_per_trial <= 1:
            raise ValueError(f"--gpus-per-trial must be above 0 and at most 1, not {self.gpus_per_trial:g}")
        if self.workers is not None and self.gpus is not None:
            raise ValueError("--workers are on CPU cores, --gpus with --gpus-per-trial on GPUs: give one of them")
        if self.address is None:
            if self.workers is None and self.gpus is None:
                raise ValueError("several trials at once need --workers, --gpus or --address")
            if self.on is None:
                self._check_fits(torch.cuda.device_count(), os.cpu_count() or 1, "this machine")
        elif not re.fullmatch(r"auto|[^/]+:\d+", self.address):
            raise ValueError(f"--address is 'auto' or host:port of the cluster's head, not {self.address}")

    def _check_fits(self, gpus: int, cores: int, where: str) -> None:
        if self.gpus is not None and self.gpus > gpus:
            there = f"{gpus}: use --gpus {gpus}" if gpus else "none: use --workers N to search on its CPUs"
            raise ValueError(f"asked for {self.gpus} GPUs; {where} has {there}")
        if self.workers is not None and self.workers * self.threads > cores:
            room = max(1, cores // self.threads)
            raise ValueError(
                f"asked for {self.workers} workers{self._of_threads}; {where} has {cores} cores: use --workers {room}"
            )
        if self.gpus is not None and self.on_each > 1 and self.at_once * self.threads > cores:
            raise ValueError(
                f"asked for {self.at_once} trials at once{self._of_threads}, {self.on_each} on each of {self.gpus} "
                f"GPUs; {where} has {cores} cores, and each trial keeps one busy: {self._fewer(cores)}"
            )

    def _fewer(self, cores: int) -> str:
        """The share of a GPU, or the number of GPUs, for which `cores` do."""
        assert self.gpus is not None
        on_each = cores // (self.gpus * self.threads)
        return f"use --gpus-per-trial {math.floor(1000 / max(1, on_each)) / 1000 or 0.001:g}"

    @property
    def _of_threads(self) -> str:
        return f" of {self.threads} threads" if self.threads > 1 else ""

    @property
    def on_each(self) -> int:
        """Trials at once on a GPU."""
        return int(1 / self.gpus_per_trial + 1e-6)

    @property
    def at_once(self) -> int:
        """Trials at once; 0 where that is for the cluster at `address` to say."""
        return self.workers or (self.gpus or 0) * self.on_each

    @property
    def on_a_machine(self) -> int:
        """Trials at once on a machine, at most: so many share its memory."""
        return self.at_once if self.address is None else max(1, (os.cpu_count() or 1) // self.threads)

    @property
    def shared(self) -> int:
        """How many trials slow each other, in ways that nobody knows before: those on one GPU, else 1."""
        return self.on_each if self.gpus else 1

    @property
    def device(self) -> str:
        """What a trial trains on."""
        return self.on or ("cuda" if self.gpus else "cpu")

    @property
    def of_a_trial(self) -> dict[str, float]:
        """What Ray keeps for each trial."""
        return {"cpu": self.threads} | ({"gpu": self.gpus_per_trial} if self.gpus else {})

    @property
    def where(self) -> str:
        """What it is called in sentences."""
        return "the Ray of this run" if self.address is None else f"the Ray cluster at {self.address}"

    def __str__(self) -> str:
        """As in `starting 2 workers with Ray`."""
        if self.address is not None:
            return f"workers on {self.where}"
        return f"{self.at_once} worker{'s' if self.at_once > 1 else ''} with Ray"

    # ------------------------------------------------------------------ a cluster's machines

    def settled(self, machines: Sequence[Machine]) -> Cluster:
        """What this is on a cluster of these machines. Raises ValueError where they are not enough."""
        gpus, cores = (int(sum(machine.get(kind, 0) for machine in machines)) for kind in ("GPU", "CPU"))
        if not self.at_once:
            room = replace(self, gpus=gpus or None, workers=None if gpus else max(1, cores // self.threads), grows=True)
        else:
            self._check_fits(gpus, cores, f"the cluster at {self.address}")
            room = self
        if not room.room(machines):
            of = f"{self.threads} core{'s' if self.threads > 1 else ''}{' and a GPU' if room.gpus else ''}"
            raise ValueError(f"no machine of the cluster at {self.address} has {of} for a trial: use fewer --threads")
        return room

    def room(self, machines: Sequence[Machine]) -> int:
        """How many trials at once these machines take: as many as were asked for, or as each one's cores and GPUs."""
        there = sum(map(self.room_of, machines))
        return there if self.grows else min(there, self.at_once)

    def room_of(self, machine: Machine) -> int:
        """How many trials at once a machine takes."""
        by_cores = int(machine.get("CPU", 0) // self.threads)
        return min(by_cores, int(machine.get("GPU", 0)) * self.on_each) if self.gpus else by_cores
