"""The agents as they are now: who is connected, and what each last said of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from clearway.v1 import ingest_pb2
from google.protobuf.message import DecodeError

from aggregator.heartbeat import AgentHealth, carry_sums, lacks_sums, read_heartbeat
from aggregator.seconds import growth, overtaken
from aggregator.store.agents import AgentNote, AgentRow, CameraNote, HeartbeatNote, Kept
from aggregator.store.tallies import Grown

MAX_UNKEPT = 20
"""Heartbeats that are remembered one by one until the store has them; of more, while it is away, the last."""


@dataclass(slots=True)
class _Agent:
    last_seen_at: datetime
    health: AgentHealth | None = None
    heartbeat: bytes | None = None
    kept: AgentHealth | None = None
    noted: AgentHealth | None = None
    unkept: list[AgentHealth] = field(default_factory=list)
    connections: int = 0


class AgentNow(NamedTuple):
    """An agent at one moment. ``health`` is what it last said, ``kept`` the last of that which the store holds.

    Counters are shown as they are kept: after a crash they go on from there, and never fall.
    """

    agent_id: str
    connected: bool
    last_seen_at: datetime
    health: AgentHealth | None
    kept: AgentHealth | None


@dataclass(slots=True)
class Fleet:
    """Every agent that has connected. Used from the event loop alone."""

    _agents: dict[str, _Agent] = field(default_factory=dict)
    _changed: dict[str, None] = field(default_factory=dict)

    def restore(self, rows: Iterable[AgentRow]) -> None:
        """Take over what agents said before this process began, or to another one since."""
        for row in rows:
            if row.state != "known":
                continue
            agent = self._agents.setdefault(row.agent_id, _Agent(row.last_seen_at))
            agent.last_seen_at = max(agent.last_seen_at, row.last_seen_at)
            agent.kept = _decode((row.heartbeat, row.heartbeat_at)) if row.heartbeat and row.heartbeat_at else None
            if agent.kept is not None and (agent.health is None or agent.health.received_at < agent.kept.received_at):
                agent.health, agent.heartbeat = agent.kept, row.heartbeat

    def behind(self, heartbeats: Mapping[str, datetime | None]) -> list[str]:
        """Which agents spoke to another process: the store has a newer heartbeat of them than is known here."""
        return sorted(
            agent_id
            for agent_id, at in heartbeats.items()
            if agent_id not in self._agents or (at is not None and _is_older(self._agents[agent_id].health, at))
        )

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
        if agent.heartbeat is not None and lacks_sums(message):
            carry_sums(message, ingest_pb2.Heartbeat.FromString(agent.heartbeat))
        agent.health = read_heartbeat(message, now)
        agent.heartbeat = message.SerializeToString()
        agent.unkept = [*agent.unkept[-MAX_UNKEPT + 1 :], agent.health]

    def now(self) -> tuple[AgentNow, ...]:
        """All agents, by id."""
        return tuple(
            AgentNow(agent_id, agent.connections > 0, agent.last_seen_at, agent.health, agent.kept)
            for agent_id, agent in sorted(self._agents.items())
        )

    def take_notes(self, most: int | None = None) -> list[AgentNote]:
        """What changed since it was last taken, for the store, of so many agents at ``most``; ``kept`` or ``put_back``
        says what became of it."""
        notes = []
        for agent_id in tuple(islice(self._changed, most)):
            del self._changed[agent_id]
            agent = self._agents[agent_id]
            notes.append(AgentNote(agent_id, agent.last_seen_at, _heartbeat_note(agent)))
            agent.noted = agent.health
        return notes

    @property
    def changed(self) -> int:
        """Of how many agents there is something for the store."""
        return len(self._changed)

    def kept(self, notes: Sequence[AgentNote]) -> None:
        """The store has ``notes``."""
        for note in notes:
            agent = self._agents[note.agent_id]
            if note.heartbeat is not None:
                agent.kept = agent.noted
                agent.unkept = _after(agent.noted, agent.unkept)

    def put_back(self, notes: Sequence[AgentNote]) -> None:
        """The store did not take ``notes``: tell them again next time."""
        for note in notes:
            self._changed[note.agent_id] = None

    def _heard(self, agent_id: str, now: datetime) -> _Agent:
        agent = self._agents.setdefault(agent_id, _Agent(now))
        agent.last_seen_at = now
        self._changed[agent_id] = None
        return agent


def _after(noted: AgentHealth | None, unkept: list[AgentHealth]) -> list[AgentHealth]:
    """Those that came since ``noted``."""
    place = next((place for place, health in enumerate(unkept) if health is noted), len(unkept) - 1)
    return unkept[place + 1 :]


def _heartbeat_note(agent: _Agent) -> HeartbeatNote | None:
    if agent.heartbeat is None or agent.health is None or not agent.unkept:
        return None
    cameras = {one.camera_id: CameraNote(one.camera_id, one.state, one.since) for one in agent.health.cameras}
    return HeartbeatNote(
        heartbeat=agent.heartbeat,
        received_at=agent.health.received_at,
        cameras=tuple(cameras.values()),
        kept_at=None if agent.kept is None else agent.kept.received_at,
        grown=partial(_grown, agent.kept, tuple(agent.unkept)),
    )


def _grown(known: AgentHealth | None, since: Sequence[AgentHealth], stored: Kept | None) -> list[Grown] | None:
    """Growth from one heartbeat to the next, so that each violation has the kind that stood then."""
    before = known if stored is None else _decode(stored)
    grown: list[Grown] = []
    for now in since:
        if before is not None and overtaken(before, now):
            continue
        grown += [] if before is None else growth(before, now)
        before = now
    return grown if before is since[-1] else None


def _is_older(health: AgentHealth | None, at: datetime) -> bool:
    return health is None or health.received_at < at


def _decode(kept: Kept) -> AgentHealth | None:
    heartbeat, received_at = kept
    try:
        message = ingest_pb2.Heartbeat.FromString(heartbeat)
    except DecodeError:
        return None
    return read_heartbeat(message, received_at.astimezone(UTC))
