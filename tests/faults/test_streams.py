"""Streams that come twice, batches that come again and out of order, and epochs that come back from the past: each
event is stored once, in order, on either database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from clearway.v1 import ingest_pb2
from sqlalchemy.engine import URL, make_url

from aggregator.config import LimitsConfig
from aggregator.records import Batch, Fenced, Hole, Opened, Opening, Stored
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import Agent, config_for, event, rows, serving
from tests.aggregator.postgresql import Cluster
from tests.faults.extent import extent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = b"epoch of old....", b"epoch of today.."
LET_GO = (grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL)
"""What a stream that was taken over ends with; the second is what gRPC's client says of a write that came too late."""
NUMBERED_FROM = {OLD: 0, NEW: 3000}
AGENT = "box-1"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A store that is not there yet, on each kind of database."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path}/clearway.sqlite")
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.new_database()


@pytest.fixture
def store(url: URL) -> Iterator[Store]:
    with Store(url) as opened:
        opened.migrate()
        yield opened


def message(seq: int) -> ingest_pb2.Event:
    """Event ``seq``: each incident is opened, updated and closed."""
    return event(f"incident-{(seq - 1) // 3}", ("OPENED", "UPDATED", "CLOSED")[(seq - 1) % 3], at_s=seq)


def batch(epoch: bytes, fence: int, first: int, last: int, now: datetime = NOW) -> Batch:
    """Events ``first`` to ``last`` of an epoch; each epoch has incidents of its own."""
    entries = tuple(read_entry(seq, message(seq + NUMBERED_FROM[epoch]), now) for seq in range(first, last + 1))
    return Batch(AGENT, epoch, fence, first, entries)


def open_stream(store: Store, epoch: bytes, lowest: int, following: int) -> Opened:
    opened = store.open_stream(Opening(AGENT, epoch, lowest, following, "", "", "", ""))
    assert isinstance(opened, Opened)
    return opened


def stored(url: URL) -> list[tuple[bytes, int, bytes]]:
    query = "SELECT epoch, seq, payload FROM incident_events ORDER BY epoch, seq"
    return [(bytes(epoch), seq, bytes(payload)) for epoch, seq, payload in rows(url, query)]


def once_and_in_order(url: URL, epoch: bytes, last: int) -> None:
    expected = [(epoch, seq, message(seq).SerializeToString()) for seq in range(1, last + 1)]
    assert stored(url) == expected


# -- two at once -----------------------------------------------------------------------------------------------------


def test_two_streams_of_one_agent_that_take_over_from_each_other_store_each_event_once(url: URL) -> None:
    """A box whose card was copied: both hold the same queue and both send it, again and again."""
    events = extent(120, 1500)
    taken_over = 0

    async def send_all(address: str, seed: int) -> None:
        nonlocal taken_over
        chance = random.Random(seed)
        for _ in range(100_000):
            try:
                async with Agent(address, AGENT, OLD) as agent:
                    committed = (await agent.hello(1, events + 1)).committed_seq
                    while committed < events:
                        last = min(events, committed + chance.randint(1, 9))
                        await agent.batch(committed + 1, *map(message, range(committed + 1, last + 1)))
                        committed = (await agent.ack_through(last)).committed_through_seq
                    await agent.half_close()
                    return
            except (grpc.aio.AioRpcError, EOFError, asyncio.InvalidStateError) as error:
                if isinstance(error, grpc.aio.AioRpcError) and error.code() not in LET_GO:
                    raise
                taken_over += 1
                await asyncio.sleep(chance.uniform(0, 0.05))
        raise AssertionError("one of them never came to its end")

    async def scene() -> None:
        config = config_for(url, limits=LimitsConfig(streams_per_minute=100_000))
        async with serving(config) as service:
            await asyncio.gather(*(send_all(service.address, seed) for seed in range(2)))

    asyncio.run(asyncio.wait_for(scene(), extent(60, 240)))
    once_and_in_order(url, OLD, events)
    assert taken_over > 0, "they did get in each other's way"
    assert rows(url, "SELECT committed_seq, stored_events FROM streams") == [(events, events)]
    assert rows(url, "SELECT count(*) FROM gap_records") == [(0,)]


# -- again, and out of order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(extent(2, 20)))
def test_batches_that_come_again_late_overlapping_or_too_early_change_nothing(
    store: Store, url: URL, seed: int
) -> None:
    chance = random.Random(seed)
    last = 90
    cuts = sorted({1, last + 1, *(chance.randint(2, last) for _ in range(25))})
    parts = [(first, following - 1) for first, following in pairwise(cuts)]
    fence = open_stream(store, OLD, 1, last + 1).fence
    stale, committed, holes, duplicates = fence - 1, 0, 0, 0
    while committed < last:
        near = [part for part in parts if part[0] <= committed + 20]
        sent = chance.sample(near, min(len(near), 6)) + [part for part in parts if part[0] <= committed + 1][-2:]
        chance.shuffle(sent)
        group = [batch(OLD, chance.choice((fence, fence, fence, stale)), *part) for part in sent]
        for taken, outcome in zip(group, store.commit(group), strict=True):
            if taken.fence == stale:
                assert outcome == Fenced()
            elif taken.first_seq > committed + 1:
                assert outcome == Hole(committed + 1)
                holes += 1
            else:
                assert isinstance(outcome, Stored)
                final = taken.entries[-1].seq
                assert outcome.stored == max(0, final - committed)
                duplicates += outcome.duplicates
                committed = max(committed, final)
                assert outcome.committed_seq == committed
    once_and_in_order(url, OLD, last)
    assert holes > 0
    assert rows(url, "SELECT committed_seq, stored_events, duplicate_events FROM streams") == [(last, last, duplicates)]
    assert duplicates > 0


# -- out of the past -------------------------------------------------------------------------------------------------


def forget_all(store: Store, before: datetime) -> None:
    while store.forget(before):
        pass


def test_an_old_epoch_that_comes_back_after_retention_is_never_taken_again(store: Store, url: URL) -> None:
    """A card with an old queue is put into the box a year later."""
    last = 30
    fence = open_stream(store, OLD, 1, last + 1).fence
    assert store.commit([batch(OLD, fence, 1, last)]) == [Stored(last, (), last, 0)]
    fence = open_stream(store, NEW, 1, 10).fence
    later = NOW + timedelta(days=400)
    assert store.commit([batch(NEW, fence, 1, 9, later)]) == [Stored(9, (), 9, 0)]
    counted = store.snapshot().tallies
    forget_all(store, NOW + timedelta(days=1))
    kept = stored(url)
    assert {epoch for epoch, _, _ in kept} == {NEW}, "the old events are forgotten"

    back = open_stream(store, OLD, 1, last + 1)
    assert (back.committed_seq, back.lost) == (last, 0), "it is told that all of it is stored"
    assert store.commit([batch(OLD, back.fence, 1, last), batch(NEW, fence, 1, 9)]) == [
        Stored(last, (), 0, last),
        Fenced(),
    ]
    assert stored(url) == kept
    assert store.snapshot().tallies == counted
    assert store.commit([batch(OLD, back.fence, last + 1, last + 3)]) == [Stored(last + 3, (), 3, 0)]
    assert open_stream(store, NEW, 1, 10).committed_seq == 9
    assert rows(url, "SELECT count(*) FROM gap_records") == [(0,)]


def test_an_old_epoch_that_comes_back_by_a_stream_is_acknowledged_and_not_stored(url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(url), store) as service:
            async with Agent(service.address, AGENT, OLD) as agent:
                assert (await agent.hello(1, 13)).committed_seq == 0
                await agent.batch(1, *map(message, range(1, 13)))
                await agent.ack_through(12)
                await agent.half_close()
            forget_all(store, datetime.now(UTC) + timedelta(days=1))
            assert stored(url) == []
            async with Agent(service.address, AGENT, OLD) as agent:
                assert (await agent.hello(1, 13)).committed_seq == 12
                await agent.batch(1, *map(message, range(1, 13)))  # it does not listen
                assert (await agent.ack_through(12)).committed_through_seq == 12
                await agent.half_close()
            assert stored(url) == []

    store = Store(url)
    store.migrate()
    asyncio.run(asyncio.wait_for(scene(), 60))
