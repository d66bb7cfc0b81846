"""What stands still, since when, and is it still there."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import StayState
from tests.edge_agent.scene.one_stay import ENDS_WITHIN_S, RESTS_WITHIN_S, only, same_sums
from tests.edge_agent.synthetic_street import (
    SEEING,
    Eye,
    Street,
    Thing,
    Watched,
    passing,
    standing,
    steps,
    watch,
)


def test_a_car_that_stops_becomes_one_stay_dated_from_when_it_came_to_rest() -> None:
    stay = only(watch(Street((standing("car", 100, 110, 12, 99),)), steps(0, 60)))
    assert stay.state is StayState.OBSERVED
    assert stay.from_s == pytest.approx(12, abs=RESTS_WITHIN_S)
    assert not stay.open_start
    assert (stay.class_group, stay.class_name) == (ClassGroup.VEHICLE, "car")
    assert stay.box == pytest.approx((100, 74, 160, 110), abs=2)
    assert stay.dwell.observed_s == pytest.approx(60 - stay.from_s)
    same_sums(stay)


def test_an_empty_street_has_no_stays() -> None:
    assert watch(Street(()), steps(0, 60)).stays() == []


def test_a_stop_shorter_than_settling_makes_no_stay() -> None:
    assert watch(Street((standing("car", 100, 110, 10, 11.5),)), steps(0, 40, 0.5), period_s=0.5).stays() == []


def test_misses_of_the_detector_do_not_end_a_stay() -> None:
    street = Street((standing("car", 100, 110, 5, 190),), Eye(miss=0.5, jitter_px=1.0))
    watched = watch(street, steps(0, 180))
    stay = only(watched)
    assert stay.from_s == pytest.approx(5, abs=2.5)
    assert watched.ended_at(stay.stay_id) is None
    assert stay.dwell.observed_s > 0.95 * stay.dwell.total_s
    same_sums(stay)


def test_a_car_that_the_detector_loses_for_good_is_kept_by_its_looks() -> None:
    street = Street((standing("car", 100, 110, 5, 400),), Eye(blind_to={"car": 40.0}))
    stay = only(watch(street, steps(0, 300)))
    assert stay.state is StayState.OBSERVED
    assert stay.last_observed_s == 300


def test_boxes_that_wander_over_a_car_do_not_spoil_its_looks() -> None:
    frame = Street(()).frame(0)
    speckled = np.random.default_rng(5).integers(0, 255, frame.image.shape, np.uint8)
    memory = SceneMemory("gate", 1.0)
    for at_s in range(60):
        box = np.array([[80.0, 60.0, 160.0, 110.0]], np.float32) + 0.6 * at_s
        car = Detections(box, np.array([0.6], np.float32), ("car",), (ClassGroup.VEHICLE,))
        seen = car if at_s < 18 else Detections.empty()
        stays = memory.observe(replace(frame, image=speckled, media_time_s=float(at_s)), SEEING, seen)
    assert [(stay.state, stay.from_s, stay.last_observed_s) for stay in stays] == [(StayState.OBSERVED, 0.0, 59.0)]
    assert stays[0].box[0] > 83, "its own box has followed the detector"


def test_looks_alone_never_create_a_stay() -> None:
    street = Street((standing("car", 100, 110, 5, 400),), Eye(blind_to={"car": 7.0}))
    assert watch(street, steps(0, 120)).stays() == []


def test_swapped_classes_do_not_end_a_stay_and_the_vote_decides() -> None:
    street = Street((standing("car", 100, 110, 5, 190),), Eye(swap=0.35))
    watched = watch(street, steps(0, 180))
    said = {name for at_s in steps(5, 180) for name in street.detections(at_s).class_names}
    assert said == {"car", "van", "truck", "bus"}
    assert only(watched).class_name == "car"
    assert watched.ended_at(only(watched).stay_id) is None


def test_a_thing_detected_as_two_classes_at_once_is_one_stay() -> None:
    street = Street((standing("car", 100, 110, 5, 99),))
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in steps(0, 60):
        seen = street.detections(at_s)
        both = Detections(
            np.concatenate([seen.boxes, seen.boxes + 2]),
            np.concatenate([seen.scores, seen.scores * 0.8]),
            (*seen.class_names, *("truck" for _ in seen.class_names)),
            (*seen.groups, *seen.groups),
        )
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, both)))
    assert only(Watched(memory, tuple(moments))).class_name == "car"


@pytest.mark.parametrize("miss", [0.0, 0.3])
def test_a_bus_that_stands_in_front_hides_a_car_and_that_time_counts_as_occluded(miss: float) -> None:
    bus = standing("bus", 60, 150, 40, 80, size=(140, 90), class_name="bus", seed=3)
    street = Street((standing("car", 100, 110, 5, 400), bus), Eye(miss=miss))
    watched = watch(street, steps(0, 140))
    car, the_bus = watched.stays()
    assert the_bus.class_name == "bus"
    hidden = [stay.state for at_s, stay in watched.of(car.stay_id) if 41 <= at_s <= 79]
    assert set(hidden) <= {StayState.OCCLUDED, StayState.UNKNOWN}  # unknown in a frame that misses the bus as well
    assert hidden.count(StayState.OCCLUDED) >= (1 - 2 * miss) * len(hidden)
    assert watched.ended_at(car.stay_id) is None
    assert car.dwell.occluded_s == pytest.approx(41, abs=3)
    assert car.dwell.unknown_s == 0
    same_sums(car)


def test_the_dwell_goes_on_while_a_stay_is_hidden() -> None:
    bus = standing("bus", 60, 150, 40, 400, size=(140, 90), class_name="bus", seed=3)
    watched = watch(Street((standing("car", 100, 110, 5, 400), bus)), steps(0, 100))
    car = watched.stays()[0]
    assert car.state is StayState.OCCLUDED
    assert car.dwell.total_s == pytest.approx(95, abs=RESTS_WITHIN_S)


def test_traffic_that_passes_in_front_neither_ends_nor_doubles_a_stay() -> None:
    lane = tuple(
        passing(f"passing {n}", 140, 20.0 + 7 * n, 2.5, size=(90, 60), class_name="van", seed=10 + n) for n in range(20)
    )
    watched = watch(Street((standing("car", 100, 110, 5, 400), *lane), Eye(miss=0.3, jitter_px=0.7)), steps(0, 180))
    car = only(watched)
    assert watched.ended_at(car.stay_id) is None
    assert car.from_s == pytest.approx(5, abs=2.5)


def test_a_car_kept_by_its_looks_outlasts_traffic_that_crosses_its_very_place() -> None:
    """Two vans, minutes apart, each caught in one frame exactly where the car stands."""
    vans = tuple(
        Thing(f"van {at}", ((at - 1, -50, 112), (at, 98, 112), (at + 1, 350, 112)), (64, 40), "van", 20 + at)
        for at in (60, 130)
    )
    street = Street((standing("car", 100, 110, 5, 400), *vans), Eye(blind_to={"car": 30.0}))
    watched = watch(street, steps(0, 180))
    car = only(watched)
    assert watched.ended_at(car.stay_id) is None
    assert car.state is StayState.OBSERVED


def test_moving_traffic_makes_no_stay() -> None:
    lane = tuple(passing(f"car {n}", 110 + n % 3, 2.0 * n, 4.0, seed=n) for n in range(60))
    assert watch(Street(lane, Eye(jitter_px=1.0)), steps(0, 120)).stays() == []


def test_people_make_no_stay() -> None:
    person = standing("person", 100, 110, 5, 99, size=(14, 36), class_name="person")
    assert watch(Street((person,)), steps(0, 60)).stays() == []


@pytest.mark.parametrize(("miss", "jitter_px"), [(0.0, 0.0), (0.4, 1.0)])
def test_a_car_that_leaves_ends_within_seconds_dated_when_it_was_last_seen(miss: float, jitter_px: float) -> None:
    watched = watch(Street((standing("car", 100, 110, 5, 60),), Eye(miss=miss, jitter_px=jitter_px)), steps(0, 120))
    stay = only(watched)
    assert stay.state is StayState.ABSENT
    ended_s = watched.ended_at(stay.stay_id)
    assert ended_s is not None
    assert 60 < ended_s <= 60 + ENDS_WITHIN_S
    assert stay.gone_from_s == stay.last_observed_s == pytest.approx(60, abs=1)
    assert stay.dwell.total_s == pytest.approx(60 - stay.from_s, abs=1)
    same_sums(stay)


def test_the_end_is_said_once() -> None:
    watched = watch(Street((standing("car", 100, 110, 5, 60),)), steps(0, 120))
    stay = only(watched)
    assert [s.state for _, s in watched.of(stay.stay_id)].count(StayState.ABSENT) == 1
    assert watched.at(100) == ()


def test_a_neighbour_that_overlaps_its_box_does_not_keep_a_departed_car_alive() -> None:
    neighbour = standing("neighbour", 138, 118, -1, 400, seed=4)
    watched = watch(Street((neighbour, standing("car", 100, 110, 10, 60))), steps(0, 120))
    car = next(stay for stay in watched.stays() if not stay.open_start)
    ended_s = watched.ended_at(car.stay_id)
    assert ended_s is not None
    assert ended_s <= 60 + ENDS_WITHIN_S
    assert [stay.open_start for stay in watched.at(120)] == [True]


def test_a_second_car_in_the_same_place_is_a_new_stay() -> None:
    street = Street((standing("first", 100, 110, 5, 60), standing("second", 101, 111, 70, 400, seed=9)))
    watched = watch(street, steps(0, 140))
    first, second = watched.stays()
    assert first.stay_id != second.stay_id
    assert first.gone_from_s == pytest.approx(60, abs=1)
    assert second.from_s == pytest.approx(70, abs=RESTS_WITHIN_S)
    assert second.dwell.total_s == pytest.approx(70, abs=RESTS_WITHIN_S)


@pytest.mark.parametrize("after", [0.6, 1.4])
@pytest.mark.parametrize("slowly", [True, False])
@pytest.mark.parametrize("miss", [0.0, 0.5])
def test_a_change_of_light_neither_ends_nor_doubles_a_stay(after: float, slowly: bool, miss: float) -> None:
    def light(at_s: float) -> float:
        return float(np.interp(at_s, (40, 100 if slowly else 40.5), (1.0, after)))

    watched = watch(Street((standing("car", 100, 110, 5, 400),), Eye(miss=miss), light), steps(0, 200))
    stay = only(watched)
    assert watched.ended_at(stay.stay_id) is None
    assert stay.last_observed_s >= 199


def test_things_there_at_the_start_say_so() -> None:
    street = Street((standing("old", 60, 110, -1, 400), standing("new", 180, 110, 20, 400, seed=4)))
    old, new = watch(street, steps(0, 60)).stays()
    assert (old.open_start, old.from_s) == (True, 0)
    assert (new.open_start, new.from_s) == (False, pytest.approx(20, abs=RESTS_WITHIN_S))


def test_the_stays_move_with_the_view() -> None:
    def shift(at_s: float) -> tuple[int, int]:
        return (0, 0) if at_s < 40 else (14, -9)

    street = Street((standing("car", 100, 110, 5, 400),), Eye(miss=0.3), shift=shift)
    watched = watch(street, steps(0, 120))
    stay = only(watched)
    assert watched.ended_at(stay.stay_id) is None
    assert stay.box == pytest.approx((100, 74, 160, 110), abs=2)


def test_two_cars_bumper_to_bumper_are_two_stays() -> None:
    street = Street((standing("left", 60, 110, 5, 400), standing("right", 122, 110, 15, 400, seed=6)), Eye(jitter_px=1))
    watched = watch(street, steps(0, 120))
    assert [round(stay.box[0], -1) for stay in watched.stays()] == [60, 120]


def test_a_creeping_car_is_no_stay_that_covers_the_whole_street() -> None:
    creeping = Thing("car", ((0, -60, 110), (100, 320, 110)))
    for stay in watch(Street((creeping,)), steps(0, 110)).stays():
        assert stay.dwell.total_s < 15


def test_memory_stays_bounded_whatever_the_detector_says() -> None:
    memory = SceneMemory("gate", 1.0)
    frame = Street(()).frame(0)
    rng = np.random.default_rng(4)
    most = kept = 0
    for index in range(60):
        corners = rng.uniform(0, 1, (300, 2)) * (300, 160)
        boxes = np.concatenate([corners, corners + rng.uniform(8, 40, (300, 2))], 1).astype(np.float32)
        scores = rng.uniform(0.1, 0.6, 300).astype(np.float32)
        spurious = Detections(boxes, scores, ("car",) * 300, (ClassGroup.VEHICLE,) * 300)
        if index % 30 == 0:  # hundreds of new boxes at once
            memory.observe(replace(frame, media_time_s=float(index)), SEEING, spurious)
        else:
            few = spurious.keep(np.arange(300) < 6)
            memory.observe(replace(frame, media_time_s=float(index)), SEEING, few)
        most, kept = max(most, len(memory.places)), max(kept, len(json.dumps(memory.dump())))
    assert most <= 400
    assert kept < 4_000_000


def test_the_same_input_twice_gives_identical_snapshots() -> None:
    bus = passing("bus", 150, 40, 6, size=(140, 80), class_name="bus", seed=3)
    street = Street((standing("car", 100, 110, 5, 80), bus), Eye(miss=0.3, jitter_px=1.0, swap=0.2))

    def told() -> str:
        watched = watch(street, steps(0, 100))
        return json.dumps([[at_s, [asdict(stay) for stay in stays]] for at_s, stays in watched.moments])

    assert told() == told()


@pytest.mark.parametrize("period_s", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("miss", [0.0, 0.3])
def test_however_often_it_looks_it_finds_the_same_stays(period_s: float, miss: float) -> None:
    things = (
        standing("first", 40, 110, 6, 80),
        standing("second", 130, 112, 20, 400, seed=6),
        standing("third", 42, 110, 100, 400, seed=8),
        passing("bus", 150, 60, 5, size=(140, 80), class_name="bus", seed=3),
    )
    watched = watch(Street(things, Eye(miss=miss, jitter_px=0.7)), steps(0, 160, period_s), period_s=period_s)
    stays = watched.stays()
    assert [stay.from_s for stay in stays] == pytest.approx([6, 20, 100], abs=2 * period_s + 1)
    gone = [stay.gone_from_s for stay in stays]
    assert gone[1:] == [None, None]
    assert gone[0] == pytest.approx(80, abs=period_s + 0.5)


def test_a_neighbour_bay_that_fills_and_empties_leaves_a_stay_alone() -> None:
    visitors = tuple(standing(f"visitor {n}", 165, 112, 20.0 + 30 * n, 40.0 + 30 * n, seed=40 + n) for n in range(5))
    watched = watch(Street((standing("car", 100, 110, 5, 400), *visitors), Eye(miss=0.2, jitter_px=0.7)), steps(0, 180))
    car = watched.stays()[0]
    assert watched.ended_at(car.stay_id) is None
    assert len(watched.stays()) == 6
