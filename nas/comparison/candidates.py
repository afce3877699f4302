"""Who takes part in a comparison: found networks, and hand-designed ones as wide as they may be beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import floor
from pathlib import Path

from nas.baselines.zoo import with_width
from nas.checks.costs import in_order
from nas.comparison.design import OWN, Candidate, ComparisonSpace
from nas.data.download import Log
from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.devices.command import CostCommand
from nas.devices.measuring import Measuring
from nas.files import CONFIG, WEIGHTS
from nas.joint.fields import as_text
from nas.latencies.table import read_once
from nas.ledger.names import is_network
from nas.ledger.run import Run, folder_of, rank
from nas.network import Designed, Found, Headed, Network, below_head, is_of_image, original_of, with_head
from nas.options import groups
from nas.references.origin import Origin, origin_of, source_for
from nas.references.resolve import expand, file_of, own_recipe, resolve
from nas.text.units import format_count, parse_names
from nas.training.recipe import Recipe
from nas.training.transfer import Weights, as_seen
from scaling.compound import largest

BY_DEFAULT = "resnet8,resnet20,mobilenet_v2"  # scaled to the found network's multiply-adds
INIT = "+init="  # before the file of weights that a network starts from
NEAR = 1.1  # found networks within so many times each other's multiply-adds have one budget
MOST, STEP = 20.0, 0.001  # of a width multiplier

Say = Callable[[str], None]


def choose(targets: Sequence[str], baselines: str, runs_dir: Path, say: Say) -> list[Candidate]:
    """The networks that `targets` and `baselines` name, each once; `say` is told of those that were named twice.

    A run's name alone is its best network, and RUN:top5 its five best. One that has a recipe of its own takes part once
    more, by that. Raises ValueError for what is no network.
    """
    wanted = (*targets, *parse_names(baselines))
    for target in [split_start(target)[0] for target in wanted]:
        if is_network(target) and (folder_of(target, runs_dir) / CONFIG).is_file():
            say(f"{target} is taken for the baseline; the best network of the run called so is {target}:best")
    names = [name for target in wanted for name in _expanded(target, runs_dir)]
    chosen: dict[str, Candidate] = {}
    for name, start in map(split_start, dict.fromkeys(names)):
        network = resolve(name, runs_dir)
        of_run = folder_of(name.partition(":")[0], runs_dir).is_dir()
        called = name if of_run or ":" not in name else network.name  # the text of an architecture is long
        if start:
            called = f"{called}{INIT}{start}"
        file = str(weights_file(start)) if start else ""
        first = chosen.setdefault(f"{_built(network)}{INIT}{file}", Candidate(called, network, file))
        if first.name != called:
            say(f"{called} is the network of {first.name}, and is trained once")
        if own := as_text(own_recipe(name, runs_dir)):
            further = Candidate(f"{called}{OWN}", network, file, as_it_is=True, recipe=own)
            chosen.setdefault(f"{_built(network)}{INIT}{file}{own}", further)
    if not chosen:
        raise ValueError("nothing to compare: name a run, a trial (RUN:17) or a baseline (resnet20)")
    return list(chosen.values())


def split_start(target: str) -> tuple[str, str]:
    """`mobilenet_v2+init=FILE` as the network and the file of the weights that it starts from; "" where none is named.

    Raises ValueError where the file has no name.
    """
    name, given, file = target.partition(INIT)
    if given and not file:
        raise ValueError(f"{target} names no file: write {name}{INIT}weights.safetensors")
    return name, file


def weights_file(start: str) -> Path:
    """The file of the weights that `start` names: one, or the folder of a training."""
    path = Path(start).expanduser()
    return (path / WEIGHTS if path.is_dir() else path).resolve()


def check_starts(comparison: ComparisonSpace, dataset: Dataset, recipe: Recipe) -> list[str]:
    """What each pretrained network gets of its file, in a line, found out before anything is trained.

    Raises ValueError where a file cannot be read or does not fit, or its weights are untrained.
    """
    shown = as_seen(dataset, recipe)
    lines = []
    for number, candidate in enumerate(comparison.candidates):
        if (start := comparison.start_of(number)) is None:
            continue
        if not Weights.read(start.path).trained:
            raise ValueError(f"{start.path} has untrained weights: name those of a training")
        module = candidate.network.build(shown.num_classes, shown.image_size, shown.channels)
        taken = start.give(module, candidate.network, shown)
        start.tuning.frozen(module)
        lines.append(f"{candidate.name}: {taken.describe()}")
    return lines


def named(
    networks: Sequence[str], baselines: str | None, match_macs: bool | None, runs_dir: Path, say: Say
) -> tuple[list[Candidate], bool]:
    """Who takes part, and whether baselines are to be matched: where none is named, those by default are.

    Beside a network that was found around another one that is the other one, first and as it is, and once more as wide
    as the found one's multiply-adds allow.
    """
    candidates = choose(networks, baselines or "", runs_dir, say)
    scratch = [candidate for candidate in candidates if not candidate.start and not candidate.recipe]
    if baselines is not None or not scratch or not all(candidate.found for candidate in scratch):
        return candidates, bool(match_macs)
    originals = {network.text: network for c in scratch if (network := original_of(c.network))}
    if not originals:
        return choose(networks, BY_DEFAULT, runs_dir, lambda text: None), match_macs is not False
    first = [Candidate(_called(network), network, as_it_is=True) for network in originals.values()]
    designed = [candidate for candidate in first if isinstance(below_head(candidate.network), Designed)]
    again = [replace(candidate, as_it_is=False) for candidate in designed]
    return [*first, *candidates, *(again if match_macs is not False else [])], match_macs is not False


def with_heads(candidates: Sequence[Candidate], say: Say) -> list[Candidate]:
    """`candidates`, the hand-designed ones without a head with that of the found ones, where these have one.

    So networks that a search with masks or boxes found stand beside others that say the same; `say` is told.
    """
    heads = {c.network.head for c in candidates if c.found and isinstance(c.network, Headed)}
    plain = [c for c in candidates if isinstance(c.network, Designed) and is_of_image(c.network)]
    if len(heads) != 1 or not plain:
        return list(candidates)
    (head,) = heads
    say(f"{head}, the head of what was found, is put on {', '.join(candidate.name for candidate in plain)}, too")
    return [
        replace(candidate, name=f"{head}:{candidate.name}", network=with_head(candidate.network, head))
        if candidate in plain
        else candidate
        for candidate in candidates
    ]


def _called(original: Network) -> str:
    if isinstance(original, Headed):
        return f"{original.head}:{_called(original.base)}"
    return original.name if isinstance(original, Designed) else original.space.original_text  # type: ignore[union-attr]


def source_of(
    targets: Sequence[str], asked: groups.DataOptions, runs_dir: Path, log: Log = print
) -> tuple[DataSource, str, Recipe | None]:
    """The data to train on, why those, and the recipe by which they were searched.

    It is what the options say, else what the found networks come from.

    Raises ValueError where these come from different data, or from different pixels, and nothing is said.
    """
    usual: Origin | None = None
    names = list(dict.fromkeys(name for target in targets for name in _expanded(target, runs_dir)))
    names = list(dict.fromkeys(split_start(name)[0] for name in names))
    for name in names:
        origin = origin_of(name, resolve(name, runs_dir), runs_dir)
        origin = origin and replace(origin, data=origin.of_all)  # under one recipe, and at its resolution
        if origin and usual is None:
            usual = origin
        elif origin and usual and asked.data is None and not origin.data.same_images(usual.data):
            raise ValueError(
                f"{usual.words} has {usual.data.name}, {origin.words} {origin.data.name}: choose one by --data"
            )
        elif origin and usual and _grouped_otherwise(origin.data, usual.data, asked):
            raise ValueError(
                f"{usual.words} and {origin.words} split the same images in other groups: choose some by --group-by"
            )
        elif origin and usual and _of_other_channels(origin.data, usual.data, asked):
            raise ValueError(
                f"{usual.words} has images of {usual.data.channels} channels, {name} of {origin.data.channels}: choose "
                "for all by --channels"
            )
        elif origin and usual and asked.image_size is None and origin.data.image_size != usual.data.image_size:
            raise ValueError(
                f"{usual.words} has {usual.data.image_size} pixels, {name} {origin.data.image_size}: choose for all by "
                "--image-size"
            )
    chosen = source_for(names, usual, asked, log)
    why = f"as {usual.words} has it" if usual and chosen.same_images(usual.data) else ""
    return chosen, why, usual.recipe if usual else None


def costs_of(targets: Sequence[str], runs_dir: Path, trusted: bool, say: Say) -> tuple[tuple[str, ...], Measuring]:
    """The costs that the runs of `targets` asked for, and how the first of them that measured some did it.

    What a run measured by a command is left out, of which `say` hears, where nobody `trusted` that.
    """
    folders = [folder_of(target.partition(":")[0], runs_dir) for target in targets if not file_of(target)]
    configs = [Run.open(folder).config for folder in dict.fromkeys(folders) if folder.is_dir()]
    asked = in_order(cost for config in configs for cost in config.costs)
    measuring = next((config.measuring for config in configs if config.measuring != Measuring()), Measuring())
    if measuring.commands and not trusted:
        told = ", ".join(measuring.told)
        say(f"left out: {told}, measured by a command that the run names; --trust-commands runs it\n")
        return tuple(cost for cost in asked if not measuring.knows(cost)), Measuring()
    return asked, _for_real(measuring, trusted)


def _for_real(measuring: Measuring, trusted: bool) -> Measuring:
    """`measuring`, but that latency which a table predicts is measured as the table was; here, if by a command.

    That is run where somebody `trusted` it.
    """
    if measuring.table is None:
        return measuring
    target = read_once(measuring.table, measuring.table_sha256).target
    if target.command is None:
        return Measuring(runtime=target.runtime)
    command = CostCommand.parse(target.command)
    return Measuring({",".join(command.costs): command.template}) if trusted else Measuring()


def _grouped_otherwise(one: DataSource, other: DataSource, asked: groups.DataOptions) -> bool:
    """Whether the images of both are the same and split in different ways, and no options say in which."""
    return asked.data is None and asked.group_by is None and one.group_by != other.group_by


def _of_other_channels(one: DataSource, other: DataSource, asked: groups.DataOptions) -> bool:
    """Whether the images of both have other channels, and no options say which."""
    return asked.data is None and asked.channels is None and one.channels != other.channels


def _built(network: Network) -> str:
    """The same text for all names of a network."""
    if isinstance(network, Headed):
        return f"{network.head}:{_built(network.base)}"
    if (original := original_of(network)) and network.arch == network.space.as_is:  # type: ignore[union-attr]
        return original.text
    if isinstance(network, Found):
        return Found(network.space, network.space.canonical(network.arch)).text
    return network.text


def _expanded(target: str, runs_dir: Path) -> list[str]:
    target, start = split_start(target)
    return [f"{name}{INIT}{start}" if start else name for name in _of_name(target, runs_dir)]


def _of_name(target: str, runs_dir: Path) -> list[str]:
    if file_of(target):
        return [target]
    run, _, which = target.partition(":")
    folder = folder_of(run, runs_dir)
    if not which and folder.is_dir() and not is_network(run):
        return [f"{run}:best"]
    if which.startswith("top") and which[3:].isdigit() and folder.is_dir():
        best = [r for r in rank(Run.open(folder).rows()) if r.reward is not None and r.duplicate_of is None]
        if not best:
            raise ValueError(f"{run} has no completed trial: `nas top {run}` shows what it has")
        return [f"{run}:{row.number}" for row in best[: int(which[3:])]]
    return [target] if ":" in target else expand(target)


# ------------------------------------------------------------------ like beside like


def budgets(macs: Sequence[int]) -> list[tuple[int, int]]:
    """Found networks' multiply-adds in groups of about as many: the least and the most of each, the small first."""
    found: list[tuple[int, int]] = []
    for count in sorted(macs):
        if found and count <= NEAR * found[-1][0]:
            found[-1] = found[-1][0], count
        else:
            found.append((count, count))
    return found


def matched(
    candidates: Sequence[Candidate], num_classes: int, image_size: int, say: Say, channels: int | None = None
) -> list[Candidate]:
    """`candidates`, the hand-designed ones as wide as the found ones' multiply-adds allow: once for each of `budgets`.

    One without a width multiplier stays as it is, and is left out, which `say` is told, where it is too large for all.
    Raises ValueError where none is found.
    """
    found = [candidate for candidate in candidates if candidate.found]
    if not found:
        raise ValueError("--match-macs is for networks beside a found one: name a run, or RUN:17")
    limits = [
        least for least, _ in budgets([candidate.size(num_classes, image_size, channels).macs for candidate in found])
    ]
    kept = [candidate for candidate in candidates if candidate.found or candidate.start or candidate.as_it_is]
    chosen = {candidate.name: candidate for candidate in kept}
    for candidate in candidates:
        if candidate not in kept:
            chosen |= {e.name: e for e in _within(candidate, limits, num_classes, image_size, say, channels)}
    return list(chosen.values())


def _within(
    candidate: Candidate, limits: Sequence[int], num_classes: int, image_size: int, say: Say, channels: int | None
) -> Iterator[Candidate]:
    plain, head = below_head(candidate.network).name, getattr(candidate.network, "head", None)

    def of_width(name: str) -> Candidate:
        network = Designed(name) if head is None else with_head(Designed(name), head)
        return Candidate(network.name, network)

    @cache
    def macs(name: str) -> int:
        return of_width(name).size(num_classes, image_size, channels).macs

    own = macs(plain)
    try:
        with_width(plain, 1)
    except ValueError:
        if own <= limits[-1]:
            yield candidate
        else:
            say(f"{candidate.name} is left out: {format_count(own)} MACs, and it has no width multiplier")
        return
    for limit in limits:
        name = _widest(plain, limit, macs)
        if name is None:
            say(f"{candidate.name} is left out: at no width multiplier it has at most {format_count(limit)} MACs")
        else:
            yield of_width(name)


def _widest(name: str, limit: int, macs: Callable[[str], int]) -> str | None:
    """`name` at the largest width multiplier with which it has at most `limit` multiply-adds, written shortly."""
    more = largest(lambda more: macs(with_width(name, STEP + more)) <= limit, MOST - STEP, STEP)
    if more is None:
        return None
    width = STEP + more
    names = [with_width(name, floor(width * unit + 1e-6) / unit) for unit in (10, 100) if width * unit >= 1]
    widest = with_width(name, width)
    return next((shorter for shorter in names if macs(shorter) == macs(widest)), widest)
