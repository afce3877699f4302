"""What a study of proxies found, from its ledger: how each ranks the networks, what it costs, and which is best.

The truth that a proxy is judged by is the validation accuracy after one full training *with another seed*: what a
person would get who trains the network that the proxy chose. With several seeds it is the mean over all pairs of a
seed for the proxy and another for the truth; so the full training is a proxy, too, and what it reaches is the ceiling.
That is the share of the truth's variance that is not luck; a proxy that had none would reach its square root.
With one seed there is no other: the cuts are then of the very trainings that they are judged by.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.ledger.run import Run
from nas.proxies.ranking import (
    Values,
    best_kept,
    best_third,
    expected_best,
    interval,
    kendall,
    regret,
    resamples,
    spearman,
)
from nas.proxies.study import FULL, STUDY_OF_PROXIES, ProxyStudy
from nas.reward import ACCURACY, LOSS
from nas.statistics.differences import LEARNED, Interval
from nas.training.learning_curve import CurvePoint
from nas.training.trial import State

AREA = "area"
SIGNALS: dict[str, Callable[[CurvePoint], float]] = {  # more is better
    ACCURACY: lambda point: point.val_accuracy or 0.0,  # a study has classes: there is one
    LOSS: lambda point: -point.loss,
    AREA: lambda point: -point.area,
}
CONTROLS = ("MACs", "params")  # of which more is taken for better; they train nothing
BUDGETS = (5, 20, 100)  # full trainings, in whose time a proxy is to find the best network that it can
USUAL_BUDGET = 20
MOST_AVERAGED = 2  # seeds of one proxy
ENOUGH = 3  # networks, to speak of an order


@dataclass(frozen=True)
class Proxy:
    """A way to rank networks. `images` are those after which a cut of the full schedule stops; None: at its end."""

    training: str  # `FULL`, a short training's `Length` as text, or "" where nothing is trained
    signal: str  # of `SIGNALS` or `CONTROLS`
    images: int | None = None
    seeds: int = 1  # whose mean it is

    @property
    def kind(self) -> str:
        """`cut` of the full schedule, `short` training with a schedule of its own, `full` training, or `control`."""
        if not self.training:
            return "control"
        return "short" if self.training != FULL else "full" if self.images is None else "cut"


@dataclass(frozen=True)
class Judged:
    """How a proxy does. Accuracies are 0..1; `seconds` are for one network, of the CPU where that trained."""

    proxy: Proxy
    networks: int  # judged by
    spearman: Interval
    kendall: Interval
    kept: float  # of the best third by the truth, how much it keeps in its own
    regret: float  # accuracy that picking its best loses
    seconds: float
    share: float  # of the full training's seconds
    found: dict[int, float]  # expected accuracy above a random network's, by the budgets that it can be used in
    chosen: float | None  # share of resamples in which it is best for the usual budget
    against_macs: Interval | None  # its Spearman coefficient minus that of the number of multiply-adds


@dataclass(frozen=True)
class StudyResults:
    """All trainings of a study that ended. `curves` are by training, seed and network."""

    run: str
    study: ProxyStudy
    data: str
    curves: Mapping[tuple[str, int, int], tuple[CurvePoint, ...]]
    macs: Values  # [N], as `params`; NaN before a network's first training
    params: Values
    failures: Mapping[tuple[str, int, int], str]
    missing: int  # trainings that have not ended
    num_classes: int | None = None

    # ------------------------------------------------------------------ what was measured

    def values(self, proxy: Proxy) -> Values:
        """What `proxy` says of each network with each seed, more being better: `[seeds, N]`, NaN where unknown."""
        if proxy.kind == "control":
            return np.tile({"MACs": self.macs, "params": self.params}[proxy.signal], (self.study.seeds, 1))
        return self._of_points(proxy, SIGNALS[proxy.signal])

    def seconds(self, proxy: Proxy) -> float:
        """What `proxy` takes for a network, on average; validation only where it needs that."""
        if proxy.kind == "control":
            return 0.0
        judged = proxy.signal == ACCURACY
        each = self._of_points(proxy, lambda point: point.seconds + judged * point.judging)
        return proxy.seeds * float(np.nanmean(each))

    def _of_points(self, proxy: Proxy, figure: Callable[[CurvePoint], float]) -> Values:
        seeds, networks = range(self.study.seeds), range(len(self.study.networks))

        def at(seed: int, network: int) -> float:
            curve = self.curves.get((proxy.training, seed, network), ())
            reached = [point for point in curve if point.images >= (proxy.images or 0)]
            return math.nan if not reached else figure(reached[-1 if proxy.images is None else 0])

        return np.array([[at(seed, network) for network in networks] for seed in seeds])

    @cached_property
    def truth(self) -> Values:
        """Validation accuracy after each full training: `[seeds, N]`."""
        return self.values(CEILING)

    @cached_property
    def full_seconds(self) -> float:
        """What the full training takes for a network, on average."""
        return self.seconds(CEILING)

    def _enough(self, values: Values) -> bool:
        """Whether enough of `values` `[N]` are known: half of the networks, so that none is judged by the first few."""
        return bool((~np.isnan(values)).sum() >= max(ENOUGH, values.size / 2))

    @property
    def repeated(self) -> bool:
        """Whether there are full trainings of enough networks with two seeds."""
        return sum(map(self._enough, self.truth)) > 1

    # ------------------------------------------------------------------ proxies against the truth

    @cached_property
    def judged(self) -> list[Judged]:
        """Every proxy that can be judged, the cheapest first; none before enough networks are trained in full."""
        pairs = {proxy: self._pairs(proxy) for proxy in self._proxies()}
        pairs = {proxy: found for proxy, found in pairs.items() if found}
        drawn = resamples(len(self.study.networks))
        correlations = {proxy: _mean(spearman, found, drawn) for proxy, found in pairs.items()}
        chosen = self._chosen(correlations)
        judged = [self._judge(proxy, found, drawn, correlations, chosen.get(proxy)) for proxy, found in pairs.items()]
        return sorted(judged, key=lambda j: j.seconds)

    def _proxies(self) -> Iterator[Proxy]:
        for signal in CONTROLS:
            yield Proxy("", signal)
        for seeds in range(1, max(1, min(MOST_AVERAGED, self.study.seeds - 1)) + 1):
            for signal in SIGNALS:
                for cut in self.study.cuts:
                    yield Proxy(FULL, signal, cut, seeds)
                for training in self.study.trainings:
                    yield Proxy(training, signal, seeds=seeds)

    def _pairs(self, proxy: Proxy) -> list[tuple[Values, Values]]:
        """The values `[N]` of `proxy`, each beside the truth of a seed that is not in it, where both are known.

        With one seed alone that is beside its own, but for the truth itself.
        """
        values, truth = self.values(proxy), self.truth
        if not self.repeated:
            pairs = list(zip(values, truth, strict=True)) if proxy.seeds == 1 and proxy != CEILING else []
        elif proxy.kind == "control":
            pairs = list(zip(values, truth, strict=True))
        else:
            pairs = [
                (values[list(some)].mean(0), truth[other])
                for some in itertools.combinations(range(self.study.seeds), proxy.seeds)
                for other in range(self.study.seeds)
                if other not in some
            ]
        return [(x, y) for x, y in pairs if self._enough(x + y)]

    def _judge(
        self,
        proxy: Proxy,
        pairs: Sequence[tuple[Values, Values]],
        drawn: Values,
        correlations: Mapping[Proxy, Values],
        chosen: float | None,
    ) -> Judged:
        networks = max(int((~np.isnan(x + y)).sum()) for x, y in pairs)
        rho, tau = _estimate(spearman, pairs), _estimate(kendall, pairs)
        macs = Proxy("", "MACs")
        above = None
        if proxy != macs and macs in correlations:
            difference = correlations[proxy] - correlations[macs]
            above = interval(rho - _estimate(spearman, self._pairs(macs)), difference, networks)
        return Judged(
            proxy,
            networks,
            interval(rho, correlations[proxy], networks),
            interval(tau, _mean(kendall, pairs, drawn), networks),
            float(np.mean([best_kept(x, y) for x, y in pairs])),
            float(np.mean([regret(x, y) for x, y in pairs])),
            self.seconds(proxy),
            self.seconds(proxy) / self.full_seconds,
            {b: self.spread * gain for b in BUDGETS if (gain := float(self._gain(proxy, rho, b))) > -math.inf},
            chosen,
            above,
        )

    # ------------------------------------------------------------------ the best per second

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the truth over networks, of one seed; the mean over seeds."""
        return float(np.mean([np.nanstd(row, ddof=1) for row in self.truth if self._enough(row)]))

    def _gain(self, proxy: Proxy, correlation: Values | float, budget: float) -> Values:
        """How far above the mean the truth of the best by `proxy` is, in standard deviations; -inf where it is no use.

        In the time of `budget` full trainings, the last of which is that of the network chosen where that is not done
        already, it ranks so and so many networks. Of that many draws its best is `expected_best` of its own standard
        deviations above the mean, and the truth follows by the correlation: the breeders' equation (Lush 1937).
        """
        full, seconds = self.full_seconds, self.seconds(proxy)
        left = budget * full if proxy.kind == "full" else (budget - 1) * full
        if proxy.kind == "control" or left < seconds:
            return np.full(np.shape(correlation), -math.inf)
        return np.nan_to_num(correlation) * expected_best(left / seconds)

    def _chosen(self, correlations: Mapping[Proxy, Values]) -> dict[Proxy, float]:
        """The share of resamples in which each proxy would be the best for the usual budget."""
        rivals = [proxy for proxy in correlations if proxy.kind != "control"]
        if not rivals:
            return {}
        gains = np.stack([self._gain(proxy, correlations[proxy], USUAL_BUDGET) for proxy in rivals])
        best = gains.argmax(0)
        return {proxy: float((best == row).mean()) for row, proxy in enumerate(rivals)}

    def best(self, budget: int) -> Judged | None:
        """The proxy that finds the best network in the time of `budget` full trainings.

        None where chance does, or where two full trainings do not even rank the networks alike.
        """
        if self.ranks is False:
            return None
        able = [judged for judged in self.judged if judged.found.get(budget, 0.0) > 0]
        return max(able, key=lambda judged: judged.found[budget], default=None)

    @property
    def ceiling(self) -> Judged | None:
        """The full training as a proxy for another; None with one seed."""
        return next((judged for judged in self.judged if judged.proxy == CEILING), None)

    @property
    def ranks(self) -> bool | None:
        """Whether the full training is shown to rank the networks; None with one seed, which cannot tell."""
        if not self.learned:
            return False
        return None if self.ceiling is None else self.ceiling.spearman.low > 0

    @property
    def learned(self) -> bool:
        """Whether any network is above chance after the full training, as far as the number of classes is known."""
        least = LEARNED / self.num_classes if self.num_classes else 0.0
        known = self.truth[~np.isnan(self.truth)]
        return bool((known > least).any())

    @property
    def by_chance(self) -> tuple[float, float]:
        """What ranking at random keeps of the best third, and the regret of a random network."""
        rows = [row[~np.isnan(row)] for row in self.truth if self._enough(row)]
        kept = float(np.mean([best_third(len(row)) / len(row) for row in rows]))
        return kept, float(np.mean([row.max() - row.mean() for row in rows]))


CEILING = Proxy(FULL, ACCURACY)


def _mean(
    coefficient: Callable[[Values, Values, Values], Values], pairs: Sequence[tuple[Values, Values]], drawn: Values
) -> Values:
    """The coefficient in each resample, on average over the `pairs` in which it can be told; NaN where in none."""
    found = np.stack([coefficient(x, y, drawn) for x, y in pairs])
    known = ~np.isnan(found)
    total: Values = np.where(known, found, 0.0).sum(0)
    mean: Values = np.divide(total, known.sum(0), out=np.full_like(total, math.nan), where=known.any(0))
    return mean


def _estimate(coefficient: Callable[[Values, Values, Values], Values], pairs: Sequence[tuple[Values, Values]]) -> float:
    """The coefficient of the networks themselves; 0 where a proxy says the same of all, and so nothing."""
    (found,) = _mean(coefficient, pairs, np.ones((1, len(pairs[0][0]))))
    return float(np.nan_to_num(found))


def results(run: Run) -> StudyResults:
    """What is in a study's ledger, at any time. Raises ValueError where `run` is no study of proxies."""
    study = study_of(run)
    curves: dict[tuple[str, int, int], tuple[CurvePoint, ...]] = {}
    failures: dict[tuple[str, int, int], str] = {}
    sizes = np.full((2, len(study.networks)), math.nan)
    for trial in run.study.get_trials(deepcopy=False):
        row = run.row(trial)
        if not row.arch:
            continue
        seed, training, network = row.arch
        key = study.trainings[training], seed, network
        if row.macs is not None and row.params is not None and training == 0:  # at the full training's pixels
            sizes[:, network] = row.macs, row.params
        points = trial.user_attrs.get("curve", trial.user_attrs.get("looks"))  # as older ledgers call it
        if row.state == State.COMPLETE and points is not None:
            curves[key] = tuple(CurvePoint(**point) for point in points)
        elif row.state != State.RUNNING:
            failures[key] = row.reason
    missing = study.size - len(curves) - len(failures)
    classes = run.config.num_classes
    return StudyResults(run.name, study, run.config.data, curves, sizes[0], sizes[1], failures, missing, classes)


def study_of(run: Run) -> ProxyStudy:
    """The study that `run` trains. Raises ValueError where it is another search."""
    if run.config.kind != STUDY_OF_PROXIES:
        raise ValueError(f"{run.name} searches {run.config.space.name}: a study is one of nas proxy-study")
    study: ProxyStudy = run.config.workload.study  # type: ignore[attr-defined]
    return study
