"""Agents as they last showed themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from aggregator.store.schema import agents, camera_states
from aggregator.store.tallies import Grown, StreetOf, TallyBook
from aggregator.store.upsert import Insert, replace_all

Kept = tuple[bytes, datetime]
"""A heartbeat in its protobuf encoding, and when it came."""

PUT_CAMERA_STATES = Insert(camera_states, replace_all(camera_states))
"""Of each camera the last: rows of agent, camera, state, since, received."""

_SEEN = (
    update(agents)
    .where(agents.c.agent_id == bindparam("of_agent"))
    .values(
        last_seen_at=bindparam("seen_at", type_=agents.c.last_seen_at.type),
        heartbeat=func.coalesce(bindparam("said", type_=agents.c.heartbeat.type), agents.c.heartbeat),
        heartbeat_at=func.coalesce(bindparam("said_at", type_=agents.c.heartbeat_at.type), agents.c.heartbeat_at),
    )
)

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class CameraNote:
    """A camera's state as a heartbeat told it."""

    camera_id: str
    state: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class HeartbeatNote:
    """An agent's last heartbeat in its protobuf encoding.

    ``grown`` says by how much the agent's sums grew since the heartbeat that the store holds; it is given that one if
    it did not come at ``kept_at``, else None. It answers None if the store's is the newer one of the two.
    """

    heartbeat: bytes
    received_at: datetime
    cameras: tuple[CameraNote, ...]
    kept_at: datetime | None
    grown: Callable[[Kept | None], Sequence[Grown] | None]


@dataclass(frozen=True, slots=True)
class AgentNote:
    """When an agent was last heard, and its heartbeat if it sent one since the last note."""

    agent_id: str
    last_seen_at: datetime
    heartbeat: HeartbeatNote | None = None


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent that has connected, or, in state ``refused``, one that is not known."""

    agent_id: str
    state: str
    agent_version: str
    model_version: str
    config_version: str
    platform: str
    first_seen_at: datetime
    last_seen_at: datetime
    heartbeat: bytes | None
    heartbeat_at: datetime | None


def list_agents(connection: Connection, only: Sequence[str] | None = None) -> list[AgentRow]:
    """All agents by id, or ``only`` these."""
    columns = [agents.c[name] for name in AgentRow.__dataclass_fields__]
    statement = select(*columns).order_by(agents.c.agent_id)
    if only is None:
        return [AgentRow(**row) for row in connection.execute(statement).mappings()]
    return [
        AgentRow(**row)
        for part in _parts(only)
        for row in connection.execute(statement.where(agents.c.agent_id.in_(part))).mappings()
    ]


def retire(connection: Connection, agent_id: str) -> bool:
    """Take an agent out of what is watched, until it connects again; false if it is not among the known ones.

    What came from it stays.
    """
    known = (agents.c.agent_id == agent_id, agents.c.state == "known")
    return connection.execute(update(agents).where(*known).values(state="retired")).rowcount > 0


def note(connection: Connection, notes: Sequence[AgentNote], street_of: StreetOf) -> None:
    """Keep what agents last said, so that it is still known after a restart, and add up the seconds that they tell.

    Both in one transaction: a heartbeat that is kept has been counted, and one that is not will be.
    """
    ordered = sorted(notes, key=lambda one: one.agent_id)
    said = _newer(connection, ordered, street_of)
    connection.execute(_SEEN, [_seen(one, said.get(one.agent_id)) for one in ordered])
    rows = [
        (agent_id, camera.camera_id, camera.state, camera.since, one.received_at)
        for agent_id, one in sorted(said.items())
        for camera in sorted(one.cameras, key=lambda camera: camera.camera_id)
    ]
    PUT_CAMERA_STATES(connection, rows)


def _seen(note: AgentNote, said: HeartbeatNote | None) -> dict[str, object]:
    heartbeat, at = (None, None) if said is None else (said.heartbeat, said.received_at)
    return {"of_agent": note.agent_id, "seen_at": note.last_seen_at, "said": heartbeat, "said_at": at}


def _newer(connection: Connection, notes: Sequence[AgentNote], street_of: StreetOf) -> dict[str, HeartbeatNote]:
    """The heartbeats that are newer than the store's, by agent; their growth is counted.

    The agents' rows stay locked, so that of two replicas the second sees what the first has counted.
    """
    said = {one.agent_id: one.heartbeat for one in notes if one.heartbeat is not None}
    others = _kept_by_others(connection, said)
    book = TallyBook(street_of)
    newer = {}
    for agent_id, one in said.items():
        grown = one.grown(others.get(agent_id))
        if grown is not None:
            newer[agent_id] = one
            for each in grown:
                book.grown(agent_id, each)
    book.write(connection)
    return newer


def _kept_by_others(connection: Connection, said: Mapping[str, HeartbeatNote]) -> dict[str, Kept]:
    locked = select(agents.c.agent_id, agents.c.heartbeat_at).order_by(agents.c.agent_id)
    changed = [
        row.agent_id
        for part in _parts(sorted(said))
        for row in connection.execute(locked.where(agents.c.agent_id.in_(part)).with_for_update(key_share=True))
        if row.heartbeat_at is not None and row.heartbeat_at != said[row.agent_id].kept_at
    ]
    return {
        row.agent_id: (row.heartbeat, row.heartbeat_at)
        for row in list_agents(connection, changed)
        if row.heartbeat is not None and row.heartbeat_at is not None
    }


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
