"""When a candidate has arrived, and when it is only something known that is seen again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.boxes import iou_of
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box, StayState
from edge_agent.scene.usual_size import UsualSizes
from tests.edge_agent.street_pipeline import Watch, parking_zone
from tests.edge_agent.synthetic_street import SEEING, Street, Watched, passing, standing, steps

LORRY: Box = (80.0, 50.0, 200.0, 120.0)
CAB: Box = (82.0, 60.0, 132.0, 118.0)
LOAD: Box = (140.0, 66.0, 198.0, 118.0)
RULES = MemoryRules()
ARRIVES_S = 10.0

Sight = tuple[Box, float]
Say = Callable[[float], Iterable[Sight]]


def cars(sights: Iterable[Sight], group: ClassGroup = ClassGroup.VEHICLE) -> Detections:
    best_first = sorted(sights, key=lambda sight: -sight[1])
    if not best_first:
        return Detections.empty()
    places = np.array([box for box, _ in best_first], np.float32)
    scores = np.array([score for _, score in best_first], np.float32)
    return Detections(places, scores, ("car",) * len(best_first), (group,) * len(best_first))


def told(street: Street, times: Iterable[float], say: Say, rules: MemoryRules = RULES) -> Watched:
    """A scene memory that sees the street and is told of these boxes and scores."""
    memory = SceneMemory("gate", 1.0, rules)
    return Watched(memory, tuple((at_s, memory.observe(street.frame(at_s), SEEING, cars(say(at_s)))) for at_s in times))


def lorry(from_s: float = ARRIVES_S) -> Street:
    return Street((standing("lorry", 80, 120, from_s, 400, size=(120, 70), seed=3),))


def seen_from(at_s: float, *sights: Sight) -> Say:
    return lambda now_s: sights if now_s >= at_s else ()


def boxes(watched: Watched) -> list[Box]:
    return [tuple(round(side) for side in stay.box) for stay in watched.stays()]  # type: ignore[misc]


# Parts


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


# Weak evidence

CAR: Box = (100.0, 74.0, 160.0, 110.0)


def new_car() -> Street:
    return Street((standing("car", 100, 110, ARRIVES_S, 400),))


def stands_after(street: Street, say: Say, last_s: float = 90) -> float | None:
    """Seconds from the arrival until the first thing stands."""
    watched = told(street, steps(0, last_s), say)
    return next((at_s - ARRIVES_S for at_s, stays in watched.moments if any(s.standing for s in stays)), None)


def test_weak_scores_at_one_place_again_and_again_are_evidence_and_weaker_ones_take_longer() -> None:
    taken = [stands_after(new_car(), seen_from(ARRIVES_S, (CAR, score))) for score in (0.5, 0.3, 0.2)]
    assert None not in taken
    assert taken == sorted(taken)  # type: ignore[type-var]
    assert taken[0] == 3
    for score, after_s in zip((0.3, 0.2), taken[1:], strict=True):
        sights = RULES.weak_evidence / (score - RULES.weak_floor)
        assert after_s == pytest.approx(sights, abs=1.5)


def test_scores_at_the_floor_are_chance_however_many_there_are() -> None:
    assert stands_after(new_car(), seen_from(ARRIVES_S, (CAR, RULES.weak_floor))) is None


def test_weak_scores_in_every_second_frame_are_not_steady_enough() -> None:
    assert stands_after(new_car(), lambda at_s: [(CAR, 0.3)] * (at_s >= ARRIVES_S and at_s % 2 == 0)) is None
    assert stands_after(new_car(), lambda at_s: [(CAR, 0.6)] * (at_s >= ARRIVES_S and at_s % 2 == 0)) is not None


def test_a_weak_sight_of_two_neighbours_as_one_is_nothing_new() -> None:
    left, right = (60.0, 74.0, 120.0, 110.0), (120.0, 74.0, 180.0, 110.0)
    street = Street((standing("a", 60, 110, 5, 400, seed=4), standing("b", 120, 110, 5, 400, seed=5)))
    both: Box = (80.0, 74.0, 160.0, 110.0)

    def say(at_s: float) -> list[Sight]:
        return [(left, 0.5), (right, 0.5)] * (at_s >= 5) + [(both, 0.45)] * (at_s >= 30)

    assert boxes(told(street, steps(0, 80), say)) == [left, right]


# Size


def vast() -> tuple[Street, Box]:
    box: Box = (60.0, 20.0, 240.0, 150.0)
    return Street((standing("bus", 60, 150, ARRIVES_S, 400, size=(180, 130), seed=3),)), box


def test_a_weak_candidate_that_fills_the_picture_is_the_scene_itself() -> None:
    street, box = vast()
    assert stands_after(street, seen_from(ARRIVES_S, (box, 0.45))) is None
    assert stands_after(street, seen_from(ARRIVES_S, (box, 0.6))) is not None


@pytest.mark.parametrize(
    ("left", "score", "stands"), [(100.0, 0.45, False), (100.0, 0.6, True), (1.0, 0.45, True)], ids=str
)
def test_a_weak_sight_of_something_slender_is_no_vehicle_unless_the_picture_cuts_it(
    left: float, score: float, stands: bool
) -> None:
    street = Street((standing("post", left, 120, ARRIVES_S, 400, size=(24, 60), seed=8),))
    box: Box = (left, 60.0, left + 24, 120.0)
    assert (stands_after(street, seen_from(ARRIVES_S, (box, score))) is not None) is stands


SMALL: Box = (100.0, 96.0, 118.0, 108.0)


def small_thing(passers: int) -> tuple[Street, Say]:
    """Something small stops where cars, seen surely, have driven by."""
    cars_by = tuple(passing(f"car {n}", 108, 1.0 + 4 * n, 3) for n in range(passers))
    street = Street((*cars_by, standing("small", 100, 108, 60, 400, size=(18, 12), seed=8)))

    def say(at_s: float) -> list[Sight]:
        seen = [(box, 0.7) for thing in cars_by if (box := thing.box(at_s)) is not None]
        return seen + [(SMALL, 0.45)] * (at_s >= 60)

    return street, say


def test_a_weak_candidate_of_a_size_that_nothing_has_there_is_nothing() -> None:
    assert told(*_with_times(small_thing(10))).stays() == []


def test_where_nothing_was_seen_yet_no_size_is_odd() -> None:
    assert len(told(*_with_times(small_thing(0))).stays()) == 1


def test_the_sizes_of_things_are_known_after_a_restart_too() -> None:
    street, say = small_thing(10)
    memory = SceneMemory("gate", 1.0)
    for at_s in steps(0, 55):
        memory.observe(street.frame(at_s), SEEING, cars(say(at_s)))
    again = SceneMemory("gate", 1.0)
    again.load(json.loads(json.dumps(memory.dump())))
    assert not any(
        stay.standing for at_s in steps(56, 100) for stay in again.observe(street.frame(at_s), SEEING, cars(say(at_s)))
    )


def test_state_that_was_kept_without_sizes_still_keeps_its_stays() -> None:
    memory = SceneMemory("gate", 1.0)
    for at_s in steps(0, 30):
        memory.observe(new_car().frame(at_s), SEEING, cars([(CAR, 0.6)] * (at_s >= ARRIVES_S)))
    state = memory.dump()
    del state["arrivals"]
    again = SceneMemory("gate", 1.0)
    again.load(state)
    assert [place.stay_id for place in again.places] == [place.stay_id for place in memory.places]


def _with_times(made: tuple[Street, Say]) -> tuple[Street, list[float], Say]:
    return made[0], steps(0, 100), made[1]


# Bounds, replacement and pictures


def test_what_stands_is_never_forgotten_however_many_candidates_there_are() -> None:
    rules = replace(RULES, most_places=4)
    street = Street(tuple(standing(f"car {n}", 5 + 62.0 * n, 60, 2, 400, seed=n + 1) for n in range(4)))
    parked = [((5 + 62.0 * n, 24.0, 65 + 62.0 * n, 60.0), 0.5) for n in range(4)]
    rng = np.random.default_rng(3)

    def say(at_s: float) -> list[Sight]:
        corners = [(rng.uniform(0, 280), rng.uniform(80, 150)) for _ in range(20)]
        passing_by = [((x, y, x + 25, y + 18), 0.9) for x, y in corners]
        return parked * (at_s >= 2) + passing_by * (at_s >= 20)

    watched = told(street, steps(0, 60), say, rules)
    assert len(watched.at(60)) == 4
    assert all(len(stays) == 4 for at_s, stays in watched.moments if at_s >= 20)


def test_of_too_many_candidates_the_weakest_are_forgotten() -> None:
    rules = replace(RULES, most_places=1)
    memory = SceneMemory("gate", 1.0, rules)
    street = Street(())
    sights = [((20.0, 40.0, 60.0, 70.0), 0.3), ((100.0, 40.0, 140.0, 70.0), 0.4), ((200.0, 40.0, 240.0, 70.0), 0.2)]
    (kept,) = memory.observe(street.frame(0), SEEING, cars(sights))
    assert kept.box[0] == 100


def test_only_the_best_detections_of_a_frame_are_looked_at() -> None:
    places = [((5 + 62.0 * n, 24.0, 65 + 62.0 * n, 60.0), 0.5 + 0.1 * n) for n in range(4)]
    street = Street(tuple(standing(f"car {n}", 5 + 62.0 * n, 60, 2, 400, seed=n + 1) for n in range(4)))
    watched = told(street, steps(0, 30), seen_from(2, *places), replace(RULES, most_detections=2))
    assert boxes(watched) == [tuple(round(side) for side in box) for box, _ in places[2:]]


def exchanged(other_until_s: float) -> Watched:
    """A gap from 30 to 90 s, after which another car is seen in the place until a time, and then the first again."""
    plain = Street((standing("car", 100, 110, 5, 900),))
    other = Street((standing("other", 100, 110, 5, 900, seed=8),))
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in [*steps(0, 30), *steps(90, 140)]:
        street = other if 90 <= at_s < other_until_s else plain
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, cars([(CAR, 0.7)] * (at_s >= 5)))))
    return Watched(memory, tuple(moments))


def test_another_look_for_one_frame_after_a_gap_is_no_replacement() -> None:
    (stay,) = exchanged(91).stays()
    assert stay.state is StayState.OBSERVED
    assert stay.dwell.unknown_s >= 60


def test_two_like_sights_of_another_thing_are() -> None:
    first = exchanged(500).stays()
    assert [stay.state for stay in first] == [StayState.ABSENT, StayState.OBSERVED]
    assert first[0].gone_from_s == 30
    assert first[1].from_s == pytest.approx(90, abs=1)


def test_two_sights_that_are_not_like_each_other_are_no_replacement() -> None:
    """First one lorry passes through the place, then another: neither has taken it."""
    plain = Street((standing("car", 100, 110, 5, 900),))
    others = {90.0: 8, 91.0: 9}
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in [*steps(0, 30), *steps(90, 140)]:
        street = plain
        if at_s in others:
            street = Street((standing("other", 100, 110, 5, 900, seed=others[at_s]),))
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, cars([(CAR, 0.7)] * (at_s >= 5)))))
    (stay,) = Watched(memory, tuple(moments)).stays()
    assert stay.state is StayState.OBSERVED


def test_two_weak_sights_of_another_look_are_no_replacement_either() -> None:
    """What has taken a place stands there: until it does by all rules of arrival, the first thing is not gone."""
    plain = Street((standing("car", 100, 110, 5, 900),))
    other = Street((standing("other", 100, 110, 5, 900, seed=8),))
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in [*steps(0, 30), *steps(90, 140)]:
        street, score = (other, 0.2) if 90 <= at_s < 92 else (plain, 0.7)
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, cars([(CAR, score)] * (at_s >= 5)))))
    (stay,) = Watched(memory, tuple(moments)).stays()
    assert stay.state is StayState.OBSERVED


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


# Steadiness


def flow(rules: MemoryRules) -> Watched:
    """Dense traffic at one frame a second: every other time a car, much like the one before, is just at one place."""
    car = Street((standing("car", 100, 110, -1, 900),))
    other: Sight = ((60.0, 90.0, 130.0, 140.0), 0.6)
    memory = SceneMemory("gate", 1.0, rules)
    moments = []
    for at_s in steps(0, 30):
        street, sights = (Street(()), [other]) if at_s % 2 else (car, [(CAR, 0.8)])
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, cars(sights))))
    return Watched(memory, tuple(moments))


def test_cars_that_drive_through_one_place_one_after_the_other_are_no_stay() -> None:
    assert CAR not in boxes(flow(RULES))
    assert CAR in boxes(flow(replace(RULES, steady_share=0.0)))


def test_a_car_that_traffic_hides_in_every_third_frame_is_a_stay() -> None:
    hiding = Street((standing("car", 100, 110, ARRIVES_S, 400), standing("bus", 60, 150, -1, 900, size=(140, 90))))
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in steps(0, 60):
        hidden = at_s % 3 == 0
        street = hiding if hidden else new_car()
        sights = [((60.0, 60.0, 200.0, 150.0), 0.8)] if hidden else [(CAR, 0.6)] * (at_s >= ARRIVES_S)
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, cars(sights))))
    assert any(s.box == pytest.approx(CAR, abs=2) for s in Watched(memory, tuple(moments)).stays())


def test_the_picture_of_a_thing_is_not_renewed_while_something_passes_in_front() -> None:
    memory = SceneMemory("gate", 1.0)
    walkers = tuple(
        passing(f"walker {n}", 112, 20.0 + 4 * n, 12, size=(10, 30), class_name="person", seed=20 + n) for n in range(8)
    )
    street = Street((standing("car", 100, 110, 2, 900), *walkers))
    pictured: dict[float, bool] = {}
    for at_s in steps(0, 90):
        memory.observe(street.frame(at_s), SEEING, cars([(CAR, 0.7)] * (at_s >= 2)))
        place = next((place for place in memory.places if place.standing), None)
        if place is not None:
            pictured[place.pictured_s] = True
    crossing = {at_s for at_s in steps(0, 90) for w in walkers if (b := w.box(at_s)) and b[2] > 100 and b[0] < 160}
    assert len(pictured) >= 2
    assert not set(pictured) & crossing


# Usual sizes


def learned(count: int, box: Box = (0.0, 60.0, 60.0, 100.0), score: float = 0.7) -> UsualSizes:
    sizes = UsualSizes(RULES)
    for _ in range(count):
        seen = cars([(box, score)])
        sizes.learn(seen, seen.boxes)
    return sizes


def scaled(factor: float) -> Box:
    return 100.0, 100 - 40 * factor, 100 + 60 * factor, 100.0


@pytest.mark.parametrize(("factor", "odd"), [(0.3, True), (0.4, False), (1.0, False), (2.5, False), (3.2, True)])
def test_a_size_is_odd_when_it_is_far_from_what_was_seen_there(factor: float, odd: bool) -> None:
    assert learned(RULES.size_samples).odd(scaled(factor), ClassGroup.VEHICLE, 180) is odd


def test_it_takes_several_sure_sights_to_know_a_size() -> None:
    assert not learned(RULES.size_samples - 1).odd(scaled(5), ClassGroup.VEHICLE, 180)
    assert not learned(50, score=RULES.sure_score - 0.01).odd(scaled(5), ClassGroup.VEHICLE, 180)


def test_sizes_are_known_for_a_group_and_a_height_in_the_picture() -> None:
    sizes = learned(20)
    assert not sizes.odd(scaled(5), ClassGroup.CYCLE, 180)
    nearer = (100.0, 120 - 200.0, 400.0, 100 + RULES.size_band * 180 + 1)
    assert not sizes.odd(nearer, ClassGroup.VEHICLE, 180)
    assert sizes.odd(nearer, ClassGroup.VEHICLE, 360)


def test_an_odd_sight_among_many_does_not_change_what_is_usual() -> None:
    sizes = learned(20)
    seen = cars([((0.0, 0.0, 600.0, 100.0), 0.9)])
    sizes.learn(seen, seen.boxes)
    assert sizes.odd(scaled(5), ClassGroup.VEHICLE, 180)
    assert not sizes.odd(scaled(1), ClassGroup.VEHICLE, 180)
