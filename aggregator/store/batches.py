"""Batches of many streams, taken in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from aggregator.records import Batch, CameraChange, Entry, Fenced, Gap, Hole, IncidentEvent, Outcome, Stored
from aggregator.store import streams
from aggregator.store.agents import PUT_CAMERA_STATES
from aggregator.store.incidents import fold
from aggregator.store.schema import (
    camera_state_changes,
    gap_records,
    incident_events,
    rejected_events,
)
from aggregator.store.streams import MISSING_AT_HELLO, HighWater
from aggregator.store.tallies import StreetOf
from aggregator.store.upsert import Insert, Row

Fresh = tuple[Batch, Sequence[Entry]]
"""What is new in a batch, in order."""

_INSERT_EVENTS = Insert(incident_events)
_INSERT_CHANGES = Insert(camera_state_changes)
_INSERT_REJECTED = Insert(rejected_events)


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
    new = batch.entries[max(0, before + 1 - batch.first_seq) :]
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
    if new:
        fresh.append((batch, new))
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
    fresh.sort(key=lambda each: (each[0].agent_id, each[0].epoch, each[1][0].seq))
    events: list[tuple[str, Entry, IncidentEvent]] = []
    event_rows: list[Row] = []
    changes: list[tuple[Batch, Entry, CameraChange]] = []
    gaps: list[tuple[Batch, Entry, Gap]] = []
    rejects: list[Row] = []
    for batch, entries in fresh:
        agent, epoch = batch.agent_id, batch.epoch
        for entry in entries:
            seq, payload, received_at, emitted_at, body, _ = entry
            if isinstance(body, IncidentEvent):
                events.append((agent, entry, body))
                phase = body.phase._value_
                event_rows.append(
                    (agent, epoch, seq, body.incident_id, phase, body.occurred_at, emitted_at, payload, received_at)
                )
            elif body is None:
                rejects.append((agent, epoch, seq, entry.reject_reason, payload, received_at))
            elif isinstance(body, CameraChange):
                changes.append((batch, entry, body))
            else:
                gaps.append((batch, entry, body))
    fold(connection, events, street_of)
    _INSERT_EVENTS(connection, event_rows)
    _store_changes(connection, changes)
    for batch, entry, gap in gaps:
        _store_gap(connection, batch, entry, gap)
    _INSERT_REJECTED(connection, rejects)


def _store_changes(connection: Connection, changes: list[tuple[Batch, Entry, CameraChange]]) -> None:
    rows: list[Row] = []
    last: dict[tuple[str, str], Row] = {}
    for batch, entry, body in changes:
        number, states = (batch.agent_id, batch.epoch, entry.seq), (body.from_state, body.to_state)
        when = (body.occurred_at, body.media_time_s)
        rows.append((*number, body.camera_id, *states, *when, entry.payload, entry.received_at))
        camera = (batch.agent_id, body.camera_id)
        last[camera] = (*camera, body.to_state, body.occurred_at, entry.received_at)
    _INSERT_CHANGES(connection, rows)
    PUT_CAMERA_STATES(connection, sorted(last.values()))


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
