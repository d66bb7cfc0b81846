"""A vehicle must not stand in a zone longer than its limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter

from edge_agent.config import ParkingZone, SiteConfig
from edge_agent.detection.detections import ClassGroup
from edge_agent.scenarios.finding import Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.moment import Moment
from edge_agent.scenarios.parking import ParkingJudge
from edge_agent.scenarios.schedule import in_force
from edge_agent.scene.stay import Box, Dwell, Stay, StayState

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday, eight o'clock."""
SITE = SiteConfig()
INSIDE: Box = (40.0, 40.0, 100.0, 90.0)
OUTSIDE: Box = (400.0, 40.0, 460.0, 90.0)
_ZONE = TypeAdapter(ParkingZone)


def zone(**fields: Any) -> ParkingZone:
    polygon = [(0, 60), (200, 60), (200, 100), (0, 100)]
    return _ZONE.validate_python({"id": "bay", "scenario": "parking", "polygon": polygon, **fields})


def judge_of(zone: ParkingZone) -> ParkingJudge:
    return ParkingJudge(zone, partial(in_force, zone.schedule, SITE))


def stay(at_s: float, from_s: float = 0.0, **fields: Any) -> Stay:
    """A car that has stood since ``from_s``, seen all the time."""
    plain = Stay(
        stay_id="one",
        class_group=ClassGroup.VEHICLE,
        class_name="car",
        box=INSIDE,
        state=StayState.OBSERVED,
        standing=True,
        from_s=from_s,
        open_start=False,
        last_observed_s=at_s,
        dwell=Dwell(observed_s=at_s - from_s),
    )
    return replace(plain, **fields)


def moment(at_s: float, *stays: Stay, can_see: bool = True) -> Moment:
    return Moment(at_s, BEGAN + timedelta(seconds=at_s), can_see, stays)


def story(judge: ParkingJudge, times: range, say: Callable[[int], Moment]) -> dict[int, FindingState | None]:
    """The state of the one finding at each time."""
    told: dict[int, FindingState | None] = {}
    for at_s in times:
        findings = judge.judge(say(at_s))
        assert len(findings) <= 1
        told[at_s] = findings[0].state if findings else None
    return told


def first(told: dict[int, FindingState | None], state: FindingState) -> int | None:
    return next((at_s for at_s, said in told.items() if said is state), None)


def opens_at(zone: ParkingZone, until_s: int = 1000, **fields: Any) -> int | None:
    told = story(judge_of(zone), range(0, until_s, 10), lambda at_s: moment(at_s, stay(at_s, **fields)))
    return first(told, FindingState.VIOLATION)


def test_a_car_is_pending_until_its_limit_a_violation_from_then_and_said_to_have_left_once() -> None:
    def say(at_s: int) -> Moment:
        if at_s < 400:
            return moment(at_s, stay(at_s))
        if at_s == 400:
            return moment(at_s, stay(at_s, state=StayState.ABSENT, gone_from_s=390.0))
        return moment(at_s)

    told = story(judge_of(zone()), range(0, 500, 10), say)
    assert {said for at_s, said in told.items() if at_s < 300} == {FindingState.PENDING}
    assert {said for at_s, said in told.items() if 300 <= at_s < 400} == {FindingState.VIOLATION}
    assert told[400] is FindingState.LEFT
    assert {said for at_s, said in told.items() if at_s > 400} == {None}


def test_a_finding_says_what_was_counted_against_what() -> None:
    judge = judge_of(zone(dwell_limit_s={"vehicle": 60}))
    now = stay(90.0, from_s=20.0)
    assert judge.judge(moment(90.0, now)) == (
        Finding("bay", Scenario.PARKING, FindingKind.PARKED, FindingState.VIOLATION, 60.0, 70.0, 20.0, now),
    )


def test_a_car_that_leaves_before_its_limit_is_never_mentioned_again() -> None:
    judge = judge_of(zone())
    judge.judge(moment(100, stay(100)))
    assert judge.judge(moment(110, stay(110, state=StayState.ABSENT, gone_from_s=100.0))) == ()


def test_a_candidate_is_no_stay_yet() -> None:
    assert judge_of(zone()).judge(moment(400, stay(400, standing=False))) == ()


def test_the_limit_of_a_class_wins_over_that_of_its_group() -> None:
    both = zone(dwell_limit_s={"vehicle": 300, "truck": 60})
    assert opens_at(both) == 300
    assert opens_at(both, class_name="truck") == 60
    assert opens_at(zone(dwell_limit_s={"vehicle": 300, "truck": 0}), class_name="truck") is None
    assert opens_at(zone(dwell_limit_s={"vehicle": 0, "truck": 60}), class_name="truck") == 60


def test_zero_or_an_unnamed_group_is_not_enforced() -> None:
    assert opens_at(zone(dwell_limit_s={"vehicle": 0})) is None
    assert opens_at(zone(dwell_limit_s={"cycle": 60})) is None
    assert opens_at(zone(dwell_limit_s={"cycle": 60}), class_group=ClassGroup.CYCLE, class_name="bicycle") == 60


def test_exempt_classes_and_groups_are_never_reported() -> None:
    assert opens_at(zone(exempt_classes=["bus"])) == 300
    assert opens_at(zone(exempt_classes=["bus"]), class_name="bus") is None
    assert opens_at(zone(exempt_classes=["vehicle"])) is None


def test_a_car_belongs_to_the_zone_by_its_ground_contact() -> None:
    assert opens_at(zone(), box=(40.0, 0.0, 100.0, 95.0)) == 300
    assert opens_at(zone(), box=(40.0, 70.0, 100.0, 150.0)) is None
    half: Box = (170.0, 40.0, 230.0, 90.0)
    assert opens_at(zone(min_overlap=0.45), box=half) == 300
    assert opens_at(zone(min_overlap=0.55), box=half) is None


@pytest.mark.parametrize("min_overlap", [0.1, 0.5, 0.9])
def test_a_box_that_jitters_on_the_line_stays_in_the_zone_but_one_far_outside_does_not(min_overlap: float) -> None:
    def beside(share: float) -> Box:
        """A box 60 px wide, 42 px of foot, of which this share is in the zone."""
        left = 200 - 9 - 42 * share
        return left, 40.0, left + 60, 90.0

    judge = judge_of(zone(min_overlap=min_overlap))
    held = [
        len(judge.judge(moment(at_s, stay(at_s, box=beside(min_overlap + (0.02 if at_s % 20 else -0.03))))))
        for at_s in range(10, 300, 10)
    ]
    assert set(held) == {1}
    assert judge.judge(moment(310, stay(310, box=OUTSIDE))) == ()
    assert judge.judge(moment(320, stay(320, box=beside(min_overlap - 0.03)))) == ()


def test_opening_needs_the_thing_to_be_seen() -> None:
    def say(at_s: int) -> Moment:
        hidden = 200 <= at_s < 500
        return moment(at_s, stay(at_s, state=StayState.OCCLUDED if hidden else StayState.OBSERVED))

    told = story(judge_of(zone()), range(0, 600, 10), say)
    assert first(told, FindingState.VIOLATION) == 500
    assert told[490] is FindingState.PENDING


def test_hidden_and_unknown_time_count_once_it_is_seen_to_be_there_still() -> None:
    now = stay(310, dwell=Dwell(observed_s=110, occluded_s=100, unknown_s=100))
    (finding,) = judge_of(zone()).judge(moment(310, now))
    assert (finding.state, finding.counted_s) == (FindingState.VIOLATION, 310)


def test_a_blind_camera_opens_nothing_and_ends_nothing() -> None:
    def say(at_s: int) -> Moment:
        blind = 250 <= at_s < 400 or 500 <= at_s < 600
        return moment(at_s, stay(at_s, state=StayState.UNKNOWN if blind else StayState.OBSERVED), can_see=not blind)

    told = story(judge_of(zone()), range(0, 700, 10), say)
    assert first(told, FindingState.VIOLATION) == 400
    assert {said for at_s, said in told.items() if 250 <= at_s < 400} == {FindingState.PENDING}
    assert {said for at_s, said in told.items() if 500 <= at_s < 600} == {FindingState.UNKNOWN}
    assert told[600] is FindingState.VIOLATION
    assert FindingState.LEFT not in told.values()


def test_time_before_the_schedule_begins_does_not_count() -> None:
    assert opens_at(zone(schedule={"windows": [{"hours": "08:10-19:00"}]})) == 600 + 300


@pytest.mark.parametrize("offset_h", [0, 1])
def test_the_schedule_begins_by_the_sites_clock(offset_h: int) -> None:
    held = zone(schedule={"windows": [{"hours": f"{8 + offset_h:02d}:10-19:00"}]})
    site = SiteConfig(time_zone=("UTC", "Europe/Paris")[offset_h])  # type: ignore[arg-type]
    judge = ParkingJudge(held, partial(in_force, held.schedule, site))
    told = story(judge, range(0, 1000, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert first(told, FindingState.VIOLATION) == 900


def test_the_end_of_the_schedule_ends_a_violation_once_and_a_pending_one_in_silence() -> None:
    held = zone(schedule={"windows": [{"hours": "07:00-08:10"}]})
    told = story(judge_of(held), range(0, 900, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert [at_s for at_s, said in told.items() if said is FindingState.SCHEDULE_ENDED] == [600]
    assert {said for at_s, said in told.items() if at_s > 600} == {None}
    late = story(judge_of(held), range(0, 900, 10), lambda at_s: moment(at_s, stay(max(at_s, 400), from_s=400)))
    assert FindingState.SCHEDULE_ENDED not in late.values()


def test_each_window_counts_anew() -> None:
    held = zone(schedule={"windows": [{"hours": "07:00-08:10"}, {"hours": "08:20-08:40"}]})
    told = story(judge_of(held), range(0, 3000, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert told[600] is FindingState.SCHEDULE_ENDED
    assert told[1200] is FindingState.PENDING
    assert {said for at_s, said in told.items() if 1500 <= at_s < 2400} == {FindingState.VIOLATION}
    assert told[1490] is FindingState.PENDING
    assert told[2400] is FindingState.SCHEDULE_ENDED


def test_an_excepted_day_does_not_count_when_it_is_over() -> None:
    held = zone(schedule={"except_dates": ["2026-03-02"]})
    midnight = 16 * 3600
    told = story(judge_of(held), range(midnight - 1000, midnight + 1000, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert first(told, FindingState.PENDING) == midnight
    assert first(told, FindingState.VIOLATION) == midnight + 300


def test_a_night_that_nobody_watched_does_not_count_though_the_car_is_still_there() -> None:
    """From 17:59 on Monday to 08:01 on Tuesday there are no frames; the rules hold from 08:00 to 18:00."""
    held = zone(schedule={"windows": [{"hours": "08:00-18:00"}]})
    evening, morning = 10 * 3600 - 60, 24 * 3600 + 60
    judge = judge_of(held)
    judge.judge(moment(evening, stay(evening, from_s=evening - 30)))
    told = story(judge, range(morning, morning + 600, 10), lambda at_s: moment(at_s, stay(at_s, from_s=evening - 30)))
    assert told[morning] is FindingState.PENDING
    assert first(told, FindingState.VIOLATION) == 24 * 3600 + 300


def test_a_schedule_that_ended_while_nobody_watched_still_ends_the_violation() -> None:
    held = zone(schedule={"windows": [{"hours": "08:00-18:00"}]})
    evening, morning = 10 * 3600 - 60, 24 * 3600 + 60
    judge = judge_of(held)
    before = story(judge, range(evening - 400, evening, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert before[evening - 10] is FindingState.VIOLATION
    again = judge_of(held)
    again.load(json.loads(json.dumps(judge.dump())))
    told = story(again, range(morning, morning + 600, 10), lambda at_s: moment(at_s, stay(at_s)))
    assert told[morning] is FindingState.SCHEDULE_ENDED
    assert told[morning + 10] is FindingState.PENDING
    assert first(told, FindingState.VIOLATION) == 24 * 3600 + 300


@pytest.mark.parametrize("restart_at", [150, 350])
@pytest.mark.parametrize("schedule", [{}, {"windows": [{"hours": "08:01-19:00"}]}])
def test_a_restart_changes_nothing(restart_at: int, schedule: dict[str, Any]) -> None:
    held = zone(schedule=schedule)

    def say(at_s: int) -> Moment:
        gone = at_s >= 500
        return moment(at_s, *([] if at_s > 500 else [stay(at_s, state=(StayState.OBSERVED, StayState.ABSENT)[gone])]))

    unbroken = story(judge_of(held), range(0, 600, 10), say)
    judge, again = judge_of(held), judge_of(held)
    told = story(judge, range(0, restart_at, 10), say)
    again.load(json.loads(json.dumps(judge.dump())))
    told |= story(again, range(restart_at, 600, 10), say)
    assert told == unbroken
    assert told[500] is FindingState.LEFT


def test_what_is_remembered_goes_with_the_stays() -> None:
    judge = judge_of(zone())
    for at_s in range(0, 5000, 10):
        judge.judge(moment(at_s, stay(at_s, stay_id=f"car {at_s // 500}", from_s=at_s // 500 * 500)))
    assert judge.dump()["violated"] == ["car 9"]
