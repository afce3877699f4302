"""What a search is going to do and how long that takes, found out before it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.checks.costs import kind_of
from nas.data.images import Dataset
from nas.data.judging import uncertainty
from nas.data.targets import CLASSIFICATION
from nas.joint.space import JointSpace
from nas.latencies.table import read_once
from nas.ledger.config import Budget, Config, Final
from nas.ledger.experience import NONE, Experience, builtin
from nas.pruning import NO_PRUNER
from nas.reward import ACCURACY
from nas.samplers import has_surrogate
from nas.samplers.sight import why_unseen
from nas.searching.control import RANDOM
from nas.searching.counted import counted
from nas.searching.progress import Output
from nas.searching.published import Benchmark, benchmark_of
from nas.searching.timing import NETWORKS, Allowance, estimate_trial_seconds, judging_seconds
from nas.text.units import format_about, format_count, format_many, format_percent, format_seconds
from nas.training.announcement import (
    channels_said,
    judged_by,
    judging_lines,
    loss_in_words,
    place_lines,
    recipe_line,
)  # fmt: skip
from nas.training.recipe import Recipe
from nas.training.shared import CALIBRATED, RANKS
from nas.training.transfer import shared_in
from searchspaces import Space, get_space
from searchspaces.around.space import AroundSpace
from searchspaces.cost import cost_of
from searchspaces.scaled import LATENCY, ScaledSpace

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def typical_macs(space: Space, image_size: int, samples: int = 15, channels: int | None = None) -> float:
    """The median multiply-adds of random architectures of `space`, for images of 3 channels or so many."""
    rng = random.Random(0)
    archs = [space.sample(rng) for _ in range(samples)]
    return median(
        cost_of(partial(space.build, arch, image_size=image_size), image_size, channels).macs for arch in archs
    )


def fit_width(space: Space, target_macs: float, image_size: int, channels: int | None = None) -> Space:
    """`space` at the width multiplier (0.05 to 100, in steps of 0.05) at which a random one costs `target_macs`.

    A search can only choose among what the space has: one whose every network costs many times the
    target would spend its trials on the least bad. MACs grow with the square of the width. A width at which there are
    no networks, as those of less than one channel, is not gone to. Raises ValueError where networks cost nothing.
    """
    fitted = at_width(space, width := 1.0)
    macs = typical_macs(fitted, image_size, channels=channels)
    for _ in range(3):
        if not macs:
            raise ValueError(f"networks of {space.name} cost 0 MACs, which no target can be made of: see docs/macs.md")
        width = min(max(0.05, round(20 * width * math.sqrt(target_macs / macs)) / 20), 100.0)
        try:
            macs = typical_macs(wanted := at_width(space, width), image_size, channels=channels)
        except ValueError:
            break
        fitted = wanted
    return fitted


def at_width(space: Space, width: float) -> Space:
    """`space` with another `width`, which is one of its settings."""
    if isinstance(space, ScaledSpace):
        return space.changed(width=width)
    return get_space(space.reference, **(space.settings() | {"width": width}))


def has_width(space: Space) -> bool:
    """Whether `space` has a width multiplier. A whole number by that name is a number of channels, say."""
    declared: Any = space
    widths = [field.type for field in dataclasses.fields(declared) if field.name == "width" and field.init]
    return bool(widths) and "float" in str(widths[0])


# ------------------------------------------------------------------ in words


def announce(
    config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None, folder: Path, experience: Experience,
    output: Output, control: bool = False, measuring: float = 0.0,
) -> float:  # fmt: skip
    """Say what the search will do, before it does: the space, the proxy, how long, where the results go.

    `measuring` are the seconds that the commands which measure costs take for a network, as far as that is known.
    Returns how many seconds it took to find out how long, which are part of the budget.
    """
    space, networks, recipe = config.space, config.networks, config.recipe
    reward = f"reward    {config.reward_in_words}"
    wanted = f"objectives {_objectives(config)}" if config.objectives else reward
    image_size = recipe.size_on(dataset)
    with output.passing("counting multiply-adds"):
        typical = typical_macs(networks, image_size, channels=dataset.channels)
    for line in [*_chosen_too(config), *_which_networks(config, dataset, typical), *_weights(config)]:
        output.say(line)
    output.say(f"trial     {_what_a_trial_is(config, dataset)}")
    by = f"{wanted}; strategy {config.strategist}, seed {config.seed}"
    for line in [
        *place_lines(dataset, recipe), *judging_lines(dataset, recipe), by, *_known_before(config, budget)
    ]:  # fmt: skip
        output.say(line)
    if has_surrogate(config.strategy) and (why := why_unseen(space)):
        output.say(f"          which sees the choices alone, not the networks: {why}")
    if config.learns_from_losses and has_surrogate(config.strategy):
        images = sum((config.validation or {}).values())
        output.say(f"          which learns from training losses, too, as {images:,} validation images tell little")
    if config.times_networks:
        output.say(f"latency   by {config.measuring.runtime} where a network is trained, one image at a time")
    if config.measuring.table is not None:
        for line in _predicted(config):
            output.say(line)
    for names, command in config.measuring.commands.items():
        together = f", {config.measuring.workers} networks at once" if config.measuring.workers > 1 else ""
        output.say(f"{names.replace(',', ' and '):9s} by `{command}`{together}")
    for number, words in enumerate(_before(config, experience)):
        output.say(f"{'' if number else 'earlier':10s}{words}")
    began = time.monotonic()
    expected, seconds = _expected_time(config, budget, dataset, cluster, output, measuring)
    output.say(f"time      {expected}")
    if config.final is not None:
        output.say(f"final     {_what_follows(config.final, config, seconds)}")
    then = f", then of random search with an equal budget in {folder}-{RANDOM}/" if control else ""
    output.say(f"results   {folder}/{then}\n")
    return time.monotonic() - began


def _which_networks(config: Config, dataset: Dataset, typical: float) -> Iterator[str]:
    """The space, of which a network has `typical` multiply-adds, what each has of it, and the one that it is around."""
    networks = config.networks
    choices = f"{len(networks.choices)} choices, {format_many(networks.size)} architectures"
    yield f"space     {config.space.title}{_size(config)}: {choices}, typically {format_count(typical)} MACs"
    if config.head is not None:
        yield f"head      {config.head} on each network, in the place of its classifier: all costs are of both"
    if isinstance(networks, AroundSpace):
        yield f"original  {_original(networks, config, dataset)}"


def _weights(config: Config) -> Iterator[str]:
    """From what weights networks start; of a supernet how far its order of networks is known to be right."""
    if config.init is None:
        return
    shared = shared_in(config.init)
    if shared is None:
        yield f"weights   each network starts from what it has of {config.init}"
        return
    does = "is judged with" if not config.trains else "starts from"
    yield f"weights   each network {does} its part of the supernet {config.init} ({shared.way})"
    yield f"          which learnt from {format_count(shared.images)} images, {format_count(shared.passes)} passes"
    if shared.ranking is None:
        yield "          how far it orders networks as trainings do was not found out: `nas supernet --truth` does"
    else:
        below = "" if shared.is_trusted else f", below the {RANKS:g} from which on a search uses it by itself"
        yield f"          {shared.ranking.in_words}{below}"


def _chosen_too(config: Config) -> Iterator[str]:
    """What each trial has of the recipe by itself, where the search chooses that, too."""
    space = config.space
    if not isinstance(space, JointSpace):
        return
    yield f"also      each trial has its own {space.asked[0]}"
    for one in space.asked[1:]:
        yield f"          and its own {one}"
    yield f"          so there are {format_many(space.size)} trials of {len(space.choices)} choices, by no one recipe"
    limited = [name for name in config.limits if name in ("macs", "activations", "memory", "latency")]
    if limited and len(space.resolutions) > 1:
        yield f"          a limit of {' and '.join(limited)} is of each network at its own resolution"


def _known_before(config: Config, budget: Budget) -> Iterator[str]:
    """What a person knows before the search: own networks, and how often options are drawn."""
    own = {config.space.canonical(config.space.parse(text)) for text in config.enqueue}
    if own:
        first = f"{len(own)} network{'s' if len(own) > 1 else ''} of your own before all others"
        repeats = f"; {len(config.enqueue) - len(own)} repeat another" if len(own) < len(config.enqueue) else ""
        most = f"; --trials allows {budget.trials}" if budget.trials is not None and budget.trials < len(own) else ""
        yield f"first     {first}{repeats}{most}"
    if config.prior:
        yield f"prior     options are drawn by the weights {' '.join(config.prior)}, all others by 1"


def _before(config: Config, experience: Experience) -> list[str]:
    """The earlier searches that it begins from; those of the package may not have been asked for."""
    packaged = builtin(config.networks) if experience.runs else []
    words = [run.in_words(config.space) for run in experience.runs]
    return [
        f"{said}, in the package (none: --experience {NONE})" if run in packaged else said
        for said, run in zip(words, experience.runs, strict=True)
    ]


def _size(config: Config) -> str:
    """What is said of the size of networks: the width, or the limit."""
    settings = config.space.settings()
    by_width = [cost for cost in config.limits if f"max_{cost}" in settings]
    said = f", each as wide as {_amounts(config.limits, by_width, _FORESEEN)} allow" if by_width else ""
    if not by_width and "width" in settings:
        said = f", width {settings['width']:g}"
    others = [cost for cost in config.limits if cost not in by_width]
    return said + (f", of up to {_amounts(config.limits, others)}" if others else "")


def _original(space: AroundSpace, config: Config, dataset: Dataset) -> str:
    """What is said of the network around which a search is."""
    build = partial(space.build, space.as_is, dataset.num_classes, config.recipe.size_on(dataset))
    costs = counted(build, config.recipe.size_on(dataset), dataset.channels, ["macs", "params", *config.limits])
    above = [cost for cost, limit in config.limits.items() if costs.get(cost, 0) > limit]
    size = f"{format_count(costs['macs'])} MACs, {format_count(costs['params'])} params"
    if above:
        return f"{size}: above the limits ({', '.join(above)}), so no trial is of it; `nas compare` has it"
    return f"{size}; the first trial is of it, as it is"


def _predicted(config: Config) -> Iterator[str]:
    """How latency is predicted, and how far that is from what a network takes."""
    measuring, space = config.measuring, config.networks
    off = format_percent(measuring.table_error)
    yield f"latency   predicted by {measuring.table}, ± {off} on networks that it had not seen"
    assert measuring.table is not None
    table = read_once(measuring.table, measuring.table_sha256)
    if not isinstance(space, ScaledSpace):
        return
    if table.limits != space.limits:
        least, *_, most = sorted(measured.least for measured in table.networks)
        as_wide = f"which were as wide as {_amounts(table.limits, [*table.limits])} allow"
        took = f"took {format_seconds(least)} to {format_seconds(most)}"
        yield f"          {as_wide}, and {took}: further from these it is further off"
    if space.max_latency is not None:
        yield "          the limit is of what is predicted: the device may need longer for some"
    elif LATENCY in config.limits and not table.limits:
        yield "          all were of one width: so widths do not follow --max-latency, as with a table by --max-macs"


def _objectives(config: Config) -> str:
    """`accuracy, macs`, or with a target `reward = accuracy x (memory / 64 kB) ^ -0.07, macs`."""
    first, *costs = config.objectives
    return ", ".join([f"{first} = {config.reward_in_words}" if config.reward.targets else first, *costs])


_FORESEEN = {LATENCY: "of predicted latency"}


def _amounts(
    limits: Mapping[str, float], costs: Sequence[str], titles: Mapping[str, str] = MappingProxyType({})
) -> str:
    """`8M MACs and 64 kB memory`; costs are called by their own titles, or by these."""
    said = [f"{kind_of(cost).format(limits[cost])} {titles.get(cost, kind_of(cost).title)}" for cost in costs]
    return " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)


def _on(benchmark: Benchmark) -> str:
    """On which images the accuracies of a table are, where there are tables of several."""
    if not benchmark.named:
        return ""
    return f" on {benchmark.data}" if benchmark.data else " on images that the file's name does not say"


def _what_a_trial_is(config: Config, dataset: Dataset) -> str:
    if config.table is not None:
        file = Path(config.table)
        benchmark = benchmark_of(config.space, file)
        return f"looked up in {file.name}: {benchmark.observed}{_on(benchmark)}, as it was published"
    recipe = config.recipe
    known = f" ({uncertainty(len(dataset.val))})" if dataset.kind == CLASSIFICATION else ""
    if not config.trains:
        return (
            f"no training: its norms calibrated by {min(CALIBRATED, len(dataset.train)):,} {dataset.name} images at "
            f"{recipe.size_on(dataset)} pixels, judged on {len(dataset.val):,} validation images{known}"
            f"{judged_by(recipe)}"
        )
    images = len(dataset.train) if recipe.subset is None else recipe.subset
    looked_at = "judged" if config.reward.signal == ACCURACY else "looked at"
    sides = config.space.resolutions if isinstance(config.space, JointSpace) else (recipe.size_on(dataset),)
    pixels = f"{', '.join(map(str, sides[:-1]))}{' or ' * (len(sides) > 1)}{sides[-1]} pixels{channels_said(dataset)}"
    return (
        f"{images:,} {dataset.name} images at {pixels}, {recipe.epochs} "
        f"epoch{'s' if recipe.epochs > 1 else ''}, {looked_at} on {len(dataset.val):,} validation images"
        f"{known}{'' if config.pruner == NO_PRUNER else f', stopped early by {config.pruner}'}{judged_by(recipe)}"
        f"{loss_in_words(dataset)}"
    )


def _expected_time(
    config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None, output: Output, measuring: float = 0.0
) -> tuple[str, float | None]:
    """How long a trial takes, timed here, and what that makes of the budget; and its training's seconds, if known."""
    if config.table is not None:
        ends = [f"{budget.trials} trials"] if budget.trials is not None else []
        ends += [f"at most {format_seconds(budget.seconds)}"] if budget.seconds is not None else []
        return f"nothing is trained: {', '.join(ends)}", None
    if cluster is not None and not is_here(cluster):
        return f"what the machines at {cluster.address} need", None
    allowance = Allowance.of(budget)
    with timing(f"{NETWORKS} networks", config.recipe, allowance, output):
        recipe = _of_usual_size(config)
        prepared = recipe.prepare(dataset).to(config.device)
        if config.trains:
            estimate = estimate_trial_seconds(config.networks, prepared, recipe, allowance)
        else:
            estimate = judging_seconds(config.networks, prepared, recipe, allowance)
    if estimate is None:
        return (
            f"unknown: none of {NETWORKS} random networks could be timed in {allowance}: trainings take longer, or "
            "fail, for which a lower --lr may help"
        ), None
    seconds = estimate.seconds
    _check_fits(seconds, config, budget)
    where = place(config.device, cluster)
    left = None if budget.seconds is None else max(0.0, budget.seconds - allowance.spent)
    paces = _paces(seconds, measuring, config.measuring.workers, cluster)
    if left is not None and (budget.trials is None or budget.trials * min(paces) > left):
        counts = dict.fromkeys(f"{max(1, int(left / pace)):,}" for pace in paces)
        extent = f"about {' to '.join(counts)} trials in {_left_of(budget, left)}"
    else:
        assert budget.trials is not None
        about = "about" if config.pruner == NO_PRUNER else "at most"
        times = dict.fromkeys(format_about(budget.trials * pace) for pace in reversed(paces))
        extent = f"{budget.trials} trials in {about} {' to '.join(times)}"
    before = f", after {format_seconds(measuring)} or more for its costs" if measuring else ""
    said = f"about {format_seconds(seconds)} a trial on {where}{before}: {extent}{_unknown(cluster)}{estimate.basis}"
    return said, seconds


def _of_usual_size(config: Config) -> Recipe:
    """The recipe at the resolution whose pixels are the mean of those that trials choose among, where they do."""
    space = config.space
    if not isinstance(space, JointSpace) or len(space.resolutions) == 1:
        return config.recipe
    return dataclasses.replace(config.recipe, image_size=round(math.sqrt(fmean(s * s for s in space.resolutions))))


def _what_follows(final: Final, config: Config, seconds: float | None) -> str:
    """What is kept for the end, and what is done with it; `seconds` are those of a trial."""
    if final.seconds is None:
        kept, half = f"{100 * final.share:g} % of the time that the search takes", "half of that"
    else:
        kept, half = f"{format_seconds(final.seconds)} of the budget", format_seconds(final.seconds / 2)
    recipe, searched = final.recipe, config.recipe
    seen = searched.epochs * (searched.subset or final.images)
    times = recipe.epochs * final.images / seen
    takes = "" if seconds is None else f", about {format_about(times * seconds)} for a network of average size"
    return (
        f"{kept}, kept for the end: within {half} its best networks, 5 at most, longer; then the best of these to the "
        f"end by recipe {final.preset}, however long that takes{takes}, and tested once\n"
        f"          {final.preset}: {recipe_line(recipe)}"
    )


def _paces(seconds: float, measuring: float, workers: int, cluster: Cluster | None) -> list[float]:
    """Seconds from one trial's end to the next one's, where a training takes `seconds`: the most and the least.

    One network after the other is measured, then trained; with several at once, in either, one waits for the other.
    """
    if cluster is None and workers == 1:
        return [seconds + measuring]
    return [max(seconds / speed, measuring / workers) for speed in sorted(_at_once(cluster))]


def _at_once(cluster: Cluster | None) -> set[float]:
    """How many times as fast as one trial after the other, at least and at most.

    Trials that share a GPU may fill what each leaves idle, or do no more than take turns: which, nobody knows before.
    """
    return {cluster.at_once, cluster.at_once / cluster.shared} if cluster else {1}


def _unknown(cluster: Cluster | None) -> str:
    shared = cluster.shared if cluster else 1
    return f" ({shared} share a GPU: how much that slows each is not known before)" if shared > 1 else ""


def _left_of(budget: Budget, left: float) -> str:
    """`20m00s`, or where timing took some of these, `the 19m30s left of 20m00s`."""
    now, whole = format_seconds(left), format_seconds(budget.seconds)
    return whole if now == whole else f"the {now} left of {whole}"


def going_on(name: str, data: str, budget: Budget, where: str) -> str:
    """What is said of a run that goes on: to which totals, and `where` it trains; "" where nothing is trained."""
    ends = [f"{budget.trials:,} trials"] if budget.trials is not None else []
    ends += [format_seconds(budget.seconds)] if budget.seconds is not None else []
    return f"{name} goes on with {data}, to {' or '.join(ends)} in all{where and f', on {where}'}"


def timing(what: str, recipe: Recipe, allowance: Allowance, output: Output) -> AbstractContextManager[None]:
    """Say, for as long as the context lasts, what is timed and how long that may take."""
    if recipe.seconds is not None:  # there is nothing to find out
        return contextlib.nullcontext()
    return output.busy(f"timing {what} in miniature, for {allowance} at most")


def is_here(cluster: Cluster | None) -> bool:
    """Whether trials run on this machine, so that it says how long they take."""
    return cluster is None or cluster.address is None


def of_all(seconds: float | None, device: str, cluster: Cluster | None) -> str:
    """How long trainings take that one after the other would take so many `seconds`: `about 20m00s on cpu`."""
    if seconds is None:
        return "unknown: networks could not be timed in so short a time, or at all"
    times = dict.fromkeys(format_about(seconds / speed) for speed in sorted(_at_once(cluster), reverse=True))
    return f"about {' to '.join(times)} on {place(device, cluster)}{_unknown(cluster)}"


def place(device: str, cluster: Cluster | None) -> str:
    """Where trials run, and how many at once: `cpu, 2 at once`."""
    return f"{device}, {cluster.at_once} at once" if cluster else device


def _check_fits(seconds: float, config: Config, budget: Budget) -> None:
    """Raises ValueError where the time is over before the first trial is."""
    if budget.seconds is not None and seconds > budget.seconds:
        raise ValueError(
            f"a trial takes about {format_seconds(seconds)} on {config.device}, longer than the budget of "
            f"{format_seconds(budget.seconds)}: give a longer --budget, or train less: --subset, --epochs, --image-size"
        )
