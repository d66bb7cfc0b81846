"""Connections to the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from aggregator.store.errors import StoreError

BUSY_TIMEOUT_MS = 5000
"""How long a writer waits for another process's transaction before it gives up and the agent is told to wait."""

CACHE_KIB = 16 * 1024
"""Pages of the file that the writing connection keeps: with SQLite's own 2 MiB the pages of one transaction would not
fit. Reading connections, of which there are several, keep those 2 MiB."""
JOURNAL_PAGES = 8000
"""Pages of 4 KiB after which the journal is written back, 32 MiB. A page that many transactions change is then written
back once and not with each: SQLite's own 4 MiB are two large transactions."""


def writing_engine(url: URL) -> Engine:
    """An engine whose transactions take the write lock at once. SQLite gets exactly one connection."""
    if url.get_backend_name() != "sqlite":
        return _postgresql(url)
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    engine = _sqlite(url, read_only=False)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(url: URL, writer: Engine) -> Engine:
    """An engine for queries; on SQLite one that cannot write and never blocks the writer."""
    if url.get_backend_name() != "sqlite":
        return writer
    engine = _sqlite(url, read_only=True)
    event.listen(engine, "begin", _begin)
    return engine


def _sqlite(url: URL, *, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=3 if read_only else 0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where this module says, not where sqlite3 guesses
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if not read_only:
            cursor.execute(f"PRAGMA cache_size={-CACHE_KIB}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={JOURNAL_PAGES}")
        cursor.execute(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        cursor.close()

    return engine


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url.set(drivername="postgresql+psycopg"), pool_size=4, pool_pre_ping=True)
    except ImportError as error:
        raise StoreError("a PostgreSQL store needs the psycopg driver: pip install 'psycopg[binary]'") from error
