"""How long the trials that are left will take."""

from __future__ import annotations

import pytest

from nas.searching.pace import Pace


def test_nothing_is_known_before_a_trial_has_ended() -> None:
    pace = Pace(at_once=2)
    assert pace.seconds_for(10, 50.0) is None
    pace.begun(0, 20.0)
    assert pace.seconds_for(10, 50.0) is None


def test_of_one_at_a_time_each_takes_as_long_as_those_before() -> None:
    pace = Pace()
    for number in range(3):
        pace.begun(number, 10.0 * number)
        pace.ended(number, 9.0, 10.0 * (number + 1))
    assert pace.seconds_for(4, 30.0) == pytest.approx(40.0)
    pace.begun(3, 30.0)
    assert pace.seconds_for(4, 34.0) == pytest.approx(36.0), "four seconds of the fourth are behind"
    assert pace.seconds_for(4, 45.0) == pytest.approx(30.0), "it takes longer: what is left of it is not known"


def test_two_workers_take_half_as_long() -> None:
    """Their start, of 8 seconds, is not counted: what counts begins with the first step."""
    pace = Pace(at_once=2)
    pace.begun(0, 8.0)
    pace.begun(1, 8.0)
    pace.ended(0, 10.0, 18.0)
    assert pace.seconds_for(19, 18.0) == pytest.approx(18 * 10 / 2), "the second is about to end"
    pace.ended(1, 10.0, 18.0)
    assert pace.seconds_for(18, 18.0) == pytest.approx(90.0)


def test_what_lies_between_trainings_counts() -> None:
    pace = Pace()
    pace.ended(0, 1.0, 1.0)
    pace.ended(1, 1.0, 6.0)  # after four seconds of choosing it
    assert pace.seconds_for(2, 6.0) == pytest.approx(6.0)


def test_the_last_of_several_workers_ends_it() -> None:
    pace = Pace(at_once=4)
    for number in range(4):
        pace.begun(number, 0.0)
    for number in range(3):
        pace.ended(number, 10.0, 10.0)
    pace.begun(4, 10.0)
    assert pace.seconds_for(2, 10.0) == pytest.approx(10.0), "not a quarter of it"
    assert pace.seconds_for(0, 10.0) == 0.0
