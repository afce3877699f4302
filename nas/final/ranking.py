"""The best networks of a search, ranked once more by longer trainings: what a short one says of them is not all.

It is a run of its own beside the search, NAME-finalists, whose space is a choice among trials of the search. So it has
a ledger, works on either engine, and is continued when it was interrupted. All its networks are trained alike: by the
recipe of the final training, for as many epochs as the time that is kept for that allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from torch import nn

from nas.checks.schemas import FINALISTS as SETTINGS
from nas.devices.measuring import Measuring
from nas.joint.fields import changed
from nas.joint.space import JointSpace, networks_of, parts_of
from nas.ledger import beside, finals
from nas.ledger.config import Budget, Config, Final
from nas.ledger.run import Run, TrialRow, rank
from nas.ledger.spent import busy_seconds
from nas.ledger.workload import Conclusion, Job, Workload
from nas.network import Network
from nas.pruning import NO_PRUNER
from nas.references.resolve import described, described_recipe
from nas.samplers import EXHAUSTIVE
from nas.searching.loop import Search
from nas.text.columns import table
from nas.text.units import format_about
from nas.training.recipe import Recipe
from searchspaces import Arch, Choice, Space
from searchspaces.around.space import AroundSpace

MOST = 5  # networks that are trained longer
LONGER = 2.0  # times the images of a trial that a longer training sees at least
FOR_RANKING = 0.5  # of what is kept for the end


@dataclass(frozen=True)
class Finalists(Space):
    """Some `trials` of a search, the best first; `networks` are what a person types for them."""

    trials: tuple[int, ...]
    networks: tuple[str, ...]
    image_size: int  # pixels
    name: ClassVar[str] = finals.FINALISTS

    def __post_init__(self) -> None:
        SETTINGS.checked("", self.settings())
        for field in ("trials", "networks"):
            object.__setattr__(self, field, tuple(getattr(self, field)))  # JSON has lists
        if len(self.trials) != len(self.networks):
            raise ValueError(f"finalists have {len(self.trials)} trials and {len(self.networks)} networks")

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice("trial", self.trials, tag="trial "),)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.network_of(arch).build(num_classes, image_size or self.image_size)

    def format(self, arch: Arch) -> str:
        return self.choices[0].text(arch[0])

    def parse(self, text: str) -> Arch:
        number = text.removeprefix("trial ")
        if number not in map(str, self.trials):
            raise ValueError(f"{text!r} is none of the finalists: write {self.format((0,))}")
        return (self.trials.index(int(number)),)

    def short_id(self, arch: Arch) -> str:
        """What it is, since that is short."""
        return self.format(arch)

    def network_of(self, arch: Arch) -> Network:
        return described(self.networks[arch[0]])


@dataclass(frozen=True)
class Ranking(Workload):
    """Of `finalists`: each is one training, by the run's recipe, and what its trial had of that by itself."""

    finalists: Finalists
    kind: ClassVar[str] = finals.FINAL_RANKING
    trials: ClassVar[type[Search]] = Search

    def job(self, arch: Arch, config: Config) -> Job:
        own = described_recipe(self.finalists.networks[arch[0]])
        recipe = changed(config.recipe, own, self.finalists.image_size)
        return Job(self.finalists.network_of(arch), recipe, config.seed, start=config.start)

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        return Conclusion(f"\n{ended}. `nas top {run.name}{run.permissions}` lists them.")


# ------------------------------------------------------------------ which networks, for how long


@dataclass(frozen=True)
class Plan:
    """Which trials are trained longer, and by which `recipe`."""

    rows: tuple[TrialRow, ...]
    recipe: Recipe


def plan(run: Run) -> Plan | None:
    """What the time that `run` keeps for its end allows; None where that is no longer training of two networks.

    Time an image is what the trials took. As many of the best are trained as that can be with twice the images of a
    trial at least.
    """
    final = run.config.final
    assert final is not None
    seen = _seen(run.config.recipe, final)
    seconds = FOR_RANKING * (final.seconds or final.share * _search_seconds(run))
    trained = _trained(run)
    for count in range(min(MOST, len(trained)), 1, -1):
        rows = _best(trained, run.config.space, count)
        recipe = cut(final, seconds / _pace(rows, run.config.recipe, final))
        if _seen(recipe, final) >= min(LONGER * seen, _seen(final.recipe, final)):
            return Plan(tuple(rows), recipe)
    return None


def contenders(run: Run, most: int = MOST) -> list[TrialRow]:
    """The best different networks that `run` trained to the end, the best first.

    A network around which the search was is one of them, if the last: a short training may be wrong of what beats it.
    """
    return _best(_trained(run), run.config.space, most)


def _trained(run: Run) -> list[TrialRow]:
    different = [row for row in rank(run.rows()) if row.duplicate_of is None]
    return [row for row in different if row.reward is not None and row.seconds is not None]


def _best(trained: list[TrialRow], space: Space, most: int) -> list[TrialRow]:
    networks = networks_of(space)
    if not isinstance(networks, AroundSpace):
        return trained[:most]
    original = next((row for row in trained[most:] if parts_of(space, row.arch)[1] == networks.as_is), None)
    return trained[:most] if original is None else [*trained[: most - 1], original]


def cut(final: Final, images: float) -> Recipe:
    """The recipe of `final` for so many images, as far as it goes: in whole epochs, or a part of one."""
    epochs = int(images / final.images)
    if epochs >= 1:
        return replace(final.recipe, epochs=min(epochs, final.recipe.epochs))
    return replace(final.recipe, epochs=1, subset=max(2, int(images)))


def _seen(recipe: Recipe, final: Final) -> int:
    """Images in a training, each counted as often as it is seen."""
    return recipe.epochs * (recipe.subset or final.images)


def _pace(rows: Sequence[TrialRow], searched: Recipe, final: Final) -> float:
    """Seconds in which each of `rows` is trained on one more image, by what it took in the search."""
    mean = fmean(row.seconds or 0.0 for row in rows) / _seen(searched, final)
    return max(mean * math.ceil(len(rows) / final.at_once), 1e-9)


def _search_seconds(run: Run) -> float:
    return busy_seconds(run.study.get_trials(deepcopy=False))


# ------------------------------------------------------------------ its run


def complete(run: Run) -> Run | None:
    """The run that ranks the best of `run` anew; made now, where there is none. None where there is nothing to rank."""
    if (found := finals.find(run)) is not None:
        return found
    if (planned := plan(run)) is None or (run.path / finals.FOLDER).exists():
        return None
    config = config_of(run, planned)
    storage = run.database() if run.in_database else None
    return Run.create(place(run.path), config, Budget(trials=config.space.size), storage, of=run.identity.id)


def config_of(run: Run, planned: Plan) -> Config:
    """The run that trains what is `planned`: as `run` is, but for what is trained, and how long."""
    joint = run.config.space
    pixels = joint.pixels if isinstance(joint, JointSpace) else run.config.shape_of(run.network(planned.rows[0]))[1]
    texts = tuple(run.text_of(row) for row in planned.rows)
    space = Finalists(tuple(row.number for row in planned.rows), texts, pixels)
    return replace(
        run.config, space=space, recipe=planned.recipe, strategy=EXHAUSTIVE, strategy_settings={}, limits={},
        measuring=Measuring(), pruner=NO_PRUNER, kind=finals.FINAL_RANKING, final=None, enqueue=(),
        prior=(), head=None,
    )  # fmt: skip


def place(path: Path) -> Path:
    """Where the ranking of the run in `path` is made."""
    return beside.usual_place(path, finals.FINALISTS)


# ------------------------------------------------------------------ in words

HEADER = ("network", "rank in the search", "its result", "rank after longer training", "its result")


def cells(found: Sequence[finals.Finalist], run: Run) -> list[list[str]]:
    """A row for each finalist, the final one first."""
    return [
        [
            f"{run.name}:{one.search.number}",
            str(one.search_rank),
            one.search.judged,
            str(one.rank or "-"),
            "not trained yet" if one.longer is None else one.longer.judged if one.rank else one.longer.reason,
        ]
        for one in found
    ]


def to_text(run: Run, ranking: Run) -> str:
    """The ranks before and after, as a table."""
    return table(HEADER, [tuple(row) for row in cells(finals.finalists(run, ranking), run)])


def to_dicts(run: Run, ranking: Run) -> list[dict[str, Any]]:
    """For `--json`."""
    return [
        {
            "trial": one.search.number,
            "search_rank": one.search_rank,
            "search_reward": one.search.reward,
            "rank": one.rank,
            "reward": one.longer and one.longer.reward,
        }
        for one in finals.finalists(run, ranking)
    ]


def in_words(recipe: Recipe, images: int, preset: str) -> str:
    """`6 epochs of 9,000 images by recipe strong`."""
    of = recipe.subset or images
    return f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} of {of:,} images by recipe {preset}"


def announced(run: Run, ranking: Run) -> str:
    """What is said when `ranking`, of the best of `run`, begins or goes on."""
    final, config = run.config.final, ranking.config
    assert final is not None
    rows = {row.number: row for row in run.rows()}
    chosen = [rows[number] for number in config.space.settings()["trials"]]
    seconds = _seen(config.recipe, final) * _pace(chosen, run.config.recipe, final)
    return (
        f"now its best {len(chosen)} longer, each for {in_words(config.recipe, final.images, final.preset)}, "
        f"about {format_about(seconds)}, as {ranking.name}"
    )
