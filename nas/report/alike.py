"""Which runs of a report stand on one axis: those whose accuracies, or whose rewards, measure the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence

from nas.ledger.config import Config
from nas.report.numbers import Numbers
from nas.training.recipe import Recipe

Coloured = list[tuple[int, Numbers]]  # runs, each with the number of its colour in the report


def by_accuracy(several: Sequence[Numbers]) -> list[Coloured]:
    """Runs whose accuracies may be compared: on the same images after the same training, or from one table."""
    return _grouped(several, _accuracy)


def by_reward(several: Sequence[Numbers]) -> list[Coloured]:
    """Of those, runs that had the same reward, too."""
    return _grouped(several, lambda config: (*_accuracy(config), config.reward, config.objectives))


def names(group: Coloured) -> str:
    return ", ".join(numbers.run.name for _, numbers in group)


def differing(several: Sequence[Numbers]) -> dict[str, list[str]]:
    """What makes accuracies or rewards of these runs different things: a name, and each run's value."""
    configs = [numbers.run.config for numbers in several]
    said = {"Reward": [c.reward_in_words for c in configs], "Data": [c.data for c in configs]}
    said["Objectives"] = [", ".join(c.objectives) or "one reward" for c in configs]
    said["Files"] = [(c.table_sha256 or c.data_sha256 or "-")[:8] for c in configs]
    for field in dataclasses.fields(Recipe):
        said[f"Recipe, {field.name}"] = [_written(getattr(c.recipe, field.name)) for c in configs]
    return {name: values for name, values in said.items() if len(set(values)) > 1}


def _accuracy(config: Config) -> tuple[Hashable, ...]:
    return config.data, config.data_sha256, config.recipe, config.table_sha256


def _grouped(several: Sequence[Numbers], key: Callable[[Config], Hashable]) -> list[Coloured]:
    groups: dict[Hashable, Coloured] = {}
    for colour, numbers in enumerate(several):
        groups.setdefault(key(numbers.run.config), []).append((colour, numbers))
    return list(groups.values())


def _written(value: object) -> str:
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "-" if value is None else str(value)
    )
