"""An incident is opened once, updated on meaning, and closed with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.detection.detections import ClassGroup
from edge_agent.evidence.reference import EvidenceMoment, EvidenceReference
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase, Severity
from edge_agent.incidents import CRITICAL_AFTER, MAJOR_AFTER, WIDTH_STEP_M, IncidentBook
from edge_agent.scenarios.finding import ClearWidth, Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.moment import Moment
from edge_agent.scene.stay import Dwell, Stay, StayState

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LIMIT_S = 100.0
BLIND_CLOSE_S = 500.0


def book(agent: str = "agent", camera: str = "gate") -> IncidentBook:
    return IncidentBook(agent, camera, {"bay": BLIND_CLOSE_S, "deck": BLIND_CLOSE_S}, "model@1", "config@1")


def moment(at_s: float, can_see: bool = True) -> Moment:
    return Moment(at_s, BEGAN + timedelta(seconds=at_s), can_see, ())


def parked(at_s: float, state: FindingState, name: str = "one", from_s: float = 0.0, zone: str = "bay") -> Finding:
    stay = Stay(
        stay_id=name,
        class_group=ClassGroup.VEHICLE,
        class_name="van",
        box=(10.0, 20.0, 70.0, 60.0),
        state=StayState.OBSERVED,
        standing=True,
        from_s=from_s,
        open_start=True,
        last_observed_s=at_s,
        dwell=Dwell(observed_s=at_s - from_s),
    )
    return Finding(zone, Scenario.PARKING, FindingKind.PARKED, state, LIMIT_S, at_s - from_s, from_s, stay)


def narrow(at_s: float, state: FindingState, width_m: float = 1.0, kind: FindingKind = FindingKind.BLOCKED) -> Finding:
    return Finding("deck", Scenario.PASSAGE, kind, state, LIMIT_S, at_s, 0.0, None, ClearWidth(width_m, 0.05, at_s))


Step = tuple[float, Iterable[Finding], bool]


def play(incidents: IncidentBook, steps: Iterable[Step]) -> list[IncidentEvent]:
    return [event for at_s, findings, can_see in steps for event in incidents.apply(findings, moment(at_s, can_see))]


def lasting(state: FindingState, times: range, can_see: bool = True, **more: object) -> list[Step]:
    return [(float(at), [parked(at, state, **more)], can_see) for at in times]  # type: ignore[arg-type]


def phases(events: Iterable[IncidentEvent]) -> list[str]:
    return [event.phase.value for event in events]


def test_a_pending_finding_is_no_incident() -> None:
    assert play(book(), lasting(FindingState.PENDING, range(0, 90, 10))) == []


def test_a_violation_opens_one_incident_however_long_it_lasts_below_the_next_severity() -> None:
    events = play(book(), lasting(FindingState.VIOLATION, range(100, 200, 10)))
    assert phases(events) == ["opened"]


def test_an_opened_event_is_complete() -> None:
    (event,) = play(book(), [(130.0, [parked(130, FindingState.VIOLATION, from_s=20.0)], True)])
    assert event == IncidentEvent(
        incident_id=event.incident_id,
        phase=IncidentPhase.OPENED,
        camera="gate",
        zone="bay",
        scenario=Scenario.PARKING,
        kind=FindingKind.PARKED,
        stay_id="one",
        class_group=ClassGroup.VEHICLE,
        class_name="van",
        occurred_at=BEGAN + timedelta(seconds=130),
        media_time_s=130.0,
        opened_at=BEGAN + timedelta(seconds=130),
        stay_from=BEGAN + timedelta(seconds=20),
        stay_from_s=20.0,
        open_start=True,
        dwell=Dwell(observed_s=110.0),
        limit_s=LIMIT_S,
        box=(10.0, 20.0, 70.0, 60.0),
        clear_width=None,
        severity=Severity.MINOR,
        close_reason=None,
        evidence=(),
        model_version="model@1",
        config_version="config@1",
    )
    assert len(event.incident_id) == 32
    int(event.incident_id, 16)


def test_it_is_updated_when_its_severity_rises_and_at_no_other_time() -> None:
    events = play(book(), lasting(FindingState.VIOLATION, range(100, 1001, 10)))
    assert [(event.media_time_s, event.severity) for event in events] == [
        (100, Severity.MINOR),
        (MAJOR_AFTER * LIMIT_S, Severity.MAJOR),
        (CRITICAL_AFTER * LIMIT_S, Severity.CRITICAL),
    ]
    assert phases(events) == ["opened", "updated", "updated"]
    assert len({event.incident_id for event in events}) == 1
    assert {event.opened_at for event in events} == {BEGAN + timedelta(seconds=100)}
    assert events[2].dwell.observed_s == 600


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (FindingState.LEFT, CloseReason.LEFT),
        (FindingState.CLEARED, CloseReason.CLEARED),
        (FindingState.SCHEDULE_ENDED, CloseReason.SCHEDULE_ENDED),
    ],
)
def test_an_end_closes_it_once_with_its_reason(state: FindingState, reason: CloseReason) -> None:
    incidents = book()
    steps = lasting(FindingState.VIOLATION, range(100, 150, 10)) + lasting(state, range(150, 180, 10))
    events = play(incidents, steps)
    assert phases(events) == ["opened", "closed"]
    closed = events[1]
    assert (closed.close_reason, closed.media_time_s, closed.dwell.observed_s) == (reason, 150, 150)
    assert closed.opened_at == events[0].occurred_at
    assert incidents.open == {}


def test_an_end_without_an_incident_says_nothing() -> None:
    assert play(book(), lasting(FindingState.LEFT, range(0, 50, 10))) == []


def test_closing_keeps_the_severity_that_was_reached() -> None:
    steps = lasting(FindingState.VIOLATION, range(100, 300, 10)) + lasting(FindingState.LEFT, range(900, 901))
    assert [event.severity for event in play(book(), steps)] == [Severity.MINOR, Severity.MAJOR, Severity.MAJOR]


def test_each_stay_zone_and_kind_has_its_own_incident() -> None:
    findings = [
        parked(100, FindingState.VIOLATION),
        parked(100, FindingState.VIOLATION, name="two"),
        parked(100, FindingState.VIOLATION, zone="other"),
        narrow(100, FindingState.VIOLATION),
        narrow(100, FindingState.VIOLATION, kind=FindingKind.NARROWED),
    ]
    events = play(book(), [(100.0, findings, True)])
    assert phases(events) == ["opened"] * 5
    assert len({event.incident_id for event in events}) == 5
    assert [event.zone for event in events] == ["bay", "bay", "other", "deck", "deck"]


def test_a_camera_that_cannot_tell_updates_nothing_and_closes_nothing_in_time() -> None:
    steps = lasting(FindingState.VIOLATION, range(100, 150, 10))
    steps += lasting(FindingState.UNKNOWN, range(150, 600, 10), can_see=False)
    steps += lasting(FindingState.VIOLATION, range(600, 620, 10))
    assert phases(play(book(), steps)) == ["opened", "updated"]


def test_blind_for_too_long_closes_it_for_that_reason() -> None:
    steps = lasting(FindingState.VIOLATION, range(100, 150, 10))
    steps += lasting(FindingState.UNKNOWN, range(150, 1000, 10), can_see=False)
    events = play(book(), steps)
    assert phases(events) == ["opened", "closed"]
    assert (events[1].close_reason, events[1].media_time_s) == (CloseReason.CAMERA_BLIND_TOO_LONG, 150 + BLIND_CLOSE_S)
    assert events[1].dwell == events[0].dwell


def test_blindness_counts_anew_after_each_look() -> None:
    steps: list[Step] = lasting(FindingState.VIOLATION, range(100, 110, 10))
    for begin in range(110, 3000, 410):
        steps += lasting(FindingState.UNKNOWN, range(begin, begin + 400, 10), can_see=False)
        steps += lasting(FindingState.VIOLATION, range(begin + 400, begin + 410, 10))
    assert "closed" not in phases(play(book(), steps))


def test_what_has_no_finding_while_the_camera_is_blind_is_blind_too() -> None:
    steps: list[Step] = lasting(FindingState.VIOLATION, range(100, 150, 10))
    steps += [(float(at), [], False) for at in range(150, 1000, 10)]
    assert [event.close_reason for event in play(book(), steps)] == [None, CloseReason.CAMERA_BLIND_TOO_LONG]


def test_a_width_is_worth_an_update_only_when_it_moved_by_a_step() -> None:
    widths = [1.0, 1.05, 0.95, 1.05 + WIDTH_STEP_M, 1.15 + WIDTH_STEP_M, 0.7]
    steps = [(float(at), [narrow(at, FindingState.VIOLATION, width)], True) for at, width in enumerate(widths)]
    events = play(book(), steps)
    assert [(event.phase.value, event.clear_width.width_m if event.clear_width else None) for event in events] == [
        ("opened", 1.0),
        ("updated", 1.25),
        ("updated", 0.7),
    ]


def test_a_passage_event_is_complete_without_a_subject() -> None:
    (event,) = play(book(), [(130.0, [narrow(130, FindingState.VIOLATION)], True)])
    assert (event.stay_id, event.class_name, event.box) == ("", "", None)
    assert event.class_group is ClassGroup.OBJECT
    assert event.clear_width == ClearWidth(1.0, 0.05, 130)
    assert event.dwell.total_s == 130
    assert event.severity is Severity.CRITICAL
    (crowd,) = play(book(), [(130.0, [narrow(130, FindingState.VIOLATION, kind=FindingKind.CROWDED)], True)])
    assert crowd.class_group is ClassGroup.PERSON


def test_ids_are_the_same_in_every_run_and_differ_between_agents_and_cameras() -> None:
    steps = [*lasting(FindingState.VIOLATION, range(100, 110, 10))]
    assert play(book(), steps) == play(book(), steps)
    others = [book(agent="other"), book(camera="other"), book()]
    assert len({play(each, steps)[0].incident_id for each in others}) == 3


def test_a_frame_more_or_less_before_it_opens_does_not_change_its_id() -> None:
    early = play(book(), lasting(FindingState.VIOLATION, range(100, 110, 10)))
    late = play(book(), lasting(FindingState.VIOLATION, range(103, 113, 10)))
    assert early[0].incident_id == late[0].incident_id


def test_what_opens_again_is_another_incident() -> None:
    """A car that stays over night is one incident a day: what is closed stays closed."""
    day = lasting(FindingState.VIOLATION, range(100, 150, 10)) + lasting(FindingState.SCHEDULE_ENDED, range(150, 151))
    again = lasting(FindingState.VIOLATION, range(1000, 1010, 10)) + lasting(FindingState.LEFT, range(1100, 1101))
    events = play(book(), day + again)
    assert phases(events) == ["opened", "closed", "opened", "closed"]
    first, second = {event.incident_id for event in events[:2]}, {event.incident_id for event in events[2:]}
    assert len(first) == len(second) == 1
    assert first != second
    assert play(book(), day + again) == events


def test_what_opens_again_after_a_restart_is_another_incident_too() -> None:
    day = lasting(FindingState.VIOLATION, range(100, 150, 10)) + lasting(FindingState.SCHEDULE_ENDED, range(150, 151))
    again = lasting(FindingState.VIOLATION, range(1000, 1010, 10))
    incidents, restarted = book(), book()
    events = play(incidents, day)
    restarted.load(json.loads(json.dumps(incidents.dump())))
    events += play(restarted, again)
    assert events == play(book(), day + again)


def test_an_incident_survives_a_restart_under_the_same_id_and_is_not_opened_again() -> None:
    incidents, restarted = book(), book()
    events = play(incidents, lasting(FindingState.VIOLATION, range(100, 150, 10)))
    restarted.load(json.loads(json.dumps(incidents.dump())))
    assert restarted.open == incidents.open
    events += play(restarted, lasting(FindingState.VIOLATION, range(150, 190, 10)))
    events += play(restarted, lasting(FindingState.LEFT, range(190, 191)))
    assert phases(events) == ["opened", "closed"]
    assert events[0].incident_id == events[1].incident_id
    assert events[1].opened_at == events[0].opened_at


def test_blindness_goes_on_through_a_restart() -> None:
    incidents, restarted = book(), book()
    play(incidents, lasting(FindingState.VIOLATION, range(100, 150, 10)))
    play(incidents, lasting(FindingState.UNKNOWN, range(150, 400, 10), can_see=False))
    restarted.load(json.loads(json.dumps(incidents.dump())))
    (closed,) = play(restarted, lasting(FindingState.UNKNOWN, range(400, 1000, 10), can_see=False))
    assert closed.media_time_s == 150 + BLIND_CLOSE_S


def test_pictures_are_named_by_every_later_event() -> None:
    picture = EvidenceReference("0" * 64, EvidenceMoment.LIMIT, "image/jpeg", 10, BEGAN, 100.0, True)
    incidents = book()
    (opened,) = play(incidents, lasting(FindingState.VIOLATION, range(100, 110, 10)))
    incidents.attach(opened.incident_id, (picture,))
    incidents.attach("somebody else's", ())
    restarted = book()
    restarted.load(json.loads(json.dumps(incidents.dump())))
    for each in (incidents, restarted):
        (closed,) = play(each, lasting(FindingState.LEFT, range(150, 151)))
        assert closed.evidence == (picture,)


def test_what_is_remembered_of_closed_incidents_is_bounded() -> None:
    incidents = book()
    for index in range(3000):
        name, at_s = f"car {index}", index * 10.0
        incidents.apply([parked(at_s, FindingState.VIOLATION, name=name)], moment(at_s))
        incidents.apply([parked(at_s, FindingState.LEFT, name=name)], moment(at_s))
    assert len(json.dumps(incidents.dump())) < 100_000


_STATES = st.sampled_from(
    [FindingState.PENDING, FindingState.VIOLATION, FindingState.UNKNOWN, FindingState.LEFT, FindingState.SCHEDULE_ENDED]
)


@given(st.lists(st.tuples(_STATES, st.sampled_from(["one", "two"]), st.booleans()), max_size=60))
def test_every_incident_opens_once_and_closes_at_most_once_after_it(
    story: list[tuple[FindingState, str, bool]],
) -> None:
    opened: set[str] = set()
    closed: set[str] = set()
    incidents = book()
    for index, (state, name, can_see) in enumerate(story):
        at_s = 60.0 * index
        for event in incidents.apply([parked(at_s, state, name=name)], moment(at_s, can_see)):
            assert (event.phase is IncidentPhase.CLOSED) is (event.close_reason is not None)
            assert event.occurred_at - event.opened_at >= timedelta(0)
            if event.phase is IncidentPhase.OPENED:
                assert event.incident_id not in opened
                opened.add(event.incident_id)
            assert event.incident_id in opened
            assert event.incident_id not in closed
            if event.phase is IncidentPhase.CLOSED:
                closed.add(event.incident_id)
    assert {held.event.incident_id for held in incidents.open.values()} == opened - closed
