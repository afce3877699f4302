"""How far a supernet orders networks as their own trainings do."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.images import Dataset
from nas.ledger.run import Run, folder_of
from nas.ledger.workload import SEARCH
from nas.network import Found
from nas.proxies.ranking import Values, interval, kendall, resamples
from nas.proxies.results import results
from nas.proxies.study import STUDY_OF_PROXIES
from nas.references.resolve import described
from nas.searching.published import read
from nas.training.recipe import Recipe
from nas.training.shared import Ranking, give_part, judge
from nas.training.trial import State
from searchspaces import Arch, Space, get_space
from searchspaces.scaled import RowSpace
from searchspaces.supernet import Supernet

LEAST = 10
"""Networks from which on an order is spoken of."""


@dataclass(frozen=True)
class Truth:
    """How good networks are by trainings of their own, in any unit; `name` says where that is from."""

    name: str
    quality: Mapping[Arch, float]

    def draw(self, number: int, seed: int) -> list[Arch]:
        """So many of its networks, or all, in the order in which they were drawn."""
        archs = sorted(self.quality)
        return random.Random(seed).sample(archs, min(number, len(archs)))


def truth_of(named: str, space: RowSpace, runs_dir: Path) -> Truth:
    """That of a table of published results, of a search whose trials trained networks of `space`, or of a proxy study.

    Widths and cells may be others: a smaller form of a space stands for it. Raises ValueError where there is none.
    """
    path = Path(named)
    if path.is_file():
        found = read(get_space(space.reference), path)
        return Truth(path.name, {found.space.canonical(arch): figure for arch, figure in found.reported.items()})
    run = Run.open(folder_of(named, runs_dir))
    known = _of_study(run) if run.config.kind == STUDY_OF_PROXIES else _of_search(run)
    others = {network.space.name for network in known if network.space.reference != space.reference}
    if others:
        raise ValueError(f"{run.name} is a run of {min(others)}, and the supernet of {space.name}")
    if len(known) < LEAST:
        raise ValueError(f"{run.name} has trained {len(known)} networks: an order is of {LEAST} or more")
    return Truth(f"run {run.name}", {space.canonical(network.arch): quality for network, quality in known.items()})


def _of_search(run: Run) -> dict[Found, float]:
    """What its networks came to. Raises ValueError where it trained none."""
    if run.config.kind != SEARCH or not run.config.trains:
        raise ValueError(f"{run.name} is no search that trained its networks: give one that did, or a table of results")
    return {
        Found(run.config.space, row.arch): row.quality
        for row in run.rows()
        if row.state == State.COMPLETE and row.arch and row.quality is not None
    }


def _of_study(run: Run) -> dict[Found, float]:
    """What its networks came to in full, the mean of its seeds."""
    found = results(run)
    networks = [described(text) for text in found.study.networks]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of networks that no seed has trained yet
        qualities = np.nanmean(found.truth, axis=0).tolist()
    return {
        network: quality
        for network, quality in zip(networks, qualities, strict=True)
        if isinstance(network, Found) and not math.isnan(quality)
    }


def rank(
    supernet: Supernet, truth: Truth, number: int, dataset: Dataset, recipe: Recipe, seed: int,
    on_network: Callable[[int, float], None] = lambda number, quality: None,
) -> Ranking:  # fmt: skip
    """How far the order of so many networks is that of `truth`. `on_network` is told each one's number and quality."""
    sharing, said, macs = supernet.sharing, list[float](), list[float]()
    archs = truth.draw(number, seed)
    for at, arch in enumerate(archs, start=1):
        network = Found(sharing.space, arch)
        module = network.build(dataset.num_classes, dataset.image_size, dataset.channels)
        give_part(supernet.tensors, module, network, sharing)
        said.append(judge(module, dataset, recipe).quality)
        macs.append(sharing.macs(arch))
        on_network(at, said[-1])
    real = np.array([truth.quality[arch] for arch in archs])
    everything, drawn = np.ones((1, len(archs))), resamples(len(archs))
    told = np.array(said)
    found = interval(_tau(told, real, everything), kendall(told, real, drawn), len(archs))
    by_macs = _tau(np.array(macs), real, everything)
    return Ranking(truth.name, len(archs), found.estimate, found.low, found.high, by_macs)


def _tau(x: Values, y: Values, drawn: Values) -> float:
    """0 where one of the two is constant, which is no order."""
    tau = float(kendall(x, y, drawn)[0])
    return 0.0 if math.isnan(tau) else tau


def settings_in_words(space: Space) -> str:
    """`compact with max_macs=8000000`, as a search is told it."""
    changed = space.changed_settings()
    return (
        f"{space.name} with {', '.join(f'{name}={value}' for name, value in changed.items())}"
        if changed
        else space.name
    )
