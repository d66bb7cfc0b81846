"""When a candidate has arrived: evidence, size, rest, and what it replaces."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box, StayState
from tests.edge_agent.synthetic_street import SEEING, Street, Watched, passing, standing, steps
from tests.edge_agent.told_street import ARRIVES_S, CAR, RULES, Say, Sight, boxes, cars, new_car, seen_from, told

# Weak evidence


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


def test_a_box_of_a_part_now_and_then_does_not_make_another_thing_of_a_place_that_looks_as_before() -> None:
    part: Box = (100.0, 74.0, 130.0, 110.0)

    def say(at_s: float) -> list[Sight]:
        return [(part if at_s % 4 == 0 else CAR, 0.3)] * (at_s >= ARRIVES_S)

    assert boxes(told(new_car(), steps(0, 60), say)) == [CAR]


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
