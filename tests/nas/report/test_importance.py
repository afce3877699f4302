"""Which choices matter is what Optuna says."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from nas.report.importance import importances


@pytest.mark.parametrize("seed", range(20))
def test_it_is_optunas(seed: int) -> None:
    """With options that nobody chose, choices of one option, and rewards that are alike."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, size=rng.integers(1, 6)).tolist()
    archs = np.array([[rng.integers(1 + rng.integers(n)) for n in sizes] for _ in range(rng.integers(4, 80))])
    rewards = np.round(archs.sum(1) + rng.normal(size=len(archs)), int(rng.integers(0, 3))).tolist()
    best = float(rng.uniform(0.1, 0.9))
    of: dict[str, BaseDistribution] = {
        f"choice {i}": CategoricalDistribution(tuple(range(n))) for i, n in enumerate(sizes)
    }
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        create_trial(params=dict(zip(of, arch, strict=True)), distributions=of, value=reward)
        for arch, reward in zip(archs.tolist(), rewards, strict=True)
    )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is experimental, and of low values
        theirs = get_param_importances(study, evaluator=evaluator, target=lambda t: -(t.value or 0.0), normalize=False)
    ours = dict(zip(of, importances(archs, sizes, rewards, best), strict=True))
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
