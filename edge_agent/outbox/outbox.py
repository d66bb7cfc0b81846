"""The queue on disk: an event counts as emitted once it is committed here, and leaves after the aggregator's ack.

One file, one connection that both writes and checkpoints, any number of threads. What it promises, and what its
policies do, is in ``docs/outbox.md``.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from edge_agent.outbox.disk_reserve import DiskReserve
from edge_agent.outbox.errors import DoesNotFitError, OutboxError
from edge_agent.outbox.file import QueueFile
from edge_agent.outbox.gap import Gap, GapReason
from edge_agent.outbox.queue_batch import Batch, EventKind, FullPolicy, Position, Rejection
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.outbox.quota import FILE_NAME, RESERVE_NAME, Quota, quota_problem
from edge_agent.outbox.schema import (
    JOURNAL_BYTES,
    PAGE_BYTES,
    DamagedError,
    InUseError,
    Ledger,
    is_damage,
    is_full,
    is_unwritable,
)
from edge_agent.outbox.shared_commit import Append, WaitingRoom

__all__ = ["FILE_NAME", "MAX_EVENT_BYTES", "EventKind", "Outbox", "OutboxError", "quota_problem"]

MAX_EVENT_BYTES = 128 * 1024
"""Longest event: far above any real one, far below what a gRPC message may hold."""

_SHED_BYTES = 16 * PAGE_BYTES  # dropped at one go at least, so that a full queue does not shed for every event
_STEP_EVENTS = 16  # deleted at a time while the disk is full

_FILE_ERRORS = (sqlite3.Error, DamagedError)

T = TypeVar("T")
_log = structlog.get_logger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """The queue. Every method may be called from any thread.

    ``clock`` gives the agent's time in UTC. ``make_room`` is asked to free disk space (bytes wanted; true if it freed
    some) before events are refused on a full disk; it must not call the queue. Raises ``OutboxError`` if there can be
    no queue in ``state_dir``; a damaged file is no reason.
    """

    def __init__(
        self,
        state_dir: Path,
        max_bytes: int,
        when_full: str = FullPolicy.DROP_OLDEST,
        *,
        clock: Callable[[], datetime] = _utc_now,
        make_room: Callable[[int], bool] | None = None,
    ) -> None:
        try:
            self._quota = Quota.of(max_bytes)
        except ValueError as error:
            raise OutboxError(str(error)) from error
        self._policy = FullPolicy(when_full)
        self._clock = clock
        self._make_room = make_room
        self._on_append: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._waiting = WaitingRoom()
        self._held_through = 0
        self._sent_through = 0  # the highest event of this epoch that this process may have sent
        self._acked_through = 0  # an ack that the disk did not take yet
        self._refused: Gap | None = None  # losses that the disk did not take yet
        self._writable = True
        self._closed = False
        path = state_dir / FILE_NAME
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            self._reserve = DiskReserve(state_dir / RESERVE_NAME, JOURNAL_BYTES)
            self._file = QueueFile(path, self._quota.max_pages, clock, self._reserve.spend)
            self._found_next_seq = self._file.ledger.next_seq  # what earlier processes sent is below it, if all is well
            problem = quota_problem(state_dir, max_bytes)
            self._reserve.keep()
        except InUseError as error:
            raise OutboxError(f"{error}: give each agent a state_dir of its own") from error
        except (OSError, sqlite3.Error, DamagedError) as error:
            raise OutboxError(f"the queue {path} cannot be opened: {error}") from error
        if problem:
            _log.warning("queue_quota_exceeds_disk", problem=problem)

    def notify(self, on_append: Callable[[], None] | None) -> None:
        """Call ``on_append`` after every commit of new events, from the thread that committed."""
        self._on_append = on_append

    def close(self) -> None:
        """Write the journal back and let go of the file; the queue cannot be used after."""
        with self._lock:
            self._closed = True
            self._file.close()

    # -- the agent's side ----------------------------------------------------------------------------------------

    def append(self, payloads: Sequence[bytes], kind: EventKind) -> range:
        """Put events at the tail, all or none; they are on disk when this returns. Their sequences.

        The range is empty if they were refused: the queue is full and its policy is ``reject_new``, or the disk does
        not take them. The loss is then counted and will be reported. Threads that append at the same time share a
        commit. Raises ``ValueError`` for an event longer than ``MAX_EVENT_BYTES``.
        """
        for payload in payloads:
            if len(payload) > MAX_EVENT_BYTES:
                raise ValueError(f"an event of {len(payload)} bytes is longer than {MAX_EVENT_BYTES}")
        mine = Append(tuple(payloads), kind)
        if not mine.payloads:
            return mine.seqs
        self._waiting.enter(mine)
        with self._lock:
            if not mine.done:
                self._commit_waiting()
        if mine.error is not None:
            raise mine.error
        if mine.seqs and self._on_append is not None:
            self._on_append()
        return mine.seqs

    def _commit_waiting(self) -> None:
        group = self._waiting.take_all()
        try:
            if not self._commit(group):
                for each in group:
                    if len(group) == 1 or not self._commit([each]):
                        self._refuse(each)
        except BaseException as error:
            for each in group:
                if not each.seqs:
                    each.error = error
            raise
        finally:
            for each in group:
                each.done = True

    def _commit(self, group: list[Append]) -> bool:
        """Commit ``group``, dropping the oldest events if that is the policy; false if it was not taken."""
        size = sum(each.size_bytes for each in group)
        drop_bytes, tries_left = 0, 2
        while True:
            try:
                taken = self._write(partial(self._add, group, drop_bytes))
            except DoesNotFitError as full:
                if full.hopeless:
                    return False
                drop_bytes = max(2 * drop_bytes, size + _SHED_BYTES)
            except _FILE_ERRORS as error:
                tries_left -= 1
                if not self._can_go_on(error, size) or tries_left == 0:
                    return False
            else:
                for each, seqs in zip(group, taken, strict=True):
                    each.seqs = seqs
                return True

    def _add(self, group: list[Append], drop_bytes: int, draft: Ledger) -> list[range]:
        held = draft.head_seq <= self._held_through
        if drop_bytes:
            self._file.drop_oldest(draft, drop_bytes)
        hopeless = self._policy is FullPolicy.REJECT_NEW or held or draft.head_seq == draft.next_seq
        limit = self._quota.event_pages(held=held)
        taken = []
        try:
            for each in group:
                first = draft.next_seq
                for payload in each.payloads:
                    self._file.insert(draft, each.kind, payload)
                taken.append(range(first, draft.next_seq))
        except sqlite3.Error as error:
            if is_full(error) and self._file.used_pages() > limit:
                raise DoesNotFitError(hopeless) from error
            raise
        if self._file.used_pages() > limit:
            raise DoesNotFitError(hopeless)
        return taken

    def _refuse(self, refused: Append) -> None:
        now = self._clock()
        gap = Gap(GapReason.REJECTED_NEW, len(refused.payloads), 0, 0, now, now)
        self._refused = gap if self._refused is None else self._refused.joined(gap)
        self._catch_up()

    # -- the uplink's side ---------------------------------------------------------------------------------------

    def position(self, *, hold: bool = False) -> Position:
        """Where the queue stands. With ``hold`` nothing is dropped from its head until ``release``."""
        with self._lock:
            ledger = self._file.ledger
            if hold:
                self._held_through = max(self._held_through, ledger.head_seq)
            return Position(ledger.epoch, ledger.head_seq, ledger.next_seq)

    def peek(self, after_seq: int, max_events: int, max_bytes: int, *, hold: bool = False) -> Batch:
        """The oldest events after ``after_seq``: at most so many, of at most so many bytes, but one at least if any.

        With ``hold`` they are not dropped until they are acked or ``release`` is called, losses that have no record in
        the queue yet get one at its tail, and what the disk did not take before is tried again.
        """
        with self._lock:
            if hold:
                if self._acked_through:
                    self._catch_up()
                self._record_losses()
            try:
                batch, damaged = self._file.read(after_seq, max_events, max_bytes)
                if damaged is not None and not batch.payloads:
                    self._write(lambda draft: self._file.replace_damaged(draft, damaged))
                    batch, _ = self._file.read(after_seq, max_events, max_bytes)
            except _FILE_ERRORS as error:
                self._can_go_on(error)
                return Batch(self._file.ledger.epoch, after_seq + 1, ())
            if hold and batch.payloads:
                self._held_through = max(self._held_through, batch.last_seq)
                self._sent_through = max(self._sent_through, batch.last_seq)
            return batch

    def _record_losses(self) -> None:
        """Put losses that have no record yet at the tail. On a full disk they wait, and what is there is sent first."""
        try:
            if (self._refused is not None or self._file.has_losses()) and (
                self._file.used_pages() <= self._quota.event_pages(held=False)
            ):
                self._write(self._file.insert_losses)
        except _FILE_ERRORS as error:
            self._can_go_on(error)

    def release(self) -> None:
        """Let events that were on the way be dropped again: their stream has ended."""
        with self._lock:
            self._held_through = 0

    def ack(self, epoch: bytes, through_seq: int, rejected: Sequence[Rejection] = ()) -> None:
        """Delete the events of ``epoch`` up to ``through_seq``; those of ``rejected`` go to the dead letters.

        An ack of another epoch is of no interest any more and does nothing. If the disk does not take it now it is
        done with the next write. Raises ``ValueError`` for a sequence that was never given out.
        """
        with self._lock:
            ledger = self._file.ledger
            if epoch != ledger.epoch:
                return
            if through_seq >= ledger.next_seq:
                raise ValueError(f"an ack through {through_seq}, but the last event is {ledger.next_seq - 1}")
            if through_seq < ledger.head_seq:
                return
            try:
                self._write(lambda draft: self._take_ack(draft, through_seq, rejected))
            except _FILE_ERRORS as error:
                self._acked_through = through_seq
                if not self._can_go_on(error) and is_full(error) and self._reserve.spend():
                    self._ack_in_steps(through_seq)
            else:
                self._reserve.keep()

    def _ack_in_steps(self, through_seq: int) -> None:
        """Take an ack on a full disk: few events at a time, since each step needs room in the journal."""
        caught_up = True
        while caught_up and self._file.ledger.head_seq <= through_seq:
            self._acked_through = min(through_seq, self._file.ledger.head_seq + _STEP_EVENTS - 1)
            self._file.shrink_journal()
            caught_up = self._catch_up()
        self._acked_through = 0 if caught_up else through_seq

    def _catch_up(self) -> bool:
        """Write what the disk did not take before; true if it takes it now."""
        try:
            self._write(lambda _: None)
        except _FILE_ERRORS as error:
            self._can_go_on(error)
            return False
        return True

    def _take_ack(self, draft: Ledger, through_seq: int, rejected: Sequence[Rejection]) -> None:
        for each in rejected:
            if draft.head_seq <= each.seq <= through_seq:
                self._file.bury(draft, each, self._quota.dead_letter_bytes)
                draft.dead_letters += 1
                _log.error("event_rejected", seq=each.seq, reason=each.reason)
        self._file.delete_through(draft, through_seq)

    def is_behind(self, stored_through: int) -> bool:
        """True if the aggregator's highest stored event of this epoch is none that this queue can have sent.

        So it is when the file was put back from a copy, or a commit was lost from the end of its journal. What was
        appended since it was opened has the sequences of events that are stored already. What the queue itself let go
        from its head the aggregator counts as stored.
        """
        with self._lock:
            return stored_through >= max(self._found_next_seq, self._sent_through + 1, self._file.ledger.head_seq)

    def renew_epoch(self, stored_through: int) -> None:
        """Give the queue a new epoch, numbered from 1: it ``is_behind`` what the aggregator has stored.

        Events that were in the file when it was opened are stored and are deleted; those appended since go on under
        the new epoch. If the disk does not take it the epoch stays.
        """
        with self._lock:
            self._held_through = 0
            stored = min(stored_through, self._found_next_seq - 1)
            try:
                self._write(partial(self._begin_epoch, stored))
            except _FILE_ERRORS as error:
                self._can_go_on(error)
            else:
                self._forget_epoch()
                _log.warning("queue_epoch_renewed")

    def _begin_epoch(self, stored: int, draft: Ledger) -> None:
        self._file.delete_through(draft, stored)
        self._file.renumber(draft)

    def _forget_epoch(self) -> None:
        """What is known of an epoch holds no more for the next."""
        self._held_through = self._acked_through = self._sent_through = 0
        self._found_next_seq = 1

    # -- everybody's side ----------------------------------------------------------------------------------------

    def status(self) -> QueueStatus:
        """How the queue is."""
        with self._lock:
            oldest, used_bytes = None, 0
            try:
                if not self._closed:
                    oldest, used_bytes = self._file.oldest_emitted_at(), self._file.used_bytes()
            except _FILE_ERRORS as error:
                self._can_go_on(error)
            ledger = self._file.ledger
            return QueueStatus(
                epoch=ledger.epoch,
                lowest_unacked_seq=ledger.head_seq,
                next_seq=ledger.next_seq,
                size_bytes=self._file.size_bytes(),
                used_bytes=used_bytes,
                max_bytes=self._quota.max_bytes,
                oldest_emitted_at=oldest,
                dropped_events=ledger.dropped_events,
                rejected_events=ledger.rejected_events + (self._refused.events_lost if self._refused else 0),
                damaged_events=ledger.damaged_events,
                dead_letters=ledger.dead_letters,
                quarantined_files=ledger.quarantined_files,
                writable=self._writable,
            )

    def _write(self, change: Callable[[Ledger], T]) -> T:
        """One transaction, which first catches up on an ack and on losses that the disk did not take before."""
        with self._file.transaction() as draft:
            self._file.delete_through(draft, self._acked_through)
            if self._refused is not None:
                self._file.add_loss(draft, self._refused)
            outcome = change(draft)
        self._acked_through = 0
        self._refused = None
        if not self._writable:
            self._writable = True
            _log.info("queue_writable_again")
        return outcome

    def _can_go_on(self, error: sqlite3.Error | DamagedError, wanted_bytes: int = 0) -> bool:
        """What to do about an error of the file: true if it is worth trying again. Other errors are raised."""
        if is_damage(error) or self._file.broken:
            self._forget_epoch()
            try:
                self._file.start_anew(str(error))
            except (OSError, *_FILE_ERRORS) as worse:
                self._say_unwritable(worse)
                return False
            return True
        if not (is_full(error) or is_unwritable(error)):
            raise error
        self._say_unwritable(error)
        if is_full(error) and wanted_bytes and self._make_room is not None:
            return self._make_room(wanted_bytes + JOURNAL_BYTES)
        return False

    def _say_unwritable(self, error: Exception) -> None:
        if self._writable:
            self._writable = False
            _log.error("queue_not_writable", error=str(error))
