"""Forgets what is older than it needs to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select

from aggregator.store.schema import (
    camera_state_changes,
    evidence_references,
    incident_events,
    incidents,
    rejected_events,
)

AT_ONCE = 500
"""Rows deleted in one transaction: few enough that no agent waits noticeably for its ack."""


def forget(connection: Connection, before: datetime) -> int:
    """Delete up to ``AT_ONCE`` closed incidents last heard of before ``before``, with all that hangs on them, and as
    many old camera changes and rejected events. Returns how many rows of these went; 0 when all is done.

    High-water rows, gaps and tallies stay: what was once taken is not taken again, and counters never fall.
    """
    old = connection.execute(
        select(incidents.c.agent_id, incidents.c.incident_id)
        .where(incidents.c.closed_at.is_not(None), incidents.c.last_received_at < before)
        .order_by(incidents.c.agent_id, incidents.c.incident_id)
        .limit(AT_ONCE)
    ).all()
    for table in (incident_events, evidence_references, incidents):
        _delete(connection, table, ("agent_id", "incident_id"), [tuple(row) for row in old])
    gone = len(old)
    for table in (camera_state_changes, rejected_events):
        key = list(table.primary_key)
        rows = connection.execute(select(*key).where(table.c.received_at < before).order_by(*key).limit(AT_ONCE)).all()
        _delete(connection, table, [column.name for column in key], [tuple(row) for row in rows])
        gone += len(rows)
    return gone


def _delete(connection: Connection, table: Table, key: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> None:
    """Delete what has one of these keys, one after the other: given them all at once, SQLite reads the whole table."""
    if keys:
        statement = delete(table).where(*(table.c[name] == bindparam(f"of_{name}") for name in key))
        connection.execute(
            statement, [{f"of_{name}": part for name, part in zip(key, one, strict=True)} for one in keys]
        )
