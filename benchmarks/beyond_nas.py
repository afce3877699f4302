"""The controller as a sampler of plain Optuna studies, on problems that are not networks.

    python benchmarks/beyond_nas.py --seeds 20
    python benchmarks/beyond_nas.py --ray

maxsat: weighted random 3-SAT, 40 variables that are true or false, 160 clauses; what is maximised is the share of the
weight that is satisfied. pairs: 15 choices of 4 options, each with a value of its own and one with every option of 2
other choices, and noise that is a fifth of the values' spread. Each seed has a problem of its own, the same for all
samplers. `--ray` runs one study of each through Ray Tune, two trials at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean, stdev
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.cli.tables import table
from nas.samplers import StrategySampler
from nas.samplers.evolution import Evolution

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "controller": lambda seed: StrategySampler(seed=seed),
    "evolution": lambda seed: StrategySampler(Evolution(population=20, sample=10), seed=seed),
    "tpe": lambda seed: TPESampler(multivariate=True, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
TRIALS = (50, 100, 200)


class MaxSat:
    """40 variables; clauses `[160, 3]` of them, `wanted` `[160, 3]` values, weights `[160]`."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.space = {f"v{i}": (False, True) for i in range(40)}
        self.clauses = np.stack([rng.choice(40, 3, replace=False) for _ in range(160)])
        self.wanted = rng.random((160, 3)) < 0.5
        self.weights = rng.random(160)

    def value(self, chosen: Mapping[str, Any]) -> float:
        values = np.array([chosen[name] for name in self.space])
        satisfied = (values[self.clauses] == self.wanted).any(1)
        return float(self.weights[satisfied].sum() / self.weights.sum())

    def seen(self, chosen: Mapping[str, Any], number: int) -> float:
        return self.value(chosen)


class Pairs:
    """15 choices of 4 options; noise of the number of the trial."""

    def __init__(self, seed: int) -> None:
        self.seed, rng = seed, np.random.default_rng(seed)
        self.space = {f"c{i}": (0, 1, 2, 3) for i in range(15)}
        self.alone = rng.normal(size=(15, 4))
        self.others = np.stack([rng.choice([j for j in range(15) if j != i], 2, replace=False) for i in range(15)])
        self.together = rng.normal(size=(15, 2, 4, 4))
        self.spread = np.sqrt(15 + 30)

    def value(self, chosen: Mapping[str, Any]) -> float:
        codes = np.array([chosen[name] for name in self.space])
        each = np.arange(15)
        pairs = self.together[each[:, None], [0, 1], codes[:, None], codes[self.others]]
        return float((self.alone[each, codes].sum() + pairs.sum()) / self.spread)

    def seen(self, chosen: Mapping[str, Any], number: int) -> float:
        return self.value(chosen) + 0.2 * np.random.default_rng((self.seed, number)).normal()


Problem = MaxSat | Pairs
PROBLEMS: dict[str, Callable[[int], Problem]] = {"maxsat": MaxSat, "pairs": Pairs}


def objective(problem: Problem, trial: optuna.Trial) -> float:
    chosen = {name: trial.suggest_categorical(name, options) for name, options in problem.space.items()}
    return problem.seen(chosen, trial.number)


def found(problem: Problem, sampler: BaseSampler) -> list[float]:
    """The true value of what looked best after each of `TRIALS`."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(partial(objective, problem), TRIALS[-1])
    bests = [max(study.trials[:count], key=lambda trial: trial.value or 0.0) for count in TRIALS]
    return [problem.value(best.params) for best in bests]


def through_ray(name: str, seed: int) -> float:
    """The best value of one study whose trials Ray Tune runs, two at once."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    problem = PROBLEMS[name](seed)
    space = {choice: tune.choice(list(options)) for choice, options in problem.space.items()}
    search = OptunaSearch(sampler=StrategySampler(seed=seed), metric="value", mode="max")
    trainable: Any = partial(_report, problem)
    results = tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=TRIALS[1], max_concurrent_trials=2, metric="value", mode="max"
        ),
        run_config=tune.RunConfig(verbose=0),
    ).fit()
    return float(results.get_best_result().metrics["value"])


def _report(problem: Problem, chosen: dict[str, Any]) -> None:
    from ray import tune

    tune.report({"value": problem.value(chosen)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.ray:
        for name in PROBLEMS:
            print(f"{name}, {TRIALS[1]} trials through Ray Tune: best {through_ray(name, seed=0):.3f}")
        return
    for name, make in PROBLEMS.items():
        rows = []
        for sampler, start in SAMPLERS.items():
            runs = [found(make(seed), start(seed)) for seed in range(options.seeds)]
            cells = [f"{fmean(at):.3f} ± {stdev(at) / len(at) ** 0.5:.3f}" for at in zip(*runs, strict=True)]
            rows.append((sampler, *cells))
        print(table((name, *map(str, TRIALS)), rows) + "\n", flush=True)
    print(f"mean ± standard error of what was found, {options.seeds} problems; higher is better")


if __name__ == "__main__":
    main()
