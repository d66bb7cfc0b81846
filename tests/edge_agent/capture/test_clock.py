"""From timestamps to media time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.clock import MediaClock

MILLISECONDS = Fraction(1, 1000)


def played(timestamps: list[int | None]) -> tuple[list[float], CaptureCounts]:
    counts = CaptureCounts()
    clock = MediaClock(MILLISECONDS, counts)
    return [float(time) for time, _ in clock.timed((stamp, None) for stamp in timestamps)], counts


def test_media_time_starts_at_zero_wherever_the_stream_starts() -> None:
    assert played([7000, 7040, 7200])[0] == [0, 0.04, 0.2]
    assert played([-80, -40, 0])[0] == [0, 0.04, 0.08]


def test_a_frame_without_a_timestamp_is_left_out_and_counted() -> None:
    times, counts = played([None, 0, None, 80])
    assert times == [0, 0.08]
    assert counts.timestamps_missing == 2


def test_a_frame_out_of_order_is_left_out_and_counted() -> None:
    times, counts = played([0, 80, 40, 80, 120])
    assert times == [0, 0.08, 0.12]
    assert counts.timestamps_wrong == 2


def test_a_gap_stays_a_gap() -> None:
    times, counts = played([0, 40, 300_000, 300_040])
    assert times == [0, 0.04, 300, 300.04]
    assert counts.timestamps_wrong == 0


def test_one_damaged_timestamp_far_ahead_or_behind_is_left_out() -> None:
    for damaged in (95_443_717, -95_443_717):
        times, counts = played([100_000, 100_040, damaged, 100_120, 100_160])
        assert times == [0, 0.04, 0.12, 0.16]
        assert (counts.timestamps_wrong, counts.clock_restarts) == (1, 0)


def test_a_clock_that_starts_anew_goes_on_one_frame_later() -> None:
    times, counts = played([50_000, 50_040, 50_080, 0, 40, 80])
    assert times == [0, 0.04, 0.08, 0.12, 0.16, 0.2]
    assert counts.clock_restarts == 1


@given(st.lists(st.one_of(st.none(), st.integers(-(2**33), 2**33)), max_size=60))
def test_media_time_never_runs_back_and_every_frame_is_accounted_for(timestamps: list[int | None]) -> None:
    times, counts = played(timestamps)
    assert all(before < after for before, after in pairwise(times))
    assert len(times) + counts.timestamps_missing + counts.timestamps_wrong == len(timestamps)
    assert not times or times[0] == 0
