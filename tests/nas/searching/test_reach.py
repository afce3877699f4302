"""A limit or target that a space does not reach is said before anything is timed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.ledger.config import Config
from nas.reward import Reward
from nas.searching.plan import fit_width, has_width
from nas.searching.reach import check_reach, narrowest
from nas.text.units import parse_count
from nas.training.recipe import Recipe
from searchspaces import SPACES, Arch, Choice, Compact, Mnas, NASBenchMacro, Space, get_space
from searchspaces.scaled import ScaledSpace


def reach(space: Space, max_macs: float | None = None, target: float | None = None, classes: int = 10) -> list[str]:
    limited = isinstance(space, ScaledSpace) and max_macs is not None and space.width == 1.0
    space = replace(space, max_macs=int(max_macs)) if limited else space  # type: ignore[type-var, arg-type]
    targets = {} if target is None else {"macs": target}
    limits = {} if max_macs is None else {"macs": max_macs}
    config = Config(space, "shapes", Recipe(), Reward(targets), "random", 0, limits=limits)
    return check_reach(config, classes, 32)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_a_limit_that_nothing_fits_is_refused_with_one_that_something_does(name: str) -> None:
    space, began = get_space(name), time.process_time()
    with pytest.raises(ValueError, match=r"no network of .* is within --max-macs 1k: the least found has") as caught:
        reach(space, 1000)
    assert time.process_time() - began < 4  # two are wanted, on a quiet machine
    (enough,) = re.findall(r"give --max-macs ([\d.]+[kM]?) or more", str(caught.value))
    assert parse_count(enough) > 1000
    reach(space, parse_count(enough))  # is not refused


def test_the_least_found_is_the_least() -> None:
    space = replace(NASBenchMacro(), max_macs=1000)
    least = min(narrowest(space, arch, 10, 32) for arch in product(*[range(len(c.options)) for c in space.choices]))
    with pytest.raises(ValueError, match=f"the least found has {least / 1000:.3g}k MACs"):
        reach(NASBenchMacro(), 1000)


def test_a_limit_that_few_fit_is_said() -> None:
    (line,) = reach(Mnas(), 150e3)
    assert re.search(r"none of \d+ random networks is within --max-macs 150k, a typical one has \d+k", line)
    (line,) = reach(Mnas(), 300e3)
    assert re.search(r"only \d of \d+ random networks are within --max-macs 300k", line)
    assert reach(Compact(), 8e6) == [] and reach(Mnas()) == []


def test_a_width_that_is_too_large_for_the_limit_is_named() -> None:
    with pytest.raises(ValueError, match="leave out --width, or give --max-macs"):
        reach(Mnas(width=2.0), 1e6)


def test_a_target_out_of_reach_is_said() -> None:
    (line,) = reach(NASBenchMacro(), target=1e4)
    assert re.search(r"--target-macs 10k is out of reach: \d+ random networks have [\d.]+M to [\d.]+M MACs", line)
    assert reach(NASBenchMacro(), target=1e12) and not reach(NASBenchMacro(), target=40e6)


# ---------------------------------------------------------------------------- spaces of one's own


@dataclass(frozen=True)
class Wide(Space):
    """A width and no image size."""

    width: float = 1
    name: ClassVar[str] = "wide"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("op", ("conv_3x3", "conv,5x5")), Choice("act", ("re_lu", "si,lu"))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        c = max(1, round(16 * self.width))
        act = nn.ReLU() if arch[1] == 0 else nn.SiLU()
        return nn.Sequential(
            nn.Conv2d(3, c, 3 + 2 * arch[0], 2, 2),
            act,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(c, num_classes),
        )


@dataclass(frozen=True)
class Channels(Wide):
    """Its width is a number of channels."""

    width: int = 16

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return Wide(self.width / 16).build(arch, num_classes, image_size)


@dataclass(frozen=True)
class Sized(Wide):
    """An image size and no width."""

    width: ClassVar[float] = 1  # type: ignore[misc]
    image_size: int = 8


class Pooled(nn.Module):
    """Without a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)


@dataclass(frozen=True)
class Free(Wide):
    """Its networks cost nothing."""

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return Pooled()


@dataclass(frozen=True)
class Brittle(Wide):
    """Half of its networks do not fit together; at no width does one."""

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        if arch[0] or not self.width:
            return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1))
        return super().build(arch, num_classes, image_size)


@dataclass(frozen=True)
class Narrow(Wide):
    """At small widths it has no channels."""

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, round(8 * self.width), 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def searched(space: Space, tmp_path: Path, **options: object) -> nas.Run:  # type: ignore[name-defined]
    how = {"data": "shapes", "subset": 64, "trials": 2, "strategy": "random", "runs_dir": tmp_path, "device": "cpu"}
    return nas.search(space=space, image_size=8, **(how | options))  # type: ignore[arg-type]


def test_a_width_without_an_image_size_is_fitted(tmp_path: Path) -> None:
    run = searched(Wide(), tmp_path, target_macs="90k")
    assert run.config.space == fit_width(Wide(), 90e3, 8) and run.config.space.settings()["width"] != 1
    assert nas.load(f"{run.name}:best", runs_dir=tmp_path).build(4, 8)(torch.zeros(1, 3, 8, 8)).shape == (1, 4)


def test_a_width_without_networks_is_not_gone_to() -> None:
    assert fit_width(Narrow(), 1, 8) == Narrow(1.0)
    assert reach(fit_width(Narrow(), 1, 8), target=1)


def test_a_width_that_is_said_stays(tmp_path: Path) -> None:
    assert searched(Wide(), tmp_path, target_macs="20k", settings={"width": 0.5}).config.space == Wide(0.5)


@pytest.mark.parametrize("space", [Channels(), Sized()])
def test_what_has_no_width_multiplier_stays(space: Space, tmp_path: Path) -> None:
    assert not has_width(space)
    assert searched(space, tmp_path, target_macs="20k").config.space == space


@pytest.mark.parametrize("space", [Free(), Free(2.0)])
def test_a_target_for_nothing_is_refused(space: Space, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="networks of wide cost 0 MACs, which no target can be made of"):
        searched(space, tmp_path, target_macs="20k")
    assert not list(tmp_path.iterdir())


def test_networks_that_cannot_be_built_are_passed_over() -> None:
    assert reach(Brittle(), 1e6) == reach(Brittle(width=0.0), 1e6) == []
    with pytest.raises(ValueError, match="no network of wide is within --max-macs 10"):
        reach(Brittle(), 10)


def test_a_single_network_that_costs_nothing_is_a_failed_trial() -> None:
    reward = Reward({"macs": 1e6})
    with pytest.raises(ValueError, match="a network of 0 macs has no reward"):
        reward(0.5, {"macs": 0})
    with pytest.raises(ValueError, match="a network of 0 macs"):
        reward.check({"macs": 0, "params": 5})
    Reward().check({"macs": 0, "params": 5})


def test_a_limit_that_nothing_fits_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no network of wide is within --max-macs 10: the least found has"):
        searched(Wide(), tmp_path, max_macs=10)
    assert not list(tmp_path.iterdir())
