"""The durable store that every contestant has behind it: Clearway's own, with its group commit."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from aggregator.config import CommitConfig
from aggregator.ingest import Failed, Ingest
from aggregator.records import Batch, Entry, IncidentEvent, Opening, Phase, QueueBehind, Stored
from aggregator.store.store import Store


class NoWatch:
    """Hears of commits and keeps nothing."""

    def committed(self, seconds: float, batches: int) -> None:
        """Nothing."""

    def commit_failed(self) -> None:
        """Nothing: the batch's own answer says it."""


class RivalStore:
    """Takes decoded JSON batches and returns when they are durable."""

    def __init__(self, path: Path) -> None:
        self._store = Store(make_url(f"sqlite:///{path}"))
        self._store.migrate()
        self._fences: dict[str, int] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.ingest = Ingest(self._store, CommitConfig(), NoWatch())

    async def take(self, said: dict[str, Any]) -> int:
        """Store ``{"agent", "first_seq", "events"}``; the highest sequence that is durable."""
        agent_id, first = said["agent"], said["first_seq"]
        epoch = agent_id.encode().ljust(16, b".")[:16]
        now = datetime.now(UTC)
        entries = tuple(entry(first + place, each, now) for place, each in enumerate(said["events"]))
        async with self._turns[agent_id]:  # an agent's batches stay in their order while the first opens its stream
            if agent_id not in self._fences:
                opened = await self.ingest.open(Opening(agent_id, epoch, 1, 2**40, "", "", "", ""))
                if isinstance(opened, QueueBehind):
                    raise RuntimeError(f"the store has more of {agent_id} than it was sent")
                self._fences[agent_id] = opened.fence
            stored = self.ingest.put(Batch(agent_id, epoch, self._fences[agent_id], first, entries))
        outcome = await stored
        if isinstance(outcome, Failed):
            raise RuntimeError(f"the store failed: {outcome.error}")
        if not isinstance(outcome, Stored):
            raise RuntimeError(f"the store refused: {outcome}")
        return outcome.committed_seq

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()


def entry(seq: int, said: dict[str, Any], now: datetime) -> Entry:
    """A JSON event as the store's row; as little checking as a quick rival would do."""
    occurred_at = datetime.fromtimestamp(said["occurred_at_s"], UTC)
    phase = Phase(said["phase"].lower())
    body = IncidentEvent(
        incident_id=said["incident_id"],
        phase=phase,
        camera_id=said["camera_id"],
        zone_id=said["zone_id"],
        scenario="parking",
        kind="parked",
        class_group="vehicle",
        class_name=said["class_name"],
        stay_id=said["stay_id"],
        occurred_at=occurred_at,
        opened_at=datetime.fromtimestamp(said["opened_at_s"], UTC),
        stay_from=None,
        open_start=False,
        dwell_observed_s=said["dwell_observed_s"],
        dwell_occluded_s=0.0,
        dwell_unknown_s=0.0,
        limit_s=said["limit_s"],
        severity="major",
        close_reason="left" if phase is Phase.CLOSED else None,
        box=tuple(said["box"]),
        clear_width_m=None,
        clear_width_uncertainty_m=None,
        evidence=(),
        model_version=said["model_version"],
        config_version=said["config_version"],
    )
    return Entry(seq, json.dumps(said).encode(), now, occurred_at, body)
