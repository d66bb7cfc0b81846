"""Whatever happens to the process, the file or the disk, the queue goes on and says what it lost."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_agent.outbox import file as outbox_file
from edge_agent.outbox import repair as outbox_repair
from edge_agent.outbox.gap import GapReason
from edge_agent.outbox.outbox import EventKind, Outbox
from tests.edge_agent.outbox.queues import EVENTS, FILE, MEBIBYTE, event, everything, filled, gaps_in

APPENDER = """
import sys
from pathlib import Path
from edge_agent.outbox.outbox import EventKind, Outbox

outbox = Outbox(Path(sys.argv[1]), 1 << 24)
number = 0
while True:
    payloads = [b"event %d" % (number + each) for each in range(3)]
    for seq, payload in zip(outbox.append(payloads, EventKind.INCIDENT), payloads, strict=True):
        print(seq, payload.decode(), flush=True)
    number += 3
"""


@pytest.mark.parametrize("run", range(3))
def test_every_append_that_returned_survives_a_kill(tmp_path: Path, run: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", APPENDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    assert child.stdout is not None
    for line in child.stdout:
        lines.append(line.rstrip("\n"))
        if len(lines) >= 60 + 100 * run:
            child.send_signal(signal.SIGKILL)
            break
    lines += [line.rstrip("\n") for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    child.wait(timeout=10)
    outbox = Outbox(tmp_path, 1 << 24)
    left = everything(outbox)
    status = outbox.status()
    outbox.close()
    for line in lines:
        seq, _, payload = line.partition(" ")
        assert left[int(seq)] == payload.encode()
    assert sorted(left) == list(range(1, len(left) + 1))
    assert (status.shed_events, status.quarantined_files) == (0, 0)


@pytest.mark.parametrize("variant", range(100))
def test_a_damaged_file_never_stops_the_queue_and_no_event_comes_back_changed(tmp_path: Path, variant: int) -> None:
    sound = filled(tmp_path)
    chance = random.Random(variant)
    damaged = bytearray(sound)
    kind = variant % 5
    if kind == 0:
        for _ in range(chance.choice([1, 3, 30, 300])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        damaged = damaged[: chance.randrange(len(damaged))]
    elif kind == 2:
        start = chance.randrange(0, len(damaged), 512)
        damaged[start : start + 512 * chance.randint(1, 16)] = bytes(512)
    elif kind == 3:
        page = chance.randrange(len(damaged) // 4096) * 4096
        damaged[page : page + 4096] = chance.randbytes(4096)
    else:
        damaged[chance.randrange(100)] ^= 1 << chance.randrange(8)
    (tmp_path / FILE).write_bytes(damaged)

    outbox = Outbox(tmp_path, MEBIBYTE)
    left = everything(outbox)
    [added] = outbox.append([b"event new"], EventKind.INCIDENT)
    status = outbox.status()
    after = everything(outbox)
    outbox.close()

    assert sorted(after) == list(range(1, len(left) + 2))
    assert after[added] == b"event new"
    genuine = {event(number) for number in range(1, EVENTS + 1)}
    kept = [each for each in left.values() if each.startswith(b"event")]
    assert set(kept) <= genuine
    assert len(set(kept)) == len(kept)
    assert kept == sorted(kept), "what is left is in its old order"
    if len(kept) < EVENTS:
        losses = gaps_in(left)
        assert losses, "a loss is never silent"
        assert {gap.reason for gap in losses} == {GapReason.QUEUE_DAMAGED}
        known = [gap.events_lost for gap in losses]
        assert 0 in known or sum(known) == EVENTS - len(kept)
    if status.quarantined_files:
        assert (tmp_path / f"{FILE}.damaged-1").read_bytes()[: len(damaged)] == bytes(damaged)


@pytest.mark.parametrize("variant", range(30))
def test_a_damaged_journal_never_stops_the_queue(tmp_path: Path, variant: int) -> None:
    outbox = Outbox(tmp_path, MEBIBYTE)
    for number in range(1, 31):
        outbox.append([event(number)], EventKind.INCIDENT)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    chance = random.Random(variant)
    journal = bytearray((tmp_path / f"{FILE}-wal").read_bytes())
    if variant % 2:
        journal = journal[: chance.randrange(len(journal))]
    else:
        journal[chance.randrange(len(journal))] ^= 1 << chance.randrange(8)
    (crashed / FILE).write_bytes((tmp_path / FILE).read_bytes())
    (crashed / f"{FILE}-wal").write_bytes(journal)
    outbox.close()

    outbox = Outbox(crashed, MEBIBYTE)
    left = everything(outbox)
    outbox.append([b"event new"], EventKind.INCIDENT)
    assert list(everything(outbox).values())[-1] == b"event new"
    outbox.close()
    kept = [each for each in left.values() if each.startswith(b"event")]
    assert kept == [event(number) for number in range(1, len(kept) + 1)]
    if variant % 2 == 0 and len(kept) < 29:  # the last commit may be what a power cut left, and that was never promised
        assert [gap.reason for gap in gaps_in(left)] == [GapReason.QUEUE_DAMAGED], "commits lost behind it are said"


def test_counts_and_losses_survive_in_the_new_file_under_a_new_epoch(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, MEBIBYTE)
    for number in range(0, 3000, 30):
        outbox.append([event(number + each) for each in range(30)], EventKind.INCIDENT)
    before = outbox.status()
    assert before.dropped_events > 0
    outbox.close()
    db = sqlite3.connect(tmp_path / FILE)
    (rowid,) = db.execute("SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET 500").fetchone()
    db.execute("DELETE FROM events WHERE seq BETWEEN ? AND ?", (rowid, rowid + 9))
    db.commit()
    db.close()

    outbox = Outbox(tmp_path, MEBIBYTE)
    status = outbox.status()
    left = everything(outbox)
    outbox.close()
    assert status.epoch != before.epoch
    assert (status.dropped_events, status.damaged_events, status.quarantined_files) == (before.dropped_events, 10, 1)
    [gap] = gaps_in(left)
    assert (gap.events_lost, gap.first_lost_seq, gap.last_lost_seq) == (10, rowid, rowid + 9)
    assert len(left) == before.pending_events - 10 + 1


def test_a_changed_payload_is_replaced_by_a_record_of_its_loss_in_its_place(tmp_path: Path) -> None:
    sound = filled(tmp_path)
    (tmp_path / FILE).write_bytes(sound.replace(event(7), event(7).replace(b"000007", b"000077")))
    outbox = Outbox(tmp_path, MEBIBYTE)
    left = everything(outbox)
    status = outbox.status()
    outbox.close()
    assert sorted(left) == list(range(1, EVENTS + 1))
    [gap] = gaps_in(left)
    assert (gap.reason, gap.events_lost, gap.first_lost_seq) == (GapReason.QUEUE_DAMAGED, 1, 7)
    assert left[7] not in (event(7), event(77))
    assert (status.damaged_events, status.quarantined_files) == (1, 0)


def with_rows(folder: Path, *statements: str) -> None:
    """Change rows of a closed queue as damage might."""
    db = sqlite3.connect(folder / FILE)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


UNSOUND = (
    f"emitted_us = {2**62}",
    "emitted_us = 'noon'",
    "payload = 17",
    "kind = x'00'",
    "checksum = 'none'",
    "kind = CAST(x'6eee6f' AS TEXT)",
)


@pytest.mark.parametrize("change", UNSOUND)
def test_a_row_of_an_event_may_hold_anything_and_harms_its_own_event_alone(tmp_path: Path, change: str) -> None:
    filled(tmp_path)
    with_rows(tmp_path, f"UPDATE events SET {change} WHERE seq IN (1, 2, 9)")
    outbox = Outbox(tmp_path, MEBIBYTE)
    assert outbox.status().oldest_emitted_at is None
    outbox.ack(outbox.position().epoch, 1)
    outbox.renew_epoch(0)
    left = everything(outbox)
    assert [gap.events_lost for gap in gaps_in(left)] == [1, 1]
    assert [each for each in left.values() if each.startswith(b"event")] == [
        event(number) for number in range(3, EVENTS + 1) if number != 9
    ]
    outbox.close()


@pytest.mark.parametrize("change", UNSOUND)
def test_a_damaged_event_can_be_dropped_from_a_full_queue(tmp_path: Path, change: str) -> None:
    filled(tmp_path)
    with_rows(tmp_path, f"UPDATE events SET {change} WHERE seq IN (1, 2, 9)")
    outbox = Outbox(tmp_path, MEBIBYTE)
    added = 0
    while not outbox.status().dropped_events:
        added += len(outbox.append([event(number) * 3 for number in range(30)], EventKind.INCIDENT))
    outbox.peek(0, 1, 1, hold=True)
    status = outbox.status()
    assert status.dropped_events + status.pending_events == EVENTS + added + 1, "the one is the record of the loss"
    outbox.close()


@pytest.mark.parametrize(
    "row",
    ["'dropped_olfest', 1, 1, 1, 0, 0", "'dropped_oldest', -1, 1, 1, 0, 0", f"'dropped_oldest', 1, 1, 1, 0, {2**62}"],
)
def test_a_record_of_losses_that_makes_no_sense_is_damage(tmp_path: Path, row: str) -> None:
    filled(tmp_path)
    with_rows(tmp_path, f"INSERT INTO gaps VALUES ({row})")
    outbox = Outbox(tmp_path, MEBIBYTE)
    outbox.peek(0, 1, 1, hold=True)
    assert outbox.status().quarantined_files == 1
    left = everything(outbox)
    assert [each for each in left.values() if each.startswith(b"event")] == [
        event(number) for number in range(1, EVENTS + 1)
    ]
    assert [gap.events_lost for gap in gaps_in(left)] == [0], "that something was lost is said"
    outbox.close()


@pytest.mark.parametrize("column", [b"lost_from_us", b"events_lost", b"reason", b"payload", b"emitted_us"])
def test_a_name_in_the_file_that_is_no_text_any_more_is_damage(tmp_path: Path, column: bytes) -> None:
    file = filled(tmp_path)
    schema = file.index(b"CREATE TABLE gaps") if b"_" in column else 0
    place = file.index(column, schema) + 2
    (tmp_path / FILE).write_bytes(file[:place] + b"\xee" + file[place + 1 :])
    outbox = Outbox(tmp_path, MEBIBYTE)
    assert outbox.status().quarantined_files == 1
    assert outbox.append([event(1)], EventKind.INCIDENT)
    outbox.close()


def test_files_that_were_set_aside_are_numbered_and_only_the_last_two_are_kept(tmp_path: Path) -> None:
    for _ in range(5):
        (tmp_path / FILE).write_bytes(b"this is no database, and long enough to be looked at" * 100)
        outbox = Outbox(tmp_path, MEBIBYTE)
        outbox.append([b"event"], EventKind.INCIDENT)
        quarantined = outbox.status().quarantined_files
        outbox.close()
    assert quarantined == 5
    kept = sorted(each.name for each in tmp_path.iterdir() if "damaged" in each.name and "-wal" not in each.name)
    assert kept == [f"{FILE}.damaged-4", f"{FILE}.damaged-5"]


@pytest.mark.parametrize("moment", ["rename", "read", "put away"])
def test_an_agent_that_dies_while_it_reads_a_damaged_file_reads_it_at_the_next_start_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class KilledError(BaseException):
        """The process is gone."""

    def die(*_: object) -> None:
        raise KilledError

    filled(tmp_path)
    before = Outbox(tmp_path, MEBIBYTE)
    before.append([b"event of the journal"], EventKind.INCIDENT)
    file, journal = (tmp_path / FILE).read_bytes(), (tmp_path / f"{FILE}-wal").read_bytes()
    before.close()
    (tmp_path / FILE).write_bytes(file[:68] + b"\xff" + file[69:])  # it says that it is no queue of ours
    (tmp_path / f"{FILE}-wal").write_bytes(journal)
    with monkeypatch.context() as patched:
        if moment == "rename":
            patched.setattr(outbox_repair, "_move_journal", die)
        else:
            patched.setattr(outbox_file, "salvage" if moment == "read" else "put_away", die)
        with pytest.raises(KilledError):
            Outbox(tmp_path, MEBIBYTE)

    outbox = Outbox(tmp_path, MEBIBYTE)
    kept = [event(number) for number in range(1, EVENTS + 1)] + [b"event of the journal"]
    assert list(everything(outbox).values()) == kept
    assert outbox.status().quarantined_files == 1
    outbox.close()
    aside = sorted(each.name for each in tmp_path.iterdir() if "damaged" in each.name)
    assert aside[0] == f"{FILE}.damaged-1"
    assert not [name for name in aside if "unread" in name]


def test_a_file_of_another_program_is_not_touched_but_set_aside(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE recipes (name TEXT)")
    db.execute("INSERT INTO recipes VALUES ('soup')")
    db.commit()
    db.close()
    outbox = Outbox(tmp_path, MEBIBYTE)
    assert outbox.append([b"event"], EventKind.INCIDENT)
    outbox.close()
    db = sqlite3.connect(tmp_path / f"{FILE}.damaged-1")
    assert db.execute("SELECT name FROM recipes").fetchall() == [("soup",)]
    db.close()


def test_damage_that_shows_while_the_agent_runs_starts_a_new_queue_and_the_event_gets_in(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 16 * MEBIBYTE)
    before = outbox.status().epoch
    outbox.append(
        [event(number) * 10 for number in range(2000)], EventKind.INCIDENT
    )  # more than SQLite keeps in memory
    middle = 4 * MEBIBYTE
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(middle)
        file.write(random.Random(1).randbytes(64 * 1024))
    everything(outbox)
    assert outbox.append([b"event new"], EventKind.INCIDENT)
    status = outbox.status()
    left = everything(outbox)
    outbox.close()
    assert status.epoch != before
    assert status.quarantined_files == 1
    assert b"event new" in left.values()
    [gap] = gaps_in(left)
    assert gap.events_lost == 2000 - (len(left) - 2) > 0


def test_threads_waiting_for_one_commit_all_hear_of_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path, MEBIBYTE)
    heard: list[str] = []

    def fail(*_: object) -> None:
        time.sleep(0.05)
        raise sqlite3.ProgrammingError("a fault in the program")

    monkeypatch.setattr(outbox._file, "insert", fail)

    def append() -> None:
        try:
            outbox.append([b"event"], EventKind.INCIDENT)
        except sqlite3.ProgrammingError as error:
            heard.append(str(error))

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close()
    assert heard == ["a fault in the program"] * 4
