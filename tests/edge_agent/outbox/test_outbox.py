"""The queue keeps what it was given until it is acked, within its quota, and says what it had to let go."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clearway.v1 import ingest_pb2

from edge_agent import wire
from edge_agent.outbox import file as outbox_file
from edge_agent.outbox.gap import Gap, GapReason
from edge_agent.outbox.outbox import MAX_EVENT_BYTES, EventKind, Outbox, OutboxError, quota_problem
from edge_agent.outbox.queue_batch import Rejection

MEBIBYTE = 1024 * 1024
NOW = datetime(2026, 5, 4, 3, 2, 1, 654321, tzinfo=UTC)


@contextmanager
def queue(
    folder: Path,
    max_bytes: int = MEBIBYTE,
    when_full: str = "drop_oldest",
    clock: Callable[[], datetime] = lambda: NOW,
    make_room: Callable[[int], bool] | None = None,
) -> Iterator[Outbox]:
    outbox = Outbox(folder, max_bytes, when_full, clock=clock, make_room=make_room)
    try:
        yield outbox
    finally:
        outbox.close()


def put(outbox: Outbox, *payloads: bytes) -> range:
    return outbox.append(payloads, EventKind.INCIDENT)


def everything(outbox: Outbox) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    after = 0
    while (batch := outbox.peek(after, 1000, 10 * MEBIBYTE)).payloads:
        found.update(enumerate(batch.payloads, batch.first_seq))
        after = batch.last_seq
    return found


def gaps(outbox: Outbox) -> list[Gap]:
    """The records of losses that an uplink would send now."""
    outbox.peek(0, 1, 1, hold=True)
    outbox.release()
    events = [payload for payload in everything(outbox).values() if b"event" not in payload]
    return [wire.gap(ingest_pb2.Event.FromString(payload).gap) for payload in events]


def big(number: int) -> bytes:
    return b"event %08d" % number + bytes(1000)


def put_big(outbox: Outbox, numbers: range) -> int:
    """Put events in ten at a time; how many were refused."""
    tens = [numbers[start : start + 10] for start in range(0, len(numbers), 10)]
    return sum(len(ten) for ten in tens if not put(outbox, *map(big, ten)))


def test_the_first_event_of_a_new_queue_has_sequence_one_and_the_rest_follow(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        assert put(outbox, b"event a", b"event b") == range(1, 3)
        assert put(outbox, b"event c") == range(3, 4)
        assert everything(outbox) == {1: b"event a", 2: b"event b", 3: b"event c"}


def test_appending_nothing_changes_nothing(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        assert put(outbox) == range(0)
        assert outbox.status().next_seq == 1


def test_a_reopened_queue_goes_on_where_it_was_with_the_same_epoch(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a", b"event b")
        outbox.ack(outbox.status().epoch, 2)
        before = outbox.status()
    with queue(tmp_path) as outbox:
        assert outbox.status().epoch == before.epoch
        assert len(before.epoch) == 16
        assert put(outbox, b"event c") == range(3, 4)


def test_two_new_queues_have_different_epochs(tmp_path: Path) -> None:
    with queue(tmp_path / "a") as one, queue(tmp_path / "b") as other:
        assert one.status().epoch != other.status().epoch


def test_a_batch_holds_at_most_so_many_events_and_bytes_but_never_nothing(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, *[b"event" + bytes(95)] * 10)
        assert len(outbox.peek(0, 4, 10_000).payloads) == 4
        assert len(outbox.peek(0, 10, 250).payloads) == 2
        assert len(outbox.peek(0, 10, 1).payloads) == 1
        assert outbox.peek(8, 10, 10_000).first_seq == 9
        assert outbox.peek(10, 10, 10_000).payloads == ()


def test_an_ack_deletes_up_to_its_sequence_and_an_old_one_nothing(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        epoch = outbox.status().epoch
        put(outbox, b"event a", b"event b", b"event c")
        outbox.ack(epoch, 2)
        outbox.ack(epoch, 1)
        outbox.ack(epoch, 0)
        assert everything(outbox) == {3: b"event c"}
        assert outbox.position().lowest_unacked_seq == 3


def test_an_ack_of_an_event_that_never_was_is_refused(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a")
        with pytest.raises(ValueError, match="an ack through 2, but the last event is 1"):
            outbox.ack(outbox.status().epoch, 2)
        assert everything(outbox) == {1: b"event a"}


def test_an_ack_of_another_epoch_deletes_nothing(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a")
        outbox.ack(bytes(16), 1)
        assert outbox.status().pending_events == 1


def test_a_renewed_epoch_keeps_the_events_and_numbers_them_from_one(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        before = outbox.status().epoch
        put(outbox, b"event a", b"event b", b"event c")
        outbox.ack(before, 1)
        outbox.renew_epoch(50)
        renewed = outbox.status().epoch
        assert renewed != before
        assert everything(outbox) == {1: b"event b", 2: b"event c"}
    with queue(tmp_path) as outbox:
        assert (outbox.status().epoch, outbox.status().quarantined_files) == (renewed, 0)
        assert put(outbox, b"event d") == range(3, 4)


def test_a_queue_that_lost_its_end_goes_on_under_a_new_epoch_with_what_was_appended_since(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a", b"event b")
    with queue(tmp_path) as outbox:
        epoch = outbox.status().epoch
        assert put(outbox, b"event c", b"event d") == range(3, 5)
        assert not outbox.is_behind(2)
        assert outbox.is_behind(3), "this process has not sent it, and the file did not hold it"
        outbox.peek(2, 1, 1, hold=True)
        assert not outbox.is_behind(3), "by now it may have been sent"
        assert outbox.is_behind(4)
        outbox.renew_epoch(4)
        assert outbox.status().epoch != epoch
        assert everything(outbox) == {1: b"event c", 2: b"event d"}, "what the file held is stored, the rest is not"
        assert not outbox.is_behind(0)


def test_a_queue_that_dropped_its_head_is_not_behind(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        while not outbox.status().dropped_events:
            put_big(outbox, range(10))
        position = outbox.position()
        assert not outbox.is_behind(position.lowest_unacked_seq - 1), "the aggregator counts what is gone as stored"
        assert outbox.is_behind(position.lowest_unacked_seq)


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        db = outbox._file._db
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"
        assert db.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)


def test_rejected_events_go_to_the_dead_letters_with_the_reason(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a", b"event b", b"event c")
        outbox.ack(outbox.status().epoch, 3, [Rejection(2, "no such camera")])
        status = outbox.status()
    assert (status.pending_events, status.dead_letters, status.shed_events) == (0, 1, 0)
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        rows = db.execute("SELECT seq, kind, reason, payload FROM dead_letters").fetchall()
    db.close()
    assert rows == [(2, "incident", "no such camera", b"event b")]


def test_only_the_newest_dead_letters_are_kept_but_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_file, "MAX_DEAD_LETTERS", 5)
    with queue(tmp_path) as outbox:
        put(outbox, *[b"event %d" % n for n in range(20)])
        outbox.ack(outbox.status().epoch, 20, [Rejection(seq, "bad") for seq in range(1, 21)])
        assert outbox.status().dead_letters == 20
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        assert [seq for (seq,) in db.execute("SELECT seq FROM dead_letters ORDER BY id")] == [16, 17, 18, 19, 20]
    db.close()


def test_dead_letters_never_take_more_than_their_share_of_the_quota(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, *[big(n) for n in range(300)])
        outbox.ack(outbox.status().epoch, 300, [Rejection(seq, "bad") for seq in range(1, 301)])
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        size, newest = db.execute("SELECT sum(length(payload)), max(seq) FROM dead_letters").fetchone()
    db.close()
    assert 0 < size <= MEBIBYTE // 16
    assert newest == 300


def test_an_event_that_no_message_could_hold_is_refused_at_once(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        with pytest.raises(ValueError, match="longer than"):
            put(outbox, bytes(MAX_EVENT_BYTES + 1))
        assert put(outbox, bytes(MAX_EVENT_BYTES)) == range(1, 2)


def test_a_full_queue_drops_its_oldest_and_says_exactly_which(tmp_path: Path) -> None:
    times = iter(NOW + timedelta(seconds=n) for n in range(100_000))
    with queue(tmp_path, clock=lambda: next(times)) as outbox:
        assert put_big(outbox, range(1, 2001)) == 0
        status = outbox.status()
        left = everything(outbox)
        assert status.used_bytes <= status.max_bytes
        assert max(left) == 2000
        assert sorted(left) == list(range(min(left), 2001))
        assert all(payload == big(seq) for seq, payload in left.items())
        assert status.dropped_events == min(left) - 1
        [gap] = gaps(outbox)
        assert (gap.reason, gap.events_lost) == (GapReason.DROPPED_OLDEST, min(left) - 1)
        assert (gap.first_lost_seq, gap.last_lost_seq) == (1, min(left) - 1)
        assert NOW <= gap.lost_from < gap.lost_to
        assert (tmp_path / "outbox.sqlite").stat().st_size <= MEBIBYTE


def test_a_full_queue_that_rejects_keeps_the_oldest_and_says_how_many_it_refused(tmp_path: Path) -> None:
    with queue(tmp_path, when_full="reject_new") as outbox:
        refused = put_big(outbox, range(1, 1501))
        assert refused > 0
        assert everything(outbox) == {seq: big(seq) for seq in range(1, 1501 - refused)}
        assert outbox.status().rejected_events == refused
        assert outbox.status().dropped_events == 0
        outbox.ack(outbox.status().epoch, 1500 - refused)
        [gap] = gaps(outbox)
        assert (gap.reason, gap.events_lost, gap.first_lost_seq) == (GapReason.REJECTED_NEW, refused, 0)
        assert put(outbox, b"event again")


def test_a_full_queue_can_always_be_acked_and_filled_again(tmp_path: Path) -> None:
    with queue(tmp_path, when_full="reject_new") as outbox:
        for _ in range(3):
            while put(outbox, *[big(0)] * 10):
                pass
            while put(outbox, big(0)):
                pass
            position = outbox.position()
            for seq in range(position.lowest_unacked_seq, position.next_seq, 7):
                outbox.ack(position.epoch, seq, [Rejection(seq, "bad")])
            outbox.ack(position.epoch, position.next_seq - 1)
            assert outbox.status().pending_events == 0


def test_the_record_of_a_loss_that_is_itself_dropped_is_joined_to_the_next(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put_big(outbox, range(1, 1501))
        outbox.peek(0, 1, 1, hold=True)  # writes the record of the loss
        outbox.release()
        put_big(outbox, range(1501, 4001))
        status = outbox.status()
        found = gaps(outbox)
        kept = sum(payload.startswith(b"event") for payload in everything(outbox).values())
        assert sum(gap.events_lost for gap in found) == status.dropped_events == 4000 - kept


def test_what_is_on_the_way_is_never_dropped(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, big(1), big(2))
        sent = outbox.peek(0, 2, MEBIBYTE, hold=True)
        refused = put_big(outbox, range(3, 1503))
        assert everything(outbox)[1] == sent.payloads[0]
        assert outbox.status().dropped_events == 0
        assert outbox.status().rejected_events == refused > 0
        outbox.ack(sent.epoch, 2)
        assert put_big(outbox, range(1503, 1703)) == 0, "once it is acked the policy holds again"
        assert outbox.status().dropped_events > 0


def test_a_lowered_quota_is_reached_by_the_policy(tmp_path: Path) -> None:
    with queue(tmp_path, max_bytes=4 * MEBIBYTE) as outbox:
        put_big(outbox, range(3000))
    with queue(tmp_path, max_bytes=MEBIBYTE) as outbox:
        put(outbox, big(3000))
        status = outbox.status()
        assert status.used_bytes <= MEBIBYTE
        assert status.dropped_events == 3001 - status.pending_events


def test_threads_that_append_at_once_get_every_sequence_once(tmp_path: Path) -> None:
    taken: dict[int, bytes] = {}

    def work(name: int) -> None:
        for number in range(50):
            payloads = [b"event %d-%d-%d" % (name, number, each) for each in range(3)]
            taken.update(zip(put(outbox, *payloads), payloads, strict=True))

    with queue(tmp_path) as outbox:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert everything(outbox) == taken
        assert sorted(taken) == list(range(1, 1201))


def test_a_second_agent_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with queue(tmp_path) as outbox:
        put(outbox, b"event a")
        with pytest.raises(OutboxError, match="in use by another process: give each agent a state_dir of its own"):
            Outbox(tmp_path, MEBIBYTE)
        assert everything(outbox) == {1: b"event a"}


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match=r"the queue .*file/state/outbox\.sqlite cannot be opened"):
        Outbox(tmp_path / "file" / "state", MEBIBYTE)


def test_a_quota_that_is_too_small_to_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match=r"queue\.max_bytes is 65536: use at least"):
        Outbox(tmp_path, 65536)


def test_a_quota_larger_than_the_disk_is_a_problem_that_is_said(tmp_path: Path) -> None:
    assert quota_problem(tmp_path, MEBIBYTE) is None
    problem = quota_problem(tmp_path, 1 << 60)
    assert problem is not None
    assert "lower queue.max_bytes" in problem


def test_the_status_tells_the_age_of_the_oldest_event(tmp_path: Path) -> None:
    moments = [NOW, NOW + timedelta(seconds=5)]
    with queue(tmp_path, clock=lambda: moments[0]) as outbox:
        assert outbox.status().oldest_emitted_at is None
        put(outbox, b"event a")
        moments.pop(0)
        put(outbox, b"event b")
        assert outbox.status().oldest_emitted_at == NOW
        outbox.ack(outbox.status().epoch, 1)
        assert outbox.status().oldest_emitted_at == NOW + timedelta(seconds=5)


def test_somebody_who_waits_for_events_is_told_after_each_commit(tmp_path: Path) -> None:
    seen: list[int] = []
    with queue(tmp_path) as outbox:
        outbox.notify(lambda: seen.append(outbox.position().next_seq))
        put(outbox, b"event a")
        put(outbox, b"event b")
    assert seen == [2, 3]
