"""Settings of a strategy by name: what they may be is what their declaration says, and the docs list them all."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from nas.samplers import STRATEGIES, check_strategy, make_sampler, read_settings
from nas.samplers.evolution import Evolution
from nas.samplers.policy_gradient import PPO, PolicyGradient
from nas.samplers.screened import Screened
from nas.samplers.settings import defaults
from nas.samplers.strategy import Settings
from searchspaces import Mnas

DOCS = Path(__file__).parents[3] / "docs" / "controller.md"


def test_texts_become_values_by_their_full_names() -> None:
    texts = {"entropy": "0.01", "batch": "8", "tie": "true", "power": "none", "algorithm": "ppo", "rate": "0.5"}
    values = read_settings("controller", texts)
    assert values == {
        "entropy_weight": 0.01, "batch": 8, "tie": True, "power": None, "algorithm": "ppo", "rate": 0.5
    }  # fmt: skip
    assert values == read_settings("controller", values) == json.loads(json.dumps(values))


def test_they_change_what_they_name_and_nothing_else() -> None:
    ours = check_strategy("controller", {"entropy": 0.01, "samples": 7})
    policy = dataclasses.replace(Screened().policy, entropy_weight=0.01)
    assert ours == Screened(policy=policy, samples=7)
    assert check_strategy("ppo", {"clip": 0.1}) == dataclasses.replace(PPO, clip=0.1)
    sampler = make_sampler("evolution", Mnas(), 0, settings={"population": 5})
    assert sampler.settings == Evolution(population=5)  # type: ignore[attr-defined]
    assert STRATEGIES["controller"] == Screened()


@pytest.mark.parametrize(
    ("strategy", "given", "message"),
    [
        (
            "controller",
            {"nope": "1"},
            r"the strategy controller has no setting 'nope'; it has algorithm=.*, features=true, haste=0.0$",
        ),
        ("ppo", {"samples": "1"}, r"the strategy ppo has no setting 'samples'"),
        ("ppo", {"e": "1"}, r"'e' may be entropy_weight or epochs: write more of it"),
        ("ppo", {"": "1"}, r"no setting ''"),
        ("random", {"tries": "1"}, r"the strategy random has no settings"),
        ("tpe", {"tries": "1"}, r"the strategy tpe is Optuna's"),
        ("ppo", {"batch": "0"}, r"--strategy-set: batch must be at least 1, not 0"),
        ("ppo", {"batch": "2.5"}, r"batch must be a whole number, not 2.5"),
        ("ppo", {"batch": "true"}, r"batch must be a whole number, not True"),
        ("ppo", {"hidden": "1000000000"}, r"hidden must be at most 4,096, not 1,000,000,000"),
        ("ppo", {"learning_rate": "0"}, r"learning_rate must be above 0, not 0"),
        ("ppo", {"learning_rate": "NaN"}, r"learning_rate must be a finite number, not nan"),
        ("ppo", {"entropy": "1e999"}, r"entropy_weight must be a finite number, not inf"),
        ("ppo", {"baseline": "1.5"}, r"baseline_decay must be at most 1, not 1.5"),
        ("ppo", {"tie": "1"}, r"'1' is no value for tie: it must be true or false"),
        ("ppo", {"algorithm": "a2c"}, r"algorithm is one of reinforce, ppo, not 'a2c'"),
        ("ppo", {"power": "-1"}, r"power must be above 0, not -1"),
        ("ppo", {"clip": ""}, r"'' is no value for clip: it must be a number"),
        ("controller", {"remembered": "1"}, r"remembered must be at least 2, not 1"),
        ("evolution", {"sample": [3]}, r"sample must be a whole number, not \[3\]"),
    ],
)
def test_a_mistake_is_one_line(strategy: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read_settings(strategy, given)
    assert "\n" not in str(error.value)


def test_settings_made_in_python_are_checked_too() -> None:
    with pytest.raises(ValueError, match="population must be at least 1, not 0"):
        Evolution(population=0)
    with pytest.raises(ValueError, match="clip must be above 0, not -1"):
        PolicyGradient("ppo", clip=-1)


def test_every_number_has_a_range() -> None:
    """What is declared as a bare int or float would take -1."""
    for settings in filter(lambda s: isinstance(s, Settings), STRATEGIES.values()):
        for name, value in defaults(settings).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                with pytest.raises(ValueError, match=f"{name} must be "):
                    read_settings(next(n for n, s in STRATEGIES.items() if s is settings), {name: -1})


@pytest.mark.parametrize(
    ("number", "of"),
    [
        (0, {"controller", "ppo", "reinforce", "nas2016", "nasnet", "evolution"}),
        (1, {"local-search", "bananas"}),
    ],
)
def test_the_docs_have_every_setting_with_its_defaults(number: int, of: set[str]) -> None:
    tables = list(re.finditer(r"\| setting \| (.*?) \|\n\|[- |]*\n(.*?)\n\n", DOCS.read_text(), re.DOTALL))
    table = tables[number]
    strategies = re.findall(r"`([^`]+)`", table[1])
    documented: dict[str, dict[str, Any]] = {name: {} for name in strategies}
    for row in table[2].splitlines():
        setting, *values, meaning = [cell.strip() for cell in row.strip("| ").split("|")]
        assert meaning
        for name, text in zip(strategies, values, strict=True):
            if text:
                documented[name][setting.strip("`")] = json.loads("null" if text == "none" else text)
    assert of == documented.keys()
    for name, said in documented.items():
        actual = {k: v if not isinstance(v, float) else pytest.approx(v, rel=5e-3) for k, v in _of(name).items()}
        assert said == actual, name


def _of(strategy: str) -> dict[str, Any]:
    return defaults(STRATEGIES[strategy])
