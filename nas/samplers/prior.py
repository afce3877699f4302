"""A person's prior: how often each option is drawn, in the words `stage1.op=basic:3,sep:0.5`.

What is not said has the weight 1, so `op=basic:3` draws basic three times as often as each other option. No weight is
0: an option that is never drawn would still be a mutant's or a neighbour's, and be counted in the space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from nas.checks.limits import Number
from searchspaces.space import Choice

WEIGHT = Number(0, 1e6, above=True)
FEW = 12  # choices that an error lists


def weighted(choices: Sequence[Choice], prior: Iterable[str]) -> tuple[Choice, ...]:
    """`choices` with the weights that `prior` says, each of a choice by its name or of all of a kind.

    What is said of a choice by its name wins over what is said of its kind, and what is said later over what is said
    before. Raises ValueError where there is no such choice or option, with those that there are.
    """
    said = [_read(text) for text in prior]
    names, kinds = {choice.name for choice in choices}, dict.fromkeys(choice.kind for choice in choices)
    for what, weights in said:
        if what not in names and what not in kinds:
            listed = ", ".join([*sorted(names)[:FEW], *(["..."] if len(names) > FEW else [])])
            raise ValueError(f"--prior {what}: there are the kinds {', '.join(kinds)} and the choices {listed}")
        meant = [choice for choice in choices if what in (choice.name, choice.kind)]
        there = dict.fromkeys(str(option) for choice in meant for option in choice.options)
        known = {text for choice in meant for index in range(len(choice.options)) for text in _texts(choice, index)}
        for option in weights:
            if option not in known:
                raise ValueError(f"--prior {what} has no option {option!r}: it has {', '.join(there)}")
    by_kind = [(what, weights) for what, weights in said if what not in names]
    by_name = [(what, weights) for what, weights in said if what in names]
    return tuple(_weighted(choice, [w for what, w in (*by_kind, *by_name) if what in (choice.name, choice.kind)])
                 for choice in choices)  # fmt: skip


def _weighted(choice: Choice, said: Sequence[dict[str, float]]) -> Choice:
    weights = [1.0] * len(choice.options)
    for index in range(len(weights)):
        for one in said:
            weights[index] = next((one[text] for text in _texts(choice, index) if text in one), weights[index])
    return choice if set(weights) == {1.0} else dataclasses.replace(choice, weights=tuple(weights))


def _texts(choice: Choice, index: int) -> tuple[str, ...]:
    """What a person may call an option: bare, and as it stands in an architecture's text."""
    return str(choice.options[index]), choice.text(index), choice.word(index)


def _read(text: str) -> tuple[str, dict[str, float]]:
    """What a part of a prior is about, and the weights that it says of options. Raises ValueError where it is none."""
    what, equals, said = text.partition("=")
    if not equals or not said.strip():
        raise ValueError(
            f"--prior {text!r}: write a choice or kind and the weights of its options, as op=basic:3,sep:2"
        )
    weights = {}
    for part in said.split(","):
        option, colon, weight = part.strip().rpartition(":")
        if not colon:
            raise ValueError(f"--prior {text!r}: {part.strip()!r} has no weight, write {part.strip()}:3")
        try:
            weights[option] = float(WEIGHT.parsed(f"the weight of {option}", weight))
        except ValueError as error:
            raise ValueError(f"--prior {text!r}: {error}") from None
    return what.strip(), weights
