"""The agents as they are now: who is connected, and what each last said of itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from clearway.v1 import ingest_pb2
from google.protobuf.message import DecodeError

from aggregator.heartbeat import AgentHealth, read_heartbeat
from aggregator.store.agents import AgentNote, AgentRow, CameraNote


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

    def __len__(self) -> int:
        return len(self._agents)

    def has(self, agent_id: str) -> bool:
        """True if the agent has connected before."""
        return agent_id in self._agents

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
