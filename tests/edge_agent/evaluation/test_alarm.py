"""Putting an agent's events together."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from edge_agent.detection.detections import ClassGroup
from edge_agent.evaluation.alarm import gather
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase, Severity
from edge_agent.scenarios.finding import FindingKind, Scenario
from edge_agent.scene.stay import Box, Dwell

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def event(at_s: float, phase: IncidentPhase, incident_id: str = "a", box: Box = (0.0, 0.0, 9.0, 9.0)) -> IncidentEvent:
    return IncidentEvent(
        incident_id=incident_id,
        phase=phase,
        camera="street",
        zone="kerb",
        scenario=Scenario.PARKING,
        kind=FindingKind.PARKED,
        stay_id="s",
        class_group=ClassGroup.VEHICLE,
        class_name="van",
        occurred_at=NOON,
        media_time_s=at_s,
        opened_at=NOON,
        stay_from=NOON,
        stay_from_s=3.0,
        open_start=False,
        dwell=Dwell(),
        limit_s=20.0,
        box=box,
        clear_width=None,
        severity=Severity.MINOR,
        close_reason=CloseReason.LEFT if phase is IncidentPhase.CLOSED else None,
        evidence=(),
        model_version="m",
        config_version="c",
    )


OPENED, UPDATED, CLOSED = IncidentPhase.OPENED, IncidentPhase.UPDATED, IncidentPhase.CLOSED


def test_an_incidents_events_are_one_alarm_with_the_box_it_was_opened_with() -> None:
    events = [event(23, OPENED), event(43, UPDATED, box=(5, 5, 9, 9)), event(60, CLOSED, box=(6, 6, 9, 9))]
    (alarm,) = gather(events)
    assert (alarm.opened_s, alarm.closed_s, alarm.close_reason) == (23, 60, CloseReason.LEFT)
    assert (alarm.box, alarm.stay_from_s, alarm.class_name) == ((0, 0, 9, 9), 3, "van")


def test_an_incident_that_was_not_closed_goes_on() -> None:
    (alarm,) = gather([event(23, OPENED), event(43, UPDATED)])
    assert (alarm.closed_s, alarm.close_reason) == (None, None)


def test_the_order_of_events_does_not_matter() -> None:
    events = [event(23, OPENED), event(60, CLOSED), event(23, OPENED, "b"), event(23, CLOSED, "b")]
    expected = gather(events)
    assert [alarm.incident_id for alarm in expected] == ["b", "a"]
    assert all(gather(order) == expected for order in itertools.permutations(events))


def test_what_is_told_again_under_the_same_id_is_the_same_alarm() -> None:
    (alarm,) = gather([event(23, OPENED), event(50, OPENED), event(60, CLOSED)])
    assert (alarm.opened_s, alarm.closed_s) == (23, 60)


def test_an_incident_that_opens_again_under_its_id_is_open() -> None:
    (alarm,) = gather([event(23, OPENED), event(40, CLOSED), event(50, OPENED)])
    assert (alarm.opened_s, alarm.closed_s) == (23, None)


def test_an_incident_whose_opening_was_not_seen_begins_with_its_first_event() -> None:
    (alarm,) = gather([event(43, UPDATED), event(60, CLOSED)])
    assert (alarm.opened_s, alarm.closed_s) == (43, 60)
