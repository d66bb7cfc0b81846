"""What the metrics show of the store, read in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from aggregator.store.schema import agents, camera_states, gap_records, incidents, streams, tallies
from aggregator.store.tallies import TallyKey


class Place(NamedTuple):
    """What open incidents are counted by."""

    agent_id: str
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events of one agent, over all its queues."""

    stored: int
    rejected: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """Counts and states as of one moment. ``lost`` maps (agent, reason) to events; agents are the known ones."""

    open_incidents: Mapping[Place, int]
    tallies: Mapping[TallyKey, float]
    events: Mapping[str, EventCounts]
    lost: Mapping[tuple[str, str], int]
    last_seen: Mapping[str, datetime]
    refused_agents: int
    camera_states: Mapping[tuple[str, str], str]
    size_bytes: int


def take_snapshot(connection: Connection) -> StoreSnapshot:
    """Read everything in the connection's transaction."""
    place = [incidents.c[name] for name in Place._fields]
    open_rows = connection.execute(select(*place, func.count()).where(incidents.c.closed_at.is_(None)).group_by(*place))
    sums = (streams.c.stored_events, streams.c.rejected_events, streams.c.duplicate_events)
    event_rows = connection.execute(
        select(streams.c.agent_id, *(func.sum(column) for column in sums)).group_by(streams.c.agent_id)
    )
    gap_rows = connection.execute(
        select(gap_records.c.agent_id, gap_records.c.reason, func.sum(gap_records.c.events_lost))
        .where(gap_records.c.explained.is_(False))
        .group_by(gap_records.c.agent_id, gap_records.c.reason)
    )
    agent_rows = connection.execute(select(agents.c.agent_id, agents.c.state, agents.c.last_seen_at)).all()
    states = connection.execute(select(camera_states.c.agent_id, camera_states.c.camera_id, camera_states.c.state))
    return StoreSnapshot(
        open_incidents={Place(*row[:-1]): row[-1] for row in open_rows},
        tallies={TallyKey(*row[:-1]): row[-1] for row in connection.execute(select(tallies))},
        events={agent: EventCounts(*map(int, counts)) for agent, *counts in event_rows},
        lost={(agent, reason): int(count) for agent, reason, count in gap_rows},
        last_seen={row.agent_id: row.last_seen_at for row in agent_rows if row.state == "known"},
        refused_agents=sum(row.state == "refused" for row in agent_rows),
        camera_states={(row.agent_id, row.camera_id): row.state for row in states},
        size_bytes=_size_bytes(connection),
    )


def _size_bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    database = connection.engine.url.database or ""
    files = (Path(database + suffix) for suffix in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
