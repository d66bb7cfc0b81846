"""What a message from an agent may hold: one table for every field that can come up, and one function that checks it.

Decision 014 says why it is a table of ours. ``tests/aggregator/test_bounds.py`` finds fields without a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from clearway.v1 import camera_pb2, enrollment_pb2, evidence_pb2, incident_pb2, ingest_pb2, scene_pb2

from aggregator.bound import (
    AgentId,
    BadMessageError,
    Bound,
    Bytes,
    Check,
    Flag,
    Moment,
    Number,
    Part,
    Parts,
    Shown,
    Text,
    Whole,
    Word,
    compiled,
)
from aggregator.columns import Columns, Reader, reader

__all__ = ["MAX_CAMERAS", "MAX_EVENT_BYTES", "MAX_HEARTBEAT_BYTES", "TABLE", "BadMessageError", "check", "columns"]

MAX_EVENT_BYTES = 128 * 1024
"""An event without its pictures takes a few hundred bytes; a hundred times that is no event."""
MAX_HEARTBEAT_BYTES = 1024 * 1024
"""Two hundred cameras with dozens of stays each."""
MAX_EVIDENCE = 64
MAX_CAMERAS = 1024

_NOT_NEGATIVE: Final = Number(low=0.0)
_NAME: Final = Text(must=True)
_COUNT: Final = Whole()
"""Counters of an agent are shown as they are: nothing is computed from them."""

TABLE: Final[dict[Any, dict[str, Bound]]] = {
    ingest_pb2.Hello: {
        "agent_id": AgentId(),
        "epoch": Bytes(16, 16),
        "lowest_unacked_seq": Whole(low=1),
        "next_seq": Whole(low=1),
        "versions": Part(),
        "sent_at": Flag(),  # an agent's clock may be anything, and its distance is what is wanted of it
    },
    ingest_pb2.AgentVersions: {"agent": Shown(), "model": Shown(), "config": Shown(), "platform": Shown()},
    ingest_pb2.Event: {"emitted_at": Moment(), "incident": Part(), "camera_state": Part(), "gap": Part()},
    incident_pb2.IncidentEvent: {
        "incident_id": _NAME,
        "phase": Word(must=True),
        "camera_id": _NAME,
        "zone_id": _NAME,
        "scenario": Word(must=True),
        "kind": Word(must=True),
        "stay_id": Text(),
        "class_group": Word(),
        "class_name": Text(),
        "occurred_at": Moment(must=True),
        "media_time_s": Number(),
        "opened_at": Moment(must=True),
        "stay_from": Moment(),
        "stay_from_s": Number(),
        "open_start": Flag(),
        "dwell": Part(),
        "limit_s": _NOT_NEGATIVE,
        "box": Part(),
        "clear_width": Part(),
        "severity": Word(),
        "close_reason": Word(),
        "evidence": Parts(MAX_EVIDENCE),
        "model_version": Text(),
        "config_version": Text(),
    },
    incident_pb2.EvidenceReference: {
        "sha256": Bytes(32, 32),
        "moment": Word(must=True),
        "media_type": Text(),
        "size_bytes": Whole(),
        "captured_at": Moment(),
        "media_time_s": Number(),
        "people_masked": Flag(),
    },
    scene_pb2.Dwell: {"observed_s": _NOT_NEGATIVE, "occluded_s": _NOT_NEGATIVE, "unknown_s": _NOT_NEGATIVE},
    scene_pb2.Box: {"x1": Number(), "y1": Number(), "x2": Number(), "y2": Number()},
    scene_pb2.ClearWidth: {
        "state": Word(),
        "width_m": _NOT_NEGATIVE,
        "uncertainty_m": _NOT_NEGATIVE,
        "media_time_s": Number(),
    },
    camera_pb2.CameraStateChange: {
        "camera_id": _NAME,
        "from_state": Word(),
        "to_state": Word(must=True),
        "occurred_at": Moment(must=True),
        "media_time_s": Number(),
        "shift_x_px": Number(),
        "shift_y_px": Number(),
    },
    ingest_pb2.GapRecord: {
        "reason": Word(must=True),
        "events_lost": Whole(),
        "first_lost_seq": Whole(),
        "last_lost_seq": Whole(),
        "lost_from": Moment(),
        "lost_to": Moment(),
    },
    ingest_pb2.Heartbeat: {
        "sent_at": Flag(),  # as in Hello
        "cameras": Parts(MAX_CAMERAS),
        "queue": Part(),
        "clock_offset_s": Number(),
        "certificate_not_after": Flag(),  # a certificate of an authority of one's own may end when it will
    },
    ingest_pb2.QueueStatus: {
        "pending_events": _COUNT,
        "size_bytes": _COUNT,
        "oldest_emitted_at": Moment(),
        "shed_events": _COUNT,
        "dead_letters": _COUNT,
        "quarantined_files": _COUNT,
    },
    camera_pb2.CameraStatus: {
        "camera_id": _NAME,
        "state": Word(must=True),
        "state_since": Moment(),
        "last_frame_at": Moment(),
        "frames_analysed": _COUNT,
        "frames_broken": _COUNT,
        "state_seconds": Parts(32),
        "stays": Parts(1024),
        "zones": Parts(256),
    },
    camera_pb2.CameraStateSeconds: {"state": Word(must=True), "seconds": _NOT_NEGATIVE},
    camera_pb2.ZoneStatus: {
        "zone_id": _NAME,
        "scenario": Word(),
        "enforced": Flag(),
        "judged": Flag(),
        "enforced_seconds": _NOT_NEGATIVE,
        "judged_seconds": _NOT_NEGATIVE,
        "violation_seconds": _NOT_NEGATIVE,
        "open_incidents": _COUNT,
        "clear_width": Part(),
        "findings": Parts(256),
        "blocked_below_m": _NOT_NEGATIVE,
        "narrowed_below_m": _NOT_NEGATIVE,
    },
    scene_pb2.Finding: {
        "zone_id": Text(),
        "scenario": Word(),
        "kind": Word(),
        "stay_id": Text(),
        "violation": Flag(),
        "limit_s": Number(),
        "counted_s": Number(),
    },
    scene_pb2.Stay: {
        "stay_id": Text(),
        "class_group": Word(),
        "class_name": Text(),
        "box": Part(),
        "state": Word(),
        "from_media_time_s": Number(),
        "open_start": Flag(),
        "dwell": Part(),
    },
    evidence_pb2.EvidenceUpload: {
        "sha256": Bytes(32, 32),
        "size_bytes": Whole(),  # the folder says how large a picture may be
        "media_type": Text(),
        "offset": Whole(),
        "incident_id": Text(),
    },
    evidence_pb2.GetUploadOffsetRequest: {"sha256": Bytes(32, 32)},
    enrollment_pb2.EnrollRequest: {
        "token": Text(must=True),
        "agent_id": AgentId(),
        "csr_der": Bytes(0, 8192),  # the authority says more exactly what is wrong with a request
    },
    enrollment_pb2.RenewRequest: {"csr_der": Bytes(0, 8192)},
}
"""Every message that can come up, but for the envelopes: ConnectRequest, EventBatch, UploadEvidenceRequest."""


_CHECKS: Final[dict[str, Check]] = {}
_CHECKS.update(
    (message.DESCRIPTOR.full_name, compiled(message.DESCRIPTOR, bounds, _CHECKS)) for message, bounds in TABLE.items()
)


def check(message: Any, now: datetime) -> None:
    """Raise ``BadMessageError``, which names the field, if a value in ``message`` is out of its bounds."""
    _CHECKS[message.DESCRIPTOR.full_name](message, "", now.timestamp())


_READERS: Final[dict[str, Reader]] = {}
_READERS.update(
    (message.DESCRIPTOR.full_name, reader(message.DESCRIPTOR, bounds, _READERS)) for message, bounds in TABLE.items()
)
_INCIDENT_EVENTS: Final = reader(
    ingest_pb2.Event.DESCRIPTOR, TABLE[ingest_pb2.Event], _READERS, only=("emitted_at", "incident")
)


def columns(events: Sequence[Any], now: datetime) -> Columns | None:
    """The values of events, at least one and each with an incident, by field; None if one may be out of its bounds."""
    return _INCIDENT_EVENTS(events, now.timestamp())
