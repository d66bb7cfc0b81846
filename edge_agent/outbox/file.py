"""The queue's file and what can be done to it in one transaction. Not for threads: ``Outbox`` sees to that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog

from edge_agent import wire
from edge_agent.outbox.gap import Gap, GapReason
from edge_agent.outbox.journal import has_lost_commits
from edge_agent.outbox.lock import FolderLock
from edge_agent.outbox.losses import clear_losses, from_us, has_losses, join_loss, read_losses, to_us
from edge_agent.outbox.queue_batch import Batch, EventKind, Rejection
from edge_agent.outbox.repair import Salvage, put_away, salvage, set_aside, unread
from edge_agent.outbox.schema import (
    PAGE_BYTES,
    DamagedError,
    Ledger,
    connect,
    event_checksum,
    is_full,
    is_sound,
    load_ledger,
    save_ledger,
    used_pages,
)

MAX_DEAD_LETTERS = 1000
"""Events kept apart at most; the newest stay."""

_NO_CHECKSUM = -1  # which no event fits
_log = structlog.get_logger(__name__)


class QueueFile:
    """One open queue file. A file that is not whole is set aside on opening and whenever it shows.

    Raises ``InUseError``, ``sqlite3.Error`` or ``OSError`` if there can be no queue at this place at all.
    """

    def __init__(
        self,
        path: Path,
        max_pages: int,
        clock: Callable[[], datetime],
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._max_pages = max_pages
        self._clock = clock
        self._make_room = make_room
        self.broken = False
        self._lock = FolderLock(path.parent)
        try:
            self._open()
        except BaseException:
            opened: sqlite3.Connection | None = getattr(self, "_db", None)
            if opened is not None:
                opened.close()
            self._lock.release()
            raise

    def _open(self) -> None:
        if not self.path.exists():
            unread(self.path)
        try:
            if has_lost_commits(self.path, PAGE_BYTES):  # before SQLite sees it, and writes back what it thinks is all
                raise DamagedError("commits in its journal cannot be read")
            self._db = self._connect()
            self.ledger = load_ledger(self._db)
        except DamagedError as error:
            self._start_anew(str(error))
        else:
            self._read_what_was_set_aside("whoever set it aside was ended before it was read")

    def _connect(self) -> sqlite3.Connection:
        try:
            return connect(self.path, self._max_pages)
        except sqlite3.Error as error:
            if is_full(error) and self._make_room():
                return connect(self.path, self._max_pages)
            raise

    def start_anew(self, damage: str) -> None:
        """Set the file aside, for ``damage``, and take what it still gives into a new one, under a new epoch.

        If that fails the file is ``broken`` until a later call succeeds.
        """
        self._db.close()
        self._start_anew(damage)

    def _start_anew(self, damage: str) -> None:
        if not self.broken:
            set_aside(self.path)
        self.broken = True
        try:
            self._db = self._connect()
        except DamagedError:
            set_aside(self.path)
            self._db = self._connect()
        self.ledger = load_ledger(self._db)
        self._read_what_was_set_aside(damage)
        self.broken = False

    def _read_what_was_set_aside(self, damage: str) -> None:
        """Take over what damaged files still give. The transaction that does so says, by its number, that it did."""
        for target, number in unread(self.path):
            if self.ledger.quarantined_files < number:
                found = salvage(target)
                while not self._take_over(found, number):
                    found = found.newer_half()
                salvaged = len(found.events)
                _log.error("queue_damaged", damage=damage, set_aside=str(target), salvaged=salvaged, lost=found.lost)
            put_away(self.path, target, number)

    def _take_over(self, found: Salvage, number: int) -> bool:
        """Write what was salvaged; false if it does not fit into the quota."""
        now = self._clock()
        try:
            with self.transaction() as draft:
                if found.ledger is not None and draft.next_seq == 1 and draft.quarantined_files == 0:
                    draft.take_counts(found.ledger)
                draft.quarantined_files = max(draft.quarantined_files + 1, number)
                if found.lost != 0:
                    last_known = max((emitted_us for _, emitted_us, _ in found.events), default=to_us(now))
                    gap = Gap(
                        GapReason.QUEUE_DAMAGED,
                        found.lost or 0,
                        found.first_lost_seq,
                        found.last_lost_seq,
                        min(from_us(last_known), now),
                        now,
                    )
                    self.insert_gap(draft, gap)
                    draft.damaged_events += gap.events_lost
                for kind, emitted_us, payload in found.events:
                    self._insert(draft, kind, emitted_us, payload)
                for reason, *numbers in found.gaps:
                    self._db.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?)", (reason, *numbers))
        except sqlite3.Error as error:
            if is_full(error) and found.events:
                return False
            raise
        return True

    def close(self) -> None:
        """Write the journal back and let go of the file."""
        self._db.close()
        self._lock.release()

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """A transaction on a draft of the ledger, which becomes the ledger once the commit is on disk."""
        draft = replace(self.ledger)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield draft
            save_ledger(self._db, draft)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.ledger = draft

    # -- inside a transaction ------------------------------------------------------------------------------------

    def insert(self, draft: Ledger, kind: EventKind, payload: bytes) -> int:
        """Put an event at the tail; its sequence."""
        return self._insert(draft, kind.value, to_us(self._clock()), payload)

    def _insert(self, draft: Ledger, kind: str, emitted_us: int, payload: bytes) -> int:
        seq = draft.next_seq
        self._db.execute(
            "INSERT INTO events (seq, kind, emitted_us, checksum, payload) VALUES (?, ?, ?, ?, ?)",
            (seq, kind, emitted_us, event_checksum(seq, kind, emitted_us, payload), payload),
        )
        draft.next_seq += 1
        return seq

    def insert_gap(self, draft: Ledger, gap: Gap) -> None:
        """Put the record of a loss at the tail."""
        self.insert(draft, EventKind.GAP, wire.event(gap, self._clock()).SerializeToString())

    def insert_losses(self, draft: Ledger) -> None:
        """Put the records of all losses that have none yet at the tail."""
        for gap in read_losses(self._db):
            self.insert_gap(draft, gap)
        clear_losses(self._db)

    def has_losses(self) -> bool:
        """True if there are losses without a record at the tail."""
        return has_losses(self._db)

    def add_loss(self, draft: Ledger, gap: Gap) -> None:
        """Count a loss and keep it until its record can be written."""
        join_loss(self._db, gap)
        if gap.reason is GapReason.DROPPED_OLDEST:
            draft.dropped_events += gap.events_lost
        elif gap.reason is GapReason.REJECTED_NEW:
            draft.rejected_events += gap.events_lost
        else:
            draft.damaged_events += gap.events_lost

    def drop_oldest(self, draft: Ledger, at_least_bytes: int) -> None:
        """Drop events from the head until at least so many bytes of them are gone, or all, and count the loss.

        A record of an earlier loss that is dropped is not a loss of its own: what it said is joined to the new one.
        """
        times: list[int] = []
        freed, first, last = 0, draft.head_seq, draft.head_seq - 1
        gaps: list[Gap] = []
        query = "SELECT seq, kind, emitted_us, checksum, payload FROM events ORDER BY seq"
        with closing(self._db.execute(query)) as rows:
            for seq, kind, emitted_us, checksum, payload in rows:
                if freed >= at_least_bytes:
                    break
                sound = is_sound(seq, kind, emitted_us, checksum, payload)
                freed, last = freed + (len(payload) if sound else PAGE_BYTES), seq
                if sound and kind == EventKind.GAP:
                    gaps.append(wire.gap_of(payload))
                else:
                    times.append(emitted_us if sound else to_us(self._clock()))
        for gap in gaps:
            join_loss(self._db, gap)
        self.delete_through(draft, last)
        if times:
            self.add_loss(
                draft,
                Gap(
                    GapReason.DROPPED_OLDEST,
                    len(times),
                    first,
                    last,
                    from_us(min(times)),
                    from_us(max(times)),
                ),
            )

    def delete_through(self, draft: Ledger, seq: int) -> None:
        """Delete the events up to ``seq``."""
        if seq >= draft.head_seq:
            self._db.execute("DELETE FROM events WHERE seq <= ?", (seq,))
            draft.head_seq = min(seq + 1, draft.next_seq)

    def bury(self, draft: Ledger, rejection: Rejection, max_bytes: int) -> None:
        """Copy an event to the dead letters, of which the newest ``MAX_DEAD_LETTERS`` within ``max_bytes`` stay."""
        self._db.execute(
            "INSERT INTO dead_letters (epoch, seq, kind, reason, rejected_us, payload) "
            "SELECT ?, seq, kind, ?, ?, payload FROM events WHERE seq = ?",
            (draft.epoch, rejection.reason[:500], to_us(self._clock()), rejection.seq),
        )
        self._db.execute(
            "DELETE FROM dead_letters WHERE id <= (SELECT id FROM (SELECT id, row_number() OVER newest AS place, "
            "sum(length(payload)) OVER newest AS bytes FROM dead_letters WINDOW newest AS (ORDER BY id DESC)) "
            "WHERE place > ? OR bytes > ? ORDER BY id DESC LIMIT 1)",
            (MAX_DEAD_LETTERS, max_bytes),
        )

    def renumber(self, draft: Ledger) -> None:
        """Give the queue a new epoch, in which its events are numbered from 1. A damaged event stays known as such."""
        old_seqs = [seq for (seq,) in self._db.execute("SELECT seq FROM events ORDER BY seq")]
        for new_seq, old_seq in enumerate(old_seqs, 1):
            kind, emitted_us, checksum, payload = self._db.execute(
                "SELECT kind, emitted_us, checksum, payload FROM events WHERE seq = ?", (old_seq,)
            ).fetchone()
            sound = is_sound(old_seq, kind, emitted_us, checksum, payload)
            self._db.execute(
                "UPDATE events SET seq = ?, checksum = ? WHERE seq = ?",
                (new_seq, event_checksum(new_seq, kind, emitted_us, payload) if sound else _NO_CHECKSUM, old_seq),
            )
        draft.epoch, draft.head_seq, draft.next_seq = Ledger.new().epoch, 1, len(old_seqs) + 1

    def replace_damaged(self, draft: Ledger, seq: int) -> None:
        """Put the record of a loss in the place of an event that does not fit its checksum."""
        now = self._clock()
        payload = wire.event(Gap(GapReason.QUEUE_DAMAGED, 1, seq, seq, now, now), now).SerializeToString()
        kind, emitted_us = EventKind.GAP.value, to_us(now)
        self._db.execute(
            "UPDATE events SET kind = ?, emitted_us = ?, checksum = ?, payload = ? WHERE seq = ?",
            (kind, emitted_us, event_checksum(seq, kind, emitted_us, payload), payload, seq),
        )
        draft.damaged_events += 1

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, after_seq: int, max_events: int, max_bytes: int) -> tuple[Batch, int | None]:
        """The events after ``after_seq``: at most so many, of at most so many bytes, but one at least if there is one.

        Ends before an event that does not fit its checksum; its sequence comes second. Raises ``DamagedError`` if an
        event is missing.
        """
        payloads: list[bytes] = []
        size, first = 0, max(after_seq + 1, self.ledger.head_seq)
        damaged: int | None = None
        query = "SELECT seq, kind, emitted_us, checksum, payload FROM events WHERE seq >= ? ORDER BY seq LIMIT ?"
        with closing(self._db.execute(query, (first, max_events))) as rows:
            for seq, kind, emitted_us, checksum, payload in rows:
                if seq != first + len(payloads):
                    raise DamagedError(f"event {first + len(payloads)} is missing")
                if not is_sound(seq, kind, emitted_us, checksum, payload):
                    damaged = seq
                    break
                size += len(payload)
                if payloads and size > max_bytes:
                    break
                payloads.append(payload)
        return Batch(self.ledger.epoch, first, tuple(payloads)), damaged

    def oldest_emitted_at(self) -> datetime | None:
        """When the oldest event was emitted; None if there is none, or if it is damaged."""
        query = "SELECT seq, kind, emitted_us, checksum, payload FROM events ORDER BY seq LIMIT 1"
        row = self._db.execute(query).fetchone()
        return from_us(row[2]) if row and is_sound(*row) else None

    def shrink_journal(self) -> None:
        """Write the journal back and give its space to the disk; without effect if the disk does not take it."""
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def used_pages(self) -> int:
        """Pages that hold something, as the running transaction leaves them."""
        return used_pages(self._db)

    def size_bytes(self) -> int:
        """What the file and its journal take on disk."""
        journal = self.path.with_name(self.path.name + "-wal")
        return sum(each.stat().st_size for each in (self.path, journal) if each.exists())

    def used_bytes(self) -> int:
        """The part of the file that holds something."""
        return self.used_pages() * PAGE_BYTES
