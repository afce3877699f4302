"""What networks come to alone and together: computed of what each of them says of the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nas.comparison.ensembles import total
from nas.fusion.errors import Pair, oracle, pairs
from nas.fusion.judging import TEST, VAL, Judging, Split
from nas.fusion.votes import Step, Vote, fitted, greedy, of_counts
from nas.statistics.bootstrap import DRAWS, draws, interval
from nas.statistics.differences import Interval
from searchspaces.cost import Cost

FEW_DRAWS = 200  # of metrics that take long to compute


@dataclass(frozen=True)
class Voter:
    """A network that takes part: what it costs, whence its weights or predictions are, and what it `said`, `[N, K]`."""

    name: str
    size: Cost
    where: str
    said: Split


@dataclass(frozen=True)
class Alone:
    """A network by itself. `val` and `test` are by the metric, `interval` is around the latter.

    `of_each` are its accuracies on the classes among the validation images (F1 of labels, R² of numbers), and `best_on`
    the names of those on which no other network is better.
    """

    name: str
    size: Cost
    where: str
    val: float
    test: float
    interval: Interval
    of_each: tuple[float, ...]
    best_on: tuple[str, ...]


@dataclass(frozen=True)
class Voted:
    """A vote. `gain` is `test` less that of the best network alone, with the interval of such differences.

    `size` is that of the networks that count in it, together. `weights` are of each network, or of each its weights by
    class.
    """

    name: str
    size: Cost
    val: float
    test: float
    interval: Interval
    gain: Interval
    voters: tuple[str, ...]
    weights: Mapping[str, float | list[float]]


@dataclass(frozen=True)
class Added:
    """A step of greedy selection: which network was added, and what the vote came to with it."""

    name: str
    val: float
    test: float


@dataclass(frozen=True)
class Fusion:
    """Networks alone and together. `best` is the name of the one that is best on validation images.

    `any_right` is the share of validation images that at least one of them has right, None of numbers. Test images
    decide nothing of it.
    """

    data: str
    task: str
    metric: str
    class_names: tuple[str, ...]
    of_each_called: str
    images: Mapping[str, int]
    alone: tuple[Alone, ...]
    best: str
    pairs: tuple[Pair, ...]
    any_right: float | None
    votes: tuple[Voted, ...]
    steps: tuple[Added, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; networks of pairs by their names."""
        names = [one.name for one in self.alone]
        values = asdict(self)
        values["pairs"] = [
            {**asdict(pair), "first": names[pair.first], "second": names[pair.second]} for pair in self.pairs
        ]
        return values


def fuse(voters: Sequence[Voter], judging: Judging, by_class: bool = False) -> Fusion:
    """What the `voters` come to, alone and together; with `by_class` also by weights for each class.

    Raises ValueError where there is one alone.
    """
    if len(voters) < 2:
        raise ValueError(f"only {voters[0].name} is there to vote: name two networks or more")
    val = torch.stack([voter.said[VAL] for voter in voters])
    steps = greedy(val, judging)
    votes = [
        Vote.uniform(len(voters)),
        fitted(val, judging),
        *([fitted(val, judging, by_class=True)] if by_class else []),
        of_counts("greedy", steps[-1].counts),
    ]
    qualities = [judging.quality(said, VAL) for said in val]
    best = max(range(len(voters)), key=lambda number: qualities[number])
    test = torch.stack([voter.said[TEST] for voter in voters])
    said = [*test, *(vote.said(test, judging.kind) for vote in votes)]
    figures, drawn = _tested(said, judging)
    alone = tuple(_alone(voters, val, judging, figures, drawn, qualities))
    return Fusion(
        judging.data, judging.kind, judging.metric, judging.class_names, judging.of_each_called,
        {"validation": judging.images(VAL), "test": judging.images(TEST)}, alone, voters[best].name,
        tuple(pairs(val, judging)), oracle(val, judging),
        tuple(
            _voted(vote, voters, judging.quality(vote.said(val, judging.kind), VAL), number, best, figures, drawn)
            for number, vote in enumerate(votes, start=len(voters))
        ),
        tuple(_added(step, voters, test, judging) for step in steps),
    )  # fmt: skip


def _tested(said: Sequence[Tensor], judging: Judging) -> tuple[list[float], Tensor]:
    """The metric of the test images of which these were `said`, and as drawn anew: `[draws, len(said)]`."""
    if judging.is_a_share:
        each = [judging.right(one, TEST) for one in said]
        whole = torch.stack([right if right.ndim == 1 else right.all(1) for right in each if right is not None])
        right = whole.double()

        def shares(places: Tensor) -> list[float]:
            found: list[float] = right[:, places].mean(1).tolist()
            return found

        return right.mean(1).tolist(), draws(shares, judging.images(TEST), count=DRAWS)

    def scores(places: Tensor) -> list[float]:
        some = judging.at(TEST, places)
        return [some.quality(one[places], TEST) for one in said]

    figures = [judging.quality(one, TEST) for one in said]
    return figures, draws(scores, judging.images(TEST), count=FEW_DRAWS)


def _alone(
    voters: Sequence[Voter],
    val: Tensor,
    judging: Judging,
    figures: Sequence[float],
    drawn: Tensor,
    qualities: Sequence[float],
) -> Iterator[Alone]:
    of_each = [judging.of_each(said, VAL) for said in val]
    highest = [max(column) for column in zip(*of_each, strict=True)]
    for number, voter in enumerate(voters):
        best_on = [n for n, own, most in zip(judging.class_names, of_each[number], highest, strict=True) if own == most]
        yield Alone(
            voter.name, voter.size, voter.where, qualities[number], figures[number],
            interval(figures[number], drawn[:, number]), tuple(of_each[number]), tuple(best_on),
        )  # fmt: skip


def _voted(
    vote: Vote,
    voters: Sequence[Voter],
    val: float,
    number: int,
    best: int,
    figures: Sequence[float],
    drawn: Tensor,
) -> Voted:
    """The `vote` whose figures are those of this `number`, and the best network's those of `best`."""
    of = [voters[voter] for voter in vote.voters]
    gain = interval(figures[number] - figures[best], drawn[:, number] - drawn[:, best])
    weights = {voter.name: weight.tolist() for voter, weight in zip(voters, vote.weights, strict=True)}
    return Voted(
        vote.name, total([voter.size for voter in of]), val, figures[number],
        interval(figures[number], drawn[:, number]), gain, tuple(voter.name for voter in of), weights,
    )  # fmt: skip


def _added(step: Step, voters: Sequence[Voter], test: Tensor, judging: Judging) -> Added:
    said = of_counts("greedy", step.counts).said(test, judging.kind)
    return Added(voters[step.added].name, step.quality, judging.quality(said, TEST))
