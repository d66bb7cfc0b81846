"""Forgets what is older than it needs to be."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

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
    keys = [(row.agent_id, row.incident_id) for row in old]
    gone = len(keys)
    if keys:
        for table in (incident_events, evidence_references, incidents):
            connection.execute(delete(table).where(tuple_(table.c.agent_id, table.c.incident_id).in_(keys)))
    for table in (camera_state_changes, rejected_events):
        key = list(table.primary_key)
        rows = connection.execute(select(*key).where(table.c.received_at < before).order_by(*key).limit(AT_ONCE)).all()
        if rows:
            connection.execute(delete(table).where(tuple_(*key).in_([tuple(row) for row in rows])))
        gone += len(rows)
    return gone
