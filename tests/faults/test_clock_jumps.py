"""A box's clock jumps by a day, forwards and back, while it queues and while it sends: nothing is lost or doubled, the
order is that of the sequences, and the offset is known as it is."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent import wire
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.outbox.queue_batch import FullPolicy
from edge_agent.uplink.uplink import Uplink
from tests.end_to_end.running import Folder, Process, until
from tests.faults.emitter import AGENT_ID, QUICK, heartbeat, incident
from tests.faults.extent import extent

DAY = timedelta(days=1)
JUMPS = extent(8, 100)


class JumpingClock:
    """The time, and how far it is off."""

    def __init__(self) -> None:
        self.off = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


class Box:
    """A queue and an uplink with a clock that jumps."""

    def __init__(self, folder: Folder) -> None:
        self.clock = JumpingClock()
        self.outbox = Outbox(folder.path / "state", 1 << 24, clock=self.clock)
        self.uplink = Uplink(
            folder.address, AGENT_ID, self.outbox, heartbeat, insecure=True, settings=QUICK, clock=self.clock
        )
        self.emitted: list[tuple[str, timedelta]] = []

    def emit(self, count: int) -> None:
        names = [f"event-{len(self.emitted) + each:06}" for each in range(count)]
        self.emitted += [(name, self.clock.off) for name in names]
        assert self.outbox.append([incident(name, self.clock()) for name in names], EventKind.INCIDENT)

    def drained(self) -> bool:
        return self.outbox.status().pending_events == 0


@pytest.fixture
def box(folder: Folder) -> Iterator[Box]:
    box = Box(folder)
    yield box
    assert box.uplink.stop()
    box.outbox.close()


def stored_times(folder: Folder) -> list[tuple[str, datetime, datetime, datetime]]:
    """Incident, observed, emitted and received time of each event, by sequence."""
    query = "SELECT incident_id, observed_at, emitted_at, received_at FROM incident_events ORDER BY seq"
    return [
        (name, *(datetime.fromisoformat(each).replace(tzinfo=UTC) for each in times))  # type: ignore[misc]
        for name, *times in folder.store.rows(query)
    ]


def test_a_clock_that_jumps_by_days_loses_doubles_and_reorders_nothing(folder: Folder, box: Box) -> None:
    chance = random.Random(11)
    began = datetime.now(UTC)
    box.emit(20)
    box.clock.off = DAY
    box.emit(20)  # queued before anybody listens
    aggregator = folder.serve()
    box.uplink.start()
    for _ in range(JUMPS):
        box.clock.off = chance.choice((-DAY, timedelta(), DAY))
        for _ in range(chance.randint(1, 8)):
            box.emit(chance.randint(1, 5))
            time.sleep(chance.uniform(0, 0.02))
        if chance.random() < 0.2:
            box.uplink.reconnect()
        if chance.random() < 0.1:
            aggregator = restarted(folder, aggregator)
    until(box.drained, "all is sent", aggregator)
    assert box.uplink.status().failures == 0

    there = stored_times(folder)
    assert [name for name, *_ in there] == [name for name, _ in box.emitted], "order is by sequence"
    ended = datetime.now(UTC)
    for (name, observed, emitted, received), (_, off) in zip(there, box.emitted, strict=True):
        assert began <= received <= ended, name
        assert began + off <= observed <= emitted + timedelta(seconds=1) <= ended + off + timedelta(seconds=1), name
    assert folder.store.count("gap_records") == folder.store.count("rejected_events") == 0


def restarted(folder: Folder, aggregator: Process) -> Process:
    aggregator.kill()
    return folder.serve()


def test_a_jump_shows_in_the_offset_at_once_on_both_sides(folder: Folder, box: Box) -> None:
    def told(off: timedelta) -> bool:
        said = folder.scrape_aggregator().get("clearway_agent_clock_offset_seconds")
        return said is not None and abs(said - off.total_seconds()) < 5

    aggregator = folder.serve()
    box.uplink.start()
    until(lambda: told(timedelta()), "the clocks agree", aggregator)
    streams = box.uplink.status().reconnects
    for off in (DAY, -DAY, timedelta()):
        box.clock.off = off
        until(lambda: told(off), f"the clock is off by {off}", aggregator, timeout_s=15)  # noqa: B023 called at once
        measured_s = box.uplink.status().clock_offset_s
        assert measured_s is not None
        assert abs(measured_s - off.total_seconds()) < 5
    assert box.uplink.status().reconnects == streams, "without a new connection"


def test_losses_while_the_clock_jumps_are_counted_and_their_times_are_a_stretch(tmp_path: Path) -> None:
    clock = JumpingClock()
    outbox = Outbox(tmp_path, 512 * 1024, FullPolicy.DROP_OLDEST, clock=clock)
    emitted = 0
    for off in (timedelta(), DAY, -DAY, timedelta()) * 6:
        clock.off = off
        for _ in range(20):
            emitted += len(outbox.append([incident(f"event-{emitted}", clock(), 100)] * 10, EventKind.INCIDENT))
    outbox.peek(0, 1, 1, hold=True)  # which writes the record of the loss
    status = outbox.status()
    assert status.dropped_events == emitted - (status.pending_events - 1) > 0
    last = outbox.peek(status.next_seq - 2, 1, 1 << 20).payloads[0]
    gap = wire.gap_of(last)
    outbox.close()
    assert (gap.events_lost, gap.first_lost_seq) == (status.dropped_events, 1)
    assert gap.last_lost_seq == status.lowest_unacked_seq - 1
    assert gap.lost_to - gap.lost_from >= 2 * DAY - timedelta(minutes=5)
