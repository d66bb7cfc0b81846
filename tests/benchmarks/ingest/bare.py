"""How fast this disk takes rows at all: the events' own table, one connection, synchronous=FULL, nothing around it."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from events import event

CREATE = """
CREATE TABLE incident_events (
  agent_id TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL, incident_id TEXT NOT NULL, phase TEXT NOT NULL,
  observed_at TEXT NOT NULL, emitted_at TEXT, payload BLOB NOT NULL, received_at TEXT NOT NULL,
  PRIMARY KEY (agent_id, epoch, seq))"""
MOMENT = "2026-01-01 00:00:00.000000"


def bare_rate(folder: Path, events: int, batch: int) -> tuple[float, float]:
    """Events a second by transactions of ``batch`` rows, each waiting for the disk; and processor seconds of each."""
    path = folder / f"bare-{batch}.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(CREATE)
        rows = [
            ("agent-0001", b"0123456789abcdef", number + 1, f"{number // 4}", "updated", MOMENT, MOMENT,
             event(1, number).SerializeToString(), MOMENT)
            for number in range(events)
        ]  # fmt: skip
        began, cpu_began_s = time.perf_counter(), time.process_time()
        for first in range(0, events, batch):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO incident_events VALUES (?,?,?,?,?,?,?,?,?)", rows[first : first + batch]
            )
            connection.execute("COMMIT")
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began_s
    connection.close()
    return events / took_s, cpu_s / events


def sync_ms(folder: Path, times: int = 50) -> float:
    """How long this disk takes to say that a page is on it; the median. Of the bare rate most is this."""
    took: list[float] = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * sorted(took)[times // 2]
