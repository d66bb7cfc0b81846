"""What the series have in common: which cameras have series of their own, and histograms from kept sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aggregator.catalogue import Buckets
from aggregator.overview import CameraKey, Overview
from aggregator.store.tallies import DURATION_BOUNDS_S, MORE


@dataclass(frozen=True, slots=True)
class Own:
    """Which cameras have series of their own. The others are in the series of their streets alone."""

    cameras: frozenset[CameraKey] = frozenset()

    def with_more(self, seen: Overview, *, per_camera: bool, max_cameras: int) -> Own:
        """Those that have them keep them; new ones get them as long as there is room, by agent and name."""
        if not per_camera:
            return Own()
        room = max(0, max_cameras - len(self.cameras))
        new = [key for key in seen.cameras if key not in self.cameras]
        return Own(self.cameras | frozenset(new[:room]))


def buckets_of(sums: Mapping[str, float], prefix: str) -> Buckets:
    """Cumulative counts from sums ``prefix`` + bound. A bound of an older version counts in the next one there is."""
    more = sums.get(prefix + MORE, 0.0)
    counts = {
        float(name.removeprefix(prefix)): value
        for name, value in sums.items()
        if name.startswith(prefix) and name != prefix + MORE
    }
    buckets = []
    for bound in DURATION_BOUNDS_S:
        buckets.append((f"{float(bound)}", sum(value for stored, value in counts.items() if stored <= bound)))
    return [*buckets, ("+Inf", sum(counts.values()) + more)]
