"""However batches come, every event is stored once, in order, and acks never run ahead of what is stored."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy.engine import make_url

from aggregator.records import Batch, Fenced, Hole, Opened, Opening, QueueBehind, Stored
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import EPOCH, event, rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAD_EVERY = 7
"""Every seventh event can never be taken."""


class Batches(RuleBasedStateMachine):
    """One agent that numbers events, and a network that repeats, cuts and reorders its batches."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.url = make_url(f"sqlite:///{Path(self.folder.name)}/store.sqlite")
        self.store = Store(self.url)
        self.store.migrate()
        self.committed = 0
        self.stored: set[int] = set()
        self.stale: list[int] = []
        self.fence = 0
        self.connect(0)

    @rule(ahead=st.sampled_from([0, 0, 0, 2]))
    def connect(self, ahead: int) -> None:
        """Say Hello, sometimes after having shed ``ahead`` events."""
        lowest = self.committed + 1 + ahead
        opened = self.store.open_stream(Opening("a", EPOCH, lowest, lowest + 1, "", "", "", ""))
        assert isinstance(opened, Opened)
        assert (opened.committed_seq, opened.lost) == (self.committed + ahead, ahead)
        if self.fence:
            self.stale.append(self.fence)
        self.fence, self.committed = opened.fence, opened.committed_seq

    @rule(numbers=st.lists(st.tuples(st.integers(-8, 3), st.integers(1, 6)), min_size=1, max_size=5))
    def send(self, numbers: list[tuple[int, int]]) -> None:
        """Send batches that begin near what is committed; one transaction takes them all."""
        batches = [self._batch(self.fence, max(1, self.committed + 1 + start), count) for start, count in numbers]
        outcomes = self.store.commit(batches)
        for batch, outcome in zip(batches, outcomes, strict=True):
            last = batch.entries[-1].seq
            if batch.first_seq > self.committed + 1:
                assert outcome == Hole(self.committed + 1)
                continue
            new = set(range(self.committed + 1, last + 1))
            self.committed = max(self.committed, last)
            good = {seq for seq in new if seq % BAD_EVERY}
            assert isinstance(outcome, Stored)
            assert (outcome.committed_seq, outcome.stored) == (self.committed, len(good))
            assert outcome.duplicates == len(batch.entries) - len(new)
            assert {seq for seq, _ in outcome.rejected} >= new - good
            self.stored |= good

    @rule(count=st.integers(1, 3))
    def send_on_a_stale_stream(self, count: int) -> None:
        """A stream that was taken over sends once more."""
        if self.stale:
            assert self.store.commit([self._batch(self.stale[-1], self.committed + 1, count)]) == [Fenced()]

    @rule(back=st.integers(1, 3))
    def connect_with_an_old_copy_of_the_queue(self, back: int) -> None:
        """A restored queue would number new events like old ones."""
        if self.committed >= back:
            next_seq = self.committed + 1 - back
            behind = self.store.open_stream(Opening("a", EPOCH, next_seq, next_seq, "", "", "", ""))
            assert behind == QueueBehind(self.committed)

    @rule()
    def restart(self) -> None:
        """The aggregator starts anew."""
        self.store.close()
        self.store = Store(self.url)

    @invariant()
    def every_event_is_there_once(self) -> None:
        """What is stored is what was acked, less what was rejected."""
        if hasattr(self, "store"):
            found = [seq for (seq,) in rows(self.url, "SELECT seq FROM incident_events ORDER BY seq")]
            assert found == sorted(self.stored)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def _batch(self, fence: int, first: int, count: int) -> Batch:
        messages = [
            (seq, event("i" if seq % BAD_EVERY else "", "UPDATED", at_s=seq)) for seq in range(first, first + count)
        ]
        return Batch("a", EPOCH, fence, first, tuple(read_entry(seq, message, NOW) for seq, message in messages))


Batches.TestCase.settings = settings(max_examples=10, stateful_step_count=10, deadline=None)
TestBatches = Batches.TestCase
