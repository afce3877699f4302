"""The numbers of a report, from a run's folder and its ledger alone."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from math import exp
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Self

import numpy as np
from optuna.trial import FrozenTrial

from nas.checks.schemas import LOG_PROBS, TRUST
from nas.devices.place import PLACE, places_of
from nas.ledger.database import without_secrets
from nas.ledger.run import Run, TrialRow, best_of
from nas.report.importance import importances
from nas.samplers.strategy import Update
from nas.samplers.strategy_sampler import updates_of
from nas.searching.pareto import front
from nas.training.trial import State
from searchspaces import Choice

WINDOWS = 24  # in which proposals are counted, at most; each has at least the trials of a batch
BATCH = 5
ENOUGH = 20  # trained networks, for importances
BEST = 0.25  # of the networks, which importances set apart: the usual tenth of a search of 70 would be 7
SHUFFLES = 20  # of their rewards, which show how large an importance luck alone makes


@dataclass(frozen=True)
class Improvement:
    """A new best: after `trials` trained networks and `seconds` of training."""

    trials: int
    seconds: float
    row: TrialRow


@dataclass(frozen=True)
class Proposed:
    """How one choice was decided over a search. `shares[w][o]`: of the trials of window `w`, how many chose option `o`.

    `probabilities[w]`: the mean probability that the policy gave to what it chose, where it is known of some trial.
    """

    choice: Choice
    shares: list[list[float]]
    probabilities: list[float | None]

    @property
    def leading(self) -> int:
        """The option that was chosen most at the end."""
        return max(range(len(self.choice.options)), key=lambda option: self.shares[-1][option])


@dataclass(frozen=True)
class Importances:
    """How much of what sets the best quarter of the networks apart lies in each choice, the greatest first.

    `by_luck` is the greatest that any choice had when the rewards were shuffled, in 19 of 20 cases: what is not above
    it shows nothing.
    """

    values: dict[str, float]
    by_luck: float


@dataclass(frozen=True)
class Numbers:
    """What a report says of `run`, as its ledger was when it was read. `document` is its config.json."""

    run: Run
    document: dict[str, Any]
    trials: list[FrozenTrial]
    rows: list[TrialRow]
    updates: list[Update]  # of the strategy's policy, as far as they are noted
    hardware: Counter[str]  # on what the trials ran, as far as they have noted it

    @classmethod
    def of(cls, run: Run) -> Self:
        """Raises ValueError where `run` has no ledger."""
        study = run.study
        trials = study.get_trials(deepcopy=False)
        places = places_of(study)
        noted = [places.get(trial.user_attrs.get(PLACE, -1)) for trial in trials]
        hardware = Counter(place.hardware for place in noted if place)
        return cls(run, run.document, trials, [run.row(trial) for trial in trials], updates_of(study), hardware)

    @cached_property
    def trust(self) -> list[tuple[int, list[float]]]:
        """Of each trial that was proposed by them, how far each earlier search was trusted."""
        noted = [(trial.number, trial.system_attrs.get(TRUST)) for trial in self.trials]
        count = len(self.run.config.experience)
        return [(number, of) for number, of in noted if isinstance(of, list) and len(of) == count]

    @property
    def command(self) -> str:
        """What was typed to begin the run, without a database's password; empty where an older version began it."""
        argv = self.document.get("command", [])
        return shlex.join([Path(argv[0]).name, *without_secrets(argv[1:])]) if argv else ""

    @cached_property
    def trained(self) -> list[TrialRow]:
        """The trials that were trained or looked up, as they ended; those that failed are among them."""
        ended = {t.number: t.datetime_complete for t in self.trials if t.state.is_finished()}
        infeasible = {t.number for t in self.trials if "refused" in t.user_attrs}
        new = [r for r in self.rows if r.arch and r.duplicate_of is None]
        rows = [r for r in new if r.number in ended and r.number not in infeasible]
        return sorted(rows, key=lambda row: (ended[row.number], row.number))

    @property
    def rewarded(self) -> list[TrialRow]:
        """Those of `trained` that have a reward."""
        return [row for row in self.trained if row.reward is not None]

    @cached_property
    def best(self) -> TrialRow | None:
        return best_of(self.rows)

    @cached_property
    def seconds(self) -> dict[int, float]:
        """By trial: how long at least one network was being trained until it ended; pauses do not count."""
        ends = {t.number: t.datetime_complete.timestamp() for t in self.trials if t.datetime_complete}
        busy = _busy((ends[row.number] - (row.seconds or 0.0), ends[row.number]) for row in self.trained)
        return {row.number: busy(ends[row.number]) for row in self.trained}

    @cached_property
    def steps(self) -> list[Improvement]:
        """Each new best."""
        steps: list[Improvement] = []
        for trials, row in enumerate(self.trained, start=1):
            if row.reward is not None and (not steps or row.reward > (steps[-1].row.reward or 0.0)):
                steps.append(Improvement(trials, self.seconds[row.number], row))
        return steps

    @cached_property
    def tried(self) -> list[int]:
        """For each of `updates`, how many networks had been tried when its batch was complete."""
        ended = {t.number: (t.datetime_complete, t.number) for t in self.trials if t.datetime_complete}
        ends = [ended[row.number] for row in self.trained]
        return [bisect_right(ends, ended[update.trial]) for update in self.updates if update.trial is not None]

    @cached_property
    def front(self) -> list[TrialRow]:
        """The Pareto front of its networks by accuracy and MACs."""
        return front(self.rewarded)

    @cached_property
    def states(self) -> Counter[str]:
        """How many trials are how. Those of a network that was known already are `repeated`, whatever came of it."""
        infeasible = {t.number for t in self.trials if "refused" in t.user_attrs}
        return Counter(
            "repeated" if row.duplicate_of is not None else "too large" if row.number in infeasible else str(row.state)
            for row in self.rows
        )

    @cached_property
    def failures(self) -> Counter[str]:
        """Why trials failed, see `_alike`."""
        return _alike(row.reason for row in self.rows if row.state == State.FAILED and row.duplicate_of is None)

    @cached_property
    def single_steps(self) -> Counter[str]:
        """Why networks were trained step by step on a device that records steps."""
        return _alike(t.user_attrs["single_steps"] for t in self.trials if "single_steps" in t.user_attrs)

    @cached_property
    def windows(self) -> list[list[int]]:
        """The trials whose choices are all known, by their positions, in even parts as they were proposed."""
        known = [position for position, row in enumerate(self.rows) if row.arch]
        count = min(WINDOWS, len(known) // BATCH) or 1
        cuts = [round(len(known) * part / count) for part in range(count + 1)]
        return [known[a:b] for a, b in pairwise(cuts)] if known else []

    @cached_property
    def proposed(self) -> list[Proposed]:
        """What the strategy proposed, for each choice that has options. Empty without trials."""
        choices = self.run.config.space.choices if self.windows else ()
        return [self._proposed(i, choice) for i, choice in enumerate(choices) if len(choice.options) > 1]

    def _proposed(self, position: int, choice: Choice) -> Proposed:
        shares, probabilities = [], []
        for window in self.windows:
            chosen = Counter(self.rows[trial].arch[position] for trial in window)
            shares.append([chosen[option] / len(window) for option in range(len(choice.options))])
            known = [exp(value) for trial in window if (value := self._log_probs[trial].get(choice.name)) is not None]
            probabilities.append(fmean(known) if known else None)
        return Proposed(choice, shares, probabilities)

    @cached_property
    def _log_probs(self) -> list[dict[str, float]]:
        """Of each trial's choices when they were proposed, where a policy did."""
        return [trial.system_attrs.get(LOG_PROBS, {}) for trial in self.trials]

    @cached_property
    def importances(self) -> Importances | None:
        """By PED-ANOVA (Watanabe, Bansal, Hutter 2023, arXiv 2304.10255); None where networks are too few, or equal."""
        rewards = [row.reward for row in self.rewarded if row.reward is not None]
        if len(rewards) < ENOUGH or len(set(rewards)) == 1:
            return None
        choices, rng = self.run.config.space.choices, Random(0)
        archs, sizes = np.array([row.arch for row in self.rewarded]), [len(choice.options) for choice in choices]
        shuffled = [importances(archs, sizes, rng.sample(rewards, len(rewards)), BEST) for _ in range(SHUFFLES)]
        luck = sorted(max(values, default=0.0) for values in shuffled)
        found = zip((choice.name for choice in choices), importances(archs, sizes, rewards, BEST), strict=True)
        return Importances(dict(sorted(found, key=lambda pair: pair[1], reverse=True)), luck[-2])

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        config, importances = self.run.config, self.importances
        return {
            "run": self.run.name,
            "command": self.command,
            "config": config.to_dict(),
            "budget": asdict(self.run.budget),
            "versions": self.document["versions"],
            "trials": dict(self.states),
            "trained": len(self.trained),
            "seconds": max(self.seconds.values(), default=0.0),
            "best": self.best.to_dict() if self.best else None,
            "steps": [summary(step.row) | {"trials": step.trials, "seconds": step.seconds} for step in self.steps],
            "front": [summary(row) for row in self.front],
            "proposed": [
                {"choice": p.choice.name, "options": p.choice.options, "shares": p.shares, "policy": p.probabilities}
                for p in self.proposed
            ],
            "importances": asdict(importances) if importances else None,
            "updates": [asdict(update) for update in self.updates],
            "trust": [{"trial": number, "trust": of} for number, of in self.trust],
            "failures": dict(self.failures),
        }


def _alike(reasons: Iterable[str]) -> Counter[str]:
    """How often there was each reason. Numbers in it, as of a tensor's sizes, do not make it another one."""
    first: dict[str, str] = {}
    return Counter(first.setdefault(re.sub(r"\d+", "#", reason), reason) for reason in reasons)


def summary(row: TrialRow) -> dict[str, Any]:
    """A network in short, as JSON values."""
    own = {name: getattr(row, name) for name in ("number", "id", "accuracy", "reward", "macs", "params")}
    return own | {"costs": row.costs}


def _busy(spans: Iterable[tuple[float, float]]) -> Callable[[float], float]:
    """How much of the time before a moment lies within `spans`, `(start, end)` each."""
    merged: list[list[float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    starts, before = [start for start, _ in merged], [0.0]
    for start, end in merged:
        before.append(before[-1] + end - start)

    def until(moment: float) -> float:
        last = bisect_right(starts, moment) - 1
        return before[last] + min(moment, merged[last][1]) - merged[last][0]

    return until
