"""What decides a search: its configuration and its budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nas.checks.costs import in_order
from nas.checks.limits import COUNT, SEED, Optional
from nas.checks.schemas import EVALUATORS
from nas.data import shape_of
from nas.data.image_file import CROP
from nas.data.images import RGB, Dataset
from nas.data.judging import validation_of
from nas.data.source import DataSource
from nas.data.targets import CLASSIFICATION
from nas.devices.measuring import Measuring
from nas.joint.fields import choices_of
from nas.joint.space import JointSpace, networks_of, parts_of, with_networks
from nas.latencies.table import ByTable
from nas.ledger.trust import space_of_file
from nas.ledger.workload import SEARCH, Job, Workload, kind_of, workload_of
from nas.network import Found, Headed, Network, Scaled, WithHead
from nas.pruning import NO_PRUNER
from nas.reward import ACCURACY, Reward
from nas.training.recipe import Recipe
from nas.training.transfer import StartFile
from searchspaces import Arch, Space
from searchspaces.scaled import ScaledSpace

TRAIN, SUPERNET = EVALUATORS
FEW = 1_000  # validation images: with 388 photographs of flowers losses helped, with 5,000 of CIFAR-10 they did not

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Final:
    """What follows a search: its best networks are trained longer, and the best of these by `recipe`, to the end.

    The whole of that has `seconds`, half of which are for the longer trainings; None: a `share` of what the search
    took.
    """

    preset: str  # what the recipe is called
    recipe: Recipe
    share: float  # 0..1
    images: int  # that the recipe trains on
    at_once: int = 1  # trainings
    seconds: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Final:
        """Of `values` that are of `nas.checks.schemas.FINAL`."""
        return cls(**{**values, "recipe": Recipe(**values["recipe"])})


@dataclass(frozen=True)
class Config:
    """Everything that decides what a search does, but for when it ends."""

    space: Space
    data: str
    recipe: Recipe
    reward: Reward
    strategy: str
    seed: int
    data_dir: str | None = None  # where the images were; None: the default place
    device: str = "cpu"
    threads: int = 1  # of the CPU, for one trial; the last digits of sums depend on it
    limits: Mapping[str, float] = field(default_factory=dict)  # of costs: networks that cost more are not trained
    also: tuple[str, ...] = ()  # costs that are found out of each network, and are no more than columns
    measuring: Measuring = field(default_factory=Measuring)
    table: str | None = None  # file of published results that answer the trials; None: they are trained
    table_sha256: str | None = None  # of its content
    data_sha256: str | None = None  # of what files the images of a folder are from, see `Dataset`
    skip_unreadable: bool = False  # images of that folder were left out
    group_by: str | None = None  # images of one group are in one split, see `nas.data.groups`
    channels: int = RGB  # of its images
    task: str | None = None  # what the labels are, see `nas.data.targets`; None: classes
    labels: str | None = None  # the columns of a CSV that they are in, likewise
    fit: str = CROP  # how images that are no squares were made such, see `nas.data.image_file`
    pruner: str = NO_PRUNER  # what stops trainings early
    objectives: tuple[str, ...] = ()  # accuracy first, then costs, each for itself; none: the reward alone
    num_classes: int | None = None  # of the data; None in runs that began before it was noted
    validation: dict[str, int] | None = None  # its validation images of each class; None likewise
    strategy_settings: Mapping[str, Any] = field(default_factory=dict)  # those that are not the strategy's own
    kind: str = SEARCH  # what is done with the space, see `nas.ledger.workload`
    final: Final | None = None  # what follows it
    experience: tuple[str, ...] = ()  # names of the earlier searches that it begins from
    experience_sha256: str | None = None  # of the file that has what these found, see `nas.ledger.experience`
    init: str | None = None  # file of weights that trainings start from; None: random ones
    init_sha256: str | None = None  # of its content
    evaluator: str = TRAIN  # how a network is judged that no table answers: by a training, or as a supernet has it
    enqueue: tuple[str, ...] = ()  # a person's own architectures, which are the first trials
    head: str | None = None  # of `nas.network.HEADS`, in the place of each network's classifier; None: it keeps that
    prior: tuple[str, ...] = ()  # how often options are drawn, see `nas.samplers.prior`; no word of it: all alike

    def __post_init__(self) -> None:
        SEED.checked("--seed", self.seed)
        COUNT.checked("--threads", self.threads)
        if self.head is not None:
            object.__setattr__(self, "space", with_networks(self.space, completed(self.networks, self.head)))
        networks = self.networks
        if isinstance(networks, ScaledSpace) and networks.max_latency is not None:
            if self.measuring.table is None:
                raise ValueError(f"max_latency of {networks.name} is of predicted latency: add --latency-table FILE")
            predicted = networks.predicted_by(ByTable(self.measuring.table, self.measuring.table_sha256))
            object.__setattr__(self, "space", with_networks(self.space, predicted))

    @property
    def networks(self) -> Space:
        """The space of the networks: without the recipe, where a search chooses that, too."""
        return networks_of(self.space)

    @property
    def directions(self) -> list[Direction]:
        """Of what the ledger is told, in Optuna's words."""
        directions: list[Direction] = ["maximize"]
        return directions + ["minimize"] * len(self.objectives[1:])

    @property
    def source(self) -> DataSource:
        """The images, as they are read: what a network that comes from here is trained on later, too."""
        folder = None if self.data_dir is None else Path(self.data_dir)
        size, skip = self.recipe.image_size, self.skip_unreadable
        if size is not None and isinstance(self.space, JointSpace):  # as many as any trial sees
            size = max(size, *self.space.resolutions)
        return DataSource(
            self.data, folder, size, skip, self.data_sha256, self.group_by, self.channels, self.task, self.labels,
            self.fit,
        )  # fmt: skip

    def on(self, source: DataSource, dataset: Dataset) -> Config:
        """This with what a run keeps of its images: how `source` reads them, and which ones `dataset` has."""
        return dataclasses.replace(
            self,
            data=dataset.name,
            data_dir=None if source.folder is None else str(source.folder),
            data_sha256=dataset.sha256,
            skip_unreadable=source.skip_unreadable,
            group_by=source.group_by,
            channels=dataset.channels,
            task=source.task if dataset.kind == CLASSIFICATION else dataset.kind,
            labels=source.labels,
            fit=dataset.fit,
            num_classes=dataset.num_classes,
            validation=validation_of(dataset),
        )

    @property
    def strategist(self) -> str:
        """In words: `controller`, `controller with batch 10`."""
        settings = ", ".join(f"{name} {value}" for name, value in self.strategy_settings.items())
        return f"{self.strategy} with {settings}" if settings else self.strategy

    @property
    def reward_in_words(self) -> str:
        """`accuracy x (macs / 8M) ^ -0.07`, by the recipe's metric."""
        return self.reward.by(self.recipe.metric)

    @property
    def costs(self) -> tuple[str, ...]:
        """All that are found out of each network: targets, objectives, limits, and what is told beside."""
        return in_order([*self.reward.targets, *self.objectives[1:], *self.limits, *self.also, *self.measuring.told])

    @property
    def times_networks(self) -> bool:
        """Whether a trial measures the time of its network, where that is trained."""
        return "latency" in self.costs and not self.measuring.knows("latency")

    @property
    def trains(self) -> bool:
        """Whether trials are trainings: not where they are judged with a supernet's weights, or looked up."""
        return self.evaluator == TRAIN and self.table is None

    @property
    def learns_from_losses(self) -> bool:
        """Whether the strategy is told the loss of a training, too, since so few validation images judge it."""
        images = sum((self.validation or {}).values())
        told = self.reward.signal == ACCURACY and not self.objectives and self.trains
        return 0 < images < FEW and told and not (isinstance(self.space, JointSpace) and not self.space.keeps_loss)

    @cached_property
    def workload(self) -> Workload:
        """What a run does that has this configuration."""
        return workload_of(self.kind, self.space)

    def network(self, arch: Arch, macs: int | None) -> Network:
        """What a trial of `arch` trains, where it is known to have so many `macs`: a width that was predicted is found
        by these again, and not by what a table says now."""
        space, network = parts_of(self.space, arch)
        if macs is not None and isinstance(space, ScaledSpace) and space.max_latency is not None:
            return Found(space.within(macs), network)
        return self.job(arch).network

    @property
    def start(self) -> StartFile | None:
        """The weights that trainings start from."""
        return None if self.init is None else StartFile(self.init, self.init_sha256 or "")

    def job(self, arch: Arch) -> Job:
        """What a trial of `arch` is."""
        return self.workload.job(arch, self)

    def shape_of(self, network: Network) -> tuple[int, int]:
        """Classes of the data, and the pixels that `network` is for."""
        if isinstance(network, Headed):
            network = network.base
        if isinstance(network, Scaled):
            pixels = network.image_size
        elif isinstance(network, Found) and isinstance(self.space, JointSpace):  # each is of its trial's resolution
            pixels = network.space.settings().get("image_size") or self.space.pixels
        else:
            pixels = self.space.settings().get("image_size") or self.recipe.image_size or shape_of(self.data)[1]
        return self.num_classes or shape_of(self.data)[0], pixels

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        space = {"name": self.space.reference, "settings": self.space.settings()}
        parts = {name: dataclasses.asdict(values[name]) for name in ("recipe", "reward", "measuring")}
        final = None if self.final is None else dataclasses.asdict(self.final)
        chosen = list(self.space.asked) if isinstance(self.space, JointSpace) else []
        return values | {"space": space, "recipe_choices": chosen, "final": final} | parts

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Of `values` that are of `nas.checks.schemas.CONFIG`. Raises ValueError where they do not fit together."""
        parts: dict[str, Any] = {
            "space": space_of_file(values["space"]["name"], **values["space"]["settings"]),
            "kind": kind_of(values),
            "recipe": Recipe(**values["recipe"]),
            "reward": Reward.from_dict(values["reward"]),
            "limits": limits_of(values),
            "measuring": Measuring(**values.get("measuring", {})),
            "objectives": tuple(values.get("objectives", ())),
            "also": tuple(values.get("also", ())),
            **{name: tuple(values.get(name, ())) for name in ("experience", "enqueue", "prior")},
            "final": Final.from_dict(values["final"]) if values.get("final") else None,
        }
        if values.get("recipe_choices"):
            pixels = parts["recipe"].image_size or shape_of(values["data"])[1]
            fields = choices_of(values["recipe_choices"], parts["recipe"], pixels)
            parts["space"] = JointSpace(parts["space"], fields, parts["recipe"], pixels)
        own = {name: value for name, value in values.items() if name not in ("max_macs", "recipe_choices")}
        config = cls(**(own | parts))
        _ = config.workload  # which it has where its kind and its space fit together
        return config


def completed(networks: Space, head: str) -> ScaledSpace:
    """`networks` with the `head` of that name. Raises ValueError where these are no `ScaledSpace`."""
    if not isinstance(networks, ScaledSpace):
        raise ValueError(
            f"{networks.name} builds networks that only say one class of an image: a head goes on those of a "
            "searchspaces.scaled.ScaledSpace, so make it one"
        )
    return networks.completed_by(WithHead(head))


def limits_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Of a configuration's JSON; older runs have one limit, by its own name."""
    if values.get("max_macs") is not None:
        return {"macs": values["max_macs"]}
    return dict(values.get("limits", {}))


@dataclass(frozen=True)
class Budget:
    """When a search ends: after so many trained networks or so many seconds, whichever comes first.

    `timing` seconds of these went by before its first trial, when it was found out how long one takes.
    """

    trials: int | None = None
    seconds: float | None = None
    timing: float = 0.0

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise ValueError("a search needs an end: give --trials or --budget")
        Optional(COUNT).checked("--trials", self.trials)
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"--budget must be a positive time, not {self.seconds:g} s")


def without_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's JSON without where its files are and what computes: these may change while a run goes on."""
    apart: dict[str, Any] = dict.fromkeys(("data_dir", "device", "table"))
    return dict(values) | apart | {"measuring": values["measuring"] | {"table": None}}


def differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """What changed between two configurations, one `name: old -> new` each."""
    found = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key}: {old!r} -> {new!r}")
    return found
