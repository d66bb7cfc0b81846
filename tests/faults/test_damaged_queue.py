"""However a box's queue file or its journal is damaged, the agent runs, no sequence is used twice, and what could be
read arrives or is said to be lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clearway.v1 import ingest_pb2
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import make_url

from aggregator.records import Batch, Opened, Opening, Stored
from aggregator.store.store import Store
from aggregator.wire import read_entry
from edge_agent.outbox.outbox import EventKind, Outbox
from tests.aggregator.harness import rows
from tests.faults.emitter import incident
from tests.faults.extent import extent

VARIANTS = extent(120, 1000)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUOTA = 4 * 1024 * 1024
FILE, JOURNAL = "outbox.sqlite", "outbox.sqlite-wal"
PAGE, FRAME, HEADER = 4096, 4120, 32

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Life:
    """A box up to the moment at which it was killed: its files, and what it and the aggregator know."""

    epoch: bytes
    file: bytes
    journal: bytes
    names: dict[int, str]
    """Every event that was committed, by sequence."""
    commits: list[range]
    stored_through: int
    """What the aggregator has; the ack of the last part of it may not be in the file."""


def event(name: str) -> bytes:
    return incident(name, NOW, padding=100)


def a_life(folder: Path, seed: int) -> Life:
    """Some dozens to hundreds of commits, so that the journal was written back never, once or several times."""
    chance = random.Random(seed)
    outbox = Outbox(folder, QUOTA)
    outbox._file._db.execute("PRAGMA synchronous=OFF")  # the same bytes, sooner
    names: dict[int, str] = {}
    commits: list[range] = []
    stored = 0
    for _ in range(chance.choice((12, 60, 200))):
        batch = [f"old-{len(names) + 1 + each}" for each in range(chance.randint(1, 6))]
        seqs = outbox.append([event(name) for name in batch], EventKind.INCIDENT)
        names.update(zip(seqs, batch, strict=True))
        commits.append(seqs)
        if chance.random() < 0.1:
            stored = chance.randint(stored, len(names))
            outbox.ack(outbox.position().epoch, max(0, stored - chance.choice((0, 0, 3))))
    epoch = outbox.position().epoch
    if seed % 4 == 3:
        outbox.close()
    journal = folder / JOURNAL
    left = (folder / FILE).read_bytes(), journal.read_bytes() if journal.exists() else b""
    if seed % 4 != 3:
        outbox.close()
    return Life(epoch, *left, names, commits, stored)


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> list[Life]:
    return [a_life(tmp_path_factory.mktemp("life"), seed) for seed in range(12)]


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(store_folder: Path) -> Iterator[Store]:
    with Store(make_url(f"sqlite:///{store_folder}/clearway.sqlite")) as opened:

        @sqlalchemy_event.listens_for(opened._writer, "connect")
        def _do_not_wait(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # its disk is not what is tried here

        opened.migrate()
        yield opened


# -- damage ----------------------------------------------------------------------------------------------------------

Damage = Callable[[bytearray, random.Random, int, int], None]


def flip_bits(data: bytearray, chance: random.Random, _head: int, _part: int) -> None:
    for _ in range(chance.choice((1, 3, 30, 300))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_a_bit_at_the_beginning(data: bytearray, chance: random.Random, _head: int, _part: int) -> None:
    data[chance.randrange(min(100, len(data)))] ^= 1 << chance.randrange(8)


def cut_short(data: bytearray, chance: random.Random, _head: int, _part: int) -> None:
    del data[chance.randrange(len(data)) :]


def lose_parts(data: bytearray, chance: random.Random, head: int, part: int) -> None:
    start = head + chance.randrange(max(1, (len(data) - head) // part)) * part
    del data[start : start + part * chance.randint(1, 4)]


def zero_parts(data: bytearray, chance: random.Random, head: int, part: int) -> None:
    start = head + chance.randrange(max(1, (len(data) - head) // part)) * part
    end = min(len(data), start + part * chance.randint(1, 4))
    data[start:end] = bytes(end - start)


def swap_parts(data: bytearray, chance: random.Random, head: int, part: int) -> None:
    count = max(1, (len(data) - head) // part)
    one, other = (head + chance.randrange(count) * part for _ in range(2))
    data[one : one + part], data[other : other + part] = data[other : other + part], data[one : one + part]


def fill_with_noise(data: bytearray, chance: random.Random, head: int, part: int) -> None:
    start = head + chance.randrange(max(1, (len(data) - head) // part)) * part
    end = min(len(data), start + part)
    data[start:end] = chance.randbytes(end - start)


def delete(data: bytearray, _chance: random.Random, _head: int, _part: int) -> None:
    data.clear()


DAMAGES: list[Damage] = [
    flip_bits,
    flip_a_bit_at_the_beginning,
    cut_short,
    zero_parts,
    swap_parts,
    fill_with_noise,
    lose_parts,
    delete,
]


def said_by_the_journal(before: bytes, after: bytes) -> bool:
    """True if two whole commits follow the last changed byte of a journal: then its damage must be noticed."""
    if len(after) < len(before):
        return False
    changed = max((place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new), default=0)
    frames = range((max(changed - HEADER, 0)) // FRAME + 1, (len(before) - HEADER) // FRAME)
    salts = before[HEADER + 8 : HEADER + 16]
    return (
        sum(
            any(frame[4:8]) and frame[8:16] == salts
            for frame in (before[HEADER + number * FRAME :][:24] for number in frames)
        )
        >= 2
    )


# -- what the uplink does --------------------------------------------------------------------------------------------


def opening(agent: str, epoch: bytes, lowest: int, following: int) -> Opening:
    return Opening(agent, epoch, lowest, following, "", "", "", "")


def commit(store: Store, agent: str, epoch: bytes, fence: int, first: int, payloads: list[bytes]) -> Stored:
    entries = tuple(
        read_entry(first + place, ingest_pb2.Event.FromString(payload), NOW) for place, payload in enumerate(payloads)
    )
    (outcome,) = store.commit([Batch(agent, epoch, fence, first, entries)])
    assert isinstance(outcome, Stored)
    assert outcome.rejected == ()
    return outcome


def deliver(outbox: Outbox, store: Store, agent: str) -> None:
    """Hello, welcome, batches and acks, as the uplink's session does them, until nothing is left."""
    for _ in range(4):
        position = outbox.position(hold=True)
        opened = store.open_stream(opening(agent, position.epoch, position.lowest_unacked_seq, position.next_seq))
        if outbox.is_behind(opened.committed_seq):
            outbox.renew_epoch(opened.committed_seq)
            continue
        assert isinstance(opened, Opened)
        outbox.ack(position.epoch, opened.committed_seq)
        sent = max(opened.committed_seq, position.lowest_unacked_seq - 1)
        while (batch := outbox.peek(sent, 256, 1 << 20, hold=True)).payloads and batch.epoch == position.epoch:
            sent = commit(store, agent, batch.epoch, opened.fence, batch.first_seq, list(batch.payloads)).committed_seq
            outbox.ack(batch.epoch, sent)
        outbox.release()
        if batch.epoch == position.epoch:
            assert outbox.status().pending_events == 0
            return
    raise AssertionError("the queue begins anew again and again")


def store_what_was_sent(store: Store, agent: str, life: Life) -> None:
    opened = store.open_stream(opening(agent, life.epoch, 1, 10**6))
    assert isinstance(opened, Opened)
    if life.stored_through:
        payloads = [event(life.names[seq]) for seq in range(1, life.stored_through + 1)]
        commit(store, agent, life.epoch, opened.fence, 1, payloads)


# -- the test --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_queue_never_stops_the_agent_and_nothing_that_could_be_read_is_silently_lost(
    tmp_path: Path, lives: list[Life], store: Store, store_folder: Path, damage: Damage
) -> None:
    told = Counter[str]()
    for variant in range(VARIANTS // len(DAMAGES)):
        folder = tmp_path / str(variant)
        folder.mkdir()
        try:
            told[outlive(folder, lives, store, store_folder, damage, variant)] += 1
        except Exception as error:
            error.add_note(f"{damage.__name__}, variant {variant}")
            raise
        shutil.rmtree(folder)
    print(dict(told))


def outlive(tmp_path: Path, lives: list[Life], store: Store, store_folder: Path, damage: Damage, variant: int) -> str:
    """One damaged queue from its opening to the last ack; what became of its events, in a word."""
    chance = random.Random(f"{damage.__name__} {variant}")
    life = chance.choice(lives)
    file, journal = bytearray(life.file), bytearray(life.journal)
    in_journal = bool(journal) and chance.random() < 0.5
    if in_journal:
        damage(journal, chance, HEADER, FRAME)
    else:
        damage(file, chance, 0, PAGE)
    if chance.random() < 0.1 and journal and file:
        in_journal = True
        damage(file, chance, 0, PAGE)
        damage(journal, chance, HEADER, FRAME)
    if file or journal:
        (tmp_path / FILE).write_bytes(file)
    if journal:
        (tmp_path / JOURNAL).write_bytes(journal)
    agent = f"{damage.__name__}-{variant}"
    store_what_was_sent(store, agent, life)

    outbox = Outbox(tmp_path, QUOTA)
    new = [f"new-{number}" for number in range(6)]
    if chance.random() < 0.7:
        assert len(outbox.append([event(name) for name in new[:3]], EventKind.INCIDENT)) == 3
        deliver(outbox, store, agent)
    else:
        deliver(outbox, store, agent)
        assert len(outbox.append([event(name) for name in new[:3]], EventKind.INCIDENT)) == 3
    assert len(outbox.append([event(name) for name in new[3:]], EventKind.INCIDENT)) == 3
    deliver(outbox, store, agent)
    status = outbox.status()
    outbox.close()

    url = make_url(f"sqlite:///{store_folder}/clearway.sqlite")
    names = [
        name
        for (name,) in rows(url, f"SELECT incident_id FROM incident_events WHERE agent_id='{agent}' ORDER BY rowid")
    ]
    gaps = rows(url, f"SELECT reason, events_lost FROM gap_records WHERE agent_id='{agent}' AND NOT explained")
    assert [name for name in names if name in new] == new, "what came after the damage arrives once, in order"

    counted = Counter(names)
    twice = {name for name, count in counted.items() if count > 1}
    assert twice <= {life.names[seq] for seq in range(1, life.stored_through + 1)}, "sent anew only if it was sent"
    aside = [
        each for each in tmp_path.iterdir() if ".damaged-" in each.name and not each.name.endswith(("-wal", "-shm"))
    ]
    assert len(aside) == status.quarantined_files <= 1
    assert not twice or aside, "only the events of a file that was set aside are sent anew"

    missing = [seq for seq, name in life.names.items() if name not in counted]
    if missing and (not in_journal or said_by_the_journal(life.journal, bytes(journal))):
        known = [lost for _, lost in gaps]
        deleted = not file and not journal
        assert deleted or 0 in known or sum(known) >= len(missing), f"{len(missing)} events are silently lost: {gaps}"
    if missing and in_journal:
        assert missing == list(range(missing[0], len(life.names) + 1)) or gaps, "only the end can be lost unsaid"
    if not missing:
        return "set aside, whole" if aside else "whole"
    return "lost and said" if gaps else "end lost"
