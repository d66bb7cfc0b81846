"""What is put on the wire says exactly what the value said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from clearway.v1 import camera_pb2, incident_pb2, ingest_pb2, scene_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import wire
from edge_agent.detection.detections import ClassGroup
from edge_agent.evidence.reference import EvidenceMoment, EvidenceReference
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase, Severity
from edge_agent.outbox.gap import Gap, GapReason
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Finding, FindingKind, FindingState, Scenario
from edge_agent.scene.camera_state import CameraState, CameraStateChange
from edge_agent.scene.stay import Dwell, Stay, StayState
from edge_agent.status import CameraStatus, ZoneStatus

NOW = datetime(2026, 5, 4, 3, 2, 1, 654321, tzinfo=UTC)

moments = st.datetimes(
    datetime(1970, 1, 1),
    datetime(9999, 12, 31),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=9, minutes=30))]),
)
seconds = st.floats(0, 1e9)
pixels = st.floats(-1e4, 1e4, width=32)
boxes = st.tuples(pixels, pixels, pixels, pixels)
texts = st.text(max_size=20)
dwells = st.builds(Dwell, seconds, seconds, seconds)
widths = st.builds(ClearWidth, st.floats(0, 50), st.none() | st.floats(0, 5), seconds) | st.builds(
    ClearWidth, st.none(), st.none(), seconds
)
references = st.builds(
    EvidenceReference,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.sampled_from(EvidenceMoment),
    texts,
    st.integers(0, 2**63),
    moments,
    seconds,
    st.booleans(),
)
incidents = st.builds(
    IncidentEvent,
    texts,
    st.sampled_from(IncidentPhase),
    texts,
    texts,
    st.sampled_from(Scenario),
    st.sampled_from(FindingKind),
    texts,
    st.sampled_from(ClassGroup),
    texts,
    moments,
    seconds,
    moments,
    moments,
    seconds,
    st.booleans(),
    dwells,
    seconds,
    st.none() | boxes,
    st.none() | widths,
    st.sampled_from(Severity),
    st.none() | st.sampled_from(CloseReason),
    st.lists(references, max_size=3).map(tuple),
    texts,
    texts,
)
stays = st.builds(
    Stay,
    texts,
    st.sampled_from(ClassGroup),
    texts,
    boxes,
    st.sampled_from(StayState),
    st.booleans(),
    seconds,
    st.booleans(),
    seconds,
    dwells,
)


def last_word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def read_box(message: scene_pb2.Box) -> tuple[float, float, float, float]:
    return message.x1, message.y1, message.x2, message.y2


def read_dwell(message: scene_pb2.Dwell) -> Dwell:
    return Dwell(message.observed_s, message.occluded_s, message.unknown_s)


def read_width(message: scene_pb2.ClearWidth) -> ClearWidth:
    measured = message.state == scene_pb2.MEASUREMENT_STATE_MEASURED
    assert message.HasField("width_m") == measured
    return ClearWidth(
        message.width_m if measured else None,
        message.uncertainty_m if message.HasField("uncertainty_m") else None,
        message.media_time_s,
    )


def read_incident(message: incident_pb2.IncidentEvent) -> IncidentEvent:
    reason = last_word(incident_pb2.CloseReason.Name(message.close_reason), "CLOSE_REASON_")
    return IncidentEvent(
        message.incident_id,
        IncidentPhase(last_word(incident_pb2.IncidentPhase.Name(message.phase), "INCIDENT_PHASE_")),
        message.camera_id,
        message.zone_id,
        Scenario(last_word(scene_pb2.Scenario.Name(message.scenario), "SCENARIO_")),
        FindingKind(last_word(scene_pb2.FindingKind.Name(message.kind), "FINDING_KIND_")),
        message.stay_id,
        ClassGroup(last_word(scene_pb2.ClassGroup.Name(message.class_group), "CLASS_GROUP_")),
        message.class_name,
        wire.moment(message.occurred_at),
        message.media_time_s,
        wire.moment(message.opened_at),
        wire.moment(message.stay_from),
        message.stay_from_s,
        message.open_start,
        read_dwell(message.dwell),
        message.limit_s,
        read_box(message.box) if message.HasField("box") else None,
        read_width(message.clear_width) if message.HasField("clear_width") else None,
        Severity(last_word(incident_pb2.Severity.Name(message.severity), "SEVERITY_")),
        None if reason == "unspecified" else CloseReason(reason),
        tuple(
            EvidenceReference(
                each.sha256.hex(),
                EvidenceMoment(last_word(incident_pb2.EvidenceMoment.Name(each.moment), "EVIDENCE_MOMENT_")),
                each.media_type,
                each.size_bytes,
                wire.moment(each.captured_at),
                each.media_time_s,
                each.people_masked,
            )
            for each in message.evidence
        ),
        message.model_version,
        message.config_version,
    )


@given(moments)
def test_a_moment_keeps_its_microseconds_whatever_its_time_zone(moment: datetime) -> None:
    assert wire.moment(wire.timestamp(moment)) == moment


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        wire.timestamp(datetime(2026, 1, 1))


@given(incidents, moments)
@settings(deadline=None)
def test_an_incident_event_comes_back_as_it_went(incident: IncidentEvent, emitted_at: datetime) -> None:
    message = ingest_pb2.Event.FromString(wire.event(incident, emitted_at).SerializeToString())
    assert message.WhichOneof("body") == "incident"
    assert wire.moment(message.emitted_at) == emitted_at
    assert read_incident(message.incident) == incident


@given(incidents, moments)
@settings(deadline=None, max_examples=30)
def test_the_same_event_gives_the_same_bytes(incident: IncidentEvent, emitted_at: datetime) -> None:
    once, twice = (wire.event(incident, emitted_at).SerializeToString(deterministic=True) for _ in range(2))
    assert once == twice


@given(st.builds(Gap, st.sampled_from(GapReason), *[st.integers(0, 2**63)] * 3, moments, moments))
def test_a_gap_comes_back_as_it_went(gap: Gap) -> None:
    assert wire.gap_of(wire.event(gap, NOW).SerializeToString()) == gap


@given(
    st.builds(
        CameraStateChange,
        st.sampled_from(CameraState),
        st.sampled_from(CameraState),
        seconds,
        st.none() | st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    ),
    moments,
)
def test_a_change_of_a_camera_s_state_comes_back_as_it_went(change: CameraStateChange, occurred_at: datetime) -> None:
    payload = wire.camera_state_event("gate", change, occurred_at, NOW).SerializeToString()
    message = ingest_pb2.Event.FromString(payload).camera_state
    shifted = message.HasField("shift_x_px")
    assert message.camera_id == "gate"
    assert wire.moment(message.occurred_at) == occurred_at
    assert change == CameraStateChange(
        CameraState(last_word(camera_pb2.CameraState.Name(message.from_state), "CAMERA_STATE_")),
        CameraState(last_word(camera_pb2.CameraState.Name(message.to_state), "CAMERA_STATE_")),
        message.media_time_s,
        (message.shift_x_px, message.shift_y_px) if shifted else None,
    )


@given(stays)
def test_a_stay_comes_back_as_it_went(stay: Stay) -> None:
    message = scene_pb2.Stay.FromString(wire.stay(stay).SerializeToString())
    assert message.stay_id == stay.stay_id
    assert last_word(scene_pb2.ClassGroup.Name(message.class_group), "CLASS_GROUP_") == stay.class_group
    assert last_word(scene_pb2.StayState.Name(message.state), "STAY_STATE_") == stay.state
    assert (message.class_name, message.from_media_time_s, message.open_start) == (
        stay.class_name,
        stay.from_s,
        stay.open_start,
    )
    assert read_box(message.box) == stay.box
    assert read_dwell(message.dwell) == stay.dwell


@pytest.mark.parametrize("state", FindingState)
def test_only_a_violation_is_a_violation(state: FindingState) -> None:
    finding = Finding("deck", Scenario.PASSAGE, FindingKind.BLOCKED, state, 60.0, 12.5, 3.0)
    message = wire.finding(finding)
    assert message.violation == (state is FindingState.VIOLATION)
    assert (message.zone_id, message.stay_id, message.limit_s, message.counted_s) == ("deck", "", 60.0, 12.5)


def test_a_heartbeat_holds_every_camera_zone_stay_and_finding() -> None:
    stay = Stay(
        "s1", ClassGroup.CYCLE, "bicycle", (1, 2, 3, 4), StayState.OCCLUDED, True, 5.0, True, 9.0, Dwell(1, 2, 3)
    )
    finding = Finding("deck", Scenario.PASSAGE, FindingKind.NARROWED, FindingState.VIOLATION, 60, 61, 5, stay)
    zone = ZoneStatus("deck", Scenario.PASSAGE, True, False, 10.0, 9.0, 8.0, 2, ClearWidth(1.4, 0.1, 7.0), (finding,))
    camera = CameraStatus(
        "gate",
        CameraState.DARK,
        NOW,
        NOW,
        70,
        3,
        ((CameraState.DARK, 4.5), (CameraState.SEEING, 60.0)),
        (stay,),
        (zone,),
    )
    queue = QueueStatus(bytes(16), 5, 9, 8192, 4096, 1 << 20, NOW, 1, 2, 3, 4, 5)
    message = ingest_pb2.Heartbeat.FromString(wire.heartbeat((camera,), queue, NOW).SerializeToString())
    [sent] = message.cameras
    assert wire.moment(message.sent_at) == NOW
    assert (sent.camera_id, sent.state, sent.frames_analysed, sent.frames_broken) == (
        "gate",
        camera_pb2.CAMERA_STATE_DARK,
        70,
        3,
    )
    assert wire.moment(sent.state_since) == wire.moment(sent.last_frame_at) == NOW
    assert [(each.state, each.seconds) for each in sent.state_seconds] == [
        (camera_pb2.CAMERA_STATE_DARK, 4.5),
        (camera_pb2.CAMERA_STATE_SEEING, 60.0),
    ]
    assert [each.stay_id for each in sent.stays] == ["s1"]
    [deck] = sent.zones
    assert (deck.zone_id, deck.scenario, deck.enforced, deck.judged) == (
        "deck",
        scene_pb2.SCENARIO_PASSAGE,
        True,
        False,
    )
    assert (deck.enforced_seconds, deck.judged_seconds, deck.violation_seconds, deck.open_incidents) == (10, 9, 8, 2)
    assert read_width(deck.clear_width) == ClearWidth(1.4, 0.1, 7.0)
    assert [(each.stay_id, each.violation) for each in deck.findings] == [("s1", True)]
    assert (message.queue.pending_events, message.queue.size_bytes, message.queue.shed_events) == (4, 8192, 6)
    assert (message.queue.dead_letters, message.queue.quarantined_files) == (4, 5)
    assert wire.moment(message.queue.oldest_emitted_at) == NOW


def test_what_is_not_known_is_absent() -> None:
    camera = CameraStatus("gate", CameraState.STARTING, NOW, None, 0, 0)
    queue = QueueStatus(bytes(16), 1, 1, 0, 0, 1 << 20, None, 0, 0, 0, 0, 0)
    message = wire.heartbeat((camera,), queue, NOW)
    assert not message.cameras[0].HasField("last_frame_at")
    assert not message.queue.HasField("oldest_emitted_at")
    assert not message.HasField("clock_offset_s")
    unknown = wire.clear_width(ClearWidth(None, None, 4.0))
    assert unknown.state == scene_pb2.MEASUREMENT_STATE_UNKNOWN
    assert not unknown.HasField("width_m")


def test_losses_of_the_same_reason_are_joined_and_others_are_not() -> None:
    early, late = NOW, NOW + timedelta(hours=1)
    one = Gap(GapReason.DROPPED_OLDEST, 3, 10, 12, late, late)
    other = Gap(GapReason.DROPPED_OLDEST, 2, 0, 0, early, early)
    assert one.joined(other) == Gap(GapReason.DROPPED_OLDEST, 5, 10, 12, early, late)
    with pytest.raises(ValueError, match="cannot be joined"):
        one.joined(Gap(GapReason.QUEUE_DAMAGED, 1, 0, 0, early, late))
