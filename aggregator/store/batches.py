"""Batches of many streams, taken in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from aggregator.records import Batch, CameraChange, Entry, Fenced, Gap, Hole, IncidentEvent, Outcome, Stored
from aggregator.store import streams
from aggregator.store.incidents import fold
from aggregator.store.schema import (
    camera_state_changes,
    camera_states,
    gap_records,
    incident_events,
    rejected_events,
)
from aggregator.store.streams import MISSING_AT_HELLO, HighWater
from aggregator.store.tallies import StreetOf
from aggregator.store.upsert import insert_or, replace_all

Fresh = tuple[Batch, Entry]


def take(connection: Connection, batches: Sequence[Batch], now: datetime, street_of: StreetOf) -> list[Outcome]:
    """Store what is new in ``batches``, and say for each what became of it, in the same order.

    High-water rows stay locked until the transaction ends, so nothing is stored twice, whoever else writes.
    """
    rows = streams.lock(connection, ((batch.agent_id, batch.epoch) for batch in batches))
    fresh: list[Fresh] = []
    outcomes = [_admit(connection, batch, rows.get((batch.agent_id, batch.epoch)), fresh) for batch in batches]
    _store(connection, fresh, street_of)
    streams.advance(
        connection, {key: row for key, row in rows.items() if row.stored or row.rejected or row.duplicates}, now
    )
    return outcomes


def _admit(connection: Connection, batch: Batch, row: HighWater | None, fresh: list[Fresh]) -> Outcome:
    if row is None or row.fence != batch.fence:
        return Fenced()
    before = row.committed_seq
    if batch.entries and batch.first_seq > before + 1:
        return Hole(before + 1)
    new = [entry for entry in batch.entries if entry.seq > before]
    duplicates = len(batch.entries) - len(new)
    rejected = [(entry.seq, entry.reject_reason) for entry in new if entry.body is None]
    if duplicates:
        rejected = _rejected_before(connection, batch, before) + rejected
    if new:
        row.committed_seq = new[-1].seq
    refused = sum(entry.body is None for entry in new)
    row.stored += len(new) - refused
    row.rejected += refused
    row.duplicates += duplicates
    fresh.extend((batch, entry) for entry in new)
    return Stored(row.committed_seq, tuple(rejected), len(new) - refused, duplicates)


def _rejected_before(connection: Connection, batch: Batch, through_seq: int) -> list[tuple[int, str]]:
    """Rejections whose ack may have been lost."""
    found = connection.execute(
        select(rejected_events.c.seq, rejected_events.c.reason)
        .where(
            rejected_events.c.agent_id == batch.agent_id,
            rejected_events.c.epoch == batch.epoch,
            rejected_events.c.seq.between(batch.first_seq, min(through_seq, batch.entries[-1].seq)),
        )
        .order_by(rejected_events.c.seq)
    )
    return [(row.seq, row.reason) for row in found]


def _store(connection: Connection, fresh: list[Fresh], street_of: StreetOf) -> None:
    incident_rows = [(batch, entry, entry.body) for batch, entry in fresh if isinstance(entry.body, IncidentEvent)]
    changes = [(batch, entry, entry.body) for batch, entry in fresh if isinstance(entry.body, CameraChange)]
    gaps = [(batch, entry, entry.body) for batch, entry in fresh if isinstance(entry.body, Gap)]
    fold(connection, [(batch.agent_id, entry, body) for batch, entry, body in incident_rows], street_of)
    _insert(
        connection,
        incident_events,
        [
            _numbered(batch, entry)
            | {
                "incident_id": body.incident_id,
                "phase": body.phase.value,
                "observed_at": body.occurred_at,
                "emitted_at": entry.emitted_at,
                "payload": entry.payload,
            }
            for batch, entry, body in incident_rows
        ],
    )
    _store_changes(connection, changes)
    for batch, entry, body in gaps:
        _store_gap(connection, batch, entry, body)
    rejects = [
        _numbered(batch, entry) | {"reason": entry.reject_reason, "payload": entry.payload}
        for batch, entry in fresh
        if entry.body is None
    ]
    _insert(connection, rejected_events, rejects)


def _store_changes(connection: Connection, changes: list[tuple[Batch, Entry, CameraChange]]) -> None:
    _insert(
        connection,
        camera_state_changes,
        [
            _numbered(batch, entry)
            | {
                "camera_id": body.camera_id,
                "from_state": body.from_state,
                "to_state": body.to_state,
                "observed_at": body.occurred_at,
                "media_time_s": body.media_time_s,
                "payload": entry.payload,
            }
            for batch, entry, body in changes
        ],
    )
    last = {
        (batch.agent_id, body.camera_id): {
            "agent_id": batch.agent_id,
            "camera_id": body.camera_id,
            "state": body.to_state,
            "since": body.occurred_at,
            "received_at": entry.received_at,
        }
        for batch, entry, body in changes
    }
    insert_or(connection, camera_states, [row for _, row in sorted(last.items())], replace_all(camera_states))


def _store_gap(connection: Connection, batch: Batch, entry: Entry, gap: Gap) -> None:
    mine = (gap_records.c.agent_id == batch.agent_id, gap_records.c.epoch == batch.epoch)
    if gap.first_lost_seq:
        connection.execute(
            update(gap_records)
            .where(
                *mine,
                gap_records.c.reason == MISSING_AT_HELLO,
                gap_records.c.first_lost_seq >= gap.first_lost_seq,
                gap_records.c.last_lost_seq <= gap.last_lost_seq,
            )
            .values(explained=True)
        )
    connection.execute(
        gap_records.insert().values(
            agent_id=batch.agent_id,
            epoch=batch.epoch,
            seq=entry.seq,
            reason=gap.reason,
            events_lost=gap.events_lost,
            first_lost_seq=gap.first_lost_seq,
            last_lost_seq=gap.last_lost_seq,
            lost_from=gap.lost_from,
            lost_to=gap.lost_to,
            explained=False,
            received_at=entry.received_at,
        )
    )


def _numbered(batch: Batch, entry: Entry) -> dict[str, Any]:
    return {"agent_id": batch.agent_id, "epoch": batch.epoch, "seq": entry.seq, "received_at": entry.received_at}


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), sorted(rows, key=lambda row: (row["agent_id"], row["epoch"], row["seq"])))
