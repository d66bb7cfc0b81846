"""Series of the aggregator's store, its disks, its places and its metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from aggregator.catalogue import Kind, Scope, Source, Values, declare
from aggregator.overview import Overview
from aggregator.series import Own

_G, _FIXED, _STORE, _PROCESS, _PLACES = Kind.GAUGE, Scope.FIXED, Source.STORE, Source.PROCESS, Source.PLACES

STORE_SIZE = declare(_G, _FIXED, _STORE, "store_size_bytes", "", "Size of the store.")
STORE_DISK_FREE = declare(
    _G, _FIXED, _PROCESS, "store_disk_free_bytes", "", "Space left where a SQLite store lies; absent with PostgreSQL."
)
STORE_DISK_SIZE = declare(
    _G, _FIXED, _PROCESS, "store_disk_size_bytes", "", "Size of the disk where a SQLite store lies."
)
EVIDENCE_DISK_FREE = declare(
    _G,
    _FIXED,
    _PROCESS,
    "evidence_disk_free_bytes",
    "",
    "Space left where pictures are kept; absent if none are taken.",
)
EVIDENCE_DISK_SIZE = declare(
    _G, _FIXED, _PROCESS, "evidence_disk_size_bytes", "", "Size of the disk where pictures are kept."
)
AGENTS_REFUSED = declare(_G, _FIXED, _STORE, "agents_refused", "", "Agents that are not known and tried.")
PLACES_GOOD = declare(
    _G,
    _FIXED,
    _PLACES,
    "places_last_reload_successful",
    "",
    "1 if the places file was good when it was last read, 0 if older places are in use; absent without a file.",
)
PLACES_LOADED = declare(
    _G,
    _FIXED,
    _PLACES,
    "places_last_reload_success_timestamp_seconds",
    "",
    "When the places in use were read; absent without a file.",
)
PLACED = declare(_G, _FIXED, _PLACES, "places_cameras", "", "Cameras that have a place.")
UNPLACED = declare(
    _G, _FIXED, _PLACES, "unplaced_cameras", "", "Cameras that were heard of and have no place: the street unplaced."
)
FOLDED = declare(
    _G,
    _FIXED,
    _PROCESS,
    "metrics_folded_cameras",
    "",
    "Cameras without series of their own: they are in those of their streets alone.",
)
SNAPSHOT_TIME = declare(
    _G,
    _FIXED,
    _PROCESS,
    "metrics_snapshot_timestamp_seconds",
    "",
    "When the values were read from the store.",
)


def own_series(seen: Overview, own: Own) -> Iterator[Metric]:
    """The aggregator itself."""
    yield STORE_SIZE.filled(_one(seen.store.size_bytes))
    for disk, free, size in (
        (seen.store.disk, STORE_DISK_FREE, STORE_DISK_SIZE),
        (seen.evidence_disk, EVIDENCE_DISK_FREE, EVIDENCE_DISK_SIZE),
    ):
        yield free.filled({} if disk is None else _one(disk.free))
        yield size.filled({} if disk is None else _one(disk.size))
    yield AGENTS_REFUSED.filled(_one(seen.store.refused_agents))
    loaded_at, places = seen.places.loaded_at, seen.places.places.cameras
    yield PLACES_GOOD.filled({} if loaded_at is None else _one(seen.places.good))
    yield PLACES_LOADED.filled({} if loaded_at is None else _one(loaded_at.timestamp()))
    yield PLACED.filled(_one(len(places)))
    yield UNPLACED.filled(_one(sum(key not in places for key in seen.cameras)))
    yield FOLDED.filled(_one(sum(key not in own.cameras for key in seen.cameras)))
    yield SNAPSHOT_TIME.filled(_one(seen.taken_at.timestamp()))


def _one(value: float) -> Values:
    return {(): float(value)}
