"""From protobuf to values: the only place that knows both. Says what is wrong with what can never be taken."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from clearway.v1 import scene_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.bound import MAX_NANOS, MAX_SEQ, BadMessageError, moment, shown
from aggregator.bounds import MAX_EVENT_BYTES, check
from aggregator.records import CameraChange, Entry, Evidence, Gap, IncidentEvent, Opening, Phase
from aggregator.words import (
    CAMERA_STATES,
    CLASS_GROUPS,
    CLOSE_REASONS,
    EVIDENCE_MOMENTS,
    GAP_REASONS,
    KINDS,
    PHASES,
    SCENARIOS,
    SEVERITIES,
)

__all__ = ["MAX_SEQ", "BadMessageError", "camera_state_name", "read_entry", "read_opening", "read_time"]


_BODY: Final = re.compile(r"^(?:incident|camera_state|gap)\.")
"""In front of a field's name it says nothing new: an event has one body."""


def read_opening(hello: Any, now: datetime) -> Opening:
    """A Hello's content. Raises ``BadMessageError``."""
    check(hello, now)
    if hello.lowest_unacked_seq > hello.next_seq:
        raise BadMessageError(
            f"lowest_unacked_seq {hello.lowest_unacked_seq} and next_seq {hello.next_seq} are not the bounds of a queue"
        )
    versions = hello.versions
    return Opening(
        agent_id=hello.agent_id,
        epoch=hello.epoch,
        lowest_unacked_seq=hello.lowest_unacked_seq,
        next_seq=hello.next_seq,
        agent_version=shown(versions.agent),
        model_version=shown(versions.model),
        config_version=shown(versions.config),
        platform=shown(versions.platform),
    )


def read_entry(seq: int, event: Any, now: datetime) -> Entry:
    """One event of a batch. One that can never be taken comes back with the reason and without a body."""
    payload = event.SerializeToString()
    try:
        if len(payload) > MAX_EVENT_BYTES:
            raise BadMessageError(f"has {len(payload)} bytes, more than {MAX_EVENT_BYTES}")
        check(event, now)
        emitted_at = moment(event.emitted_at) if event.HasField("emitted_at") else None
        return Entry(seq, payload, now, emitted_at, _body(event))
    except BadMessageError as error:
        return Entry(seq, payload[:MAX_EVENT_BYTES], now, None, None, _BODY.sub("", str(error)))


def camera_state_name(state: int) -> str:
    """A camera's state as a word. Raises ``BadMessageError``."""
    if not state or state not in CAMERA_STATES:
        raise BadMessageError(f"state {state} is not known here")
    return CAMERA_STATES[state]


def read_time(stamp: Timestamp) -> datetime | None:
    """A protobuf timestamp, or None if it is out of range."""
    if not 0 <= stamp.nanos <= MAX_NANOS:
        return None
    try:
        return moment(stamp)
    except OverflowError:
        return None


def _body(event: Any) -> IncidentEvent | CameraChange | Gap:
    match event.WhichOneof("body"):
        case "incident":
            return _incident(event.incident)
        case "camera_state":
            return _camera_change(event.camera_state)
        case "gap":
            return _gap(event.gap)
        case _:
            raise BadMessageError("has no body that is known here")


def _incident(message: Any) -> IncidentEvent:
    phase = PHASES[message.phase]
    reason = None
    if phase is Phase.CLOSED:
        if not message.close_reason:
            raise BadMessageError("close_reason is missing")
        reason = CLOSE_REASONS[message.close_reason]
    if message.stay_id and not message.class_group:
        raise BadMessageError("class_group is missing")
    width_m, uncertainty_m = clear_width(message)
    dwell = message.dwell
    return IncidentEvent(
        incident_id=message.incident_id,
        phase=phase,
        camera_id=message.camera_id,
        zone_id=message.zone_id,
        scenario=SCENARIOS[message.scenario],
        kind=KINDS[message.kind],
        class_group=CLASS_GROUPS[message.class_group],
        class_name=message.class_name,
        stay_id=message.stay_id,
        occurred_at=moment(message.occurred_at),
        opened_at=moment(message.opened_at),
        stay_from=moment(message.stay_from) if message.HasField("stay_from") else None,
        open_start=message.open_start,
        dwell_observed_s=dwell.observed_s,
        dwell_occluded_s=dwell.occluded_s,
        dwell_unknown_s=dwell.unknown_s,
        limit_s=message.limit_s,
        box=_box(message.box) if message.HasField("box") else None,
        clear_width_m=width_m,
        clear_width_uncertainty_m=uncertainty_m,
        severity=SEVERITIES[message.severity],
        close_reason=reason,
        evidence=tuple(map(picture, message.evidence)),
        model_version=message.model_version,
        config_version=message.config_version,
    )


def clear_width(message: Any) -> tuple[float | None, float | None]:
    """Clear width and its uncertainty, metres."""
    width = message.clear_width
    if not message.HasField("clear_width") or width.state != scene_pb2.MEASUREMENT_STATE_MEASURED:
        return None, None
    if not width.HasField("width_m"):
        raise BadMessageError("clear_width is said to be measured, and has no width_m")
    return width.width_m, width.uncertainty_m if width.HasField("uncertainty_m") else None


def picture(reference: Any) -> Evidence:
    return Evidence(
        sha256=reference.sha256,
        moment=EVIDENCE_MOMENTS[reference.moment],
        media_type=reference.media_type,
        size_bytes=reference.size_bytes,
        captured_at=moment(reference.captured_at) if reference.HasField("captured_at") else None,
        media_time_s=reference.media_time_s,
        people_masked=reference.people_masked,
    )


def _camera_change(message: Any) -> CameraChange:
    return CameraChange(
        camera_id=message.camera_id,
        from_state=CAMERA_STATES[message.from_state],
        to_state=CAMERA_STATES[message.to_state],
        occurred_at=moment(message.occurred_at),
        media_time_s=message.media_time_s,
    )


def _gap(message: Any) -> Gap:
    first, last = message.first_lost_seq, message.last_lost_seq
    if first > last:
        raise BadMessageError(f"a gap of {message.events_lost} events from {first} to {last} is absurd")
    return Gap(
        reason=GAP_REASONS[message.reason],
        events_lost=message.events_lost,
        first_lost_seq=first,
        last_lost_seq=last,
        lost_from=moment(message.lost_from) if message.HasField("lost_from") else None,
        lost_to=moment(message.lost_to) if message.HasField("lost_to") else None,
    )


def _box(box: Any) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.x1, box.y1, box.x2, box.y2
    if x2 < x1 or y2 < y1:
        raise BadMessageError(f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}) has its corners swapped")
    return x1, y1, x2, y2
