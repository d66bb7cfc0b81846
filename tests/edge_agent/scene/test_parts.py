"""What is seen in parts, or twice, is one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from edge_agent.detection.detections import Detections
from edge_agent.scene.boxes import iou_of
from edge_agent.scene.stay import Box, StayState
from tests.edge_agent.street_pipeline import Watch, parking_zone
from tests.edge_agent.synthetic_street import Street, standing, steps
from tests.edge_agent.told_street import (
    ARRIVES_S,
    CAB,
    CAR,
    LOAD,
    LORRY,
    RULES,
    Say,
    Sight,
    boxes,
    cars,
    lorry,
    new_car,
    seen_from,
    told,
)


@pytest.mark.parametrize("score", [0.3, 0.6, 0.9])
def test_what_is_detected_in_a_thing_that_looks_as_ever_is_a_part_of_it(score: float) -> None:
    """Whatever had come would show in its picture; so even a sure sight of a cab is no arrival."""

    def say(at_s: float) -> list[Sight]:
        return [(LORRY, 0.6)] * (at_s >= ARRIVES_S) + [(CAB, score)] * (at_s >= 40)

    assert boxes(told(lorry(), steps(0, 80), say)) == [LORRY]


def test_a_car_that_stops_in_front_of_a_lorry_is_no_part_of_it() -> None:
    street = Street((*lorry().things, standing("car", 84, 122, 40, 400, size=(46, 54), seed=9)))

    def say(at_s: float) -> list[Sight]:
        return [(LORRY, 0.6)] * (at_s >= ARRIVES_S) + [((84.0, 68.0, 130.0, 122.0), 0.6)] * (at_s >= 40)

    assert len(told(street, steps(0, 80), say).stays()) == 2


def test_a_whole_scene_taken_for_a_thing_has_no_parts() -> None:
    """A far larger box that looks as ever does not swallow what is found in it."""
    street = Street((standing("car", 60, 110, -20, 400, size=(40, 30)),))
    car: Box = (60.0, 80.0, 100.0, 110.0)

    def say(at_s: float) -> list[Sight]:
        return [((20.0, 30.0, 160.0, 120.0), 0.55)] + [(car, 0.6)] * (at_s >= 40)

    assert car in boxes(told(street, steps(0, 80), say))
    assert car not in boxes(told(street, steps(0, 80), say, replace(RULES, part_size=20.0)))


def test_a_lorry_whose_cab_is_detected_too_is_one_thing() -> None:
    watched = told(lorry(), steps(0, 60), seen_from(ARRIVES_S, (LORRY, 0.7), (CAB, 0.6), (LOAD, 0.5)))
    assert boxes(watched) == [LORRY]


def late_whole(*parts: Sight) -> Say:
    """Parts of a lorry that are sure from when it comes to rest, and the lorry itself, which is sure only later."""
    return lambda at_s: [*parts, (LORRY, 0.2 if at_s < ARRIVES_S + 5 else 0.8)] if at_s >= ARRIVES_S else []


def test_a_part_that_stood_first_hands_its_id_over_to_the_whole() -> None:
    watched = told(lorry(), steps(0, 60), late_whole((CAB, 0.6)))
    first = next(stay for _, stays in watched.moments for stay in stays if stay.standing)
    assert first.box == pytest.approx(CAB, abs=1)
    (stay,) = watched.stays()
    assert stay.box == pytest.approx(LORRY, abs=1)
    assert stay.stay_id == first.stay_id
    assert watched.ended_at(stay.stay_id) is None


def test_of_two_parts_the_first_goes_on_as_the_whole_and_the_other_ends() -> None:
    watched = told(lorry(), steps(0, 60), late_whole((CAB, 0.6), (LOAD, 0.6)))
    assert len(watched.at(60)) == 1
    ended = [stay for stay in watched.stays() if stay.state is StayState.ABSENT]
    assert len(ended) == 1
    assert len(watched.stays()) == 2


@dataclass(frozen=True, slots=True)
class Sighted(Street):
    """A street of which the detector says what it is told to."""

    say: Say = lambda _: ()

    def detections(self, at_s: float) -> Detections:
        return cars(self.say(at_s))


@pytest.mark.parametrize("parts", [((CAB, 0.6),), ((CAB, 0.6), (LOAD, 0.6))])
def test_no_incident_of_a_part_is_left_open(parts: tuple[Sight, ...]) -> None:
    """Parts that were reported before their whole was known: the first incident goes on, the others are closed."""
    whole_known_s, leaves_s = ARRIVES_S + 8, 60.0
    (thing,) = lorry().things
    leaving = replace(thing, path=(*thing.path[:2], (leaves_s, 80.0, 120.0), (leaves_s + 1, 400.0, 120.0)))
    said = late_whole(*parts)
    street = Sighted((leaving,), say=lambda at_s: said(at_s) if at_s < leaves_s else ())
    polygon = [(20, 60), (280, 60), (280, 130), (20, 130)]
    zone = parking_zone(polygon=polygon, dwell_limit_s={"vehicle": 3})
    watch = Watch(street, (zone,)).see(steps(0, 90))
    opened = {event.incident_id: event.media_time_s for event in watch.events if event.phase.value == "opened"}
    closed = {event.incident_id: event.media_time_s for event in watch.events if event.phase.value == "closed"}
    assert len(opened) == len(parts)
    assert max(opened.values()) < whole_known_s
    assert opened.keys() == closed.keys()
    *others, first = sorted(closed.values())
    assert leaves_s < first < leaves_s + 8
    assert all(at_s <= whole_known_s + 1 for at_s in others)


def test_two_that_stop_at_the_same_moment_side_by_side_are_two() -> None:
    street = Street(
        (standing("a", 60, 110, 10, 400, seed=4), standing("b", 110, 112, 10, 400, size=(60, 36), seed=5)),
    )
    first, second = (60.0, 74.0, 120.0, 110.0), (110.0, 76.0, 170.0, 112.0)
    assert boxes(told(street, steps(0, 60), seen_from(10, (first, 0.7), (second, 0.55)))) == [first, second]


@pytest.mark.parametrize(("later_s", "things"), [(0.0, 1), (20.0, 2)])
def test_two_sights_that_half_overlap_are_one_thing_when_they_came_together(later_s: float, things: int) -> None:
    front: Box = (80.0, 50.0, 150.0, 120.0)
    rear: Box = (110.0, 50.0, 180.0, 120.0)

    def say(at_s: float) -> list[Sight]:
        return [(front, 0.7)] * (at_s >= ARRIVES_S) + [(rear, 0.6)] * (at_s >= ARRIVES_S + later_s)

    comes_second = standing("second", 80, 121, ARRIVES_S + 20, 400, size=(100, 70), seed=7)
    street = Street((*lorry().things, comes_second)) if later_s else lorry()
    kept_apart = replace(RULES, same_thing_iou=0.9)
    assert len(told(street, steps(0, 60), say, kept_apart).stays()) == things


def test_a_thing_goes_on_when_only_a_part_of_it_is_still_in_sight() -> None:
    """A cloth that nobody detects hangs over one half of a car; the other half is detected, and looks as ever."""
    cloth = standing("cloth", 100, 111, 40, 400, size=(26, 40), seed=30)
    street = Street((standing("car", 100, 110, ARRIVES_S, 400), cloth))
    half: Box = (128.0, 74.0, 160.0, 110.0)

    def say(at_s: float) -> list[Sight]:
        return [] if at_s < ARRIVES_S else [(CAR, 0.6)] if at_s < 40 else [(half, 0.6)]

    (stay,) = told(street, steps(0, 80), say).stays()
    assert stay.from_s == pytest.approx(ARRIVES_S, abs=1)
    assert stay.state is StayState.OBSERVED


def test_a_shifted_sight_of_a_thing_that_looks_as_ever_is_that_thing() -> None:
    shifted: Box = (112.0, 80.0, 176.0, 120.0)
    assert 0.35 < iou_of(CAR, shifted) < 0.5

    def say(at_s: float) -> list[Sight]:
        return [] if at_s < ARRIVES_S else [(CAR, 0.5)] if at_s < 40 else [(CAR, 0.5), (shifted, 0.6)]

    assert boxes(told(new_car(), steps(0, 80), say)) == [tuple(round(side) for side in CAR)]
