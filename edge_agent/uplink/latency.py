"""A histogram of waiting times."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets, seconds: from a neighbour on the same machine to a mobile network at its worst."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """A snapshot: ``counts`` holds one count for each bound of ``BOUNDS_S`` and one for what lies above the last."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    sum_s: float = 0.0

    def cumulative(self) -> tuple[tuple[float, int], ...]:
        """(upper bound in seconds, waits up to it), ending with infinity."""
        total, pairs = 0, []
        for bound, count in zip((*BOUNDS_S, float("inf")), self.counts, strict=True):
            total += count
            pairs.append((bound, total))
        return tuple(pairs)


class LatencyHistogram:
    """Counts waits into buckets; any thread may observe and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, wait_s: float) -> None:
        """Count one wait of ``wait_s`` seconds."""
        with self._lock:
            self._counts[bisect_left(BOUNDS_S, wait_s)] += 1
            self._sum_s += wait_s

    def snapshot(self) -> Latencies:
        """What was counted so far."""
        with self._lock:
            return Latencies(tuple(self._counts), self._sum_s)
