"""Which frames are analysed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.capture.sampling import Sampling


def taken(period_s: float, times: list[Fraction]) -> list[Fraction]:
    sampling = Sampling(period_s)
    return [time for time in times if sampling.take(time)]


def test_a_late_frame_does_not_delay_those_after_it() -> None:
    times = [Fraction(tenth, 10) for tenth in (0, 9, 14, 20, 29, 30)]
    assert taken(1.0, times) == [Fraction(0), Fraction(14, 10), Fraction(2), Fraction(3)]


def test_an_hour_at_29_97_frames_a_second_has_3600_samples_each_within_a_frame_of_its_second() -> None:
    frame = Fraction(1001, 30000)
    chosen = taken(1.0, [frame * n for n in range(int(3600 / frame))])
    assert len(chosen) == 3600
    assert all(0 <= time - second < frame for second, time in enumerate(chosen))


def test_a_period_that_binary_fractions_cannot_hold_stays_exact() -> None:
    times = [Fraction(n, 10) for n in range(36000)]
    assert taken(0.1, times) == times


def test_after_a_gap_the_next_frame_is_taken_at_once_and_only_once() -> None:
    times = [Fraction(0), Fraction(3721, 10), Fraction(3722, 10), Fraction(373)]
    assert taken(1.0, times) == [Fraction(0), Fraction(3721, 10), Fraction(373)]


@given(
    st.lists(st.fractions(0, 1000, max_denominator=90000), unique=True).map(sorted),
    st.sampled_from([0.2, 0.5, 1.0, 2.5]),
)
def test_no_period_has_two_samples_and_none_with_a_frame_has_no_sample(times: list[Fraction], period_s: float) -> None:
    period = Fraction(str(period_s))
    slots = [time // period for time in taken(period_s, times)]
    assert slots == sorted({time // period for time in times})


@pytest.mark.parametrize("rate", [Fraction(5), Fraction(12), Fraction(25), Fraction(30000, 1001)])
def test_the_frame_that_is_taken_is_always_among_those_that_may_become_due(rate: Fraction) -> None:
    sampling = Sampling(1.0)
    for n in range(int(600 * rate)):
        time = n / rate
        if sampling.take(time):
            assert sampling.may_become_due(time, 1 / rate)
