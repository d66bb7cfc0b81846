"""What a statement costs does not grow with the store."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from sqlalchemy import event as sql
from sqlalchemy.engine import URL

from aggregator.entries import read_entries
from aggregator.records import Batch, Opened, Opening
from aggregator.store.incidents import IncidentQuery
from aggregator.store.store import Store
from tests.aggregator.harness import EPOCH, camera_change, event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_rows_are_found_by_their_keys_and_not_by_reading_whole_tables(sqlite_url: URL) -> None:
    asked: set[str] = set()
    with Store(sqlite_url) as store:
        store.migrate()
        opened = store.open_stream(Opening("a", EPOCH, 1, 1_000, "", "", "", ""))
        assert isinstance(opened, Opened)
        sql.listen(store._writer, "before_cursor_execute", lambda *given: asked.add(given[2]))
        events = [event(f"i-{number}", "CLOSED") for number in range(2)] + [camera_change("north", "DARK")]
        store.commit([Batch("a", EPOCH, opened.fence, 1, read_entries(1, events, NOW))])
        store.commit([Batch("a", EPOCH, opened.fence, 4, read_entries(4, events, NOW))])
        while store.forget(NOW + timedelta(days=1000)):
            pass
        assert len(store.incidents(IncidentQuery())) == 0
    keyed = [each for each in asked if each.startswith(("SELECT", "WITH", "DELETE", "UPDATE")) and "LIMIT" not in each]
    assert len(keyed) >= 8
    with sqlite3.connect(sqlite_url.database or "") as connection:
        for statement in keyed:
            assert scanned(connection, statement) == [], statement
    connection.close()


def scanned(connection: sqlite3.Connection, statement: str) -> list[str]:
    """Tables that SQLite would read from one end to the other."""
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [b""] * statement.count("?"))
    steps = [row[3] for row in plan]
    return [step for step in steps if step.startswith("SCAN") and "CONSTANT ROW" not in step and step != "SCAN wanted"]
