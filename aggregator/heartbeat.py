"""What an agent says of itself at intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clearway.v1 import scene_pb2

from aggregator.wire import BadMessageError, camera_state_name, read_time

MAX_ID = 64


@dataclass(frozen=True, slots=True)
class PassageHealth:
    """A passage's clear width, metres; None when the camera cannot tell."""

    zone_id: str
    clear_width_m: float | None


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What a heartbeat says of one camera. ``state_seconds`` are by state, since the agent's state began."""

    camera_id: str
    state: str
    since: datetime | None
    state_seconds: Mapping[str, float]
    passages: tuple[PassageHealth, ...]


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """What a heartbeat says."""

    received_at: datetime
    cameras: tuple[CameraHealth, ...] = ()
    pending_events: int = 0
    queue_bytes: int = 0
    oldest_emitted_at: datetime | None = None
    shed_events: int = 0
    dead_letters: int = 0
    quarantined_files: int = 0
    clock_offset_s: float | None = None
    certificate_not_after: datetime | None = None


def read_heartbeat(message: Any, received_at: datetime) -> AgentHealth:
    """A heartbeat's content. Cameras whose state is not known here are left out; a number that is none is None."""
    queue = message.queue
    offset = message.clock_offset_s if message.HasField("clock_offset_s") else None
    if offset is None and message.HasField("sent_at"):
        sent_at = read_time(message.sent_at)
        offset = None if sent_at is None else (sent_at - received_at).total_seconds()
    return AgentHealth(
        received_at=received_at,
        cameras=tuple(camera for status in message.cameras if (camera := _camera(status)) is not None),
        pending_events=queue.pending_events,
        queue_bytes=queue.size_bytes,
        oldest_emitted_at=read_time(queue.oldest_emitted_at) if queue.HasField("oldest_emitted_at") else None,
        shed_events=queue.shed_events,
        dead_letters=queue.dead_letters,
        quarantined_files=queue.quarantined_files,
        clock_offset_s=offset if offset is not None and math.isfinite(offset) else None,
        certificate_not_after=(
            read_time(message.certificate_not_after) if message.HasField("certificate_not_after") else None
        ),
    )


def _camera(status: Any) -> CameraHealth | None:
    if not 0 < len(status.camera_id) <= MAX_ID:
        return None
    try:
        state = camera_state_name(status.state)
        seconds = {
            camera_state_name(item.state): item.seconds
            for item in status.state_seconds
            if math.isfinite(item.seconds) and item.seconds >= 0
        }
    except BadMessageError:
        return None
    passages = tuple(
        PassageHealth(zone.zone_id, _width(zone.clear_width))
        for zone in status.zones
        if zone.HasField("clear_width") and 0 < len(zone.zone_id) <= MAX_ID
    )
    since = read_time(status.state_since) if status.HasField("state_since") else None
    return CameraHealth(status.camera_id, state, since, seconds, passages)


def _width(width: Any) -> float | None:
    measured = width.state == scene_pb2.MEASUREMENT_STATE_MEASURED and width.HasField("width_m")
    return width.width_m if measured and math.isfinite(width.width_m) else None
