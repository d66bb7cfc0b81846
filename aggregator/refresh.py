"""Looks at the store, the fleet and the places at intervals, and shows what there is to the metrics."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.config import AggregatorConfig
from aggregator.fleet import AgentNow, Fleet
from aggregator.metrics import Metrics
from aggregator.overview import Overview
from aggregator.places_file import PlacesFile
from aggregator.store.snapshot import Disk, StoreSnapshot
from aggregator.store.store import Store, utc_now

MISSED_HEARTBEATS = 3
"""An agent of which so many heartbeats did not come is silent: one may be late, and a reconnect takes another."""


class Refresher:
    """Makes every look of the metrics; ``places`` are those in use, by which the store counts too."""

    def __init__(self, config: AggregatorConfig, store: Store, fleet: Fleet, metrics: Metrics) -> None:
        self._store, self._fleet, self._metrics = store, fleet, metrics
        self._expected = frozenset() if isinstance(config.agents, str) else config.agents
        self._silent_after_s = MISSED_HEARTBEATS * config.stream.heartbeat_s + 2 * config.metrics.refresh_s
        self._evidence_dir = config.evidence_dir
        self.places = PlacesFile(config.places, utc_now)
        store.street_of = self.places.street_of

    async def begin(self) -> StoreSnapshot:
        """Read the places, and take a first look. Raises ``ConfigError`` or ``StoreError``."""
        await asyncio.to_thread(self.places.load)
        await self.show()
        return await asyncio.to_thread(self._store.snapshot)

    async def show(self) -> None:
        """Show how everything is now. Raises ``StoreError``."""
        began = time.perf_counter()
        with _no_search_for_cycles():
            await asyncio.to_thread(self.places.look)
            snapshot = [await asyncio.to_thread(self._store.snapshot)]
            elsewhere = self._fleet.behind({agent: facts.heartbeat_at for agent, facts in snapshot[0].agents.items()})
            if elsewhere:
                self._fleet.restore(await asyncio.to_thread(self._store.agents, elsewhere))
            await asyncio.to_thread(self._make, snapshot, [self._fleet.now()], began)

    def _make(self, snapshot: list[StoreSnapshot], fleet: list[tuple[AgentNow, ...]], began: float) -> None:
        """Make the series, in a thread, which takes what they are made of out of these lists: to let go of it takes
        tens of milliseconds too, in which the event loop would stand still."""
        seen = Overview(
            store=snapshot.pop(),
            fleet=fleet.pop(),
            taken_at=utc_now(),
            places=self.places.state,
            expected=self._expected,
            silent_after_s=self._silent_after_s,
            evidence_disk=None if self._evidence_dir is None else Disk.of(self._evidence_dir),
        )
        self._metrics.show(seen, took_s=time.perf_counter() - began)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """A look makes hundreds of thousands of objects and lets go of most; to look for cycles among them delays acks."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
