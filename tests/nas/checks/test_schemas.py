"""A schema has the fields of what is made of it: neither forgets one that the other got."""

from __future__ import annotations

from dataclasses import fields

import pytest

from nas.checks import schemas
from nas.checks.schema import Object
from nas.comparison.design import ComparisonSpace
from nas.data.source import DataSource
from nas.final.job import Job
from nas.ledger.config import Budget, Config
from nas.proxies.study import ProxyStudy
from nas.reward import Reward
from nas.samplers.strategy import Update
from nas.scale.grid import ScalingGrid
from nas.training.fine_tuning import FineTuning
from nas.training.learning_curve import CurvePoint
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.transfer import Taken


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (schemas.CONFIG, Config),
        (schemas.BUDGET, Budget),
        (schemas.RECIPE, Recipe),
        (schemas.REWARD, Reward),
        (schemas.SOURCE, DataSource),
        (schemas.JOB, Job),
        (schemas.JOB.fields["tuning"], FineTuning),
        (schemas.TAKEN, Taken),
        (schemas.EPOCH, Epoch),
        (schemas.CURVE_POINT, CurvePoint),
        (schemas.UPDATE, Update),
        (schemas.COMPARISON_SETTINGS, ComparisonSpace),
        (schemas.GRID, ScalingGrid),
        (schemas.STUDY, ProxyStudy),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_schema_has_the_fields_of_what_is_made_of_it(schema: Object, made: type) -> None:
    of_older_runs = {Config: {"max_macs"}, Reward: {"cost", "target"}}.get(made, set())
    of_its_space = {Config: {"recipe_choices"}}.get(made, set())
    assert set(schema.fields) == {field.name for field in fields(made)} | of_older_runs | of_its_space
    assert set(schema.needed) <= set(schema.fields)
