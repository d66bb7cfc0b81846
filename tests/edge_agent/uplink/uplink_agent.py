"""A queue and an uplink, as an agent has them, in quick time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from clearway.v1 import ingest_pb2

from edge_agent import wire
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.uplink.uplink import Uplink, UplinkSettings, versions

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
QUICK = UplinkSettings(
    connect_timeout_s=2.0,
    welcome_timeout_s=0.5,
    ack_timeout_s=0.5,
    half_close_timeout_s=0.5,
    backoff_first_s=0.02,
    backoff_max_s=0.05,
    refused_retry_s=0.2,
    batch_age_s=0.01,
    min_heartbeat_s=0.02,
    default_heartbeat_s=0.1,
)


def until(what: Callable[[], object], patience_s: float = 30.0) -> None:
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.005)


def heartbeat() -> ingest_pb2.Heartbeat:
    return ingest_pb2.Heartbeat()


def event(text: str) -> bytes:
    message = ingest_pb2.Event(emitted_at=wire.timestamp(NOW))
    message.incident.incident_id = text
    return message.SerializeToString()


class Agent:
    """A queue and an uplink, as an agent has them."""

    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox(folder, 1 << 20)
        self.uplinks: list[Uplink] = []
        self.texts: list[str] = []

    def emit(self, count: int, size: int = 0) -> None:
        texts = [f"event {len(self.texts) + each}{'x' * size}" for each in range(count)]
        self.texts += texts
        assert self.outbox.append([event(text) for text in texts], EventKind.INCIDENT)

    def connect(
        self,
        address: str,
        settings: UplinkSettings = QUICK,
        heartbeat: Callable[[], ingest_pb2.Heartbeat] = heartbeat,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Uplink:
        uplink = Uplink(
            address,
            "agent-1",
            self.outbox,
            heartbeat,
            insecure=True,
            versions=versions("1.0", "nanodet", "abc"),
            settings=settings,
            clock=clock,
        )
        self.uplinks.append(uplink)
        uplink.start()
        return uplink

    def drained(self) -> bool:
        return self.outbox.status().pending_events == 0
