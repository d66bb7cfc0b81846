"""How much of a live stream is decoded, and which of its pictures are due."""

from __future__ import annotations

import pytest

from edge_agent.capture.decode_plan import DecodeMode, DecodePlan
from edge_agent.capture.live_sampling import LiveSampling

FPS = 25


def feed(plan: DecodePlan, seconds: float, gop_s: float, begin_s: float = 0.0) -> None:
    """Packets of a steady stream."""
    interval = round(gop_s * FPS)
    for number in range(round(seconds * FPS)):
        plan.see(number % interval == 0, begin_s + number / FPS)


@pytest.mark.parametrize(
    ("gop_s", "period_s", "mode"),
    [
        (2.0, 2.0, DecodeMode.KEYFRAMES),
        (2.0, 1.9, DecodeMode.KEYFRAMES),
        (0.04, 1.0, DecodeMode.KEYFRAMES),
        (1.0, 5.0, DecodeMode.KEYFRAMES),
        (2.0, 1.0, DecodeMode.SAMPLED),
        (10.0, 2.0, DecodeMode.SAMPLED),
    ],
)
def test_key_frames_alone_do_when_there_is_one_for_each_period(gop_s: float, period_s: float, mode: DecodeMode) -> None:
    plan = DecodePlan("auto", period_s)
    assert plan.mode is DecodeMode.KEYFRAMES
    feed(plan, 30, gop_s)
    assert plan.gop_s == pytest.approx(gop_s)
    assert plan.mode is mode


def test_the_plan_changes_as_soon_as_key_frames_come_too_late_and_back_when_they_are_close_again() -> None:
    plan = DecodePlan("auto", 2.0)
    feed(plan, 10, 2.0)
    for number in range(1, 100):
        plan.see(False, 8.0 + number / FPS)
        if plan.mode is DecodeMode.SAMPLED:
            break
    assert number / FPS == pytest.approx(2.2, abs=0.05)
    feed(plan, 30, 10.0, begin_s=20.0)
    assert plan.mode is DecodeMode.SAMPLED
    feed(plan, 12, 2.0, begin_s=60.0)
    assert plan.mode is DecodeMode.KEYFRAMES


def test_what_was_learnt_outlasts_a_reconnection_and_the_gap_is_not_taken_for_a_distance() -> None:
    plan = DecodePlan("auto", 2.0)
    feed(plan, 10, 2.0)
    plan.restart()
    feed(plan, 5, 2.0, begin_s=500.0)
    assert plan.gop_s == pytest.approx(2.0)


def test_a_stream_without_key_frames_is_decoded_whole() -> None:
    plan = DecodePlan("auto", 1.0)
    for number in range(11 * FPS):
        plan.see(False, number / FPS)
    assert plan.mode is DecodeMode.ALL
    plan.see(True, 12.0)
    assert plan.mode is not DecodeMode.ALL


@pytest.mark.parametrize("setting", ["keyframes", "sampled", "all"])
def test_what_the_configuration_says_holds(setting: str) -> None:
    plan = DecodePlan(setting, 2.0)  # type: ignore[arg-type]
    feed(plan, 10, 10.0)
    assert plan.mode.value == setting


def taken(sampling: LiveSampling, times: list[float], spacing_s: float) -> list[float]:
    return [at_s for at_s in times if sampling.take(at_s, spacing_s)]


def test_key_frames_that_jitter_about_the_period_are_all_taken() -> None:
    times = [0.0, 1.999, 4.001, 5.998, 7.95, 10.05, 12.0]
    assert taken(LiveSampling(2.0), times, 2.0) == times


def test_key_frames_of_another_distance_keep_the_period_on_average() -> None:
    times = [float(second) for second in range(30)]
    assert taken(LiveSampling(1.5), times, 1.0)[:7] == [0, 2, 3, 5, 6, 8, 9]


def test_of_dense_pictures_none_is_taken_early() -> None:
    times = [number / FPS for number in range(10 * FPS)]
    assert taken(LiveSampling(1.0), times, 1 / FPS) == [float(second) for second in range(10)]


def test_after_a_gap_the_next_picture_is_taken_and_the_period_goes_on() -> None:
    assert taken(LiveSampling(1.0), [0, 1, 7.4, 8, 8.4, 9], 0.4) == [0, 1, 7.4, 8, 9]


def test_a_clock_that_fell_back_does_not_blind_the_camera() -> None:
    sampling = LiveSampling(1.0)
    assert sampling.take(1000.0, 0.04)
    sampling.restart()
    assert sampling.take(3.0, 0.04)
