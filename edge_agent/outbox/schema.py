"""The queue's file: its tables, its settings, and how to tell that it is whole."""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

from edge_agent.outbox.losses import is_sound_loss

PAGE_BYTES = 4096
JOURNAL_PAGES = 256
"""Pages in the journal before it is written back: bounds it to about 1 MiB beside the file."""
JOURNAL_BYTES = JOURNAL_PAGES * PAGE_BYTES
EPOCH_BYTES = 16
_BUSY_WAIT_S = 2.0  # a predecessor that is just ending gets this long to let go of the file

_APPLICATION_ID = 0x434C5751  # "CLWQ"
_SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch BLOB NOT NULL, head_seq INTEGER NOT NULL, next_seq INTEGER NOT NULL,
  dropped_events INTEGER NOT NULL, rejected_events INTEGER NOT NULL, damaged_events INTEGER NOT NULL,
  dead_letters INTEGER NOT NULL, quarantined_files INTEGER NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, emitted_us INTEGER NOT NULL, checksum INTEGER NOT NULL,
  payload BLOB NOT NULL
);
CREATE TABLE gaps (
  reason TEXT PRIMARY KEY, events_lost INTEGER NOT NULL, first_lost_seq INTEGER NOT NULL,
  last_lost_seq INTEGER NOT NULL, lost_from_us INTEGER NOT NULL, lost_to_us INTEGER NOT NULL
);
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, epoch BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
  reason TEXT NOT NULL, rejected_us INTEGER NOT NULL, payload BLOB NOT NULL
);
"""


class DamagedError(Exception):
    """The file is not a whole queue; the message says what was found."""


class InUseError(Exception):
    """Another process holds the file."""


@dataclass(slots=True)
class Ledger:
    """Where the queue stands: it holds exactly the events with ``head_seq <= seq < next_seq``."""

    epoch: bytes
    head_seq: int = 1
    next_seq: int = 1
    dropped_events: int = 0
    rejected_events: int = 0
    damaged_events: int = 0
    dead_letters: int = 0
    quarantined_files: int = 0

    @staticmethod
    def new() -> Ledger:
        """The ledger of a new queue, with an epoch of its own."""
        return Ledger(os.urandom(EPOCH_BYTES))

    def take_counts(self, other: Ledger) -> None:
        """Go on counting where ``other`` was."""
        self.dropped_events = other.dropped_events
        self.rejected_events = other.rejected_events
        self.damaged_events = other.damaged_events
        self.dead_letters = other.dead_letters
        self.quarantined_files = other.quarantined_files

    def checksum(self) -> int:
        """CRC-32 over every field."""
        return zlib.crc32(repr(astuple(self)).encode())


_COLUMNS = tuple(field.name for field in fields(Ledger))


def event_checksum(seq: int, kind: str, emitted_us: int, payload: bytes) -> int:
    """CRC-32 of an event: SQLite itself keeps none, so a flipped bit would pass unseen."""
    return zlib.crc32(payload, zlib.crc32(f"{seq} {kind} {emitted_us} ".encode()))


def is_sound(seq: object, kind: object, emitted_us: object, checksum: object, payload: object) -> bool:
    """True if a row of ``events`` is as it was written: any column of a damaged one may hold anything."""
    return (
        isinstance(seq, int)
        and isinstance(kind, str)
        and isinstance(emitted_us, int)
        and isinstance(payload, bytes)
        and checksum == event_checksum(seq, kind, emitted_us, payload)
    )


def connect(path: Path, max_pages: int) -> sqlite3.Connection:
    """Open or make the file and take it for this process alone.

    Raises ``InUseError`` if another process has it, ``DamagedError`` if it is not whole, ``sqlite3.Error`` if the disk
    is full, and ``PermissionError`` if the file may not be read or written.
    """
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(f"{path} cannot be read and written by this user")
    db = sqlite3.connect(path, timeout=_BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    read_any_text(db)
    try:
        _set_up(db, max_pages)
    except sqlite3.Error as error:
        db.close()
        if primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise InUseError(f"{path} is in use by another process") from error
        if is_full(error):
            raise
        raise DamagedError(str(error)) from error
    except BaseException:
        db.close()
        raise
    return db


def read_any_text(db: sqlite3.Connection) -> None:
    """Let text of a damaged file be read although it is none: checksums tell what is worth keeping."""
    db.text_factory = lambda text: text.decode("utf-8", "replace")


def _set_up(db: sqlite3.Connection, max_pages: int) -> None:
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("PRAGMA cell_size_check=ON")
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA temp_store=MEMORY")
    mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise DamagedError(f"the journal mode is {mode!r}, not 'wal'")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA wal_autocheckpoint={JOURNAL_PAGES}")
    db.execute(f"PRAGMA max_page_count={max_pages}")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
    if not tables and _pragma(db, "application_id") == 0 and _pragma(db, "user_version") == 0:
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        save_ledger(db, Ledger.new())
        db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        db.execute("COMMIT")
    _verify(db)
    _try_to_write(db)


def _try_to_write(db: sqlite3.Connection) -> None:
    """A header whose version was changed makes SQLite open the file for reading alone; only a write shows it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        save_ledger(db, load_ledger(db))
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if not is_full(error):  # a full disk is no damage: the queue can be read, and its policy decides the rest
            raise


def _verify(db: sqlite3.Connection) -> None:
    if _pragma(db, "application_id") != _APPLICATION_ID:
        raise DamagedError("it is not a queue of this agent")
    if _pragma(db, "user_version") != _SCHEMA_VERSION:
        raise DamagedError(f"its version is {_pragma(db, 'user_version')}, not {_SCHEMA_VERSION}")
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise DamagedError(str(problem))
    if _schema(db) != _own_schema():
        raise DamagedError("its tables are not those of a queue")
    ledger = load_ledger(db)
    count, first, last = db.execute("SELECT count(*), min(seq), max(seq) FROM events").fetchone()
    whole = (
        (first, last, count) == (ledger.head_seq, ledger.next_seq - 1, ledger.next_seq - ledger.head_seq)
        if count
        else ledger.head_seq == ledger.next_seq
    )
    if not whole:
        raise DamagedError(
            f"it holds {count} events from {first} to {last}, not {ledger.head_seq} to {ledger.next_seq - 1}"
        )
    if not all(is_sound_loss(row) for row in db.execute("SELECT * FROM gaps")):
        raise DamagedError("its record of losses is not readable")


def _schema(db: sqlite3.Connection) -> frozenset[bytes]:
    """How the tables were made, to the letter: SQLite keeps it as text, in which a flipped bit is a name's end."""
    made = db.execute("SELECT CAST(sql AS BLOB) FROM sqlite_schema WHERE sql IS NOT NULL")
    return frozenset(sql for (sql,) in made)


@cache
def _own_schema() -> frozenset[bytes]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_TABLES)
        return _schema(db)


def load_ledger(db: sqlite3.Connection) -> Ledger:
    """The ledger. Raises ``DamagedError`` if it is not there or does not fit its checksum."""
    row = db.execute(f"SELECT {', '.join(_COLUMNS)}, checksum FROM ledger").fetchone()
    if row is None:
        raise DamagedError("its ledger is missing")
    ledger = Ledger(*row[:-1])
    if ledger.checksum() != row[-1] or len(ledger.epoch) != EPOCH_BYTES:
        raise DamagedError("its ledger does not fit its checksum")
    return ledger


def save_ledger(db: sqlite3.Connection, ledger: Ledger) -> None:
    """Write the ledger, inside a transaction of the caller's."""
    marks = ", ".join("?" * (len(_COLUMNS) + 1))
    db.execute(
        f"INSERT OR REPLACE INTO ledger (id, {', '.join(_COLUMNS)}, checksum) VALUES (1, {marks})",
        (*astuple(ledger), ledger.checksum()),
    )


def used_pages(db: sqlite3.Connection) -> int:
    """Pages of the file that hold something, as the running transaction leaves them."""
    return _pragma(db, "page_count") - _pragma(db, "freelist_count")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def primary_code(error: Exception) -> int:
    """SQLite's primary result code; -1 for errors that Python's own layer raises."""
    return int(getattr(error, "sqlite_errorcode", -1)) & 0xFF


def is_full(error: Exception) -> bool:
    """True if the quota or the disk is full."""
    return primary_code(error) == sqlite3.SQLITE_FULL


def is_damage(error: Exception) -> bool:
    """True if the error says that the file is not whole."""
    return isinstance(error, DamagedError) or primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_unwritable(error: Exception) -> bool:
    """True if the disk does not take what is written."""
    return primary_code(error) in (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
    )
