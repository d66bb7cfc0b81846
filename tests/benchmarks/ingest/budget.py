"""Where the processor time of one event goes: the parts of the way in, each alone, microseconds.

What a whole server takes beside these is gRPC, the event loop, metrics, and waiting in turn for the interpreter.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearway.v1 import ingest_pb2
from events import BATCH, batch
from sqlalchemy import event as sql
from sqlalchemy.engine import make_url

from aggregator.bounds import columns
from aggregator.entries import read_entries
from aggregator.records import Batch, Opened, Opening
from aggregator.service import COLLECT_AFTER
from aggregator.store.store import Store

STREAMS, BATCHES = 50, 12
GROUP = 10
"""Batches of one transaction, as the group commit takes them under load."""


def budget(folder: Path) -> dict[str, float]:
    """Microseconds an event of each part."""
    gc.set_threshold(*COLLECT_AFTER)
    now = datetime.now(UTC)
    raw = [batch(number, place * BATCH + 1) for place in range(BATCHES) for number in range(STREAMS)]
    parsed = [ingest_pb2.ConnectRequest.FromString(data).batch for data in raw]
    spent = {
        "protobuf": _each(raw, ingest_pb2.ConnectRequest.FromString),
        "bounds": _each(parsed, lambda message: columns(message.events, now)),
        "payload": _each(parsed, lambda message: [each.SerializeToString() for each in message.events]),
    }
    read = _each(parsed, lambda message: read_entries(message.first_seq, message.events, now))
    spent["values"] = read - spent["bounds"] - spent["payload"]
    return spent | _store(folder / "budget.sqlite", parsed, now)


def _each(things: Sequence[Any], work: Callable[[Any], Any]) -> float:
    """Processor time of ``work`` for each event of these batches; the best of three rounds."""
    rounds = []
    for _ in range(3):
        began_s = time.thread_time()
        for thing in things:
            work(thing)
        rounds.append(time.thread_time() - began_s)
    return min(rounds) * 1e6 / (len(things) * BATCH)


def _store(path: Path, parsed: Sequence[Any], now: datetime) -> dict[str, float]:
    spent = {"statements": 0.0, "commit": 0.0}
    began_s = [0.0]

    def begin(*_: Any) -> None:
        began_s[0] = time.thread_time()

    def end(*_: Any) -> None:
        spent["statements"] += time.thread_time() - began_s[0]

    with Store(make_url(f"sqlite:///{path}")) as store:
        store.migrate()
        opened = store.open_streams(
            [
                Opening(f"load-{number}", number.to_bytes(16, "big"), 1, 2**40, "", "", "", "")
                for number in range(STREAMS)
            ]
        )
        batches = []
        for place, message in enumerate(parsed):
            number = place % STREAMS
            stream = opened[f"load-{number}"]
            assert isinstance(stream, Opened)
            entries = read_entries(message.first_seq, message.events, now)
            batches.append(
                Batch(f"load-{number}", number.to_bytes(16, "big"), stream.fence, message.first_seq, entries)
            )
        sql.listen(store._writer, "before_cursor_execute", begin)
        sql.listen(store._writer, "after_cursor_execute", end)
        commit = store._writer.dialect.do_commit

        def timed_commit(connection: Any) -> None:
            begin()
            commit(connection)
            spent["commit"] += time.thread_time() - began_s[0]

        store._writer.dialect.do_commit = timed_commit  # type: ignore[method-assign]
        all_began_s = time.thread_time()
        for first in range(0, len(batches), GROUP):
            store.commit(batches[first : first + GROUP])
        all_s = time.thread_time() - all_began_s
    events = len(parsed) * BATCH
    rows_s = all_s - spent["statements"] - spent["commit"]
    return {"rows": rows_s * 1e6 / events} | {name: each * 1e6 / events for name, each in spent.items()}
