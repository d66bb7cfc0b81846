"""High-water rows: how far each queue of each agent is stored, and which stream may go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from aggregator.records import Opened, Opening, QueueBehind
from aggregator.store.schema import agents, gap_records, streams
from aggregator.store.upsert import insert_or, leave

StreamKey = tuple[str, bytes]

MISSING_AT_HELLO = "missing_at_hello"
"""Events that the agent no longer holds and this store never had, or lost; or the agent shed them."""

MAX_REFUSED_AGENTS = 100
"""How many refused agents are remembered, so that a flood of invented ids can't fill the store."""

KEYS_AT_ONCE = 400
"""Rows that one query locks: SQLite takes expressions up to 1000 deep."""


@dataclass(slots=True)
class HighWater:
    """A high-water row, locked until the transaction ends, and what the transaction adds to it."""

    committed_seq: int
    fence: int
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0


def open_stream(connection: Connection, hello: Opening, now: datetime) -> Opened | QueueBehind:
    """Give a stream its fence, fence off every older one of the agent, and say what is stored."""
    known = {
        "state": "known",
        "agent_version": hello.agent_version,
        "model_version": hello.model_version,
        "config_version": hello.config_version,
        "platform": hello.platform,
        "last_seen_at": now,
    }
    row = {"agent_id": hello.agent_id, "first_seen_at": now, "fence": 0, **known}
    insert_or(connection, agents, row, lambda new: {name: new[name] for name in known})
    empty = {"committed_seq": 0, "fence": 0, "stored_events": 0, "rejected_events": 0, "duplicate_events": 0}
    stream = {"agent_id": hello.agent_id, "epoch": hello.epoch, "opened_at": now, **empty}
    insert_or(connection, streams, stream, leave)
    committed = lock(connection, _queues(connection, hello.agent_id))[hello.agent_id, hello.epoch].committed_seq
    if committed >= hello.next_seq:
        return QueueBehind(committed)
    fence = connection.execute(
        update(agents)
        .where(agents.c.agent_id == hello.agent_id)
        .values(fence=agents.c.fence + 1)
        .returning(agents.c.fence)
    ).scalar_one()
    connection.execute(update(streams).where(streams.c.agent_id == hello.agent_id).values(fence=fence))
    lost = max(0, hello.lowest_unacked_seq - 1 - committed)
    if lost:
        connection.execute(
            gap_records.insert().values(
                agent_id=hello.agent_id,
                epoch=hello.epoch,
                reason=MISSING_AT_HELLO,
                events_lost=lost,
                first_lost_seq=committed + 1,
                last_lost_seq=committed + lost,
                explained=False,
                received_at=now,
            )
        )
        committed += lost
        connection.execute(
            update(streams)
            .where(streams.c.agent_id == hello.agent_id, streams.c.epoch == hello.epoch)
            .values(committed_seq=committed)
        )
    return Opened(fence, committed, lost)


def _queues(connection: Connection, agent_id: str) -> list[StreamKey]:
    """The queues that this agent has had."""
    found = connection.execute(select(streams.c.agent_id, streams.c.epoch).where(streams.c.agent_id == agent_id))
    return [(row.agent_id, row.epoch) for row in found]


def lock(connection: Connection, keys: Iterable[StreamKey]) -> dict[StreamKey, HighWater]:
    """Lock high-water rows, in order of their keys, until the transaction ends."""
    wanted = sorted(set(keys))
    found: dict[StreamKey, HighWater] = {}
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        part = wanted[start : start + KEYS_AT_ONCE]
        rows = connection.execute(
            select(streams.c.agent_id, streams.c.epoch, streams.c.committed_seq, streams.c.fence)
            .where(or_(*(and_(streams.c.agent_id == agent, streams.c.epoch == epoch) for agent, epoch in part)))
            .order_by(streams.c.agent_id, streams.c.epoch)
            .with_for_update()
        )
        found |= {(row.agent_id, row.epoch): HighWater(row.committed_seq, row.fence) for row in rows}
    return found


def advance(connection: Connection, rows: dict[StreamKey, HighWater], now: datetime) -> None:
    """Write locked high-water rows back."""
    if not rows:
        return
    statement = (
        update(streams)
        .where(streams.c.agent_id == bindparam("of_agent"), streams.c.epoch == bindparam("of_epoch"))
        .values(
            committed_seq=bindparam("to_seq"),
            stored_events=streams.c.stored_events + bindparam("more_stored"),
            rejected_events=streams.c.rejected_events + bindparam("more_rejected"),
            duplicate_events=streams.c.duplicate_events + bindparam("more_duplicates"),
            committed_at=bindparam("at", type_=streams.c.committed_at.type),
        )
    )
    connection.execute(
        statement,
        [
            {
                "of_agent": agent,
                "of_epoch": epoch,
                "to_seq": row.committed_seq,
                "more_stored": row.stored,
                "more_rejected": row.rejected,
                "more_duplicates": row.duplicates,
                "at": now,
            }
            for (agent, epoch), row in sorted(rows.items())
        ],
    )


def refuse(connection: Connection, agent_id: str, now: datetime) -> None:
    """Remember that an agent that is not known tried to connect."""
    refused = connection.execute(select(func.count()).where(agents.c.state == "refused")).scalar_one()
    seen = connection.execute(select(agents.c.agent_id).where(agents.c.agent_id == agent_id)).first()
    if seen is None and refused >= MAX_REFUSED_AGENTS:
        return
    blank = {"agent_version": "", "model_version": "", "config_version": "", "platform": "", "fence": 0}
    row = {"agent_id": agent_id, "state": "refused", "first_seen_at": now, "last_seen_at": now, **blank}
    insert_or(connection, agents, row, lambda new: {"state": new.state, "last_seen_at": new.last_seen_at})
