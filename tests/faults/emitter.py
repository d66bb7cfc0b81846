"""A box without cameras: the agent's own queue and uplink, and somebody who emits all the time.

After each commit it writes down, and syncs, which event got which sequence: ``seq id`` lines in its diary, one diary
for each life. Killed at any moment, whatever is in a diary was committed. On SIGTERM it emits no more, waits until
everything is acknowledged, and says in its last line how the queue is.

    python -m tests.faults.emitter STATE_DIR ADDRESS DIARY_DIR [PAUSE_S [MAX_BYTES]]
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from clearway.v1 import incident_pb2, ingest_pb2, scene_pb2

from edge_agent import wire
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.uplink.uplink import Uplink, UplinkSettings

AGENT_ID = "box-1"
THREADS = 2
QUICK = UplinkSettings(
    connect_timeout_s=5.0,
    welcome_timeout_s=5.0,
    ack_timeout_s=10.0,
    backoff_first_s=0.05,
    backoff_max_s=0.3,
    batch_age_s=0.02,
)
"""Waits of the product, shortened so that a hundred kills fit into minutes."""


def incident(name: str, now: datetime, padding: int = 0) -> bytes:
    """An incident that was opened now; ``padding`` makes it so many characters longer, a hundred at most."""
    message = ingest_pb2.Event(emitted_at=wire.timestamp(now))
    body = message.incident
    body.incident_id = name
    body.phase = incident_pb2.INCIDENT_PHASE_OPENED
    body.camera_id, body.zone_id, body.stay_id = "north", "kerb", f"stay-{name}"
    body.scenario, body.kind = scene_pb2.SCENARIO_PARKING, scene_pb2.FINDING_KIND_PARKED
    body.class_group, body.class_name = scene_pb2.CLASS_GROUP_VEHICLE, "car"
    body.occurred_at.CopyFrom(wire.timestamp(now))
    body.opened_at.CopyFrom(wire.timestamp(now))
    body.limit_s, body.severity = 300, incident_pb2.SEVERITY_MAJOR
    body.model_version = "x" * padding
    return message.SerializeToString()


def heartbeat() -> ingest_pb2.Heartbeat:
    """An empty one: the uplink adds what it knows."""
    return ingest_pb2.Heartbeat()


class Diary:
    """What was committed, one line for each event, on the disk before the next is emitted.

    ``offered`` counts all events, those included that the queue did not take.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.life = len(list(folder.iterdir()))
        self.offered = 0
        self._lock = threading.Lock()
        self._file = os.open(folder / f"{self.life:04}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, seqs: range, names: list[str]) -> None:
        """These events are committed under these sequences, or, if there are none, were not taken."""
        with self._lock:
            self.offered += len(names)
        if not seqs:
            return
        lines = "".join(f"{seq} {name}\n" for seq, name in zip(seqs, names, strict=True))
        os.write(self._file, lines.encode())
        os.fsync(self._file)


def emit(outbox: Outbox, diary: Diary, who: int, pause_s: float, stopping: threading.Event) -> None:
    """Emit one to three events at a time, with random pauses."""
    chance = random.Random(f"{diary.life}-{who}")
    number = 0
    while not stopping.is_set():
        names = [f"{diary.life}-{who}-{number + each}" for each in range(chance.randint(1, 3))]
        number += len(names)
        now = datetime.now(UTC)
        payloads = [incident(name, now, chance.choice((0, 100))) for name in names]
        diary.note(outbox.append(payloads, EventKind.INCIDENT), names)
        stopping.wait(chance.uniform(0, pause_s))


def main(state: str, address: str, diaries: str, pause_s: str = "0.02", max_bytes: str = str(1 << 26)) -> int:
    """Live until SIGTERM, or until killed."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    outbox = Outbox(Path(state), int(max_bytes))
    uplink = Uplink(address, AGENT_ID, outbox, heartbeat, insecure=True, settings=QUICK)
    uplink.start()
    diary = Diary(Path(diaries))
    threads = [
        threading.Thread(target=emit, args=(outbox, diary, who, float(pause_s), stopping)) for who in range(THREADS)
    ]
    print(json.dumps({"event": "emitter_started"}), flush=True)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    give_up = time.monotonic() + 60
    while outbox.status().pending_events and time.monotonic() < give_up:
        time.sleep(0.05)
    ended = uplink.stop(flush_s=5)
    queue = outbox.status()
    status = asdict(queue) | {
        "pending_events": queue.pending_events,
        "offered": diary.offered,
        "failures": uplink.status().failures,
    }
    outbox.close()
    assert ended, "the uplink's thread has ended"
    print(json.dumps({"event": "emitter_stopped", **status}, default=str), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
