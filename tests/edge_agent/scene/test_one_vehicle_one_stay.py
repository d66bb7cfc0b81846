"""One parked vehicle is one stay: hidden, half hidden, in single stills, and however its boxes flicker."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.boxes import iou_of
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import Box, Stay, StayState
from tests.edge_agent.synthetic_street import DARK, SEEING, Street, Watched, passing, standing, steps
from tests.edge_agent.told_street import (
    ARRIVES_S,
    CAR,
    LORRY,
    RULES,
    Sight,
    cars,
    lorry,
    new_car,
    seen_from,
    told,
)

STILL_S = 300.0
"""Time between two stills: far more than a gap."""
BUS: Box = (70.0, 40.0, 190.0, 128.0)


PARKED = standing("car", 100, 110, ARRIVES_S, 9000)
LONG_LORRY = standing("lorry", 80, 120, ARRIVES_S, 9000, size=(120, 70), seed=3)


def bursts(*begins_s: float) -> list[float]:
    """Three frames a second apart, now and then."""
    return [at_s + n for at_s in begins_s for n in range(3)]


def stills(first_s: float, count: int) -> list[float]:
    return [first_s + n * STILL_S for n in range(count)]


def at_place(watched: Watched, place: Box) -> list[Stay]:
    return [stay for stay in watched.stays() if iou_of(stay.box, place) >= RULES.same_thing_iou]


# Hidden


@pytest.mark.parametrize("score", [0.22, 0.3])
def test_what_the_detector_sees_but_weakly_in_front_is_no_sight_of_an_empty_place(score: float) -> None:
    """A bus stops before a car; nobody ever sees the road there."""
    bus = standing("bus", 70, 128, 1000, 1800, size=(120, 88), seed=4)
    street = Street((PARKED, bus))
    there = range(1000, 1801)

    def say(at_s: float) -> list[Sight]:
        return [(BUS, score)] if int(at_s) in there else [(CAR, 0.6)] * (at_s >= ARRIVES_S)

    times = [*steps(0, 60), *bursts(300, 600), *bursts(1100, 1300, 1500, 1700), *bursts(2000, 2300)]
    (stay,) = at_place(told(street, times, say), CAR)
    assert stay.state is StayState.OBSERVED
    assert stay.from_s == pytest.approx(ARRIVES_S, abs=1)


def test_a_thing_whose_upper_part_still_shows_is_there() -> None:
    """Another car stops so close before it that its lower half is hidden, and nobody detects what is left of it."""
    nearer = standing("nearer", 100, 131, 1000, 2500, seed=9)
    before: Box = (100.0, 95.0, 160.0, 131.0)
    street = Street((PARKED, nearer))

    def say(at_s: float) -> list[Sight]:
        return [(before, 0.7)] if 1000 <= at_s <= 2500 else [(CAR, 0.6)] * (at_s >= ARRIVES_S)

    watched = told(street, [*steps(0, 60), *stills(300, 12)], say)
    (stay,) = at_place(watched, CAR)
    seen = {at_s: stay.state for at_s, stay in watched.of(stay.stay_id)}
    assert seen[1200] is seen[2100] is StayState.OBSERVED
    assert stay.dwell.total_s == pytest.approx(stay.last_observed_s - stay.from_s, abs=0.01)


def test_what_is_left_in_sight_of_a_lost_thing_is_no_new_one_in_stills() -> None:
    cloth = standing("cloth", 80, 121, 1000, 1900, size=(60, 72), seed=30)
    street = Street((LONG_LORRY, cloth))
    rest: Box = (140.0, 52.0, 200.0, 120.0)

    def say(at_s: float) -> list[Sight]:
        return [(rest, 0.6)] if 1000 <= at_s <= 1900 else [(LORRY, 0.6)] * (at_s >= ARRIVES_S)

    watched = told(street, [*steps(0, 60), *stills(300, 9)], say)
    (stay,) = watched.stays()
    assert watched.ended_at(stay.stay_id) is None


def test_what_stood_behind_a_thing_before_it_came_is_not_that_thing_when_it_has_left() -> None:
    """A lorry stops before a parked car that the detector has not noticed yet, and drives off."""
    leaves = standing("lorry", 80, 120, ARRIVES_S, 25, size=(120, 70), seed=3)
    street = Street((standing("car", 100, 110, -9, 400), leaves))

    def say(at_s: float) -> list[Sight]:
        return [(LORRY, 0.7)] * (ARRIVES_S <= at_s < 25) + [(CAR, 0.6)] * (at_s >= 27)

    car, lorry_stay = told(street, steps(0, 60), say).stays()
    assert lorry_stay.state is StayState.ABSENT
    assert lorry_stay.last_observed_s < 26
    assert car.box == pytest.approx(CAR, abs=1)
    assert car.from_s < ARRIVES_S


# Gone


def test_in_stills_minutes_apart_a_thing_is_gone_when_its_place_was_seen_without_it_often_enough() -> None:
    street = Street((standing("car", 100, 110, ARRIVES_S, 1000),))
    times = [*steps(0, 60), *stills(300, 20)]
    watched = told(street, times, lambda at_s: [(CAR, 0.6)] * (ARRIVES_S <= at_s <= 1000))
    (stay,) = watched.stays()
    ended_s = watched.ended_at(stay.stay_id)
    assert ended_s == 900 + RULES.gone_stills * STILL_S
    assert stay.gone_from_s == 900


@pytest.mark.parametrize("gap_s", [STILL_S, 0.0])
def test_what_comes_to_stand_on_the_ground_of_a_lost_thing_takes_its_place(gap_s: float) -> None:
    """A lorry leaves while the camera is dark, and a far smaller car is there when it sees again."""
    car: Box = (110.0, 84.0, 170.0, 120.0)
    assert iou_of(car, LORRY) < RULES.same_thing_iou
    lorry_leaves = standing("lorry", 80, 120, ARRIVES_S, 40, size=(120, 70), seed=3)
    street = Street((lorry_leaves, standing("car", 110, 120, 50, 900, seed=9)))
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in [*steps(0, 70), *steps(70 + max(gap_s, 1), 120 + gap_s)]:
        dark = 38 <= at_s < 60
        sights = [(LORRY, 0.6)] * (ARRIVES_S <= at_s < 40) + [(car, 0.6)] * (at_s >= 50)
        told_of = cars(sights if not dark else [])
        moments.append((at_s, memory.observe(street.frame(min(at_s, 120)), DARK if dark else SEEING, told_of)))
    first, second = Watched(memory, tuple(moments)).stays()
    assert (first.state, second.state) == (StayState.ABSENT, StayState.OBSERVED)
    assert second.box == pytest.approx(car, abs=1)
    assert second.from_s == pytest.approx(60, abs=1)


# Weak sights


@pytest.mark.parametrize(
    ("score", "from_s", "stands"),
    [(0.33, 10, False), (0.48, 10, True), (0.48, -9, False), (0.5, -9, True)],
    ids=["weak", "fair, and came", "fair, and was there", "sure, and was there"],
)
def test_a_bicycle_that_is_never_more_than_weak_is_none(score: float, from_s: float, stands: bool) -> None:
    """Branches, railings and racks look a little like bicycles for as long as anyone looks."""
    street, memory = Street((standing("bicycle", 100, 110, from_s, 400),)), SceneMemory("gate", 1.0)
    for at_s in steps(0, 90):
        memory.observe(street.frame(at_s), SEEING, cars([(CAR, score)] * (at_s >= from_s), ClassGroup.CYCLE))
    assert any(place.standing for place in memory.places) is stands


@pytest.mark.parametrize(("scores", "things"), [((0.38, 0.36), 1), ((0.75, 0.7), 2)])
def test_halves_of_a_vehicle_that_the_detector_is_unsure_of_are_one(scores: tuple[float, float], things: int) -> None:
    front, rear = (80.0, 50.0, 150.0, 120.0), (118.0, 50.0, 188.0, 120.0)
    watched = told(lorry(), steps(0, 60), seen_from(ARRIVES_S, (front, scores[0]), (rear, scores[1])))
    assert len([stay for stay in watched.stays() if stay.state is not StayState.ABSENT]) == things


def test_weak_sights_take_as_long_however_often_the_detector_looks() -> None:
    """What looks a little like a car looks so in the next frame too."""

    def stands_at(period_s: float) -> float:
        memory = SceneMemory("gate", period_s)
        for at_s in steps(0, 60, period_s):
            memory.observe(new_car().frame(at_s), SEEING, cars([(CAR, 0.3)] * (at_s >= ARRIVES_S)))
            if any(place.standing for place in memory.places):
                return at_s
        return np.inf

    assert stands_at(0.25) == pytest.approx(stands_at(1.0), abs=1)


def test_a_vehicle_that_the_detector_takes_for_something_else_in_every_second_frame_is_found() -> None:
    memory = SceneMemory("gate", 1.0)
    for at_s in steps(0, 40):
        told_of = cars([(CAR, 0.3 if at_s % 2 else 0.28)] * (at_s >= ARRIVES_S))
        other = cars([(CAR, 0.29)] * (at_s >= ARRIVES_S), ClassGroup.OBJECT)
        both = Detections(
            np.concatenate([told_of.boxes, other.boxes]),
            np.concatenate([told_of.scores, other.scores]),
            told_of.class_names + other.class_names,
            told_of.groups + other.groups,
        )
        order = np.argsort(-both.scores, kind="stable")[:1] if at_s > 14 else np.argsort(-both.scores, kind="stable")
        seen = Detections(
            both.boxes[order],
            both.scores[order],
            tuple(both.class_names[n] for n in order),
            tuple(both.groups[n] for n in order),
        )
        memory.observe(new_car().frame(at_s), SEEING, seen)
    (place,) = memory.places
    assert place.standing


# Flicker

PARTS: tuple[Box, ...] = (LORRY, (84.0, 74.0, 170.0, 118.0), (100.0, 80.0, 190.0, 119.0), (82.0, 66.0, 196.0, 120.0))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    gaps=st.lists(st.tuples(st.integers(20, 80), st.floats(5, 5000)), max_size=4),
    bus_s=st.one_of(st.none(), st.integers(25, 70)),
)
def test_boxes_that_flicker_between_a_thing_and_its_parts_make_no_second_one(
    seed: int, gaps: list[tuple[int, float]], bus_s: int | None
) -> None:
    """In each frame the whole, a part, several of them or none is detected, at any score; frames are missing; a bus
    passes. The street's own clock stands still in gaps."""
    things = lorry().things if bus_s is None else (*lorry().things, passing("bus", 135, bus_s, size=(140, 95), seed=4))
    street = Street(things)
    rng = np.random.default_rng(seed)

    def sights(at_s: float) -> Iterable[Sight]:
        if at_s < ARRIVES_S:
            return ()
        if at_s < ARRIVES_S + 6:
            return [(LORRY, 0.7)]
        return [(box, float(rng.uniform(0.25, 0.8))) for box in PARTS if rng.random() < 0.4]

    memory = SceneMemory("gate", 1.0)
    late_s, ids = 0.0, set()
    for at_s in steps(0, 100):
        late_s += sum(length for start, length in gaps if start == at_s)
        frame = street.frame(at_s)
        frame = type(frame)(frame.image, frame.captured_at, at_s + late_s)
        stays = memory.observe(frame, SEEING, cars(sights(at_s)))
        ids |= {stay.stay_id for stay in stays if stay.standing}
    assert len(ids) == 1


# Seen to come


def test_what_was_seen_to_come_is_known_from_what_was_there_or_came_unseen() -> None:
    there = Street((standing("car", 100, 110, -9, 900),))
    come = Street((standing("car", 100, 110, 50, 900),))

    def came(street: Street, times: list[float], noticed_s: float) -> bool:
        (stay,) = told(street, times, seen_from(noticed_s, (CAR, 0.6))).stays()
        return stay.came

    assert came(come, steps(0, 70), 50)
    assert not came(there, steps(0, 70), 0)
    assert not came(there, steps(0, 70), 50)
    assert not came(come, [*steps(0, 20), *steps(320, 340)], 50)
