"""MnasNet's reward, equations 2 and 3."""

from __future__ import annotations

import math

import pytest

from nas.reward import Reward


def test_soft_is_one_exponent_on_both_sides() -> None:
    reward = Reward("macs", 10e6)
    assert reward(0.8, 10e6) == pytest.approx(0.8)
    assert reward(0.8, 20e6) == pytest.approx(0.8 * 2**-0.07)
    assert reward(0.8, 5e6) == pytest.approx(0.8 * 0.5**-0.07) and reward(0.8, 5e6) > 0.8


def test_soft_trades_twice_the_cost_for_five_percent() -> None:
    """Section 3: doubling the latency usually brings 5 % relative accuracy, and -0.07 makes the two equal."""
    reward = Reward("latency", 0.08)
    assert reward(0.5 * 1.05, 0.16) == pytest.approx(reward(0.5, 0.08), rel=1e-3)


def test_hard_is_free_below_and_steep_above() -> None:
    reward = Reward("params", 1e6, w_below=0.0, w_above=-1.0)
    assert reward(0.8, 1.0) == reward(0.8, 1e6) == 0.8
    assert reward(0.8, 2e6) == pytest.approx(0.4)


def test_without_a_target_it_is_the_accuracy() -> None:
    assert Reward()(0.7, 1e12) == 0.7


def test_the_training_loss_takes_the_place_of_the_accuracy() -> None:
    by_accuracy, by_loss = Reward("macs", 10e6), Reward("macs", 10e6, signal="loss")
    assert by_accuracy.quality(0.6, 1.5) == 0.6
    assert by_loss.quality(0.6, math.log(4)) == pytest.approx(0.25)
    assert by_loss(by_loss.quality(0.6, 1.5), 20e6) < by_loss(by_loss.quality(0.5, 1.4), 20e6)
    assert str(by_accuracy) == "accuracy x (macs / 10M) ^ -0.07"
    assert str(by_loss) == "exp(-training loss) x (macs / 10M) ^ -0.07"
    assert Reward().is_quality and not by_accuracy.is_quality and not Reward(signal="loss").is_quality


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cost": "colour"}, "macs, params, latency"),
        ({"signal": "colour"}, "--signal is one of accuracy, loss, not 'colour'"),
        ({"target": 0}, "must be above 0"),
        ({"w_above": 0.1}, "positive exponent"),
    ],
)
def test_mistakes_are_named(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reward(**settings)  # type: ignore[arg-type]
