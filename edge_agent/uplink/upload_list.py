"""Which stills are to go to the aggregator: kept on disk, so that neither a restart nor a power failure forgets one."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

_NAME = re.compile(r"[0-9a-f]{64}")
_MOST_REMEMBERED = 10_000
"""Stills of which it is remembered that they are done with: events repeat their references, and each is sent once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A still that an event has named, by its hash (64 hex digits), and the incident that it belongs to."""

    sha256: str
    incident_id: str


class UploadList:
    """A folder with one small file for each still: its name is the hash, its text the incident.

    Safe to use from several threads. Raises ``OSError`` if the folder cannot be made or read. A disk that does not
    take an entry is logged; the still is then wanted until the agent stops.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._log = structlog.get_logger("evidence")
        self._settled: OrderedDict[str, None] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for file in folder.iterdir():
            if _NAME.fullmatch(file.name):
                found.append((file.stat().st_mtime_ns, file.name, file.read_text("utf-8", "replace")))
        self._waiting = OrderedDict((sha256, Wanted(sha256, incident_id)) for _, sha256, incident_id in sorted(found))

    def __len__(self) -> int:
        """How many stills wait."""
        with self._lock:
            return len(self._waiting)

    def add(self, incident_id: str, hashes: Iterable[str]) -> bool:
        """Want these stills, durably once this returns; false if all of them are known already."""
        with self._lock:
            new = [each for each in hashes if each not in self._waiting and each not in self._settled]
            for sha256 in new:
                self._waiting[sha256] = Wanted(sha256, incident_id)
            if new:
                self._write(new, incident_id)
            return bool(new)

    def first(self) -> Wanted | None:
        """The still whose turn it is."""
        with self._lock:
            return next(iter(self._waiting.values()), None)

    def later(self, sha256: str) -> None:
        """Let the others go first."""
        with self._lock:
            if sha256 in self._waiting:
                self._waiting.move_to_end(sha256)

    def settle(self, sha256: str) -> None:
        """This still is done with, one way or the other."""
        with self._lock:
            self._waiting.pop(sha256, None)
            self._settled[sha256] = None
            while len(self._settled) > _MOST_REMEMBERED:
                self._settled.popitem(last=False)
            try:
                (self._folder / sha256).unlink(missing_ok=True)
            except OSError as error:  # it will be asked for again after a restart, which does no harm
                self._log.warning("upload_not_struck_off", file=sha256, error=error.strerror)

    def _write(self, hashes: list[str], incident_id: str) -> None:
        try:
            for sha256 in hashes:
                with (self._folder / sha256).open("w", encoding="utf-8") as file:
                    file.write(incident_id)
                    file.flush()
                    os.fsync(file.fileno())
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            self._log.warning("upload_not_written", folder=str(self._folder), error=error.strerror)
