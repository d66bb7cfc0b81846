"""From a live stream's timestamps to media time."""

from __future__ import annotations

import itertools
import random

import pytest

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.live_clock import LiveClock


def clock() -> tuple[LiveClock, CaptureCounts]:
    counts = CaptureCounts()
    return LiveClock(counts), counts


def test_pictures_are_as_far_apart_as_the_camera_says_however_they_arrive() -> None:
    live, _ = clock()
    chance = random.Random(3)
    live.taken_s(0.0, 100.0)
    taken = [live.taken_s(second, 100.0 + second + chance.uniform(0, 0.4)) for second in range(1, 60)]
    apart = [after - before for before, after in itertools.pairwise(taken)]
    assert apart == [pytest.approx(1.0, abs=0.15)] * 58
    assert taken[-1] == pytest.approx(159.0, abs=0.1)


def test_a_backlog_that_arrives_at_once_keeps_its_times() -> None:
    live, counts = clock()
    for second in range(10):
        live.taken_s(second, 50.0 + second)
    late = [live.taken_s(second, 64.0) for second in range(10, 15)]  # nothing for 5 s, then all of it
    assert late == [60.0, 61.0, 62.0, 63.0, 64.0]
    assert counts.clock_restarts == 0


@pytest.mark.parametrize("to_s", [0.0, -47721.86, 90000.0], ids=["restarted", "wrapped", "leapt ahead"])
def test_a_clock_that_leaps_goes_on_where_arrival_says(to_s: float) -> None:
    live, counts = clock()
    for second in range(100, 120):
        live.taken_s(second, 1000.0 + second)
    assert live.taken_s(to_s, 1120.0) == 1120.0
    assert live.taken_s(to_s + 1, 1121.0) == 1121.0
    assert counts.clock_restarts == 1


def test_a_camera_whose_clock_runs_fast_or_slow_stays_with_the_box() -> None:
    for rate in (0.9995, 1.0005):  # ten times worse than any clock
        live, counts = clock()
        taken = 0.0
        for second in range(20_000):
            taken = live.taken_s(second * rate, float(second))
        assert taken == pytest.approx(19_999, abs=0.1)
        assert counts.clock_restarts == 0


def test_media_time_starts_at_nought_always_grows_and_counts_an_outage() -> None:
    live, _ = clock()
    first = live.media_time_s(live.taken_s(500.0, 10.0))
    second = live.media_time_s(live.taken_s(501.0, 11.0))
    live.restart()  # the connection was lost for a minute
    third = live.media_time_s(live.taken_s(3.0, 71.0))
    again = live.media_time_s(live.taken_s(3.0, 71.0))
    assert (first, second, third) == (0.0, 1.0, 61.0)
    assert again > third
    assert live.media_time_now_s(75.0) == 65.0


def test_without_timestamps_arrival_counts() -> None:
    live, _ = clock()
    assert [live.taken_s(None, at_s) for at_s in (5.0, 6.5)] == [5.0, 6.5]


def test_media_time_passes_while_nothing_comes_and_what_comes_then_is_later() -> None:
    live, _ = clock()
    silent = [live.media_time_now_s(at_s) for at_s in (10.0, 12.0, 20.0)]  # not one picture since the start
    assert silent == [0.0, 2.0, 10.0]
    assert live.media_time_s(live.taken_s(0.0, 19.5)) > 10.0  # taken before we said that there was none
    assert live.media_time_s(live.taken_s(5.0, 24.5)) == pytest.approx(14.5)
