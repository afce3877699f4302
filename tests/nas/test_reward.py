"""MnasNet's reward, equations 2 and 3."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nas.reward import Reward


def test_soft_is_one_exponent_on_both_sides() -> None:
    reward = Reward({"macs": 10e6})
    assert reward(0.8, {"macs": 10e6}) == pytest.approx(0.8)
    assert reward(0.8, {"macs": 20e6}) == pytest.approx(0.8 * 2**-0.07)
    cheaper = reward(0.8, {"macs": 5e6})
    assert cheaper == pytest.approx(0.8 * 0.5**-0.07) and cheaper > 0.8


def test_soft_trades_twice_the_cost_for_five_percent() -> None:
    """Section 3: doubling the latency usually brings 5 % relative accuracy, and -0.07 makes the two equal."""
    reward = Reward({"latency": 0.08})
    assert reward(0.5 * 1.05, {"latency": 0.16}) == pytest.approx(reward(0.5, {"latency": 0.08}), rel=1e-3)


def test_hard_is_free_below_and_steep_above() -> None:
    reward = Reward({"params": 1e6}, w_below=0.0, w_above=-1.0)
    assert reward(0.8, {"params": 1.0}) == reward(0.8, {"params": 1e6}) == 0.8
    assert reward(0.8, {"params": 2e6}) == pytest.approx(0.4)


def test_each_target_has_its_factor() -> None:
    reward = Reward({"macs": 10e6, "memory": 64e3})
    costs = {"macs": 20e6, "memory": 32e3, "flash": 1.0}
    assert reward(0.8, costs) == pytest.approx(0.8), "twice the one and half of the other"
    assert str(reward) == "accuracy x (macs / 10M) ^ -0.07 x (memory / 64 kB) ^ -0.07"
    with pytest.raises(ValueError, match="a network of 0 memory has no reward"):
        reward(0.8, costs | {"memory": 0.0})


def test_older_runs_have_one_target_beside_its_cost() -> None:
    now = {"w_below": 0.0, "w_above": -1.0, "signal": "loss"}
    assert Reward.from_dict(now | {"cost": "params", "target": 5.0}) == Reward({"params": 5.0}, **now)
    assert Reward.from_dict({"cost": "macs", "target": None}) == Reward()
    assert Reward.from_dict({"targets": {"power": 3.0}}) == Reward({"power": 3.0})


def test_without_a_target_it_is_the_accuracy() -> None:
    assert Reward()(0.7, {"macs": 1e12}) == 0.7


def test_the_training_loss_takes_the_place_of_the_accuracy() -> None:
    by_accuracy, by_loss = Reward({"macs": 10e6}), Reward({"macs": 10e6}, signal="loss")
    assert by_accuracy.quality(0.6, 1.5) == 0.6
    assert by_loss.quality(0.6, math.log(4)) == pytest.approx(0.25)
    assert by_loss(by_loss.quality(0.6, 1.5), {"macs": 20e6}) < by_loss(by_loss.quality(0.5, 1.4), {"macs": 20e6})
    assert str(by_accuracy) == "accuracy x (macs / 10M) ^ -0.07"
    assert str(by_loss) == "exp(-training loss) x (macs / 10M) ^ -0.07"
    assert Reward().is_quality and not by_accuracy.is_quality and not Reward(signal="loss").is_quality


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": {"Colour": 1.0}}, "macs, params, activations, memory, flash, latency, energy, or one of your own"),
        ({"targets": {"accuracy": 1.0}}, "or one of your own"),
        ({"signal": "colour"}, "--signal is one of accuracy, loss, not 'colour'"),
        ({"targets": {"macs": 0}}, "the target for macs must be above 0"),
        ({"w_above": 0.1}, "positive exponent"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reward(**settings)
