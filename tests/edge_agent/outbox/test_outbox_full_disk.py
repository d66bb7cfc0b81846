"""A disk that takes nothing costs new events alone, and they are counted."""

from __future__ import annotations

import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.outbox.gap import GapReason
from edge_agent.outbox.outbox import EventKind, Outbox
from tests.edge_agent.outbox.queues import FILE, MEBIBYTE, event, everything, gaps_in


def _limit_file_size(soft: int) -> int:
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return before


def test_a_disk_that_takes_nothing_loses_new_events_alone_and_they_are_counted_once_it_does(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 4 * MEBIBYTE, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert outbox.append([event(1)], EventKind.INCIDENT)
    before = _limit_file_size((tmp_path / f"{FILE}-wal").stat().st_size)
    try:
        refused = sum(not outbox.append([event(2), event(3)], EventKind.INCIDENT) for _ in range(10))
        blocked = outbox.status()
        outbox.ack(blocked.epoch, 1)
    finally:
        _limit_file_size(before)
    assert refused == 10
    assert not blocked.writable
    assert blocked.rejected_events == 20
    assert outbox.append([event(4)], EventKind.INCIDENT) == range(2, 3)
    status = outbox.status()
    assert status.writable
    assert status.rejected_events == 20
    assert status.lowest_unacked_seq == 2, "the ack that the disk did not take was made up for"
    outbox.peek(0, 1, 1, hold=True)
    [gap] = gaps_in(everything(outbox))
    assert (gap.reason, gap.events_lost) == (GapReason.REJECTED_NEW, 20)
    outbox.close()


def test_what_a_disk_did_not_take_is_made_up_for_though_nothing_new_happens(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 4 * MEBIBYTE)
    outbox.append([event(1), event(2)], EventKind.INCIDENT)
    outbox._reserve.spend()
    before = _limit_file_size((tmp_path / f"{FILE}-wal").stat().st_size)
    try:
        outbox.ack(outbox.position().epoch, 2)
        assert outbox.status().pending_events == 2
    finally:
        _limit_file_size(before)
    outbox.peek(2, 1, 1, hold=True)  # as the uplink does all the time
    assert (outbox.status().pending_events, outbox.status().writable) == (0, True)
    outbox.close()


FULL_DISK = """
import sys
from pathlib import Path
from edge_agent.outbox.outbox import EventKind, Outbox

folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(700_000))
asked = []

def make_room(wanted):
    asked.append(wanted)
    if len(asked) == 2:
        ballast.unlink()
        return True
    return False

outbox = Outbox(folder / "state", 1 << 24, make_room=make_room)
results = [bool(outbox.append([bytes(20_000)], EventKind.INCIDENT)) for _ in range(300)]
first = results.index(False)
assert first > 3, results
assert sum(results) > first + 10, "room was made, so that later events got in"
assert not results[-1], "and the disk was full again"
status = outbox.status()
assert status.rejected_events == results.count(False), status
assert status.pending_events == sum(results), status
outbox.ack(status.epoch, status.next_seq - 1)
assert outbox.append([bytes(20_000)], EventKind.INCIDENT), "an ack makes room even then"
print("ok")
"""


def test_a_full_disk_is_asked_for_room_first_and_loses_new_events_alone_after(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=6m tmpfs '{tmp_path}'"
    if subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.endswith("ok\n"), done.stderr
