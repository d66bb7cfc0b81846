"""Agents as they last showed themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from aggregator.store.schema import agents, camera_states
from aggregator.store.upsert import insert_or, replace_all


@dataclass(frozen=True, slots=True)
class CameraNote:
    """A camera's state as a heartbeat told it."""

    camera_id: str
    state: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class AgentNote:
    """When an agent was last heard, and its last heartbeat in its protobuf encoding, if it sent one."""

    agent_id: str
    last_seen_at: datetime
    heartbeat: bytes | None = None
    heartbeat_at: datetime | None = None
    cameras: tuple[CameraNote, ...] = ()


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


def list_agents(connection: Connection) -> list[AgentRow]:
    """All agents by id."""
    columns = [agents.c[name] for name in AgentRow.__dataclass_fields__]
    return [AgentRow(**row) for row in connection.execute(select(*columns).order_by(agents.c.agent_id)).mappings()]


def note(connection: Connection, notes: Sequence[AgentNote]) -> None:
    """Keep what agents last said, so that it is still known after a restart."""
    ordered = sorted(notes, key=lambda one: one.agent_id)
    for one in ordered:
        values: dict[str, object] = {"last_seen_at": one.last_seen_at}
        if one.heartbeat is not None:
            values |= {"heartbeat": one.heartbeat, "heartbeat_at": one.heartbeat_at}
        connection.execute(
            update(agents).where(agents.c.agent_id == bindparam("of_agent")).values(values), {"of_agent": one.agent_id}
        )
    rows = [
        {
            "agent_id": one.agent_id,
            "camera_id": camera.camera_id,
            "state": camera.state,
            "since": camera.since,
            "received_at": one.heartbeat_at,
        }
        for one in ordered
        for camera in sorted(one.cameras, key=lambda camera: camera.camera_id)
    ]
    insert_or(connection, camera_states, rows, replace_all(camera_states))
