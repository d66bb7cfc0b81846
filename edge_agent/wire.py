"""Values to protobuf messages, and nothing else: the only place where the two meet.

Times must be timezone-aware; they keep their microseconds. Boxes travel as 32-bit floats.
"""

from __future__ import annotations

from datetime import UTC, datetime

from clearway.v1 import camera_pb2, incident_pb2, ingest_pb2, scene_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from edge_agent.evidence.reference import EvidenceReference
from edge_agent.incident_event import IncidentEvent
from edge_agent.outbox.gap import Gap, GapReason
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Finding, FindingState
from edge_agent.scene.camera_state import CameraStateChange
from edge_agent.scene.stay import Box, Dwell, Stay
from edge_agent.status import CameraStatus, ZoneStatus


def timestamp(moment: datetime) -> Timestamp:
    """A moment to the microsecond. Raises ``ValueError`` if it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: times on the wire are UTC")
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment(message: Timestamp) -> datetime:
    """The moment that a message holds, UTC."""
    return message.ToDatetime(tzinfo=UTC)


def incident_event(event: IncidentEvent) -> incident_pb2.IncidentEvent:
    """One moment in the life of an incident."""
    return incident_pb2.IncidentEvent(
        incident_id=event.incident_id,
        phase=f"INCIDENT_PHASE_{event.phase.name}",
        camera_id=event.camera,
        zone_id=event.zone,
        scenario=f"SCENARIO_{event.scenario.name}",
        kind=f"FINDING_KIND_{event.kind.name}",
        stay_id=event.stay_id,
        class_group=f"CLASS_GROUP_{event.class_group.name}",
        class_name=event.class_name,
        occurred_at=timestamp(event.occurred_at),
        media_time_s=event.media_time_s,
        opened_at=timestamp(event.opened_at),
        stay_from=timestamp(event.stay_from),
        stay_from_s=event.stay_from_s,
        open_start=event.open_start,
        dwell=dwell(event.dwell),
        limit_s=event.limit_s,
        box=box(event.box) if event.box is not None else None,
        clear_width=clear_width(event.clear_width) if event.clear_width is not None else None,
        severity=f"SEVERITY_{event.severity.name}",
        close_reason=f"CLOSE_REASON_{event.close_reason.name}" if event.close_reason is not None else None,
        evidence=[evidence_reference(reference) for reference in event.evidence],
        model_version=event.model_version,
        config_version=event.config_version,
    )


def evidence_reference(reference: EvidenceReference) -> incident_pb2.EvidenceReference:
    """A picture that an event refers to. Raises ``ValueError`` if its hash is not hex."""
    return incident_pb2.EvidenceReference(
        sha256=bytes.fromhex(reference.sha256),
        moment=f"EVIDENCE_MOMENT_{reference.moment.name}",
        media_type=reference.media_type,
        size_bytes=reference.size_bytes,
        captured_at=timestamp(reference.captured_at),
        media_time_s=reference.media_time_s,
        people_masked=reference.people_masked,
    )


def camera_state_change(camera: str, change: CameraStateChange, occurred_at: datetime) -> camera_pb2.CameraStateChange:
    """A change of one camera's state."""
    message = camera_pb2.CameraStateChange(
        camera_id=camera,
        from_state=f"CAMERA_STATE_{change.from_state.name}",
        to_state=f"CAMERA_STATE_{change.to_state.name}",
        occurred_at=timestamp(occurred_at),
        media_time_s=change.media_time_s,
    )
    if change.shift_px is not None:
        message.shift_x_px, message.shift_y_px = change.shift_px
    return message


def gap_record(gap: Gap) -> ingest_pb2.GapRecord:
    """A loss."""
    return ingest_pb2.GapRecord(
        reason=f"GAP_REASON_{gap.reason.name}",
        events_lost=gap.events_lost,
        first_lost_seq=gap.first_lost_seq,
        last_lost_seq=gap.last_lost_seq,
        lost_from=timestamp(gap.lost_from),
        lost_to=timestamp(gap.lost_to),
    )


def gap(message: ingest_pb2.GapRecord) -> Gap:
    """The loss that a record says. Raises ``ValueError`` if its reason is not one that this agent writes."""
    name = ingest_pb2.GapReason.Name(message.reason).removeprefix("GAP_REASON_")
    return Gap(
        GapReason(name.lower()),
        message.events_lost,
        message.first_lost_seq,
        message.last_lost_seq,
        moment(message.lost_from),
        moment(message.lost_to),
    )


def gap_of(payload: bytes) -> Gap:
    """The loss that an event, as the queue keeps it, says."""
    return gap(ingest_pb2.Event.FromString(payload).gap)


def event(body: IncidentEvent | Gap, emitted_at: datetime) -> ingest_pb2.Event:
    """What the queue keeps: one thing that happened, and when it was emitted."""
    message = ingest_pb2.Event(emitted_at=timestamp(emitted_at))
    if isinstance(body, Gap):
        message.gap.CopyFrom(gap_record(body))
    else:
        message.incident.CopyFrom(incident_event(body))
    return message


def camera_state_event(
    camera: str, change: CameraStateChange, occurred_at: datetime, emitted_at: datetime
) -> ingest_pb2.Event:
    """What the queue keeps of a change of a camera's state."""
    return ingest_pb2.Event(
        emitted_at=timestamp(emitted_at), camera_state=camera_state_change(camera, change, occurred_at)
    )


def box(corners: Box) -> scene_pb2.Box:
    """A box."""
    x1, y1, x2, y2 = corners
    return scene_pb2.Box(x1=x1, y1=y1, x2=x2, y2=y2)


def dwell(value: Dwell) -> scene_pb2.Dwell:
    """How long a stay has lasted."""
    return scene_pb2.Dwell(observed_s=value.observed_s, occluded_s=value.occluded_s, unknown_s=value.unknown_s)


def clear_width(value: ClearWidth) -> scene_pb2.ClearWidth:
    """A clear width; unknown when it has no value."""
    message = scene_pb2.ClearWidth(
        state=scene_pb2.MEASUREMENT_STATE_UNKNOWN if value.width_m is None else scene_pb2.MEASUREMENT_STATE_MEASURED,
        media_time_s=value.media_time_s,
    )
    if value.width_m is not None:
        message.width_m = value.width_m
        if value.uncertainty_m is not None:
            message.uncertainty_m = value.uncertainty_m
    return message


def stay(value: Stay) -> scene_pb2.Stay:
    """One thing standing in one place."""
    return scene_pb2.Stay(
        stay_id=value.stay_id,
        class_group=f"CLASS_GROUP_{value.class_group.name}",
        class_name=value.class_name,
        box=box(value.box),
        state=f"STAY_STATE_{value.state.name}",
        from_media_time_s=value.from_s,
        open_start=value.open_start,
        dwell=dwell(value.dwell),
    )


def finding(value: Finding) -> scene_pb2.Finding:
    """A zone's present judgement."""
    return scene_pb2.Finding(
        zone_id=value.zone_id,
        scenario=f"SCENARIO_{value.scenario.name}",
        kind=f"FINDING_KIND_{value.kind.name}",
        stay_id=value.subject.stay_id if value.subject is not None else "",
        violation=value.state is FindingState.VIOLATION,
        limit_s=value.limit_s,
        counted_s=value.counted_s,
    )


def zone_status(value: ZoneStatus) -> camera_pb2.ZoneStatus:
    """What one zone says now."""
    message = camera_pb2.ZoneStatus(
        zone_id=value.zone,
        scenario=f"SCENARIO_{value.scenario.name}",
        enforced=value.enforced,
        judged=value.judged,
        enforced_seconds=value.enforced_s,
        judged_seconds=value.judged_s,
        violation_seconds=value.violation_s,
        open_incidents=value.open_incidents,
        findings=[finding(each) for each in value.findings],
        blocked_below_m=value.blocked_below_m,
        narrowed_below_m=value.narrowed_below_m,
    )
    if value.clear_width is not None:
        message.clear_width.CopyFrom(clear_width(value.clear_width))
    return message


def camera_status(value: CameraStatus) -> camera_pb2.CameraStatus:
    """How a camera is doing."""
    message = camera_pb2.CameraStatus(
        camera_id=value.camera,
        state=f"CAMERA_STATE_{value.state.name}",
        state_since=timestamp(value.state_since),
        frames_analysed=value.frames_analysed,
        frames_broken=value.frames_broken,
        state_seconds=[
            camera_pb2.CameraStateSeconds(state=f"CAMERA_STATE_{state.name}", seconds=seconds)
            for state, seconds in value.state_s
        ],
        stays=[stay(each) for each in value.stays],
        zones=[zone_status(each) for each in value.zones],
    )
    if value.last_frame_at is not None:
        message.last_frame_at.CopyFrom(timestamp(value.last_frame_at))
    return message


def queue_status(value: QueueStatus) -> ingest_pb2.QueueStatus:
    """How the queue is."""
    message = ingest_pb2.QueueStatus(
        pending_events=value.pending_events,
        size_bytes=value.size_bytes,
        shed_events=value.shed_events,
        dead_letters=value.dead_letters,
        quarantined_files=value.quarantined_files,
    )
    if value.oldest_emitted_at is not None:
        message.oldest_emitted_at.CopyFrom(timestamp(value.oldest_emitted_at))
    return message


def heartbeat(cameras: tuple[CameraStatus, ...], queue: QueueStatus, sent_at: datetime) -> ingest_pb2.Heartbeat:
    """How the agent is; the uplink adds the clock's offset, which it alone knows."""
    return ingest_pb2.Heartbeat(
        sent_at=timestamp(sent_at), cameras=[camera_status(each) for each in cameras], queue=queue_status(queue)
    )
