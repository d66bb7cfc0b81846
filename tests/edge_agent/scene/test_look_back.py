"""What looked the same before it was detected stood there then, or is no vehicle at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.appearance import Grey, LookTable
from edge_agent.scene.look_back import APART_S, KEPT, WIDTH_PX, LookBack
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import Box, Stay
from tests.edge_agent.synthetic_street import SEEING, Street, Watched, standing, steps

PLACE: Box = (100.0, 74.0, 160.0, 110.0)
"""Where the car of these tests stands."""
ALIKE = 0.83
ARRIVES_S = 12.0

Say = Callable[[float], Iterable[tuple[Box, float]]]


def grey(frame: Frame) -> Grey:
    return np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)


def cars(boxes: Iterable[tuple[Box, float]]) -> Detections:
    best_first = sorted(boxes, key=lambda item: -item[1])
    if not best_first:
        return Detections.empty()
    places = np.array([box for box, _ in best_first], np.float32)
    scores = np.array([score for _, score in best_first], np.float32)
    count = len(best_first)
    return Detections(places, scores, ("car",) * count, (ClassGroup.VEHICLE,) * count)


def told(street: Street, times: Iterable[float], say: Say) -> Watched:
    """A scene memory that sees the street and is told of these boxes and scores."""
    memory = SceneMemory("gate", 1.0)
    return Watched(memory, tuple((at_s, memory.observe(street.frame(at_s), SEEING, cars(say(at_s)))) for at_s in times))


def remembered(street: Street, times: Iterable[float]) -> LookBack:
    past = LookBack()
    for at_s in times:
        past.remember(at_s, LookTable(grey(street.frame(at_s))))
    return past


@pytest.fixture
def street() -> Street:
    return Street((standing("car", 100, 110, ARRIVES_S, 400),))


def test_it_knows_when_a_place_began_to_look_as_it_does(street: Street) -> None:
    past = remembered(street, steps(0, 19))
    picture = LookTable(grey(street.frame(20))).picture(PLACE)
    assert picture is not None
    assert past.alike(picture, PLACE, 20, ALIKE) == steps(ARRIVES_S, 19)
    assert past.alike(picture, PLACE, 15, ALIKE) == [12, 13, 14]


def test_a_place_is_as_steady_as_it_looks_the_same(street: Street) -> None:
    past = remembered(street, steps(0, 19))
    picture = LookTable(grey(street.frame(20))).picture(PLACE)
    assert picture is not None
    assert past.steadiness(picture, PLACE, ARRIVES_S, ALIKE) == 1
    assert past.steadiness(picture, PLACE, ARRIVES_S - 8, ALIKE) == 0.5
    assert past.steadiness(picture, PLACE, 0, ALIKE) == 0.4
    assert past.steadiness(picture, PLACE, 20, ALIKE) == 1  # nothing was kept since then


def test_only_time_between_frames_that_are_near_enough_was_watched(street: Street) -> None:
    past = remembered(street, [*steps(0, 5), *steps(20, 24)])
    assert past.watched_s(2, 24, gap_s=4) == 3 + 4
    assert past.watched_s(21, 24.5, gap_s=4) == 3.5


def test_it_keeps_a_bounded_number_of_frames_and_none_too_near_the_one_before(street: Street) -> None:
    picture = LookTable(grey(street.frame(200))).picture(PLACE)
    assert picture is not None
    past = remembered(street, steps(100, 199))
    assert past.alike(picture, PLACE, 200, ALIKE) == steps(200 - KEPT, 199)
    past = remembered(street, steps(100, 110, 0.25))
    times = past.alike(picture, PLACE, 200, ALIKE)
    assert times == steps(100, 110)
    assert min(np.diff(times)) >= APART_S


def test_wide_frames_are_kept_small_and_still_recognised(street: Street) -> None:
    def wide(at_s: float) -> Grey:
        size = 6 * street.frame(at_s).width, 6 * street.frame(at_s).height
        assert size[0] > WIDTH_PX
        return np.asarray(cv2.resize(grey(street.frame(at_s)), size), np.uint8)

    place = tuple(6 * side for side in PLACE)
    past = LookBack()
    for at_s in steps(8, 19):
        past.remember(at_s, LookTable(wide(at_s)))
    picture = LookTable(wide(20)).picture(place)  # type: ignore[arg-type]
    assert picture is not None
    assert past.alike(picture, place, 20, ALIKE) == steps(ARRIVES_S, 19)  # type: ignore[arg-type]


def test_a_shift_of_the_view_is_followed(street: Street) -> None:
    turned = replace(street, shift=lambda at_s: (14, -9) if at_s < 16 else (0, 0))
    past = LookBack()
    for at_s in steps(8, 19):
        past.remember(at_s, LookTable(grey(turned.frame(at_s)), (14.0, -9.0) if at_s < 16 else (0.0, 0.0)))
    picture = LookTable(grey(turned.frame(20))).picture(PLACE)
    assert picture is not None
    assert past.alike(picture, PLACE, 20, ALIKE) == steps(ARRIVES_S, 19)


def test_a_car_that_the_detector_sees_late_is_dated_from_when_its_place_began_to_look_so(street: Street) -> None:
    watched = told(street, steps(0, 60), lambda at_s: [(PLACE, 0.75)] if at_s >= 25 else [])
    (stay,) = watched.stays()
    assert stay.from_s == pytest.approx(ARRIVES_S, abs=1)
    assert stay.dwell.observed_s == pytest.approx(60 - stay.from_s)
    assert not stay.open_start


def test_a_car_that_was_there_at_the_start_but_is_seen_late_says_so() -> None:
    street = Street((standing("car", 100, 110, -10, 400),))
    (stay,) = told(street, steps(0, 60), lambda at_s: [(PLACE, 0.75)] if at_s >= 15 else []).stays()
    assert (stay.from_s, stay.open_start) == (0, True)


def test_a_place_that_looked_otherwise_before_dates_nothing_back(street: Street) -> None:
    (stay,) = told(street, steps(0, 60), lambda at_s: [(PLACE, 0.75)] if at_s >= ARRIVES_S else []).stays()
    assert stay.from_s == pytest.approx(ARRIVES_S, abs=1)


def test_a_gap_before_the_detector_sees_it_is_unknown_time(street: Street) -> None:
    times = [*steps(0, 20), *steps(50, 90)]
    (stay,) = told(street, times, lambda at_s: [(PLACE, 0.75)] if at_s >= 55 else []).stays()
    assert stay.from_s == pytest.approx(ARRIVES_S, abs=1)
    assert stay.dwell.unknown_s == pytest.approx(30)
    assert stay.dwell.total_s == pytest.approx(90 - stay.from_s)


def now_and_then(first_s: float) -> Say:
    """A weak sight of the place for ten seconds out of forty."""
    return lambda at_s: [(PLACE, 0.3)] if at_s >= first_s and (at_s - first_s) % 40 < 10 else []


def stood(watched: Watched) -> list[Stay]:
    return watched.stays()


def test_a_shop_window_that_is_taken_for_a_car_now_and_then_is_none() -> None:
    assert stood(told(Street(()), steps(0, 300), now_and_then(30))) == []


def test_the_same_weak_sights_of_what_has_just_come_are_a_car() -> None:
    street = Street((standing("car", 100, 110, 30, 400),))
    (stay,) = stood(told(street, steps(0, 60), now_and_then(30)))
    assert stay.from_s == pytest.approx(30, abs=1)


def test_a_fair_score_must_have_been_there_for_half_of_the_time_that_the_place_looked_so() -> None:
    def seen_for(lasts_s: float) -> list[Stay]:
        return stood(told(Street(()), steps(0, 100), lambda at_s: [(PLACE, 0.45)] if 30 <= at_s < 30 + lasts_s else []))

    assert seen_for(8) == []
    assert len(seen_for(20)) == 1


def test_a_sure_score_needs_less_than_a_fair_one() -> None:
    def seen_with(score: float) -> list[Stay]:
        return stood(told(Street(()), steps(0, 100), lambda at_s: [(PLACE, score)] if 30 <= at_s < 41 else []))

    assert seen_with(0.45) == []
    assert len(seen_with(0.6)) == 1
