"""What each option of a command and each argument of a function may be: declared here once, for both.

`nas search --epochs 0` and `nas.search(epochs=0)` are told the same, before anything is loaded: so nothing here needs
torch. What only more knowledge can say (whether there is such a run, a strategy, so many images) is said where that is.
"""

from __future__ import annotations

import functools
import inspect
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from nas.checks.limits import (
    BATCH,
    CLASSES,
    COUNT,
    EPOCHS,
    EXPONENT,
    IMAGES,
    MACS,
    NATURAL,
    PART,
    PIXELS,
    RATE,
    SECONDS,
    SEED,
    SEEDS,
    SHARE,
    THREADS,
    TRIALS,
    WORKERS,
    Checks,
    Flag,
    Number,
    Optional,
    Text,
    Word,
    quoted,
)
from nas.text.units import parse_bytes, parse_count, parse_seconds, parse_whole, parsed

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_PATH = 4096  # characters, as Linux has it


@dataclass(frozen=True)
class Amount:
    """A number, or a text that `parse` makes one of: `10M`, `20m`."""

    number: Number
    parse: Callable[[Any], float]

    def checked(self, name: str, value: Any) -> Any:
        return self.number.checked(name, parsed(name, self.parse, value))


@dataclass(frozen=True)
class Or:
    """The `word`, or what is of `kind`."""

    word: str
    kind: Checks

    def checked(self, name: str, value: Any) -> Any:
        return value if value == self.word else self.kind.checked(name, value)


@dataclass(frozen=True)
class Place:
    """A file or folder, by its path."""

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f"{name} must be a path, not {quoted(value)}")
        path = str(value)
        if not path or path.isspace() or "\0" in path or len(path) > LONGEST_PATH:
            raise ValueError(f"{name} must be a path, and no file or folder can be called {quoted(path)}")
        _check_no_device(name, path)
        return value


@dataclass(frozen=True)
class Target:
    """What names a network or a run: a text, or the path of a file or folder."""

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return PLACE.checked(name, value)
        Text(100_000).checked(name, value)  # architectures of many layers are long
        if len(value) <= LONGEST_PATH and "\0" not in value:
            _check_no_device(name, value)
        return value


@dataclass(frozen=True)
class Several:
    """One of `kind`, or a list of them; with `least` 1 not an empty one."""

    kind: Checks
    least: int = 0

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            return self.kind.checked(name, value)
        if not isinstance(value, Sequence) or isinstance(value, bytes) or len(value) < self.least:
            raise ValueError(f"{name} must be one or a list of {'some' if self.least else 'any'}, not {quoted(value)}")
        return [self.kind.checked(name, one) for one in value]


@dataclass(frozen=True)
class ByName:
    """Values by their names, each of which is checked by whoever has them."""

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f'{name} must be values by their names, as in {{"name": 1}}, not {quoted(value)}')
        return value


@dataclass(frozen=True)
class ASpace:
    """A space's name, or a space itself."""

    def checked(self, name: str, value: Any) -> Any:
        from searchspaces import Space

        return value if isinstance(value, Space) else LINE.checked(name, value)


@dataclass(frozen=True)
class Function:
    """What can be called."""

    def checked(self, name: str, value: Any) -> Any:
        if not callable(value):
            raise ValueError(f"{name} must be a function, not {quoted(value)}")
        return value


LINE = Text(1_000)
NAMED = Target()
FLAG = Flag()
PLACE = Place()
TARGET = Optional(Amount(MACS, parse_count))  # multiply-adds, parameters
TIME = Optional(Amount(SECONDS, parse_seconds))
SUBSET = Or("all", Amount(IMAGES, parse_whole))
GROWTH = Optional(Number(1, 10))  # alpha, beta and gamma

OPTIONS: dict[str, Checks] = {
    # what is worked on
    "network": Several(NAMED),
    "networks": Optional(Several(NAMED)),
    "target": NAMED,
    "images": Several(PLACE, 1),
    "run": NAMED,
    "runs": Several(NAMED, 1),
    "baselines": Optional(NAMED),
    "base": Optional(NAMED),
    "from_run": Optional(LINE),
    "report": Optional(LINE),
    # what to search, and how
    "space": ASpace(),
    "space_set": Several(LINE),
    "settings": Optional(ByName()),
    "width": Optional(Number(0, 100, above=True)),
    "strategy": LINE,
    "strategy_set": Several(LINE),
    "strategy_settings": Optional(ByName()),
    "trials": Optional(TRIALS),
    "budget": TIME,
    "pruner": LINE,
    "control": FLAG,
    "evaluator": LINE,
    "table": Optional(PLACE),
    "seed": SEED,
    "seeds": SEEDS,
    "first_seed": SEED,
    "evaluations": LINE,
    "repeats": FLAG,
    "reward": LINE,
    "max_macs": TARGET,
    "target_macs": TARGET,
    "target_params": TARGET,
    "target_latency": TIME,
    "w": EXPONENT,
    "hard": FLAG,
    "objectives": Optional(Several(LINE, 1)),
    "signal": LINE,
    # how much larger
    "phi": Optional(LINE),
    "max_memory": Optional(Amount(Number(1, 1e18), parse_bytes)),
    "memory_for": LINE,
    "alpha": GROWTH,
    "beta": GROWTH,
    "gamma": GROWTH,
    "compound": Optional(LINE),
    "triples": Optional(COUNT),
    "step": Number(0.01, 1),
    "tolerance": PART,
    "search": FLAG,
    "time": FLAG,
    # which trainings show what longer ones would
    "macs": Optional(LINE),
    "full": LINE,
    "cuts": Optional(LINE),
    "short": Optional(LINE),
    # the images
    "data": Optional(LINE),
    "data_dir": Optional(PLACE),
    "skip_unreadable": FLAG,
    "image_size": Optional(PIXELS),
    "resolution": Optional(PIXELS),
    "classes": Optional(CLASSES),
    "num_classes": Optional(CLASSES),
    # how a network is trained
    "epochs": EPOCHS,
    "subset": Optional(SUBSET),
    "batch_size": BATCH,
    "lr": RATE,
    "other": Several(LINE),
    "recipe": Optional(ByName()),
    "init": Optional(PLACE),
    "fresh": LINE,
    "freeze": LINE,
    "train_last": Optional(COUNT),
    "backbone_lr": PART,
    "equal_seconds": FLAG,
    "ensemble": FLAG,
    "match_macs": Optional(FLAG),
    # where
    "workers": Optional(WORKERS),
    "gpus": Optional(WORKERS),
    "gpus_per_trial": PART,
    "address": Optional(LINE),
    "device": Optional(LINE),
    "threads": THREADS,
    "jobs": Optional(THREADS),
    # what becomes of a network
    "to": Several(LINE, 1),
    "weights": Optional(PLACE),
    "untrained": FLAG,
    "fold_bn": FLAG,
    "prune": Optional(SHARE),
    "quantize": Optional(LINE),
    "test": FLAG,
    # what is said, and where it goes
    "name": Optional(LINE),
    "out": Optional(PLACE),
    "markdown": Optional(PLACE),
    "csv": Optional(PLACE),
    "plot": Optional(PLACE),
    "draw": Optional(PLACE),
    "tensorboard": Optional(PLACE),
    "form": LINE,
    "sort": LINE,
    "limit": NATURAL,
    "pareto": FLAG,
    "top": COUNT,
    "count": COUNT,
    "port": Number(1, 65_535, whole=True),
    "no_browser": FLAG,
    "as_csv": FLAG,
    "as_json": FLAG,
    "storage": Optional(LINE),
    "runs_dir": PLACE,
    "trust_space": Several(LINE),
    "progress": Word(("none", "lines", "json")),
    "on_trial": Optional(Function()),
}
"""By the names that they have as parameters of functions, those of commands included."""

OF_COMMANDS: dict[str, dict[str, Checks]] = {
    "bench": {"strategy": Several(LINE), "workers": LINE},
    "proxy-study": {"networks": Number(3, 10_000, whole=True)},  # fewer have no order to speak of
    "scale": {"table": FLAG, "batch_size": Number(1, BATCH.most, whole=True, of="images")},
}
"""What a command has by a name that means something else elsewhere."""

_SPELLED = {"other": "--set", "resolution": "--image-size", "form": "--format", "from_run": "--from"}
_WITHOUT_OPTION = ("recipe", "settings", "strategy_settings", "on_trial", "progress", "num_classes", "count")
_GIVEN_BY_PLACE = ("network", "images", "run", "runs", "target")


def _check_no_device(name: str, path: str) -> None:
    """Raises ValueError where `path` is neither file nor folder, but what may be read without end, or never answers."""
    try:
        mode = Path(path).expanduser().stat().st_mode
    except (OSError, RuntimeError, ValueError):  # there is none, or none can be
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{name} must be a file or folder, and {quoted(path)} is a device or a pipe")


def spelled(name: str) -> str:
    """How a message calls the option or argument: as it is typed."""
    if name in _GIVEN_BY_PLACE:
        return f"the {name}"
    return _SPELLED.get(name, name if name in _WITHOUT_OPTION else f"--{name.replace('_', '-')}")


def kind_of(name: str, command: str = "") -> Checks | None:
    """What `command` takes for its parameter `name`; None where nothing is declared."""
    return OF_COMMANDS.get(command, {}).get(name) or OPTIONS.get(name)


def check(values: Mapping[str, Any], command: str = "") -> None:
    """Raises ValueError where one of the `values`, by the parameters' names, is not what it may be."""
    for name, value in values.items():
        if kind := kind_of(name, command):
            kind.checked(spelled(name), value)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose arguments are checked before it begins."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        check(signature.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    return checking
