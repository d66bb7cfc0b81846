"""From protobuf to values: the only place that knows both. Says what is wrong with what can never be taken."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from clearway.v1 import camera_pb2, incident_pb2, ingest_pb2, scene_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.records import CameraChange, Entry, Evidence, Gap, IncidentEvent, Opening, Phase

MAX_EVENT_BYTES = 128 * 1024
"""An event without its pictures takes a few hundred bytes; a hundred times that is no event."""
MAX_TEXT = 128
MAX_EVIDENCE = 64
MAX_SEQ = 2**63 - 1
MAX_SECONDS = 1e10
"""Three centuries: longer than any stay, and far from where floating point loses the millisecond."""
MAX_AHEAD = timedelta(days=366)
"""A camera's clock may be wrong, and both its time and ours are kept; more than a year ahead it is no clock."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadMessageError(Exception):
    """What is wrong, for a person."""


def read_opening(hello: Any) -> Opening:
    """A Hello's content. Raises ``BadMessageError``."""
    if not _IDENTIFIER.fullmatch(hello.agent_id):
        raise BadMessageError(f"agent_id {hello.agent_id[:MAX_TEXT]!r} is not an id: letters, digits, '.', '_', '-'")
    if len(hello.epoch) != 16:
        raise BadMessageError(f"epoch has {len(hello.epoch)} bytes, not 16")
    if not 1 <= hello.lowest_unacked_seq <= hello.next_seq <= MAX_SEQ:
        raise BadMessageError(
            f"lowest_unacked_seq {hello.lowest_unacked_seq} and next_seq {hello.next_seq} are not the bounds of a queue"
        )
    versions = hello.versions
    return Opening(
        agent_id=hello.agent_id,
        epoch=hello.epoch,
        lowest_unacked_seq=hello.lowest_unacked_seq,
        next_seq=hello.next_seq,
        agent_version=_shown(versions.agent),
        model_version=_shown(versions.model),
        config_version=_shown(versions.config),
        platform=_shown(versions.platform),
    )


def read_entry(seq: int, event: Any, now: datetime) -> Entry:
    """One event of a batch. One that can never be taken comes back with the reason and without a body."""
    payload = event.SerializeToString()
    try:
        if len(payload) > MAX_EVENT_BYTES:
            raise BadMessageError(f"has {len(payload)} bytes, more than {MAX_EVENT_BYTES}")
        emitted_at = _moment("emitted_at", event.emitted_at, now) if event.HasField("emitted_at") else None
        return Entry(seq, payload, now, emitted_at, _body(event, now))
    except BadMessageError as error:
        return Entry(seq, payload[:MAX_EVENT_BYTES], now, None, None, str(error))


def camera_state_name(state: int) -> str:
    """A camera's state as a word. Raises ``BadMessageError``."""
    return _word("state", camera_pb2.CameraState, state, "CAMERA_STATE_")


def read_time(stamp: Timestamp) -> datetime | None:
    """A protobuf timestamp, or None if it is out of range."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _body(event: Any, now: datetime) -> IncidentEvent | CameraChange | Gap:
    match event.WhichOneof("body"):
        case "incident":
            return _incident(event.incident, now)
        case "camera_state":
            return _camera_change(event.camera_state, now)
        case "gap":
            return _gap(event.gap, now)
        case _:
            raise BadMessageError("has no body that is known here")


def _incident(message: Any, now: datetime) -> IncidentEvent:
    phase = Phase(_word("phase", incident_pb2.IncidentPhase, message.phase, "INCIDENT_PHASE_"))
    reason = None
    if phase is Phase.CLOSED:
        reason = _word("close_reason", incident_pb2.CloseReason, message.close_reason, "CLOSE_REASON_")
    subject = bool(message.stay_id)
    return IncidentEvent(
        incident_id=_id("incident_id", message.incident_id),
        phase=phase,
        camera_id=_id("camera_id", message.camera_id),
        zone_id=_id("zone_id", message.zone_id),
        scenario=_word("scenario", scene_pb2.Scenario, message.scenario, "SCENARIO_"),
        kind=_word("kind", scene_pb2.FindingKind, message.kind, "FINDING_KIND_"),
        class_group=_word("class_group", scene_pb2.ClassGroup, message.class_group, "CLASS_GROUP_", must=subject),
        class_name=_text("class_name", message.class_name),
        stay_id=_text("stay_id", message.stay_id),
        occurred_at=_moment("occurred_at", _required(message, "occurred_at"), now),
        opened_at=_moment("opened_at", _required(message, "opened_at"), now),
        stay_from=_moment("stay_from", message.stay_from, now) if message.HasField("stay_from") else None,
        open_start=message.open_start,
        dwell_observed_s=_seconds("dwell.observed_s", message.dwell.observed_s),
        dwell_occluded_s=_seconds("dwell.occluded_s", message.dwell.occluded_s),
        dwell_unknown_s=_seconds("dwell.unknown_s", message.dwell.unknown_s),
        limit_s=_seconds("limit_s", message.limit_s),
        box=_box(message.box) if message.HasField("box") else None,
        severity=_word("severity", incident_pb2.Severity, message.severity, "SEVERITY_", must=False),
        close_reason=reason,
        evidence=_evidence(message.evidence, now),
        model_version=_text("model_version", message.model_version),
        config_version=_text("config_version", message.config_version),
        **_media_times(message),
        **_width(message),
    )


def _media_times(message: Any) -> dict[str, float]:
    """Checks media times, which are kept in the event's payload alone."""
    _finite("media_time_s", message.media_time_s)
    _finite("stay_from_s", message.stay_from_s)
    return {}


def _width(message: Any) -> dict[str, float | None]:
    width = message.clear_width
    if not message.HasField("clear_width") or width.state != scene_pb2.MEASUREMENT_STATE_MEASURED:
        return {"clear_width_m": None, "clear_width_uncertainty_m": None}
    if not width.HasField("width_m"):
        raise BadMessageError("clear_width is said to be measured, and has no width_m")
    uncertainty = None
    if width.HasField("uncertainty_m"):
        uncertainty = _not_negative("clear_width.uncertainty_m", width.uncertainty_m)
    return {
        "clear_width_m": _not_negative("clear_width.width_m", width.width_m),
        "clear_width_uncertainty_m": uncertainty,
    }


def _evidence(references: Any, now: datetime) -> tuple[Evidence, ...]:
    if len(references) > MAX_EVIDENCE:
        raise BadMessageError(f"evidence has {len(references)} pictures, more than {MAX_EVIDENCE}")
    return tuple(_picture(reference, now) for reference in references)


def _picture(reference: Any, now: datetime) -> Evidence:
    if len(reference.sha256) != 32:
        raise BadMessageError(f"evidence.sha256 has {len(reference.sha256)} bytes, not 32")
    if reference.size_bytes > MAX_SEQ:
        raise BadMessageError(f"evidence.size_bytes {reference.size_bytes} is absurd")
    captured = reference.HasField("captured_at")
    return Evidence(
        sha256=reference.sha256,
        moment=_word("evidence.moment", incident_pb2.EvidenceMoment, reference.moment, "EVIDENCE_MOMENT_"),
        media_type=_text("evidence.media_type", reference.media_type),
        size_bytes=reference.size_bytes,
        captured_at=_moment("evidence.captured_at", reference.captured_at, now) if captured else None,
        media_time_s=_finite("evidence.media_time_s", reference.media_time_s),
        people_masked=reference.people_masked,
    )


def _camera_change(message: Any, now: datetime) -> CameraChange:
    states = camera_pb2.CameraState
    for axis in ("shift_x_px", "shift_y_px"):
        _finite(axis, getattr(message, axis))
    return CameraChange(
        camera_id=_id("camera_id", message.camera_id),
        from_state=_word("from_state", states, message.from_state, "CAMERA_STATE_", must=False),
        to_state=_word("to_state", states, message.to_state, "CAMERA_STATE_"),
        occurred_at=_moment("occurred_at", _required(message, "occurred_at"), now),
        media_time_s=_finite("media_time_s", message.media_time_s),
    )


def _gap(message: Any, now: datetime) -> Gap:
    first, last = message.first_lost_seq, message.last_lost_seq
    if first > last or max(last, message.events_lost) > MAX_SEQ:
        raise BadMessageError(f"a gap of {message.events_lost} events from {first} to {last} is absurd")
    return Gap(
        reason=_word("reason", ingest_pb2.GapReason, message.reason, "GAP_REASON_"),
        events_lost=message.events_lost,
        first_lost_seq=first,
        last_lost_seq=last,
        lost_from=_moment("lost_from", message.lost_from, now) if message.HasField("lost_from") else None,
        lost_to=_moment("lost_to", message.lost_to, now) if message.HasField("lost_to") else None,
    )


def _word(field: str, enum: EnumTypeWrapper, value: int, prefix: str, *, must: bool = True) -> str:
    if value not in enum.values():
        raise BadMessageError(f"{field} {value} is not known here")
    if value == 0 and must:
        raise BadMessageError(f"{field} is missing")
    return str(enum.Name(value)).removeprefix(prefix).lower()


def _text(field: str, value: str) -> str:
    if len(value) > MAX_TEXT:
        raise BadMessageError(f"{field} has {len(value)} characters, more than {MAX_TEXT}")
    if _CONTROL.search(value):
        raise BadMessageError(f"{field} has a control character")
    return value


def _shown(value: str) -> str:
    """Text that is only shown: nothing is refused for it."""
    return _CONTROL.sub(" ", value)[:MAX_TEXT]


def _id(field: str, value: str) -> str:
    if not value:
        raise BadMessageError(f"{field} is missing")
    return _text(field, value)


def _required(message: Any, field: str) -> Timestamp:
    if not message.HasField(field):
        raise BadMessageError(f"{field} is missing")
    stamp: Timestamp = getattr(message, field)
    return stamp


def _moment(field: str, stamp: Timestamp, now: datetime) -> datetime:
    moment = read_time(stamp)
    if moment is None or not 0 <= stamp.nanos < 1_000_000_000 or not _EPOCH <= moment <= now + MAX_AHEAD:
        raise BadMessageError(f"{field} ({stamp.seconds} s, {stamp.nanos} ns) is no time that can be")
    return moment


def _finite(field: str, value: float) -> float:
    if not (math.isfinite(value) and abs(value) <= MAX_SECONDS):
        raise BadMessageError(f"{field} {value} is not a number that can be")
    return value


def _not_negative(field: str, value: float) -> float:
    if _finite(field, value) < 0:
        raise BadMessageError(f"{field} {value} is negative")
    return value


def _seconds(field: str, value: float) -> float:
    return _not_negative(field, value)


def _box(box: Any) -> tuple[float, float, float, float]:
    corners = tuple(_finite(f"box.{name}", getattr(box, name)) for name in ("x1", "y1", "x2", "y2"))
    x1, y1, x2, y2 = corners
    if x2 < x1 or y2 < y1:
        raise BadMessageError(f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}) has its corners swapped")
    return x1, y1, x2, y2
