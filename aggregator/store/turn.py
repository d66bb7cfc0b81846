"""Processes that share one SQLite file write, and write its journal back, one after the other.

SQLite before 3.51.3 (but for 3.44.6 and 3.50.7) can lose commits when one connection writes the journal back in the
moment in which another one writes ("WAL-reset bug"). A writer here writes the journal back only at the end of its own
transaction, so it is enough that two of them never overlap.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aggregator.store.errors import StoreUnavailableError

_LOOK_S = 0.01


class Turn:
    """The right to write to ``database``, held by one process at a time; nothing to hold if there is no such file."""

    def __init__(self, database: Path | None, patience_s: float) -> None:
        self._path = None if database is None else database.with_name(f"{database.name}-turn")
        self._patience_s = patience_s
        self._handle: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold it. Raises ``StoreUnavailableError`` if another process does not let go of it in time."""
        handle = self._open()
        if handle is None:
            yield
            return
        self._wait(handle)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int | None:
        if self._path is None:
            return None
        if self._handle is None:
            with suppress(OSError):  # a folder that takes no file has no store to write to: the database says so
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return self._handle

    def _wait(self, handle: int) -> None:
        give_up_s = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= give_up_s:
                    raise StoreUnavailableError("the store is locked: another process is writing to it") from error
                time.sleep(_LOOK_S)
            except OSError:
                return  # a file system without such locks: SQLite's own keep writers apart
            else:
                return
