"""The power is cut at any write: what was committed is there afterwards, what was acknowledged stays so, nothing is
there twice. With ``synchronous=NORMAL`` the same cuts lose events, so the cuts are real."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest
from clearway.v1 import ingest_pb2
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import make_url

from aggregator.records import Batch, Opened, Opening, Stored
from aggregator.store.store import Store
from aggregator.wire import read_entry
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.outbox.queue_batch import Rejection
from tests.aggregator.harness import event
from tests.faults.extent import extent
from tests.faults.recorded_disk import RecordedDisk, recorded_disk

CUTS = extent(25, 200)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUOTA = 1 << 24
MANY_BYTES = 1 << 30
AGENT = "box-1"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def disk() -> Iterator[RecordedDisk]:
    with recorded_disk() as recorded:
        yield recorded


def everything(outbox: Outbox) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    after = 0
    while (batch := outbox.peek(after, 1000, MANY_BYTES)).payloads:
        found.update(enumerate(batch.payloads, batch.first_seq))
        after = batch.last_seq
    return found


def look_again(file: Path) -> None:
    """Another build of SQLite finds the file whole."""
    with closing(apsw.Connection(str(file), vfs="unix")) as db:
        assert db.execute("PRAGMA integrity_check").get == "ok"
        assert db.execute("PRAGMA foreign_key_check").get is None


# -- the agent's queue -----------------------------------------------------------------------------------------------


@dataclass
class Written:
    """What one life of a queue has said, up to the cut."""

    committed: dict[int, bytes] = field(default_factory=dict)
    offered: set[bytes] = field(default_factory=set)
    ack_begun: int = 0
    ack_done: int = 0

    def read(self, disk: RecordedDisk, until: int) -> None:
        """Take in what the marks before the cut say."""
        for mark in disk.marks(until):
            if mark.what == "appending":
                self.offered |= set(mark.value)
            elif mark.what == "committed":
                self.committed |= mark.value
            elif mark.what == "acking":
                self.ack_begun = max(self.ack_begun, mark.value)
            elif mark.what == "acked":
                self.ack_done = max(self.ack_done, mark.value)


def live(outbox: Outbox, disk: RecordedDisk, chance: random.Random, name: str) -> None:
    """Let the queue do what queues do, for a random time."""
    for number in range(chance.randint(1, 60)):
        if chance.random() < 0.75:
            count, size = chance.randint(1, 4), chance.choice((10, 400, 3000))
            payloads = [f"{name}.{number}.{each} ".encode() + bytes(size) for each in range(count)]
            disk.mark("appending", payloads)
            disk.mark("committed", dict(zip(outbox.append(payloads, EventKind.INCIDENT), payloads, strict=True)))
            continue
        position = outbox.position()
        if position.next_seq == position.lowest_unacked_seq:
            continue
        through = chance.randrange(position.lowest_unacked_seq, position.next_seq)
        disk.mark("acking", through)
        outbox.ack(position.epoch, through, [Rejection(through, "bad")] if chance.random() < 0.1 else [])
        disk.mark("acked", through)


def cut_queue(folder: Path, disk: RecordedDisk, seed: int, tune: Callable[[Outbox], None]) -> Iterator[list[str]]:
    """One queue through ``CUTS`` cuts; for each, what was broken."""
    chance = random.Random(seed)
    said = Written()
    epoch = b""
    place = folder / "0"
    place.mkdir()
    for number in range(CUTS):
        disk.begin(place)
        outbox = Outbox(place, QUOTA)
        tune(outbox)
        if epoch and outbox.position().epoch != epoch:
            raise AssertionError("the queue has begun anew, although it was never damaged")
        live(outbox, disk, chance, str(number))
        if chance.random() < 0.2:
            outbox.close()
        until = chance.randint(0, len(disk.happened))
        outbox.close()
        disk.leave(place, target := folder / str(number + 1), until, chance)
        place = target
        said.read(disk, until)

        outbox = Outbox(place, QUOTA)
        left, status = everything(outbox), outbox.status()
        outbox.close()
        look_again(place / "outbox.sqlite")
        assert sorted(left) == list(range(status.lowest_unacked_seq, status.next_seq))
        due = {seq: payload for seq, payload in said.committed.items() if seq > said.ack_begun}
        broken = [f"event {seq} is lost" for seq, payload in due.items() if payload not in left.values()]
        if (status.quarantined_files, status.shed_events) != (0, 0):
            broken.append("the cut was taken for damage")
        elif any(left.get(seq, payload) != payload for seq, payload in due.items()):
            broken.append("a sequence has changed its event")
        if status.next_seq <= max(said.committed, default=0):
            broken.append(f"sequence {status.next_seq} would be given out twice")
        if status.lowest_unacked_seq <= said.ack_done:
            broken.append("an ack was forgotten")
        if not broken:
            assert {payload for seq, payload in left.items() if seq not in said.committed} <= said.offered
        yield broken
        # Whatever is there now is what the next life begins with.
        epoch = status.epoch if said.committed else b""
        said = Written(dict(left), set(), status.lowest_unacked_seq - 1, status.lowest_unacked_seq - 1)


def as_it_is(_: Outbox) -> None:
    """No change."""


def hasty(outbox: Outbox) -> None:
    """What most programs choose: a commit does not wait for the disk."""
    outbox._file._db.execute("PRAGMA synchronous=NORMAL")


@pytest.mark.parametrize("seed", range(extent(1, 2)))
def test_the_queue_keeps_every_commit_and_every_ack_through_power_cuts(
    tmp_path: Path, disk: RecordedDisk, seed: int
) -> None:
    for number, broken in enumerate(cut_queue(tmp_path, disk, seed, as_it_is)):
        assert broken == [], f"cut {number} of seed {seed}"


def test_the_same_cuts_lose_events_of_a_queue_that_does_not_wait_for_the_disk(
    tmp_path: Path, disk: RecordedDisk
) -> None:
    lost = sum("is lost" in " ".join(broken) for broken in cut_queue(tmp_path, disk, 0, hasty))
    print(f"{lost} of {CUTS} cuts lost committed events")
    assert lost > CUTS // 10


# -- the aggregator's store ------------------------------------------------------------------------------------------


def open_store(folder: Path, *, hasty: bool = False) -> Store:
    store = Store(make_url(f"sqlite:///{folder}/clearway.sqlite"))
    if hasty:

        @sqlalchemy_event.listens_for(store._writer, "connect")
        def _do_not_wait(connection: sqlite3.Connection, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

    return store


def new_store(folder: Path) -> None:
    folder.mkdir()
    with open_store(folder) as store:
        store.migrate()


def hello(agent: str, epoch: bytes, lowest: int = 1, following: int = 10**9) -> Opening:
    return Opening(agent, epoch, lowest, following, "", "", "", "")


def batch(agent: str, epoch: bytes, fence: int, first: int, payloads: list[bytes]) -> Batch:
    entries = (
        read_entry(first + place, ingest_pb2.Event.FromString(payload), NOW) for place, payload in enumerate(payloads)
    )
    return Batch(agent, epoch, fence, first, tuple(entries))


def stored(folder: Path, agent: str) -> dict[int, tuple[str, bytes]]:
    """The incident and the payload of each stored sequence, read by another build of SQLite."""
    with closing(apsw.Connection(str(folder / "clearway.sqlite"), vfs="unix")) as db:
        query = "SELECT seq, incident_id, payload FROM incident_events WHERE agent_id = ? ORDER BY seq"
        return {seq: (incident, payload) for seq, incident, payload in db.execute(query, (agent,))}


def high_water(folder: Path, agent: str) -> tuple[int, int]:
    """How far the store says it is, and how many events it has counted."""
    with closing(apsw.Connection(str(folder / "clearway.sqlite"), vfs="unix")) as db:
        query = "SELECT committed_seq, stored_events FROM streams WHERE agent_id = ?"
        return db.execute(query, (agent,)).fetchone() or (0, 0)


def life_of(agent: str, seq: int) -> bytes:
    """Event ``seq`` of an agent: each incident is opened, updated and closed."""
    phase = ("OPENED", "UPDATED", "CLOSED")[seq % 3]
    return event(f"{agent}-incident-{seq // 3}", phase, at_s=seq).SerializeToString()


def cut_store(folder: Path, disk: RecordedDisk, seed: int, *, hasty: bool) -> Iterator[list[str]]:
    """One store through ``CUTS`` cuts while two agents send to it; for each, what was broken."""
    chance = random.Random(seed)
    agents = {name: name.encode().ljust(16) for name in ("box-1", "box-2")}
    new_store(place := folder / "0")
    for number in range(CUTS):
        disk.begin(place)
        acked = dict.fromkeys(agents, 0)
        with open_store(place, hasty=hasty) as store:
            fences = {}
            for agent, epoch in agents.items():
                opened = store.open_stream(hello(agent, epoch))
                assert isinstance(opened, Opened)
                fences[agent], acked[agent] = opened.fence, opened.committed_seq
            before = dict(acked)
            for _ in range(chance.randint(1, 25)):
                group = []
                for agent in chance.sample(sorted(agents), chance.randint(1, 2)):
                    seqs = range(acked[agent] + 1, acked[agent] + chance.randint(2, 12))
                    payloads = [life_of(agent, seq) for seq in seqs]
                    group.append(batch(agent, agents[agent], fences[agent], seqs[0], payloads))
                for taken, outcome in zip(group, store.commit(group), strict=True):
                    assert isinstance(outcome, Stored)
                    acked[taken.agent_id] = outcome.committed_seq
                disk.mark("acked", dict(acked))
        until = chance.randint(0, len(disk.happened))
        disk.leave(place, target := folder / str(number + 1), until, chance)
        place = target
        promised = next((mark.value for mark in reversed(disk.marks(until))), before)

        look_again(place / "clearway.sqlite")
        broken = []
        for agent in agents:
            there = stored(place, agent)
            assert list(there) == list(range(1, len(there) + 1)), "events are there once, in order, without a hole"
            assert high_water(place, agent) in ((len(there), len(there)), (0, 0))
            assert all(payload == life_of(agent, seq) for seq, (_, payload) in there.items())
            if len(there) < promised[agent]:
                broken.append(f"{agent}: {promised[agent] - len(there)} acked events are lost")
        yield broken


@pytest.mark.parametrize("seed", range(extent(1, 2)))
def test_the_store_keeps_every_event_that_it_acknowledged_through_power_cuts(
    tmp_path: Path, disk: RecordedDisk, seed: int
) -> None:
    for number, broken in enumerate(cut_store(tmp_path, disk, seed, hasty=False)):
        assert broken == [], f"cut {number} of seed {seed}"


def test_the_same_cuts_lose_acknowledged_events_of_a_store_that_does_not_wait_for_the_disk(
    tmp_path: Path, disk: RecordedDisk
) -> None:
    lost = sum(bool(broken) for broken in cut_store(tmp_path, disk, 0, hasty=True))
    print(f"{lost} of {CUTS} cuts lost acknowledged events")
    assert lost > CUTS // 10


# -- both ------------------------------------------------------------------------------------------------------------


def test_every_committed_event_arrives_once_and_in_order_though_the_power_of_either_side_fails(
    tmp_path: Path, disk: RecordedDisk
) -> None:
    """A queue and a store, with the uplink's steps between them: hello, peek, commit, ack."""
    chance = random.Random(3)
    emitted: list[bytes] = []
    box, city = tmp_path / "box-0", tmp_path / "city-0"
    box.mkdir()
    new_store(city)
    cuts = 0
    while cuts < CUTS:
        disk.begin(box, city)
        outbox = Outbox(box, QUOTA)
        with open_store(city) as store:
            position = outbox.position()
            opened = store.open_stream(hello(AGENT, position.epoch, position.lowest_unacked_seq, position.next_seq))
            assert isinstance(opened, Opened), "the store never has what the queue has yet to number"
            assert opened.lost == 0
            sent = opened.committed_seq
            outbox.ack(position.epoch, sent)
            for _ in range(chance.randint(1, 30)):
                if chance.random() < 0.5:
                    payloads = [
                        event(f"incident-{cuts}-{len(emitted)}-{chance.randrange(10**9)}").SerializeToString()
                        for _ in range(chance.randint(1, 5))
                    ]
                    disk.mark("appending", payloads)
                    assert outbox.append(payloads, EventKind.INCIDENT)
                    disk.mark("emitted", payloads)
                else:
                    waiting = outbox.peek(sent, 20, MANY_BYTES)
                    if waiting.payloads:
                        taken = batch(AGENT, waiting.epoch, opened.fence, waiting.first_seq, list(waiting.payloads))
                        (outcome,) = store.commit([taken])
                        assert isinstance(outcome, Stored)
                        sent = outcome.committed_seq
                        if chance.random() < 0.7:  # else the ack is lost on the way
                            outbox.ack(waiting.epoch, sent)
            end = len(disk.happened)
        outbox.close()
        which = chance.choice(("both", "box", "city"))
        # Where one side fails alone the other has done all that it was asked for, and goes on from there.
        until = chance.randint(0, end) if which == "both" else end
        for side, folder in (("box", box), ("city", city)):
            if which in ("both", side):
                cuts += 1
                disk.leave(folder, tmp_path / f"{side}-{cuts}", until, chance)
                box, city = (tmp_path / f"box-{cuts}", city) if side == "box" else (box, tmp_path / f"city-{cuts}")
        marks = disk.marks(until)
        emitted += [payload for mark in marks if mark.what == "emitted" for payload in mark.value]
        # An append that was under way at the cut may have been committed or not.
        if marks and marks[-1].what == "appending":
            outbox = Outbox(box, QUOTA)
            emitted += [payload for payload in everything(outbox).values() if payload in marks[-1].value]
            outbox.close()

    outbox = Outbox(box, QUOTA)
    with open_store(city) as store:
        position = outbox.position()
        opened = store.open_stream(hello(AGENT, position.epoch, position.lowest_unacked_seq, position.next_seq))
        assert isinstance(opened, Opened)
        rest = outbox.peek(opened.committed_seq, 10**6, MANY_BYTES)
        if rest.payloads:
            store.commit([batch(AGENT, rest.epoch, opened.fence, rest.first_seq, list(rest.payloads))])
    outbox.close()
    assert [payload for _, payload in stored(city, AGENT).values()] == emitted
    assert list(stored(city, AGENT)) == list(range(1, len(emitted) + 1))
