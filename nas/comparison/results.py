"""What a comparison found, from its ledger, and how sure that is.

What was planned before anything is trained: each found network against the hand-designed one that is best on test
images among those of no more multiply-adds, and against the network that it was found around. Nothing else is tested.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from nas.checks.costs import in_order
from nas.comparison.candidates import budgets
from nas.comparison.design import Candidate, comparison_of, kind_of
from nas.comparison.ensembles import Ensemble, ensembles
from nas.data.targets import CLASSIFICATION, MULTILABEL
from nas.ledger.run import Run
from nas.network import original_of
from nas.searching.pareto import unbeaten
from nas.statistics.differences import LEARNED, Fit, Interval
from nas.training.recipe import Recipe
from nas.training.trial import State
from searchspaces.cost import Cost

CONFIDENCE = 0.95
FIGURES = ("test_accuracy", "images", "training_seconds", "inference", "bytes")
"""What a comparison notes of a trial, besides what every run does."""


@dataclass(frozen=True)
class Training:
    """One that ended. Accuracies are 0..1, and what the recipe's metric is instead, where that is another."""

    number: int  # of its trial
    val_accuracy: float
    test_accuracy: float
    images: int  # that it was trained on, each counted as often as it was seen
    seconds: float  # with validations
    inference: float  # images a second
    bytes: int  # of the weights on disk


@dataclass(frozen=True)
class NetworkResult:
    """A network of a comparison and what came of its trainings, by seed."""

    name: str
    text: str
    found: bool
    size: Cost
    trainings: dict[int, Training]
    failures: dict[int, str]  # the reasons
    start: str = ""  # the file of the weights that it starts from; "": random ones
    costs: Mapping[str, float] = field(default_factory=dict, hash=False)  # others, by their names; medians over seeds
    recipe: str = ""  # its own, see `Candidate`; "": that of all
    around: str = ""  # the name of the network that it was found around, where that takes part and starts alike

    @property
    def kind(self) -> str:
        """In a word."""
        return kind_of(self.start, self.found)

    @property
    def called(self) -> str:
        """Its name, and that it is pretrained where it is."""
        return f"{self.name} (pretrained)" if self.start else self.name

    @property
    def test_accuracies(self) -> list[float]:
        return [training.test_accuracy for training in self.trainings.values()]

    @property
    def val_accuracies(self) -> list[float]:
        return [training.val_accuracy for training in self.trainings.values()]

    @property
    def test_accuracy(self) -> float:
        """The mean; there is at least one training."""
        return mean(self.test_accuracies)

    @property
    def seconds(self) -> float:
        return mean(training.seconds for training in self.trainings.values())

    @property
    def images(self) -> float:
        return mean(training.images for training in self.trainings.values())

    @property
    def inference(self) -> float:
        return mean(training.inference for training in self.trainings.values())

    @property
    def bytes(self) -> int:
        return next(iter(self.trainings.values())).bytes


@dataclass(frozen=True)
class Verdict:
    """`subject` against `reference`, the best of `among` hand-designed networks of no more multiply-adds.

    `interval` is Student's around the `difference` of test accuracy (0..1), with one variance for `networks` of the
    comparison and its degrees of `freedom`; `alone` is that from the two networks alone, the paired t-test's. None
    where one seed shows no spread.
    """

    subject: NetworkResult
    reference: NetworkResult
    among: int
    difference: float
    interval: Interval | None
    alone: Interval | None
    networks: int
    freedom: int

    @property
    def by_seed(self) -> dict[int, float]:
        """The difference, where both networks have a training with the seed."""
        mine, other = self.subject.trainings, self.reference.trainings
        return {seed: mine[seed].test_accuracy - other[seed].test_accuracy for seed in mine if seed in other}


@dataclass(frozen=True)
class ComparisonResults:
    """The results of a comparison, in the order in which the networks were named."""

    run: str
    data: str
    recipe: Recipe
    device: str
    seeds: int  # how often each network is to be trained
    num_classes: int
    all: tuple[NetworkResult, ...]
    ensembles: tuple[Ensemble, ...] = ()
    kind: str = CLASSIFICATION  # the task, see `nas.data.targets`
    own: tuple[NetworkResult, ...] = ()  # those by recipes of their own, beside `all` by the one: part of no comparison

    @property
    def costs(self) -> tuple[str, ...]:
        """Those that were found out beside every network's multiply-adds, parameters and activations."""
        return in_order(cost for result in self.all for cost in result.costs)

    @property
    def trained(self) -> list[NetworkResult]:
        return [result for result in self.all if result.trainings]

    @property
    def missing(self) -> int:
        """Trainings that have not ended."""
        return sum(self.seeds - len(r.trainings) - len(r.failures) for r in (*self.all, *self.own))

    @property
    def subjects(self) -> list[NetworkResult]:
        """The networks that were found; where none was, the one that was named first."""
        return [result for result in self.all if result.found] or list(self.all[:1])

    @property
    def groups(self) -> list[tuple[int | None, list[NetworkResult]]]:
        """By multiply-adds, the best on test images first: up to those of found networks, and, by None, the larger."""
        limits: list[int | None] = [most for _, most in budgets([r.size.macs for r in self.all if r.found])]
        groups: dict[int | None, list[NetworkResult]] = {limit: [] for limit in [*limits, None]}
        for result in self.all:
            groups[next((m for m in limits if m is not None and result.size.macs <= m), None)].append(result)
        return [(limit, sorted(group, key=_standing)) for limit, group in groups.items() if group]

    @property
    def confidence(self) -> float:
        """That of each interval, so that all of them hold together (Bonferroni)."""
        return 1 - (1 - CONFIDENCE) / self.planned

    @property
    def planned(self) -> int:
        """How many comparisons there are. What is compared follows from the networks' sizes and starts alone."""
        of_each = len(self.rivals) + 1
        with_originals = [subject for subject in self.subjects if self.original(subject)]
        return of_each * len(self.subjects) + sum(bool(self._as_small(subject)) for subject in with_originals)

    @property
    def rivals(self) -> list[NetworkResult]:
        """Those that start from the weights of a file: no references of those that are trained from scratch."""
        return [result for result in self.all if result.start and result not in self.subjects]

    def references(self, subject: NetworkResult) -> list[NetworkResult]:
        """Hand-designed networks that were trained and have no more multiply-adds; the best on test images first.

        They start as `subject` does: from random weights, or from those of a file.
        """
        return sorted((r for r in self._as_small(subject) if r.trainings), key=_standing)

    def _as_small(self, subject: NetworkResult) -> list[NetworkResult]:
        """Hand-designed networks that start alike and have no more multiply-adds, trained or not."""
        alike = [r for r in self.all if not r.found and bool(r.start) == bool(subject.start)]
        return [r for r in alike if r is not subject and r.size.macs <= subject.size.macs]

    def original(self, subject: NetworkResult) -> NetworkResult | None:
        """What `subject` was found around, where that has more multiply-adds, and so is none of its references."""
        own = next((r for r in self.all if r.name == subject.around), None)
        return own if own is not None and own.size.macs > subject.size.macs else None

    def verdict(self, subject: NetworkResult) -> Verdict | None:
        """None where the network was not trained, or there is none to compare it with."""
        references = self.references(subject)
        if not subject.trainings or not references:
            return None
        return self._between(subject, references[0], len(references))

    def beside_original(self, subject: NetworkResult) -> Verdict | None:
        """`subject` against what it was found around, where that is larger; else None, and as of `verdict`."""
        original = self.original(subject)
        return None if original is None else self.against(original, subject)

    def against(self, rival: NetworkResult, subject: NetworkResult) -> Verdict | None:
        """`subject` against a `rival` of whatever size, as a pretrained one, or its original. None as of `verdict`."""
        return self._between(subject, rival, 1) if subject.trainings and rival.trainings else None

    def _between(self, subject: NetworkResult, best: NetworkResult, among: int) -> Verdict:
        """Networks that start otherwise than these two say nothing of how much theirs vary."""
        starts = {bool(subject.start), bool(best.start)}
        alike = [r for r in self.trained if bool(r.start) in starts]
        fit = _fit([r for r in alike if r in (subject, best) or self.learned(r)])
        difference = fit.level(subject.name) - fit.level(best.name)
        pooled, alone = (f.planned([subject.name], [best.name], self.confidence) for f in (fit, _fit([subject, best])))
        return Verdict(subject, best, among, difference, pooled, alone, len(fit.treatments), fit.freedom)

    def learned(self, result: NetworkResult) -> bool:
        """Whether it is above chance. What is not varies little, and would make the others' differences look sure.

        In regression chance is always saying the mean; with several labels it is not known, and all count as learned.
        """
        if self.kind != CLASSIFICATION:
            return self.kind == MULTILABEL or result.test_accuracy > 0
        return result.test_accuracy > LEARNED / self.num_classes

    @property
    def pareto(self) -> list[NetworkResult]:
        """Networks than which none is as cheap and more accurate on test images, or cheaper and as accurate.

        Pretrained ones are not among them, unless all are: they had more than this training.
        """
        trained = [result for result in self.trained if not result.start] or self.trained
        return [trained[number] for number in unbeaten([(r.size.macs, -r.test_accuracy) for r in trained])]


def _fit(of: Sequence[NetworkResult]) -> Fit[str]:
    """Of test accuracies by network and seed."""
    return Fit.of({(r.name, seed): t.test_accuracy for r in of for seed, t in r.trainings.items()})


def _standing(result: NetworkResult) -> float:
    return -result.test_accuracy if result.trainings else math.inf


def results(run: Run) -> ComparisonResults:
    """What is in a comparison's ledger, at any time. Raises ValueError where `run` is none."""
    comparison = comparison_of(run)
    trainings: dict[str, dict[int, Training]] = {name: {} for name in comparison.names}
    failures: dict[str, dict[int, str]] = {name: {} for name in comparison.names}
    costs: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in comparison.names}
    for trial in run.study.get_trials(deepcopy=False):
        row = run.row(trial)
        if not row.arch or row.state == State.RUNNING:
            continue
        seed, name = comparison.seed_of(row.arch), comparison.names[row.arch[1]]
        for cost, figure in row.further.items():
            costs[name][cost].append(figure)
        of = trial.user_attrs
        scored = {"test_accuracy"} if "test_score" in of else set()  # which regression has alone
        missing = [figure for figure in FIGURES if figure not in {*of, *scored}]
        if row.state == State.COMPLETE and row.quality is not None and not missing:
            figures = [of[figure] for figure in FIGURES[1:]]
            test: float = of["test_score"] if "test_score" in of else of["test_accuracy"]
            trainings[name][seed] = Training(row.number, row.quality, test, *figures)
        else:
            failures[name][seed] = row.reason or f"its ledger has no {missing[0] if missing else 'accuracy'}"
    found = tuple(
        NetworkResult(
            candidate.name,
            candidate.network.text,
            candidate.found,
            size,
            dict(sorted(trainings[candidate.name].items())),
            dict(sorted(failures[candidate.name].items())),
            candidate.start,
            {cost: median(figures) for cost, figures in costs[candidate.name].items()},
            candidate.recipe,
            _original(candidate, comparison.candidates),
        )
        for candidate, size in zip(comparison.candidates, comparison.sizes, strict=True)
    )
    config = run.config
    alike, own = ([one for one in found if bool(one.recipe) == by_own] for by_own in (False, True))
    voting = ensembles(run, _complete(alike, comparison.seeds)) if comparison.ensemble else ()
    return ComparisonResults(
        run.name, config.data, config.recipe, config.device, comparison.seeds, comparison.num_classes, tuple(alike),
        voting, config.task or CLASSIFICATION, tuple(own),
    )  # fmt: skip


def _original(candidate: Candidate, among: Sequence[Candidate]) -> str:
    """The name of the network that `candidate` was found around, if it is `among` these; else ""."""
    original = original_of(candidate.network)
    if original is None or original.text == candidate.network.text:
        return ""
    alike = (c for c in among if bool(c.start) == bool(candidate.start))
    return next((c.name for c in alike if c.network.text == original.text), "")


def _complete(found: Sequence[NetworkResult], seeds: int) -> dict[str, tuple[Cost, list[int]]]:
    """The networks of which all trainings ended: their sizes, and the trainings' numbers by seed."""
    return {
        r.name: (r.size, [training.number for training in r.trainings.values()])
        for r in found
        if len(r.trainings) == seeds
    }
