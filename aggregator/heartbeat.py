"""What an agent says of itself at intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clearway.v1 import scene_pb2

from aggregator.wire import BadMessageError, camera_state_name, read_time

_UNSPECIFIED = "unspecified"
_SCENARIOS = {number: name.removeprefix("SCENARIO_").lower() for name, number in scene_pb2.Scenario.items() if number}
_KINDS = {
    number: name.removeprefix("FINDING_KIND_").lower() for name, number in scene_pb2.FindingKind.items() if number
}


@dataclass(frozen=True, slots=True)
class ZoneHealth:
    """What a heartbeat says of one zone. Seconds are by media time since the agent's state began.

    ``violations`` are the kinds of which a violation stands. ``passage`` is true where a clear width is measured; the
    width, its uncertainty and the limits are metres, None while the camera cannot tell, or if they were not said.
    """

    zone_id: str
    scenario: str
    enforced: bool
    judged: bool
    enforced_s: float
    judged_s: float
    violation_s: float
    violations: frozenset[str] = frozenset()
    passage: bool = False
    clear_width_m: float | None = None
    uncertainty_m: float | None = None
    limits_m: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What a heartbeat says of one camera. Seconds by state and frames are counted since the agent's state began."""

    camera_id: str
    state: str
    since: datetime | None
    state_seconds: Mapping[str, float]
    zones: tuple[ZoneHealth, ...] = ()
    last_frame_at: datetime | None = None
    frames_analysed: int = 0
    frames_broken: int = 0


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """What a heartbeat says. ``sent_at`` is by the agent's clock."""

    received_at: datetime
    sent_at: datetime | None = None
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
    """A heartbeat's content, of one that fits its bounds."""
    queue = message.queue
    offset = message.clock_offset_s if message.HasField("clock_offset_s") else None
    sent_at = read_time(message.sent_at) if message.HasField("sent_at") else None
    if offset is None and sent_at is not None:
        offset = (sent_at - received_at).total_seconds()
    return AgentHealth(
        received_at=received_at,
        sent_at=sent_at,
        cameras=tuple(camera for status in message.cameras if (camera := _camera(status)) is not None),
        pending_events=queue.pending_events,
        queue_bytes=queue.size_bytes,
        oldest_emitted_at=read_time(queue.oldest_emitted_at) if queue.HasField("oldest_emitted_at") else None,
        shed_events=queue.shed_events,
        dead_letters=queue.dead_letters,
        quarantined_files=queue.quarantined_files,
        clock_offset_s=offset,
        certificate_not_after=(
            read_time(message.certificate_not_after) if message.HasField("certificate_not_after") else None
        ),
    )


def carry_sums(message: Any, before: Any) -> None:
    """Give cameras that have not read their sums yet, after a restart of the agent, those of the heartbeat ``before``.

    Such a camera says nothing of its seconds, which does not mean that there were none.
    """
    known = {status.camera_id: status for status in before.cameras}
    for status in message.cameras:
        old = known.get(status.camera_id)
        if old is None:
            continue
        if not status.state_seconds:
            status.state_seconds.extend(old.state_seconds)
        if not status.zones:
            status.zones.extend(old.zones)
            for zone in status.zones:
                zone.judged = zone.enforced = False
                zone.open_incidents = 0
                zone.ClearField("findings")
                zone.clear_width.state = scene_pb2.MEASUREMENT_STATE_UNKNOWN
                zone.clear_width.ClearField("width_m")
                zone.clear_width.ClearField("uncertainty_m")
                if zone.scenario != scene_pb2.SCENARIO_PASSAGE:
                    zone.ClearField("clear_width")


def lacks_sums(message: Any) -> bool:
    """True if a camera says nothing of its seconds or its zones."""
    return any(not status.state_seconds or not status.zones for status in message.cameras)


def _camera(status: Any) -> CameraHealth | None:
    try:
        return CameraHealth(
            camera_id=status.camera_id,
            state=camera_state_name(status.state),
            since=read_time(status.state_since) if status.HasField("state_since") else None,
            state_seconds={camera_state_name(item.state): item.seconds for item in status.state_seconds},
            zones=tuple(map(_zone, status.zones)),
            last_frame_at=read_time(status.last_frame_at) if status.HasField("last_frame_at") else None,
            frames_analysed=status.frames_analysed,
            frames_broken=status.frames_broken,
        )
    except BadMessageError:  # one that was kept by a newer version
        return None


def _zone(status: Any) -> ZoneHealth:
    width = status.clear_width
    passage = status.HasField("clear_width")
    measured = passage and width.state == scene_pb2.MEASUREMENT_STATE_MEASURED and width.HasField("width_m")
    return ZoneHealth(
        zone_id=status.zone_id,
        scenario=_SCENARIOS.get(status.scenario, _UNSPECIFIED),
        enforced=status.enforced,
        judged=status.judged,
        enforced_s=status.enforced_seconds,
        judged_s=status.judged_seconds,
        violation_s=status.violation_seconds,
        violations=frozenset(_KINDS[each.kind] for each in status.findings if each.violation and each.kind in _KINDS),
        passage=passage or status.scenario == scene_pb2.SCENARIO_PASSAGE,
        clear_width_m=width.width_m if measured else None,
        uncertainty_m=width.uncertainty_m if measured and width.HasField("uncertainty_m") else None,
        limits_m={
            kind: getattr(status, field)
            for kind, field in (("blocked", "blocked_below_m"), ("narrowed", "narrowed_below_m"))
            if status.HasField(field)
        },
    )
