"""What is done with a queue file that is not whole: it is set aside, and what can still be read is taken over."""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.outbox_schema import DamagedError, Ledger, event_checksum, load_ledger

KEPT_FILES = 2
"""Damaged files that are kept for a person to look at; older ones go, since each may be as large as the quota."""

_NAME = re.compile(r"\.damaged-(\d+)$")


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a damaged file still gave: events oldest first as (kind, emitted_us, payload).

    ``ledger`` is None if it could not be trusted; ``lost`` is then None too.
    """

    events: tuple[tuple[str, int, bytes], ...]
    gaps: tuple[tuple[str, int, int, int, int, int], ...]
    ledger: Ledger | None
    lost: int | None
    first_lost_seq: int = 0
    last_lost_seq: int = 0

    def newer_half(self) -> Salvage:
        """Without the older half of the events, which count as lost: for a quota that has become smaller."""
        cut = (len(self.events) + 1) // 2
        return replace(self, events=self.events[cut:], lost=None if self.lost is None else self.lost + cut)


def set_aside(path: Path) -> tuple[Path, int]:
    """Rename the file and its journal; the new name and how many have been set aside so far."""
    number = 1 + max((n for _, n in _set_aside_files(path)), default=0)
    target = path.with_name(f"{path.name}.damaged-{number}")
    for suffix in ("-wal", "-shm", "-journal"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))
    path.rename(target)
    _sync_folder(path.parent)
    for old, n in _set_aside_files(path):
        if n <= number - KEPT_FILES:
            for suffix in ("", "-wal", "-shm", "-journal"):
                old.with_name(old.name + suffix).unlink(missing_ok=True)
    return target, number


def _set_aside_files(path: Path) -> list[tuple[Path, int]]:
    found = []
    for each in path.parent.glob(f"{path.name}.damaged-*"):
        match = _NAME.search(each.name)
        if match:
            found.append((each, int(match.group(1))))
    return found


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def salvage(path: Path) -> Salvage:
    """Read what a damaged file still gives; never raises for what is in it."""
    try:
        db = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error:
        return Salvage((), (), None, None)
    try:
        ledger = _ledger(db)
        events = _events(db, ledger)
        gaps = _gaps(db)
    finally:
        db.close()
    kept = tuple(row for _, row in events)
    if ledger is None:
        return Salvage(kept, gaps, None, None)
    missing = sorted(set(range(ledger.head_seq, ledger.next_seq)) - {seq for seq, _ in events})
    bounds = (missing[0], missing[-1]) if missing else (0, 0)
    return Salvage(kept, gaps, ledger, len(missing), *bounds)


def _ledger(db: sqlite3.Connection) -> Ledger | None:
    try:
        return load_ledger(db)
    except (sqlite3.Error, DamagedError, TypeError):
        return None


def _events(db: sqlite3.Connection, ledger: Ledger | None) -> list[tuple[int, tuple[str, int, bytes]]]:
    """Every event whose checksum fits, from both ends of the table: a bad page in between hides only itself."""
    found: dict[int, tuple[str, int, bytes]] = {}
    for order in ("ASC", "DESC"):
        try:
            for row in db.execute(f"SELECT seq, kind, emitted_us, checksum, payload FROM events ORDER BY seq {order}"):
                seq, kind, emitted_us, checksum, payload = row
                if seq in found and order == "DESC":
                    break
                if _sound(seq, kind, emitted_us, checksum, payload, ledger):
                    found[seq] = (kind, emitted_us, payload)
        except sqlite3.Error:
            continue  # what was read before the bad page counts; the loss itself is counted by the caller
    return sorted(found.items())


def _sound(
    seq: object, kind: object, emitted_us: object, checksum: object, payload: object, ledger: Ledger | None
) -> bool:
    return (
        isinstance(seq, int)
        and isinstance(kind, str)
        and isinstance(emitted_us, int)
        and isinstance(payload, bytes)
        and (ledger is None or ledger.head_seq <= seq < ledger.next_seq)
        and checksum == event_checksum(seq, kind, emitted_us, payload)
    )


def _gaps(db: sqlite3.Connection) -> tuple[tuple[str, int, int, int, int, int], ...]:
    try:
        rows = db.execute("SELECT * FROM gaps").fetchall()
    except sqlite3.Error:
        return ()
    return tuple(row for row in rows if isinstance(row[0], str) and all(isinstance(each, int) for each in row[1:]))
