"""Which network of a search is its final one, from the ledgers: the search's own, and that of its best trained longer.

The second is a run beside it, NAME-finalists, whose space has a choice of trials, see `nas.final.ranking`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from nas.files import TRAINING, read_json
from nas.ledger import beside
from nas.ledger.run import Run, TrialRow, best_of, rank
from nas.training.trial import State

FINALISTS = "finalists"  # what the run beside a search is called after
FINAL = "final"  # the network that RUN:final means
FINAL_RANKING = "final ranking"  # the kind of that run
FOLDER = f"trained-{FINAL}"  # of the last training, in the search's own


@dataclass(frozen=True)
class Finalist:
    """A network that was trained longer: its trial in the search, where it stood there, and where it stands now.

    Ranks count from 1. `longer` is its trial in the second run; None where that has not begun.
    """

    search: TrialRow
    search_rank: int
    longer: TrialRow | None
    rank: int | None  # None without a result


def find(run: Run) -> Run | None:
    """The run in which the best of `run` are trained longer, if one was begun."""
    return beside.find(run, FINALISTS, lambda found: found.config.kind == FINAL_RANKING)


def finalists(run: Run, ranking: Run) -> list[Finalist]:
    """Those of `run` in `ranking`, the best after the longer trainings first."""
    by_number = {row.number: row for row in run.rows()}
    trials = ranking.config.space.settings()["trials"]
    ended = {trials[row.arch[0]]: row for row in rank(ranking.rows()) if row.arch}
    numbers = [*ended, *(number for number in trials if number not in ended)]
    if missing := [number for number in numbers if number not in by_number]:
        raise ValueError(f"{run.name} has no trial {missing[0]}, which {ranking.name} trains longer: it is damaged")
    return [
        Finalist(
            by_number[number], trials.index(number) + 1, row := ended.get(number),
            place if row is not None and row.reward is not None else None,
        )
        for place, number in enumerate(numbers, 1)
    ]  # fmt: skip


def winner(run: Run) -> TrialRow:
    """The trial of `run` whose network is the final one.

    Once its last training has begun, it is the one that is trained there. Before, it is the best after the longer
    trainings; where the budget leaves no time for these, nobody has asked yet, and it is none.

    Raises ValueError where no final network was asked for, or none is known yet, or none could be trained longer.
    """
    if run.config.final is None:
        raise ValueError(
            f"{run.name} has no final network: it was searched without --final. {run.name}:best is its best one"
        )
    if (run.path / FOLDER / TRAINING).is_file():
        return _trained(run)
    ranking = find(run)
    rows = [] if ranking is None else ranking.rows()
    ended = [row for row in rows if row.state not in (State.RUNNING, State.WAITING)]
    if ranking is None or len(ended) < ranking.config.space.size:
        raise ValueError(f"{run.name} has no final network yet: `nas resume {run.name}` goes on to it")
    if (best := best_of(rows)) is None:
        raise ValueError(
            f"none of the best of {run.name} could be trained longer: `nas top {ranking.name}` says why, and "
            f"`nas train {run.name}:best` trains one by another recipe"
        )
    trials = ranking.config.space.settings()["trials"]
    return {row.number: row for row in run.rows()}[trials[best.arch[0]]]


def has_begun(run: Run) -> bool:
    """Whether what follows the search `run` has begun, so that no trial of it can be a finalist any more."""
    return (run.path / FOLDER / TRAINING).is_file() or find(run) is not None


def _trained(run: Run) -> TrialRow:
    """The trial whose network is trained in the folder of the last training. Raises ValueError where that is none."""
    path = run.path / FOLDER / TRAINING
    try:
        network = read_json(path)["job"]["network"]
    except (KeyError, TypeError):
        raise ValueError(f"{path} is damaged: restore it from a copy") from None
    for row in rank(run.rows()):
        if row.reward is not None and json.loads(run.network(row).to_json()) == network:
            return row
    raise ValueError(f"{path} trains a network that {run.name} has not found: it is of another run")
