"""Which events can be taken, and what is said of those that never can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from clearway.v1 import ingest_pb2, scene_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from aggregator.records import CameraChange, Gap, IncidentEvent, Phase
from aggregator.wire import read_entry
from tests.aggregator.harness import OPENED_AT_S, camera_change, event, gap

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Break = Callable[[ingest_pb2.Event], object]


def test_a_whole_event_is_read_with_its_own_times() -> None:
    entry = read_entry(7, event("a", "CLOSED", at_s=90.5), NOW)
    assert (entry.seq, entry.received_at, entry.reject_reason) == (7, NOW, "")
    body = entry.body
    assert isinstance(body, IncidentEvent)
    assert (body.phase, body.close_reason, body.duration_s) == (Phase.CLOSED, "left", 90.5)
    assert (body.scenario, body.kind, body.class_group, body.severity) == ("parking", "parked", "vehicle", "major")
    assert ingest_pb2.Event.FromString(entry.payload) == event("a", "CLOSED", at_s=90.5)


def test_a_finding_about_the_whole_passage_needs_no_stay() -> None:
    message = event("a", stay_id="", class_group=0, class_name="", scenario=scene_pb2.SCENARIO_PASSAGE)
    message.incident.clear_width.state = scene_pb2.MEASUREMENT_STATE_UNKNOWN
    body = read_entry(1, message, NOW).body
    assert isinstance(body, IncidentEvent)
    assert (body.class_group, body.stay_id, body.box, body.clear_width_m) == ("unspecified", "", None, None)


def test_a_recording_that_begins_in_1970_can_be_taken() -> None:
    message = event("a")
    for stamp in (message.incident.occurred_at, message.incident.opened_at, message.incident.stay_from):
        stamp.FromSeconds(0)
    assert read_entry(1, message, NOW).reject_reason == ""


def test_a_clock_that_was_set_back_gives_no_negative_duration() -> None:
    body = read_entry(1, event("a", "CLOSED", at_s=-30), NOW).body
    assert isinstance(body, IncidentEvent)
    assert body.duration_s == 0


def test_camera_changes_and_gaps_are_read() -> None:
    change = read_entry(1, camera_change("north", "COVERED"), NOW).body
    assert isinstance(change, CameraChange)
    assert (change.camera_id, change.from_state, change.to_state) == ("north", "seeing", "covered")
    lost = read_entry(1, gap(3, 9), NOW).body
    assert isinstance(lost, Gap)
    assert (lost.reason, lost.events_lost, lost.first_lost_seq, lost.last_lost_seq) == ("dropped_oldest", 7, 3, 9)


def set_box(message: ingest_pb2.Event, *corners: float) -> None:
    box = message.incident.box
    box.x1, box.y1, box.x2, box.y2 = corners


def add_picture(message: ingest_pb2.Event, sha256: bytes, moment: int = 1) -> None:
    message.incident.evidence.add(sha256=sha256, moment=moment)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m.ClearField("body"), "has no body that is known here"),
        (lambda m: setattr(m.incident, "incident_id", ""), "incident_id is missing"),
        (lambda m: setattr(m.incident, "camera_id", "x" * 129), "camera_id has 129 characters, more than 128"),
        (lambda m: setattr(m.incident, "zone_id", "a\x00b"), "zone_id has a control character"),
        (lambda m: setattr(m.incident, "phase", 0), "phase is missing"),
        (lambda m: setattr(m.incident, "phase", 99), "phase 99 is not known here"),
        (lambda m: setattr(m.incident, "scenario", 0), "scenario is missing"),
        (lambda m: setattr(m.incident, "kind", -1), "kind -1 is not known here"),
        (lambda m: setattr(m.incident, "class_group", 0), "class_group is missing"),
        (lambda m: setattr(m.incident, "phase", 3), "close_reason is missing"),
        (lambda m: m.incident.ClearField("occurred_at"), "occurred_at is missing"),
        (lambda m: setattr(m.incident.opened_at, "seconds", -1), "opened_at (-1 s, 0 ns) is no time that can be"),
        (lambda m: setattr(m.incident.opened_at, "seconds", 2**62), f"opened_at ({2**62} s, 0 ns) is no time that"),
        (lambda m: setattr(m.incident.occurred_at, "nanos", -5), f"occurred_at ({OPENED_AT_S} s, -5 ns) is no time"),
        (lambda m: m.emitted_at.FromSeconds(OPENED_AT_S + 10**8), "emitted_at (1860000000 s, 0 ns) is no time that"),
        (lambda m: setattr(m.incident.dwell, "observed_s", float("inf")), "dwell.observed_s inf is not a number"),
        (lambda m: setattr(m.incident.dwell, "unknown_s", -1), "dwell.unknown_s -1.0 is negative"),
        (lambda m: setattr(m.incident, "limit_s", 1e30), "limit_s 1e+30 is not a number that can be"),
        (lambda m: set_box(m, 10, 10, 5, 20), "box (10, 10, 5, 20) has its corners swapped"),
        (lambda m: set_box(m, float("nan"), 0, 1, 1), "box.x1 nan is not a number that can be"),
        (lambda m: setattr(m.incident.clear_width, "state", 1), "clear_width is said to be measured, and has no"),
        (lambda m: add_picture(m, b"short"), "evidence.sha256 has 5 bytes, not 32"),
        (lambda m: add_picture(m, b"1" * 32, 0), "evidence.moment is missing"),
        (lambda m: [add_picture(m, b"1" * 32) for _ in range(65)], "evidence has 65 items, more than 64"),
        (lambda m: setattr(m.incident, "class_name", "x" * 140_000), "bytes, more than 131072"),
    ],
)
def test_what_can_never_be_taken_is_rejected_with_what_is_wrong(spoil: Break, reason: str) -> None:
    message = event("a")
    spoil(message)
    entry = read_entry(1, message, NOW)
    assert entry.body is None
    assert reason in entry.reject_reason


def test_bad_camera_changes_and_gaps_are_rejected() -> None:
    change = camera_change("north", "DARK")
    change.camera_state.to_state = 0
    assert read_entry(1, change, NOW).reject_reason == "to_state is missing"
    backwards = gap(3, 9)
    backwards.gap.first_lost_seq = 10
    assert "is absurd" in read_entry(1, backwards, NOW).reject_reason


@given(st.binary(max_size=200))
def test_no_bytes_that_decode_can_break_the_check(noise: bytes) -> None:
    message = event("a")
    try:
        message.MergeFromString(noise)
    except DecodeError:
        return
    entry = read_entry(1, message, NOW)
    assert (entry.body is None) == bool(entry.reject_reason)
