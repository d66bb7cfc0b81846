"""What streams work with, and what comes to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aggregator.config import AggregatorConfig
from aggregator.fleet import Fleet
from aggregator.identity import Identity
from aggregator.ingest import Ingest
from aggregator.label_sets import LabelSets
from aggregator.limits import Limits
from aggregator.store.store import Store


@dataclass(frozen=True, slots=True)
class Arrived:
    """A ConnectRequest, or ``Undecodable``, and how many bytes it took."""

    message: Any
    size_bytes: int


class WatchesStreams(Protocol):
    """Hears of what happens on streams."""

    def acked(self, seconds: float) -> None:
        """A batch was acked this long after it was read."""
        ...

    def stream_refused(self, reason: str) -> None:
        """A stream was ended with an error."""
        ...

    def throttled(self, agent_id: str) -> None:
        """An agent was asked to pause."""
        ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all streams share."""

    config: AggregatorConfig
    store: Store
    ingest: Ingest
    fleet: Fleet
    watch: WatchesStreams
    clock: Callable[[], datetime]
    identity: Identity | None
    """Judges certificates; None where plain text is served to this machine alone."""
    limits: Limits
    label_sets: LabelSets
    seconds: Callable[[], float] = time.monotonic
