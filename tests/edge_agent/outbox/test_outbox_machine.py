"""Any order of appending, sending, acking, crashing and reopening keeps the queue's promises."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent import wire
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.outbox.queue_batch import Rejection

QUOTA = 512 * 1024


class QueueMachine(RuleBasedStateMachine):
    """Compares the queue with a dictionary of what it took and what was acked."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="queue-"))
        self.generation = 0
        self.taken: dict[int, bytes] = {}
        self.acked = 0
        self.offered = 0
        self.refused = 0
        self.buried = 0
        self.held: tuple[int, int] | None = None

    @initialize(policy=st.sampled_from(["reject_new", "drop_oldest"]))
    def make(self, policy: str) -> None:
        self.policy = policy
        self.outbox = Outbox(self.folder / "0", QUOTA, policy)
        self.found_next_seq = 1

    @rule(count=st.integers(1, 12), size=st.sampled_from([0, 300, 3000, 9000]))
    def append(self, count: int, size: int) -> None:
        payloads = [b"event %d " % (self.offered + each) + bytes(size) for each in range(count)]
        seqs = self.outbox.append(payloads, EventKind.INCIDENT)
        self.offered += count
        if seqs:
            assert len(seqs) == count
            assert seqs[0] == self.outbox.position().next_seq - count
            self.taken.update(zip(seqs, payloads, strict=True))
        else:
            self.refused += count

    @rule()
    def fill(self) -> None:
        for _ in range(15):
            self.append(4, 9000)

    @rule(most=st.integers(1, 40), hold=st.booleans())
    def send(self, most: int, hold: bool) -> None:
        position = self.outbox.position()
        batch = self.outbox.peek(0, most, QUOTA, hold=hold)
        assert batch.first_seq == position.lowest_unacked_seq
        if hold and batch.payloads:
            self.held = (batch.first_seq, batch.last_seq)

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        position = self.outbox.position()
        through = data.draw(st.integers(0, position.next_seq - 1))
        rejected = data.draw(st.sets(st.integers(0, position.next_seq), max_size=3))
        self.outbox.ack(position.epoch, through, [Rejection(seq, "bad") for seq in rejected])
        self.buried += sum(position.lowest_unacked_seq <= seq <= through for seq in rejected)
        self.acked = max(self.acked, through)

    @rule()
    def release(self) -> None:
        self.outbox.release()
        self.held = None

    @rule()
    def reopen(self) -> None:
        folder = self.outbox._file.path.parent
        self.outbox.close()
        self.outbox = Outbox(folder, QUOTA, self.policy)
        self.found_next_seq = self.outbox.position().next_seq
        self.held = None

    @rule()
    def crash(self) -> None:
        """The files as they are now, without an orderly end, in another place."""
        folder = self.outbox._file.path.parent
        self.generation += 1
        copy = self.folder / str(self.generation)
        copy.mkdir()
        for each in folder.glob("outbox.sqlite*"):
            shutil.copy(each, copy / each.name)
        self.outbox.close()
        self.outbox = Outbox(copy, QUOTA, self.policy)
        self.found_next_seq = self.outbox.position().next_seq
        self.held = None

    @precondition(lambda self: self.taken)
    @rule()
    def renew(self) -> None:
        """What was found on opening is stored; all other sequences move down, so that the first is 1 again."""
        self.acked = max(self.acked, self.found_next_seq - 1)
        down = max(self.outbox.position().lowest_unacked_seq - 1, self.found_next_seq - 1)
        self.outbox.renew_epoch(10**6)
        self.found_next_seq = 1
        self.taken = {seq - down: payload for seq, payload in self.taken.items() if seq > down}
        self.acked = max(0, self.acked - down)
        self.held = None

    @invariant()
    def keeps_its_promises(self) -> None:
        if not hasattr(self, "outbox"):
            return
        status = self.outbox.status()
        left: dict[int, bytes] = {}
        after = 0
        while (batch := self.outbox.peek(after, 500, QUOTA)).payloads:
            left.update(enumerate(batch.payloads, batch.first_seq))
            after = batch.last_seq
        assert sorted(left) == list(range(status.lowest_unacked_seq, status.next_seq))
        assert status.used_bytes <= status.max_bytes == QUOTA
        assert status.rejected_events == self.refused
        assert status.dead_letters == self.buried
        assert status.damaged_events == status.quarantined_files == 0
        for seq, payload in left.items():
            if seq in self.taken:
                assert payload == self.taken[seq]
            else:
                assert wire.gap_of(payload).events_lost > 0
        lost = [seq for seq in self.taken if self.acked < seq < status.lowest_unacked_seq]
        if self.policy == "reject_new":
            assert lost == []
            assert status.dropped_events == 0
        else:
            assert len(lost) <= status.dropped_events
        if self.held is not None and self.acked < self.held[1]:
            assert status.lowest_unacked_seq <= max(self.held[0], self.acked + 1), "nothing on the way is dropped"

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()
        shutil.rmtree(self.folder)


QueueMachine.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
test_any_order_of_events_keeps_the_promises_of_the_queue = QueueMachine.TestCase
