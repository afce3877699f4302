"""Running a comparison: its folder, its trainings, and the second set of them at equal seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.comparison.design import COMPARISON, Candidate, ComparisonSpace, comparison_of
from nas.comparison.results import ComparisonResults, results
from nas.data.images import Dataset, Images
from nas.data.source import DataSource
from nas.devices.measuring import Measuring
from nas.files import is_taken
from nas.ledger import beside
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.network import Network
from nas.reward import Reward
from nas.samplers import EXHAUSTIVE
from nas.searching import choices, driver
from nas.searching.progress import Output
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster

SECONDS = "seconds"


def compare(
    networks: Mapping[str, Network],
    dataset: Dataset,
    test: Images,
    recipe: Recipe,
    folder: Path,
    *,
    seeds: int = 3,
    equal_seconds: bool = False,
    ensemble: bool = False,
    device: str = "cpu",
    cluster: Cluster | None = None,
    output: Output = Output("none"),  # noqa: B008
) -> list[ComparisonResults]:
    """Train every network, by what it is called, with each of `seeds` under `recipe`, and test it: in a new run.

    Gives what `read` gives. Raises ValueError where the folder exists, or a network takes no such images.
    """
    candidates = [Candidate(name, network) for name, network in networks.items()]
    image_size = recipe.size_on(dataset)
    comparison = ComparisonSpace.of(
        candidates, dataset.num_classes, image_size, seeds, equal_seconds, ensemble, dataset.channels
    )
    run = create(folder, comparison_config(comparison, dataset, DataSource(dataset.name), recipe, device))
    driver.to_the_end(run, run.budget, replace(dataset, test=test), device, cluster, output)
    return read(run)


def comparison_config(
    comparison: ComparisonSpace,
    dataset: Dataset,
    source: DataSource,
    recipe: Recipe,
    device: str = "cpu",
    threads: int = 1,
    costs: Sequence[str] = (),
    measuring: Measuring = Measuring(),  # noqa: B008
) -> Config:
    """The run that trains `comparison` on `dataset`, which `source` loads, and finds out `costs` beside the usual ones.

    Raises ValueError where a network does not take the data's images.
    """
    _ = comparison.sizes  # which none has that takes no such images
    choices.check_recipe(recipe, dataset)
    config = Config(
        comparison, dataset.name, replace(recipe, image_size=comparison.image_size), Reward(), EXHAUSTIVE, 0,
        device=device, threads=threads, kind=COMPARISON, also=tuple(costs), measuring=measuring,
    )  # fmt: skip
    return config.on(source, dataset)


def create(folder: Path, config: Config, of: str = "") -> Run:
    """The new run of a comparison. Raises ValueError where there is something already, or of the second run.

    `of` is the id of the comparison whose second run it is.
    """
    check_free(folder, config.space.settings()["equal_seconds"])
    return Run.create(folder, config, Budget(trials=config.space.size), of=of)


def check_free(folder: Path, equal_seconds: bool) -> None:
    """Raises ValueError where there is something already where the second run of a new comparison goes."""
    if equal_seconds and is_taken(second_run := beside.usual_place(folder, SECONDS)):
        raise ValueError(f"{second_run} exists, where the trainings at equal seconds go: choose another --name")


def second(run: Run) -> Run | None:
    """The run in which all networks train for as long as the found one did in `run`; made where there is none yet.

    None where none was asked for, or `run` is not finished. Of several found networks it is the first that is timed.
    """
    comparison = comparison_of(run)
    if not comparison.equal_seconds or (found := results(run)).missing:
        return None
    if again := beside.find(run, SECONDS):
        return again
    timed = found.subjects[0]
    if not timed.trainings:
        raise ValueError(
            f"no training of {timed.name} ended well, so there are no seconds to equal: {run.name} has none"
        )
    config = run.config
    recipe = replace(config.recipe, seconds=float(f"{timed.seconds:.3g}"))
    again_config = replace(config, recipe=recipe, space=replace(comparison.of_one_recipe, equal_seconds=False))
    return create(beside.usual_place(run.path, SECONDS), again_config, of=run.identity.id)


def read(run: Run) -> list[ComparisonResults]:
    """What was found so far: at equal images and, where that was asked for and has begun, at equal seconds."""
    later = beside.find(run, SECONDS) if comparison_of(run).equal_seconds else None
    return [results(run), *([results(later)] if later else [])]
