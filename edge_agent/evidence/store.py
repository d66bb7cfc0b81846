"""Stills on disk, named by what is in them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge_agent.evidence.evidence import Still
from edge_agent.evidence.reference import EvidenceReference

_SUFFIX = ".jpg"
_PART = ".part"


@dataclass(slots=True)
class StoreCounts:
    """What has happened to stills so far, read by metrics.

    ``kept`` were written; ``shed`` were deleted, oldest first, to stay within the quota; ``failed`` could not be
    written.
    """

    kept: int = 0
    shed: int = 0
    failed: int = 0


class EvidenceStore:
    """A folder of ``<sha256>.jpg`` that never holds more than ``max_bytes``. Safe to use from several threads.

    A file appears under its name only when it is whole and on the disk. Raises ``OSError`` if the folder cannot be
    made or read.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.counts = StoreCounts()
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._log = structlog.get_logger("evidence")
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for file in folder.iterdir():
            if file.suffix == _PART:
                file.unlink(missing_ok=True)
            elif file.suffix == _SUFFIX:
                status = file.stat()
                found.append((status.st_mtime_ns, file.stem, status.st_size))
        self._sizes = {sha256: size for _, sha256, size in sorted(found)}
        with self._lock:
            self._make_room(0)

    @property
    def size_bytes(self) -> int:
        """Bytes of all stills together."""
        with self._lock:
            return sum(self._sizes.values())

    def path_of(self, sha256: str) -> Path:
        """Where the still with this hash lies, if it is still there."""
        return self._folder / f"{sha256}{_SUFFIX}"

    def keep(self, still: Still) -> EvidenceReference | None:
        """Write a still and say how events refer to it; None if it could not be kept, which is counted and logged."""
        sha256 = hashlib.sha256(still.jpeg).hexdigest()
        size = len(still.jpeg)
        with self._lock:
            if size > self._max_bytes:
                self.counts.failed += 1
                self._log.warning("still larger than the quota", size_bytes=size, max_bytes=self._max_bytes)
                return None
            self._sizes.pop(sha256, None)
            self._make_room(size)
            try:
                self._write(sha256, still.jpeg)
            except OSError as error:
                self.counts.failed += 1
                self._log.warning("still could not be written", folder=str(self._folder), error=error.strerror)
                return None
            self._sizes[sha256] = size
            self.counts.kept += 1
        return EvidenceReference(
            sha256, still.moment, "image/jpeg", size, still.captured_at, still.media_time_s, still.people_masked
        )

    def discard(self, sha256: str) -> None:
        """Delete a still that is no longer needed here, such as one that the aggregator has."""
        with self._lock:
            self._sizes.pop(sha256, None)
            self.path_of(sha256).unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        total = sum(self._sizes.values()) + size
        while self._sizes and total > self._max_bytes:
            oldest = next(iter(self._sizes))
            self.path_of(oldest).unlink(missing_ok=True)
            total -= self._sizes.pop(oldest)
            self.counts.shed += 1

    def _write(self, sha256: str, data: bytes) -> None:
        target = self.path_of(sha256)
        part = target.with_suffix(_PART)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
