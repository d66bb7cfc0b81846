"""One camera, from frame to incident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.evidence.reference import EvidenceMoment
from edge_agent.evidence.store import EvidenceStore
from edge_agent.incident_event import CloseReason, IncidentEvent
from edge_agent.replay import event_json
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.stay import StayState
from tests.edge_agent.street_pipeline import Watch, parking_zone, seconds, written
from tests.edge_agent.synthetic_street import BEGAN, DARK, SEEING, Eye, Street, Thing, passing, standing, steps

CAR = standing("car", 100, 110, 10, 70)
STREET = Street((CAR, passing("bus", 150, 50, 5, size=(140, 80), class_name="bus", seed=3)), Eye(miss=0.2))


def ids(events: list[IncidentEvent]) -> list[str]:
    return [event.incident_id for event in events]


def test_a_car_that_overstays_is_opened_at_its_limit_and_closed_when_it_leaves() -> None:
    watch = Watch(STREET).see(steps(0, 100))
    assert watch.story == [("opened", None), ("updated", None), ("closed", "left")] or watch.story == [
        ("opened", None),
        ("closed", "left"),
    ]
    opened, closed = watch.events[0], watch.events[-1]
    assert opened.media_time_s == pytest.approx(40, abs=2)
    assert opened.stay_from == pytest.approx(BEGAN + seconds(10), abs=seconds(1.5))
    assert 70 < closed.media_time_s < 77
    assert closed.dwell.total_s == pytest.approx(60, abs=2)
    assert {event.incident_id for event in watch.events} == {opened.incident_id}


def test_a_car_outside_the_zone_or_within_its_limit_is_no_incident() -> None:
    outside = standing("car", 230, 110, 5, 200)
    short = standing("short", 100, 110, 5, 30, seed=4)
    assert Watch(Street((outside, short))).see(steps(0, 100)).events == []


def test_the_same_street_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        watch = Watch(STREET, store=EvidenceStore(folder, 10**7)).see(steps(0, 100))
        return json.dumps([[event_json(event), str(event.evidence)] for event in watch.events])

    assert told(tmp_path / "one") == told(tmp_path / "two")
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_an_incident_shows_arrival_limit_and_departure(tmp_path: Path) -> None:
    watch = Watch(STREET, store=EvidenceStore(tmp_path, 10**7)).see(steps(0, 100))
    opened, closed = watch.events[0], watch.events[-1]
    assert [picture.moment for picture in opened.evidence] == [EvidenceMoment.ARRIVAL, EvidenceMoment.LIMIT]
    assert [picture.moment for picture in closed.evidence] == [
        EvidenceMoment.ARRIVAL,
        EvidenceMoment.LIMIT,
        EvidenceMoment.DEPARTURE,
    ]
    assert opened.evidence[0].media_time_s < 20
    assert set(written(tmp_path)) == {picture.sha256 for picture in closed.evidence}


def test_a_blind_camera_is_not_looked_through_and_closes_nothing() -> None:
    def views(at_s: float) -> View:
        return DARK if 50 <= at_s < 80 else SEEING

    watch = Watch(STREET, views=views).see(steps(0, 79))
    assert watch.told.looks == 50
    assert watch.story[-1][0] != "closed"
    assert {stay.state for stay in watch.observations[-1].stays} == {StayState.UNKNOWN}
    ledger = watch.pipeline.parts.ledger
    assert ledger.state_s[CameraState.DARK] == 30
    assert ledger.zones["kerb"].judged_s == 49
    watch.see(steps(80, 100))
    assert watch.story[-1] == ("closed", "left")
    assert watch.events[-1].media_time_s > 80


def test_a_gap_closes_nothing_and_its_time_is_unknown() -> None:
    street = Street((standing("car", 100, 110, 10, 900),))
    watch = Watch(street).see([*steps(0, 60), *steps(500, 520)])
    assert [event.phase.value for event in watch.events].count("opened") == 1
    assert "closed" not in dict(watch.story)
    (stay,) = watch.observations[-1].stays
    assert stay.dwell.unknown_s == pytest.approx(440)
    assert watch.pipeline.parts.ledger.state_s[CameraState.NO_SIGNAL] == 440


@pytest.mark.parametrize("restart_at", [20, 38, 45, 60, 71, 90])
def test_a_restart_keeps_the_incident(tmp_path: Path, restart_at: int) -> None:
    unbroken = Watch(STREET, store=EvidenceStore(tmp_path / "one", 10**7)).see(steps(0, 100))
    watch = Watch(STREET, store=EvidenceStore(tmp_path / "two", 10**7)).see(steps(0, restart_at))
    watch.restart()
    watch.see(steps(restart_at + 1, 100))
    assert (ids(watch.events), watch.story) == (ids(unbroken.events), unbroken.story)
    assert [[p.moment for p in e.evidence] for e in watch.events] == [
        [p.moment for p in e.evidence] for e in unbroken.events
    ]
    assert {p.sha256 for event in watch.events for p in event.evidence} <= set(written(tmp_path / "two"))


def test_a_car_that_left_while_the_agent_was_off_is_closed_when_it_is_back() -> None:
    watch = Watch(STREET).see(steps(0, 60))
    watch.restart()
    watch.see(steps(200, 220))
    assert watch.story[-1] == ("closed", "left")
    assert watch.events[-1].media_time_s > 200
    assert watch.events[-1].dwell.total_s == pytest.approx(50, abs=2)


def test_after_a_restart_a_streams_clock_may_begin_anew() -> None:
    street = Street((standing("car", 100, 110, 10, 900),))
    watch = Watch(street, clock_s=-5000).see(steps(0, 60))
    watch.restart()
    watch.clock_s = 90.0
    watch.see(steps(90, 130))
    (stay,) = watch.observations[-1].stays
    assert stay.dwell.unknown_s == pytest.approx(30)
    assert stay.dwell.total_s == pytest.approx(120, abs=2)
    times = [seen.frame.media_time_s for seen in watch.observations]
    assert times == sorted(times)
    assert {event.incident_id for event in watch.events} == {watch.events[0].incident_id}


def test_a_clock_that_was_set_back_while_the_agent_was_off_does_not_turn_time_round() -> None:
    watch = Watch(Street((standing("car", 100, 110, -1, 900),))).see(steps(100, 160))
    watch.restart()
    watch.see(steps(20, 60))
    times = [seen.frame.media_time_s for seen in watch.observations]
    assert times == sorted(times)
    assert all(stay.dwell.unknown_s >= 0 for stay in watch.observations[-1].stays)


def test_two_restarts_without_a_frame_between_them_are_as_one() -> None:
    once, twice = Watch(STREET).see(steps(0, 60)), Watch(STREET).see(steps(0, 60))
    once.restart()
    twice.restart()
    twice.restart()
    assert twice.pipeline.dump() == once.pipeline.dump()
    twice.clock_s = once.clock_s = 90.0
    assert once.see(steps(90, 120)).events == twice.see(steps(90, 120)).events


def test_two_zones_judge_for_themselves() -> None:
    zones = (parking_zone(), parking_zone(id="lane", dwell_limit_s={"vehicle": 10}), parking_zone(id="bus-only"))
    watch = Watch(STREET, zones).see(steps(0, 100))
    opened = [(event.zone, event.media_time_s) for event in watch.events if event.phase.value == "opened"]
    assert [zone for zone, _ in opened] == ["lane", "kerb", "bus-only"]
    assert len({event.incident_id for event in watch.events}) == 3


def test_the_incidents_of_a_zone_that_was_removed_end_as_superseded_and_the_others_go_on() -> None:
    street = Street((standing("car", 100, 110, 10, 900),))
    watch = Watch(street, (parking_zone(), parking_zone(id="old"))).see(steps(0, 60))
    watch.zones = (parking_zone(), parking_zone(id="new"))
    watch.restart()
    before = len(watch.events)
    watch.see(steps(61, 65))
    said = [(event.zone, event.phase.value, event.close_reason) for event in watch.events[before:]]
    assert sorted(said, key=str) == [("new", "opened", None), ("old", "closed", CloseReason.SUPERSEDED)]
    assert {zone for zone, _, _ in watch.pipeline.parts.incidents.open} == {"kerb", "new"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.update(format=0),
        lambda state: state.pop("memory"),
        lambda state: state.update(memory=None),
        lambda state: state["memory"].update(places=[{}]),
        lambda state: state.update(incidents=[]),
        lambda state: state["incidents"]["open"][0]["event"].update(phase="lost"),
        lambda state: state["judges"].update(kerb={}),
        lambda state: state["ledger"].update(zones=7),
        lambda state: state["ledger"].update(state_s={"asleep": 1}),
        lambda state: state["last"].update(captured_at="yesterday"),
        lambda state: state["last"].update(media_time_s=None),
    ],
)
def test_state_that_does_not_fit_is_refused(spoil: Any) -> None:
    watch = Watch(STREET).see(steps(0, 45))
    state = json.loads(json.dumps(watch.pipeline.dump()))
    spoil(state)
    watch.begin()
    with pytest.raises(ValueError, match=r"\w"):
        watch.pipeline.load(state)


def test_a_car_left_over_night_is_one_incident_a_day() -> None:
    zone = parking_zone(schedule={"windows": [{"hours": "08:00-08:01"}, {"hours": "08:02-08:04"}]})
    watch = Watch(Street((standing("car", 100, 110, 10, 9000),)), (zone,)).see(steps(0, 260))
    phases = [(phase, reason) for phase, reason in watch.story if phase != "updated"]
    assert phases == [("opened", None), ("closed", "schedule_ended")] * 2
    first, second = dict.fromkeys(ids(watch.events))
    assert first != second


def a_queue(stays_behind_s: float = 0.0) -> Street:
    """Traffic flows along the kerb; three cars wait there from about 64 to 150 s, and the second may stay behind."""
    flow = tuple(passing(f"car {n}", 110, 4.0 * n, 6.0, size=(56, 34), seed=50 + n) for n in range(12))
    waiting = []
    for n in range(3):
        spot, until_s = 190 - 62.0 * n, 150 + 2 * n + (stays_behind_s if n == 1 else 0.0)
        path = ((60.0 + 2 * n, -100.0, 110.0), (64.0 + 2 * n, spot, 110.0), (until_s, spot, 110.0))
        waiting.append(Thing(f"waiting {n}", (*path, (until_s + 8, 400.0, 110.0)), (56, 34), "car", 80 + n))
    return Street((*flow, *waiting))


@pytest.mark.parametrize("restart_at", [None, 80, 120])
def test_waiting_in_traffic_is_not_parking(restart_at: int | None) -> None:
    watch = Watch(a_queue()).see(steps(0, restart_at or 0))
    if restart_at is not None:
        watch.restart()
    watch.see(steps((restart_at or 0) + 1, 200))
    assert watch.events == []
    waited = {stay.stay_id for seen in watch.observations for stay in seen.stays if stay.dwell.total_s > 60}
    assert len(waited) == 3


def test_staying_behind_when_traffic_has_gone_on_is_parking() -> None:
    watch = Watch(a_queue(stays_behind_s=500)).see(steps(0, 200))
    (opened,) = [event for event in watch.events if event.phase.value == "opened"]
    assert opened.media_time_s > 150
    assert opened.box is not None
    assert opened.box[0] == pytest.approx(128, abs=3)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.sets(st.integers(1, 99), max_size=4))
def test_however_often_it_restarts_it_says_the_same(restarts: set[int]) -> None:
    watch = Watch(STREET)
    for at_s in range(101):
        if at_s in restarts:
            watch.restart()
        watch.see([float(at_s)])
    opened = [event for event in watch.events if event.phase.value == "opened"]
    closed = [event for event in watch.events if event.phase.value == "closed"]
    assert len(opened) == len(closed) == 1
    assert opened[0].incident_id == Watch(STREET).see(steps(0, 45)).events[0].incident_id
