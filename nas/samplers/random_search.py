"""Random search: what every other strategy must beat, and how others begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal, derived_seed
from searchspaces.space import Arch, Choice

Actions = NDArray[np.int64]
Places = NDArray[np.float64]

TRIES = 200  # draws to find an architecture that is not a repeat


@dataclass(frozen=True)
class RandomSearch:
    """Each choice independent, uniform or by its weights; a repeat is drawn again: it samples without replacement."""

    def start(
        self,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        seed: int,
        knowledge: Knowledge = IGNORANCE,
    ) -> Sampled:
        return Sampled(choices, seed)


class Sampled:
    """Random search at work."""

    def __init__(self, choices: Sequence[Choice], seed: int) -> None:
        self._choices, self._seed = choices, seed

    def propose(self, context: Context) -> Proposal:
        rng = np.random.default_rng(derived_seed(self._seed, context.number))
        return Proposal(draw(self._choices, context, rng))

    def tell(self, feedback: Feedback) -> None:
        """Nothing is learned."""


def draw(choices: Sequence[Choice], context: Context, rng: np.random.Generator) -> Arch:
    """A random architecture that is no repeat; of a space of which nearly all is known, it may be one."""
    for _ in range(TRIES):
        arch = [int(option) for option in options_at(choices, rng.random(len(choices)))]
        for position, option in context.fixed.items():
            arch[position] = option
        if context.is_new(tuple(arch)):
            break
    return tuple(arch)


def options_at(choices: Sequence[Choice], places: Places) -> Actions:
    """The options at `places` `[..., T]` from 0 to 1, of which each choice has as much as its weight is: `[..., T]`."""
    sizes = np.array([len(choice.options) for choice in choices])
    options: Actions = (places * sizes).astype(np.int64)
    for position, choice in enumerate(choices):
        if choice.weights:
            ends = np.cumsum(choice.weights)
            options[..., position] = np.searchsorted(ends[:-1], places[..., position] * ends[-1], side="right")
    return options
