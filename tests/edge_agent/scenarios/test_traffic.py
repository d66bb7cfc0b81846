"""Standing in traffic is not parking."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pytest

from edge_agent.detection.detections import ClassGroup
from edge_agent.scenarios.parking import ParkingJudge
from edge_agent.scenarios.traffic import Traffic, TrafficRules
from edge_agent.scene.stay import Box, Dwell, Stay, StayState
from tests.edge_agent.scenarios.test_parking import moment, zone

LENGTH, HEIGHT = 60.0, 40.0
LANE_Y, KERB_Y = 200.0, 240.0
"""Where wheels are in the lane and at the kerb: nearly a vehicle's size apart, as seen from the side."""
FAST = 40.0
"""Pixels a second of a vehicle that drives."""
CREEP_S = 2.5
"""How long a vehicle is a candidate before it is known to stand."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Drives in from the left along ``y``, stands with its left edge at ``x`` from ``from_s`` to ``to_s``, drives out
    to the right."""

    name: str
    x: float
    from_s: float
    to_s: float
    y: float = LANE_Y
    score: float = 0.7
    group: ClassGroup = ClassGroup.VEHICLE
    speed: float = FAST
    came: bool = False

    def at(self, at_s: float) -> Stay | None:
        if at_s < self.from_s:
            x = self.x - self.speed * (self.from_s - at_s)
        elif at_s < self.to_s:
            x = self.x
        else:
            x = self.x + self.speed * (at_s - self.to_s + 1)
        if not -100 <= x <= 900:
            return None
        standing = self.from_s + CREEP_S <= at_s < self.to_s
        moving = not self.from_s <= at_s < self.to_s
        box: Box = (x, self.y - HEIGHT, x + LENGTH, self.y)
        return Stay(
            stay_id=self.name if not moving else f"{self.name} at {at_s}",
            class_group=self.group,
            class_name="car",
            box=box,
            state=StayState.OBSERVED,
            standing=standing,
            from_s=at_s if moving else self.from_s,
            open_start=False,
            last_observed_s=at_s,
            dwell=Dwell(observed_s=0.0 if moving else at_s - self.from_s),
            score=self.score,
            came=self.came,
        )


def through(at_s: float, y: float = LANE_Y) -> Vehicle:
    """One that drives through without a stop, past x 0 at a time."""
    return Vehicle(f"through {at_s}", 900, at_s + 900 / FAST, at_s + 900 / FAST, y)


def seen(vehicles: Iterable[Vehicle], at_s: float) -> tuple[Stay, ...]:
    return tuple(stay for vehicle in vehicles if (stay := vehicle.at(at_s)) is not None)


def waiting(
    vehicles: Iterable[Vehicle], until_s: int, name: str, rules: TrafficRules | None = None, from_s: int = 0
) -> list[int]:
    """The seconds in which one of them stands and counts as waiting."""
    vehicles, traffic, waits = list(vehicles), Traffic(rules), []
    for at_s in range(from_s, until_s):
        stays = seen(vehicles, at_s)
        traffic.observe(stays, at_s)
        if any(stay.standing and stay.stay_id == name and traffic.waits(stay, at_s) for stay in stays):
            waits.append(at_s)
    return waits


def opened_at(
    vehicles: Iterable[Vehicle], until_s: int, limit_s: float = 20.0, period_s: int = 1
) -> dict[str, tuple[int, float]]:
    """When each vehicle was found in violation, and how much time was counted then."""
    everywhere = zone(polygon=[(0, 100), (900, 100), (900, 300), (0, 300)], dwell_limit_s={"vehicle": limit_s})
    judge: ParkingJudge = ParkingJudge(everywhere, lambda _: True)
    vehicles, found = list(vehicles), {}
    for at_s in range(0, until_s, period_s):
        for finding in judge.judge(moment(at_s, *seen(vehicles, at_s))):
            if finding.state.value == "violation" and finding.subject is not None:
                found.setdefault(finding.subject.stay_id, (at_s, finding.counted_s))
    return found


STARTS_S = (0.0, 5.3, 10.6, 15.9)
"""Each is seen, once a second, at other spots than the ones before."""
TRAFFIC = [through(at_s) for at_s in STARTS_S]
"""Vehicles that drive down the lane before anyone stops in it."""


def queue(to_s: float = 110.0) -> list[Vehicle]:
    """Three that come to a red light one after the other, and go on together."""
    return [Vehicle(f"car {n}", 500 - 75.0 * n, 60 + 3.0 * n, to_s + n) for n in range(3)]


def test_a_queue_in_a_lane_is_no_parking() -> None:
    assert opened_at([*TRAFFIC, *queue()], 140) == {}


def test_the_lane_is_known_from_those_who_came_through_the_queues_own_places() -> None:
    """The second and third drive over no place but where the ones behind them will stand: the first has no one
    behind it who would make its place a lane, but the second stands where it came through."""
    waits = waiting(queue(), 100, "car 0")
    assert waits
    assert waits[0] <= 70


def test_the_one_that_stays_when_its_neighbours_go_on_is_parked_and_its_whole_stay_counts() -> None:
    vehicles = [*TRAFFIC, *queue()]
    vehicles[-2] = replace(vehicles[-2], to_s=200.0)
    found = opened_at(vehicles, 180)
    assert list(found) == ["car 1"]
    opened_s, counted_s = found["car 1"]
    gone_on_s = 112 + TrafficRules().start_up_s
    assert gone_on_s - 2 <= opened_s <= gone_on_s + 2
    assert counted_s == opened_s - 63


def test_start_up_is_waited_for_before_a_vehicle_counts_as_left_behind() -> None:
    vehicles = [*TRAFFIC, *queue()]
    vehicles[-1] = replace(vehicles[-1], to_s=200.0)
    quick = waiting(vehicles, 140, "car 2", replace(TrafficRules(), start_up_s=2.0))
    assert waiting(vehicles, 140, "car 2")[-1] - quick[-1] == 4


def test_a_vehicle_alone_in_a_lane_is_parked() -> None:
    found = opened_at([*TRAFFIC, Vehicle("alone", 300, 60, 200)], 120)
    assert found["alone"] == (80, 20)


def test_neighbours_at_a_kerb_where_nobody_drives_are_no_queue() -> None:
    """Each came in from the lane, straight to its own place."""
    parked = [Vehicle(f"parked {n}", 500 - 75.0 * n, -1000, 1000, KERB_Y) for n in range(3)]
    assert opened_at([*TRAFFIC, *parked], 60).keys() == {"parked 0", "parked 1", "parked 2"}
    assert waiting([*TRAFFIC, *parked], 60, "parked 1") == []


def row(*from_s: float, came: bool = True, score: float = 0.7) -> list[Vehicle]:
    """Vehicles that stand one behind the other from these times on, in a place where nobody was seen to drive."""
    return [
        Vehicle(f"row {n}", 500 - 75.0 * n, at_s, 200, KERB_Y, score, speed=1000.0, came=came)
        for n, at_s in enumerate(from_s)
    ]


@pytest.mark.parametrize("from_s", [(20.0, 24.0), (20.0, 31.0, 42.0), (20.0, 20.0, 20.0)])
def test_a_row_that_came_one_right_after_the_other_waits_though_nobody_was_seen_to_drive(
    from_s: tuple[float, ...],
) -> None:
    assert opened_at(row(*from_s), 100, period_s=2) == {}


def test_at_a_frame_a_second_a_row_without_a_lane_is_parked() -> None:
    assert opened_at(row(20.0, 24.0), 100) == {"row 0": (40, 20), "row 1": (44, 20)}


@pytest.mark.parametrize(
    "parked",
    [row(20, 33), row(20, 22), row(20), row(20, 24, came=False), row(20, 24, score=0.49)],
    ids=["not right after", "one in two parts", "alone", "was there", "weak"],
)
def test_neighbours_that_did_not_come_as_a_row_are_parked(parked: list[Vehicle]) -> None:
    assert opened_at(parked, 100, period_s=2).keys() == {vehicle.name for vehicle in parked}


def test_one_that_came_with_a_row_but_stands_far_from_it_is_parked() -> None:
    vehicles = row(20, 24)
    far = replace(vehicles[0], name="far", x=100.0)
    assert opened_at([*vehicles, far], 100, period_s=2).keys() == {"far"}


def test_double_parking_beside_a_parked_row_is_no_queue() -> None:
    parked = [Vehicle(f"parked {n}", 500 - 75.0 * n, -1000, 1000, KERB_Y) for n in range(3)]
    double = Vehicle("double", 425, 60, 300)
    assert waiting([*TRAFFIC, *parked, double], 100, "double") == []
    assert opened_at([*TRAFFIC, *parked, double], 100)["double"] == (80, 20)


def test_a_car_at_the_kerb_beside_a_queue_does_not_wait() -> None:
    kerb = Vehicle("kerb", 450, -1000, 1000, KERB_Y)
    assert waiting([*TRAFFIC, *queue(), kerb], 110, "kerb") == []


def test_a_vehicles_own_last_metre_makes_no_lane_of_its_place() -> None:
    """Two roll slowly to the kerb, the second behind the first: nobody drove over the place of the first before."""
    slow = [Vehicle(f"slow {n}", 500 - 75.0 * n, 60 + 20.0 * n, 1000, KERB_Y, speed=16.0) for n in range(2)]
    assert waiting(slow, 120, "slow 1") == []


def test_a_place_that_a_parked_vehicle_left_is_no_lane_for_the_next() -> None:
    """Nobody saw them drive off or come."""
    traffic = Traffic()
    first = [Vehicle(f"first {n}", 500 - 75.0 * n, -100, 20, KERB_Y) for n in range(2)]
    second = [Vehicle(f"second {n}", 500 - 75.0 * n, 25, 900, KERB_Y) for n in range(2)]
    for at_s in range(60):
        stays = tuple(stay for stay in seen([*first, *second], at_s) if stay.standing)
        traffic.observe(stays, at_s)
        assert not any(traffic.waits(stay, at_s) for stay in stays)


def test_one_far_ahead_is_no_neighbour() -> None:
    rules = TrafficRules()
    far = rules.neighbour * (LENGTH * HEIGHT) ** 0.5
    assert waiting([*TRAFFIC, Vehicle("a", 500, 60, 300), Vehicle("b", 500 - far + 5, 63, 300)], 90, "b")
    assert not waiting([*TRAFFIC, Vehicle("a", 500, 60, 300), Vehicle("b", 500 - far - 5, 63, 300)], 90, "b")


def test_no_light_is_red_for_longer_than_three_minutes() -> None:
    vehicles = [*TRAFFIC, *queue(to_s=1000)]
    waits = waiting(vehicles, 400, "car 2")
    assert len(waits) == pytest.approx(TrafficRules().longest_s, abs=CREEP_S + 1)
    opened = opened_at(vehicles, 400)
    assert opened.keys() == {"car 0", "car 1", "car 2"}
    assert all(opened_s >= 60 + TrafficRules().longest_s for opened_s, _ in opened.values())


def test_cycles_and_people_are_no_traffic() -> None:
    others = [replace(vehicle, group=ClassGroup.CYCLE) for vehicle in [*TRAFFIC, *queue()[1:]]]
    assert opened_at([*others, queue(200)[0]], 100).keys() == {"car 0"}


def test_weak_sightings_drive_nowhere() -> None:
    """What flickers at the kerb makes no lane of it."""
    flicker = [replace(through(at_s, KERB_Y), score=TrafficRules().sure_score - 0.01) for at_s in STARTS_S]
    parked = [Vehicle(f"parked {n}", 500 - 75.0 * n, 40, 1000, KERB_Y, score=0.4) for n in range(2)]
    assert waiting([*flicker, *parked], 100, "parked 1") == []
    sure = [replace(vehicle, score=TrafficRules().sure_score) for vehicle in flicker]
    assert waiting([*sure, *parked], 100, "parked 1")


def test_a_lane_is_forgotten_when_nobody_has_driven_in_it_for_a_quarter_of_an_hour() -> None:
    late = int(TrafficRules().remembered_s) + 60
    standing = [
        Vehicle(f"s {n}", 500 - 75.0 * n, late, late + 500, score=0.4) for n in range(2)
    ]  # too weak to make a lane themselves
    assert waiting([*TRAFFIC, *standing], late + 30, "s 1") == []
    soon = [replace(vehicle, from_s=300.0) for vehicle in standing]
    assert waiting([*TRAFFIC, *soon], 330, "s 1")


def test_a_vehicle_that_shuffles_on_the_spot_makes_no_lane() -> None:
    """A candidate whose place is still taken in the next frame has not driven on."""
    traffic = Traffic()
    for at_s in range(20):
        stays = [
            replace(stay, standing=False, stay_id="")
            for n in range(2)
            if (stay := Vehicle(f"v {n}", 300 + 75.0 * n, 0, 99, score=0.9).at(at_s)) is not None
        ]
        traffic.observe(stays, at_s)
    assert traffic.dump()["driven"] == []


def test_what_is_remembered_of_the_traffic_is_bounded() -> None:
    traffic = Traffic(replace(TrafficRules(), most_sightings=50))
    for at_s in range(200):
        traffic.observe(seen([through(float(start_s)) for start_s in range(0, 200, 5)], at_s), at_s)
    assert len(traffic.dump()["driven"]) == 50
    assert min(spot[0] for spot in traffic.dump()["driven"]) > 150


def restarted(traffic: Traffic) -> Traffic:
    again = Traffic()
    again.load(json.loads(json.dumps(traffic.dump(), allow_nan=False)))
    return again


@pytest.mark.parametrize("restart_at_s", [30, 61, 75, 100, 113])
def test_a_restart_between_two_frames_changes_nothing(restart_at_s: int) -> None:
    vehicles = [*TRAFFIC, *queue()]
    vehicles[-1] = replace(vehicles[-1], to_s=200.0)

    def told(step: Callable[[Traffic, int], Traffic]) -> tuple[list[tuple[int, str]], str]:
        traffic, waits = Traffic(), []
        for at_s in range(140):
            traffic = step(traffic, at_s)
            stays = seen(vehicles, float(at_s))
            traffic.observe(stays, float(at_s))
            waits += [(at_s, stay.stay_id) for stay in stays if stay.standing and traffic.waits(stay, at_s)]
        return waits, json.dumps(traffic.dump())

    plain = told(lambda traffic, _: traffic)
    assert plain[0]
    assert told(lambda traffic, at_s: restarted(traffic) if at_s == restart_at_s else traffic) == plain


def test_a_vehicle_that_is_gone_keeps_nobody_waiting() -> None:
    traffic = Traffic()
    pair = [Vehicle("front", 500, 60, 300), Vehicle("back", 425, 63, 300)]
    for at_s in range(100):
        traffic.observe(seen([*TRAFFIC, *pair], at_s), at_s)
    front, back = seen(pair, 100)
    assert traffic.waits(back, 100)
    for at_s in range(100, 110):
        gone = replace(front, state=StayState.ABSENT)
        traffic.observe((gone, back), at_s)
    assert not traffic.waits(back, 109)
