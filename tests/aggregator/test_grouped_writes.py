"""What shares a transaction or a statement: Hellos of many agents, rows of many events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from aggregator.config import CommitConfig
from aggregator.ingest import Ingest
from aggregator.records import Batch, Fenced, Opened, Opening, Outcome, QueueBehind, Stored
from aggregator.store.errors import StoreError, StoreUnavailableError
from aggregator.store.schema import sqlite_time
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import EPOCH, event, rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Run = Callable[[Coroutine[Any, Any, None]], None]


def hello(agent: str, lowest: int = 1, next_seq: int = 1_000_000) -> Opening:
    return Opening(agent, EPOCH, lowest, next_seq, "0.1.0", "nanodet", "c0ffee", "linux")


def batch(agent: str, fence: int, first_seq: int, count: int) -> Batch:
    entries = tuple(read_entry(seq, event(f"i-{seq}"), NOW) for seq in range(first_seq, first_seq + count))
    return Batch(agent, EPOCH, fence, first_seq, entries)


class SlowStore:
    """Counts transactions, and fails where it is told to; ``go`` lets the first one end."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.fails: dict[str, Exception] = {}
        self.loop = asyncio.get_running_loop()
        self.go = asyncio.Event()

    def commit(self, taken: list[Batch]) -> list[Outcome]:
        raise AssertionError("nothing is sent")

    def open_streams(self, hellos: list[Opening]) -> dict[str, Opened | QueueBehind]:
        self.groups.append([each.agent_id for each in hellos])
        if len(self.groups) == 1:
            asyncio.run_coroutine_threadsafe(self.go.wait(), self.loop).result(10)
        for each in hellos:
            if each.agent_id in self.fails:
                raise self.fails[each.agent_id]
        return {each.agent_id: Opened(len(self.groups), 0, 0) for each in hellos}


class NoWatch:
    def committed(self, seconds: float, batches: int) -> None: ...

    def commit_failed(self) -> None: ...


async def open_meanwhile(store: SlowStore, *agents: str) -> list[Any]:
    """The answers to ``agents``, who all come while the first one's transaction runs."""
    async with Ingest(store, CommitConfig(), NoWatch()) as ingest:
        opening = [asyncio.create_task(ingest.open(hello(agents[0])))]
        while not store.groups:
            await asyncio.sleep(0.001)
        opening += [asyncio.create_task(ingest.open(hello(agent))) for agent in agents[1:]]
        await asyncio.sleep(0.01)
        store.go.set()
        return await asyncio.gather(*opening, return_exceptions=True)


def test_hellos_that_come_while_a_transaction_runs_share_the_next(run: Run) -> None:
    async def test() -> None:
        store = SlowStore()
        opened = await open_meanwhile(store, "a", "b", "c", "d")
        assert store.groups == [["a"], ["b", "c", "d"]]
        assert opened == [Opened(1, 0, 0), *[Opened(2, 0, 0)] * 3]

    run(test())


def test_two_hellos_of_one_agent_are_never_in_one_transaction(run: Run) -> None:
    async def test() -> None:
        store = SlowStore()
        opened = await open_meanwhile(store, "a", "b", "b", "c")
        assert store.groups == [["a"], ["b", "c"], ["b"]]
        assert [each.fence for each in opened] == [1, 2, 3, 2]

    run(test())


def test_one_agents_impossible_hello_keeps_no_other_out(run: Run) -> None:
    async def test() -> None:
        store = SlowStore()
        store.fails["c"] = ValueError("no such thing")
        opened = await open_meanwhile(store, "a", "b", "c", "d")
        assert isinstance(opened[2], StoreError), "and its sender is told"
        assert [each.committed_seq for place, each in enumerate(opened) if place != 2] == [0, 0, 0]

    run(test())


def test_all_hellos_of_a_transaction_hear_that_the_store_is_away(run: Run) -> None:
    async def test() -> None:
        store = SlowStore()
        store.fails["c"] = StoreUnavailableError("locked")
        opened = await open_meanwhile(store, "a", "b", "c")
        assert opened[0] == Opened(1, 0, 0)
        assert [type(each) for each in opened[1:]] == [StoreUnavailableError] * 2
        assert store.groups == [["a"], ["b", "c"]], "and each tries again by itself, later"

    run(test())


def test_streams_of_one_transaction_are_told_each_its_own(store: Store) -> None:
    first = store.open_stream(hello("b"))
    assert isinstance(first, Opened)
    store.commit([batch("b", first.fence, 1, 5)])
    opened = store.open_streams([hello("c", lowest=41), hello("a", next_seq=1), hello("b", lowest=6)])
    assert opened == {"a": Opened(1, 0, 0), "b": Opened(first.fence + 1, 5, 0), "c": Opened(1, 40, 40)}
    assert store.commit([batch("b", first.fence, 6, 1)]) == [Fenced()], "the older stream is fenced off"
    assert store.commit([batch("b", first.fence + 1, 6, 1)]) == [Stored(6, (), 1, 0)]
    behind = store.open_streams([hello("a"), hello("b", next_seq=6)])
    assert behind == {"a": Opened(2, 0, 0), "b": QueueBehind(6)}
    assert store.commit([batch("b", first.fence + 1, 7, 1)]) == [Stored(7, (), 1, 0)], "which fences nothing off"


@pytest.mark.parametrize("count", [1, 255, 256, 257, 701])
def test_any_number_of_events_goes_in_whole_and_in_order(store: Store, any_url: URL, count: int) -> None:
    opened = store.open_stream(hello("a"))
    assert isinstance(opened, Opened)
    assert store.commit([batch("a", opened.fence, 1, count)]) == [Stored(count, (), count, 0)]
    found = rows(any_url, "SELECT seq, incident_id FROM incident_events ORDER BY seq")
    assert found == [(seq, f"i-{seq}") for seq in range(1, count + 1)]


def test_times_are_written_as_those_that_are_there_already() -> None:
    written: Any = sqlite.DATETIME().bind_processor(sqlite.dialect())
    for moment in (NOW, NOW.replace(microsecond=7), datetime(1970, 1, 1, tzinfo=UTC)):
        assert sqlite_time(moment) == written(moment.replace(tzinfo=None))
    assert sqlite_time(None) is None
