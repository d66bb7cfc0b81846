"""The agents as they are now: who is connected, and what each last said of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from clearway.v1 import ingest_pb2, scene_pb2
from google.protobuf.message import DecodeError

from aggregator.store.agents import AgentNote, AgentRow, CameraNote
from aggregator.wire import BadMessageError, camera_state_name, read_time


@dataclass(frozen=True, slots=True)
class ZoneHealth:
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
    passages: tuple[ZoneHealth, ...]


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
    if not 0 < len(status.camera_id) <= 64:
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
        ZoneHealth(zone.zone_id, _width(zone.clear_width))
        for zone in status.zones
        if zone.HasField("clear_width") and 0 < len(zone.zone_id) <= 64
    )
    since = read_time(status.state_since) if status.HasField("state_since") else None
    return CameraHealth(status.camera_id, state, since, seconds, passages)


def _width(width: Any) -> float | None:
    measured = width.state == scene_pb2.MEASUREMENT_STATE_MEASURED and width.HasField("width_m")
    return width.width_m if measured and math.isfinite(width.width_m) else None


@dataclass(slots=True)
class _Agent:
    last_seen_at: datetime
    health: AgentHealth | None = None
    heartbeat: bytes | None = None
    connections: int = 0
    changed: bool = True


@dataclass(frozen=True, slots=True)
class AgentNow:
    """An agent at one moment."""

    agent_id: str
    connected: bool
    last_seen_at: datetime
    health: AgentHealth | None


@dataclass(slots=True)
class Fleet:
    """Every agent that has connected. Used from the event loop alone."""

    _agents: dict[str, _Agent] = field(default_factory=dict)

    def restore(self, rows: list[AgentRow]) -> None:
        """Take over what agents said before this process began."""
        for row in rows:
            if row.state != "known":
                continue
            self._agents[row.agent_id] = _Agent(row.last_seen_at, _decode(row), changed=False)

    def connected(self, agent_id: str, now: datetime) -> None:
        """A stream of the agent was opened."""
        self._heard(agent_id, now).connections += 1

    def disconnected(self, agent_id: str) -> None:
        """A stream of the agent has ended."""
        self._agents[agent_id].connections -= 1

    def heard(self, agent_id: str, now: datetime) -> None:
        """The agent sent something."""
        self._heard(agent_id, now)

    def heartbeat(self, agent_id: str, message: Any, now: datetime) -> None:
        """The agent sent a heartbeat."""
        agent = self._heard(agent_id, now)
        agent.health = read_heartbeat(message, now)
        agent.heartbeat = message.SerializeToString()

    def now(self) -> tuple[AgentNow, ...]:
        """All agents, by id."""
        return tuple(
            AgentNow(agent_id, agent.connections > 0, agent.last_seen_at, agent.health)
            for agent_id, agent in sorted(self._agents.items())
        )

    def take_notes(self) -> list[AgentNote]:
        """What changed since the last call, for the store."""
        notes = []
        for agent_id, agent in sorted(self._agents.items()):
            if not agent.changed:
                continue
            agent.changed = False
            note = AgentNote(agent_id, agent.last_seen_at)
            if agent.heartbeat is not None and agent.health is not None:
                cameras = {
                    one.camera_id: CameraNote(one.camera_id, one.state, one.since) for one in agent.health.cameras
                }
                note = replace(
                    note,
                    heartbeat=agent.heartbeat,
                    heartbeat_at=agent.health.received_at,
                    cameras=tuple(cameras.values()),
                )
            notes.append(note)
        return notes

    def put_back(self, notes: list[AgentNote]) -> None:
        """The store did not take ``notes``: tell them again next time."""
        for note in notes:
            self._agents[note.agent_id].changed = True

    def _heard(self, agent_id: str, now: datetime) -> _Agent:
        agent = self._agents.setdefault(agent_id, _Agent(now))
        agent.last_seen_at = now
        agent.changed = True
        return agent


def _decode(row: AgentRow) -> AgentHealth | None:
    if row.heartbeat is None:
        return None
    try:
        message = ingest_pb2.Heartbeat.FromString(row.heartbeat)
    except DecodeError:
        return None
    return read_heartbeat(message, row.heartbeat_at or datetime.now(UTC))
