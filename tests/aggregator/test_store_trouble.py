"""Trouble with the disk and with other writers is told apart, and nothing is stored by halves."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import URL, make_url

from aggregator.records import Batch, Opened, Opening, Stored
from aggregator.store import engine
from aggregator.store.errors import StoreError, StoreFullError, StoreUnavailableError
from aggregator.store.incidents import IncidentQuery
from aggregator.store.migrate import Standing
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import EPOCH, event, rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def opened(sqlite_url: URL) -> int:
    """The fence of a stream on a new store."""
    with Store(sqlite_url) as store:
        store.migrate()
        opened = store.open_stream(Opening("a", EPOCH, 1, 10_000, "", "", "", ""))
        assert isinstance(opened, Opened)
        return opened.fence


def batch(fence: int, count: int) -> Batch:
    messages = enumerate((event(f"incident-{number}") for number in range(count)), start=1)
    return Batch("a", EPOCH, fence, 1, tuple(read_entry(seq, message, NOW) for seq, message in messages))


def test_a_full_disk_is_said_to_be_full_and_takes_all_once_there_is_room(sqlite_url: URL, opened: int) -> None:
    with Store(sqlite_url) as small:

        @sqlalchemy_event.listens_for(small._writer, "connect")
        def _limit(connection: sqlite3.Connection, _record: object) -> None:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages + 4}")

        with pytest.raises(StoreFullError, match="full"):
            small.commit([batch(opened, 500)])
        assert rows(sqlite_url, "SELECT count(*) FROM incident_events") == [(0,)]
    with Store(sqlite_url) as roomy:
        assert roomy.commit([batch(opened, 500)]) == [Stored(500, (), 500, 0)]


def test_a_store_that_another_process_holds_is_unavailable_and_not_full(
    sqlite_url: URL, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    other = sqlite3.connect(sqlite_url.database or "", isolation_level=None)
    with Store(sqlite_url) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked") as refused:
            store.commit([batch(opened, 1)])
        assert not isinstance(refused.value, StoreFullError)
        assert store.snapshot().events["a"].stored == 0
        other.execute("COMMIT")
        other.close()
        assert store.commit([batch(opened, 1)]) == [Stored(1, (), 1, 0)]


def test_two_processes_never_write_one_file_at_the_same_time(
    sqlite_url: URL, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where SQLite would let them: one writes the journal back while the other writes."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    with Store(sqlite_url) as one, Store(sqlite_url) as other:
        with one._turn.taken(), pytest.raises(StoreUnavailableError, match="another process is writing"):
            other.commit([batch(opened, 1)])
        assert other.commit([batch(opened, 1)]) == [Stored(1, (), 1, 0)]
        with one._writing():
            assert not take_turn(other), "each transaction is a turn"
        assert take_turn(other), "which ends with it"


def take_turn(store: Store) -> bool:
    try:
        with store._turn.taken():
            return True
    except StoreUnavailableError:
        return False


def test_sqlite_is_opened_so_that_what_was_committed_outlives_a_power_cut(sqlite_url: URL, opened: int) -> None:
    with Store(sqlite_url) as store, store._writer.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
    assert found == ["wal", 2, 1, 5000]


def test_a_store_in_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=f"the folder {tmp_path}/file/state cannot be made: "):
        Store(make_url(f"sqlite:///{tmp_path}/file/state/clearway.sqlite"))
    (tmp_path / "folder.sqlite").mkdir()
    said = pytest.raises(StoreError, match=r"folder\.sqlite: unable to open database file")
    with Store(make_url(f"sqlite:///{tmp_path}/folder.sqlite")) as store, said:
        store.standing()


def test_a_postgresql_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed: pip install 'psycopg[binary]'")
    said = pytest.raises(StoreError, match=r"connection to server .* failed: No such file or directory")
    with Store(make_url(f"postgresql://nobody@/nothing?host={tmp_path}")) as store, said:
        store.standing()


def test_looking_at_a_store_waits_for_no_writer(sqlite_url: URL, opened: int) -> None:
    other = sqlite3.connect(sqlite_url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store(sqlite_url) as store:
        began_s = time.monotonic()
        assert store.standing() is Standing.CURRENT
        assert store.incidents(IncidentQuery()) == []
        assert time.monotonic() - began_s < engine.BUSY_TIMEOUT_MS / 1000
    other.close()
