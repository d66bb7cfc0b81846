"""High-water rows: how far each queue of each agent is stored, and which stream may go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from aggregator.records import Opened, Opening, QueueBehind
from aggregator.store.schema import agents, gap_records, streams
from aggregator.store.upsert import Insert, Row, insert_or, leave

StreamKey = tuple[str, bytes]

MISSING_AT_HELLO = "missing_at_hello"
"""Events that the agent no longer holds and this store never had, or lost; or the agent shed them."""

MAX_REFUSED_AGENTS = 100
"""How many refused agents are remembered, so that a flood of invented ids can't fill the store."""

KEYS_AT_ONCE = 400
"""Rows that one query locks: SQLite takes expressions up to 1000 deep."""

_KNOWN = ("state", "agent_version", "model_version", "config_version", "platform", "last_seen_at")
_KNOW = Insert(agents, lambda new: {name: new[name] for name in _KNOWN})
_BEGIN = Insert(streams, leave)
_OF: BindParameter[str] = bindparam("of", expanding=True)
_LOCK_QUEUES = (
    select(streams.c.agent_id, streams.c.epoch, streams.c.committed_seq, streams.c.fence)
    .where(streams.c.agent_id.in_(_OF))
    .order_by(streams.c.agent_id, streams.c.epoch)
    .with_for_update()
)
_NEXT_FENCE = (
    update(agents)
    .where(agents.c.agent_id.in_(_OF))
    .values(fence=agents.c.fence + 1)
    .returning(agents.c.agent_id, agents.c.fence)
)
_FENCE_OFF = (
    update(streams)
    .where(streams.c.agent_id.in_(_OF))
    .values(fence=select(agents.c.fence).where(agents.c.agent_id == streams.c.agent_id).scalar_subquery())
)
_ADVANCE = (
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


@dataclass(slots=True)
class HighWater:
    """A high-water row, locked until the transaction ends, and what the transaction adds to it."""

    committed_seq: int
    fence: int
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0


def open_streams(connection: Connection, hellos: Sequence[Opening], now: datetime) -> dict[str, Opened | QueueBehind]:
    """Give each agent's stream its fence, fence off every older one of the agent, and say what is stored; by agent.

    No two of the ``hellos`` are of one agent.
    """
    in_order = sorted(hellos, key=lambda hello: hello.agent_id)
    _KNOW(connection, [_known(hello, now) for hello in in_order])
    _BEGIN(connection, [(hello.agent_id, hello.epoch, 0, 0, 0, 0, 0, now, None) for hello in in_order])
    outcomes: dict[str, Opened | QueueBehind] = {}
    for start in range(0, len(in_order), KEYS_AT_ONCE):
        part = in_order[start : start + KEYS_AT_ONCE]
        rows = connection.execute(_LOCK_QUEUES, {"of": [hello.agent_id for hello in part]})
        stored = {(row.agent_id, row.epoch): row.committed_seq for row in rows}
        behind = [hello for hello in part if stored[hello.agent_id, hello.epoch] >= hello.next_seq]
        outcomes |= {hello.agent_id: QueueBehind(stored[hello.agent_id, hello.epoch]) for hello in behind}
        welcome = [hello for hello in part if hello.agent_id not in outcomes]
        ids = {"of": [hello.agent_id for hello in welcome]}
        fences = {row.agent_id: row.fence for row in connection.execute(_NEXT_FENCE, ids)}
        connection.execute(_FENCE_OFF, ids)
        for hello in welcome:
            committed = stored[hello.agent_id, hello.epoch]
            lost = max(0, hello.lowest_unacked_seq - 1 - committed)
            if lost:
                _skip(connection, hello, committed, lost, now)
            outcomes[hello.agent_id] = Opened(fences[hello.agent_id], committed + lost, lost)
    return outcomes


def _known(hello: Opening, now: datetime) -> Row:
    versions = (hello.agent_version, hello.model_version, hello.config_version, hello.platform)
    return (hello.agent_id, "known", *versions, now, now, 0, None, None)


def _skip(connection: Connection, hello: Opening, committed: int, lost: int, now: datetime) -> None:
    """Record that events are missing, and go on after them."""
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
    connection.execute(
        update(streams)
        .where(streams.c.agent_id == hello.agent_id, streams.c.epoch == hello.epoch)
        .values(committed_seq=committed + lost)
    )


def lock(connection: Connection, keys: Iterable[StreamKey]) -> dict[StreamKey, HighWater]:
    """Lock high-water rows, and those of the same agents' other queues, in order until the transaction ends."""
    wanted = set(keys)
    ids = sorted({agent for agent, _ in wanted})
    found: dict[StreamKey, HighWater] = {}
    for start in range(0, len(ids), KEYS_AT_ONCE):
        for agent, epoch, committed, fence in connection.execute(
            _LOCK_QUEUES, {"of": ids[start : start + KEYS_AT_ONCE]}
        ):
            if (agent, epoch) in wanted:
                found[agent, epoch] = HighWater(committed, fence)
    return found


def advance(connection: Connection, rows: dict[StreamKey, HighWater], now: datetime) -> None:
    """Write locked high-water rows back."""
    if not rows:
        return
    connection.execute(
        _ADVANCE,
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
