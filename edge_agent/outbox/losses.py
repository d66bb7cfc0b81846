"""Losses that have no record in the queue yet: one row for each reason, joined as more is lost."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from edge_agent.outbox.gap import Gap, GapReason

_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH_START) // timedelta(microseconds=1)
_REASONS = frozenset(reason.value for reason in GapReason)


def to_us(moment: datetime) -> int:
    """A moment as the queue keeps it: microseconds since 1970."""
    return (moment - _EPOCH_START) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    """The moment that the queue kept."""
    return _EPOCH_START + timedelta(microseconds=microseconds)


def is_sound_loss(row: tuple[object, ...]) -> bool:
    """True if a row can have been written by ``join_loss``: of a damaged one, any column may hold anything."""
    reason, *numbers = row
    counts = [number for number in numbers if isinstance(number, int) and 0 <= number <= _LATEST_US]
    return isinstance(reason, str) and reason in _REASONS and len(counts) == len(numbers)


def has_losses(db: sqlite3.Connection) -> bool:
    """True if there are any."""
    return db.execute("SELECT 1 FROM gaps").fetchone() is not None


def read_losses(db: sqlite3.Connection) -> list[Gap]:
    """All of them."""
    rows = db.execute("SELECT * FROM gaps ORDER BY reason").fetchall()
    return [
        Gap(GapReason(reason), lost, first, last, from_us(first_us), from_us(last_us))
        for reason, lost, first, last, first_us, last_us in rows
    ]


def join_loss(db: sqlite3.Connection, gap: Gap) -> None:
    """Add a loss to the one of the same reason, inside a transaction of the caller's."""
    for known in read_losses(db):
        if known.reason is gap.reason:
            gap = gap.joined(known)
    db.execute(
        "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?)",
        (
            gap.reason.value,
            gap.events_lost,
            gap.first_lost_seq,
            gap.last_lost_seq,
            to_us(gap.lost_from),
            to_us(gap.lost_to),
        ),
    )


def clear_losses(db: sqlite3.Connection) -> None:
    """They have records now."""
    db.execute("DELETE FROM gaps")
