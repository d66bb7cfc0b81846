"""What the metrics show of the store, read in one go."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Float, cast, func, select, text

from aggregator.store.schema import agents, camera_states, gap_records, incidents, streams, street_sums, tallies
from aggregator.store.tallies import TallyKey


class Place(NamedTuple):
    """What open incidents are counted by."""

    agent_id: str
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str


class StreetSum(NamedTuple):
    """What is counted of a street, over all agents."""

    district: str
    street: str
    scenario: str
    kind: str
    name: str


class EventCounts(NamedTuple):
    """Events of one agent, over all its queues."""

    stored: int
    rejected: int
    duplicates: int


class AgentFacts(NamedTuple):
    """A known agent, as its last Hello and its last heartbeat left it, whichever process they came to."""

    last_seen_at: datetime
    heartbeat_at: datetime | None
    agent_version: str
    model_version: str
    config_version: str
    platform: str


class Disk(NamedTuple):
    """The disk that something lies on, bytes; ``free`` is what this user may still write."""

    size: int
    free: int

    @staticmethod
    def of(path: Path) -> Disk | None:
        """The disk of ``path``, or of what will hold it; None if there is none."""
        for place in (path, *path.parents):
            try:
                usage = shutil.disk_usage(place)
            except OSError:
                continue
            return Disk(usage.total, usage.free)
        return None


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """Counts and states as of one moment. ``lost`` maps (agent, reason) to events; ``agents`` are the known ones.

    ``disk`` is None where the database is another machine's.
    """

    open_incidents: Mapping[Place, int]
    oldest_open: Mapping[Place, datetime]
    tallies: Mapping[TallyKey, float]
    street_sums: Mapping[StreetSum, float]
    events: Mapping[str, EventCounts]
    lost: Mapping[tuple[str, str], int]
    agents: Mapping[str, AgentFacts]
    refused_agents: int
    camera_states: Mapping[tuple[str, str], str]
    size_bytes: int
    disk: Disk | None


def take_snapshot(connection: Connection) -> StoreSnapshot:
    """Read everything in the connection's transaction."""
    place = [incidents.c[name] for name in Place._fields]
    open_rows = connection.execute(
        select(*place, func.count(), func.min(incidents.c.opened_at))
        .where(incidents.c.closed_at.is_(None))
        .group_by(*place)
    ).all()
    sums = (streams.c.stored_events, streams.c.rejected_events, streams.c.duplicate_events)
    event_rows = connection.execute(
        select(streams.c.agent_id, *(func.sum(column) for column in sums)).group_by(streams.c.agent_id)
    )
    gap_rows = connection.execute(
        # As floats: SQLite ends a sum of whole numbers that grows beyond 64 bits with an error, whoever made them up.
        select(gap_records.c.agent_id, gap_records.c.reason, func.sum(cast(gap_records.c.events_lost, Float)))
        .where(gap_records.c.explained.is_(False))
        .group_by(gap_records.c.agent_id, gap_records.c.reason)
    )
    street = [street_sums.c[name] for name in StreetSum._fields]
    street_rows = connection.execute(select(*street, func.sum(street_sums.c.value)).group_by(*street))
    facts = [agents.c[name] for name in AgentFacts._fields]
    agent_rows = connection.execute(select(agents.c.agent_id, agents.c.state, *facts)).all()
    states = connection.execute(select(camera_states.c.agent_id, camera_states.c.camera_id, camera_states.c.state))
    return StoreSnapshot(
        open_incidents={Place(*row[:-2]): row[-2] for row in open_rows},
        oldest_open={Place(*row[:-2]): row[-1] for row in open_rows},
        tallies={TallyKey(*row[:-1]): row[-1] for row in connection.execute(select(tallies))},
        street_sums={StreetSum(*row[:-1]): row[-1] for row in street_rows},
        events={agent: EventCounts(*map(int, counts)) for agent, *counts in event_rows},
        lost={(agent, reason): int(count) for agent, reason, count in gap_rows},
        agents={agent: AgentFacts(*rest) for agent, state, *rest in agent_rows if state == "known"},
        refused_agents=sum(row.state == "refused" for row in agent_rows),
        camera_states={(agent, camera): state for agent, camera, state in states},
        size_bytes=_size_bytes(connection),
        disk=_disk(connection),
    )


def _size_bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    database = connection.engine.url.database or ""
    files = (Path(database + suffix) for suffix in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())


def _disk(connection: Connection) -> Disk | None:
    if connection.dialect.name == "postgresql":
        return None
    return Disk.of(Path(connection.engine.url.database or ""))
