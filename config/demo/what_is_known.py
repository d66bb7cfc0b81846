"""What the aggregator has, read from outside: its SQLite file and its metrics."""

from __future__ import annotations

import sqlite3
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

_SCRAPE_S = 5.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy from the environment must not see what is meant for this machine alone."""

_INCIDENTS = """
SELECT incident_id, camera_id, zone_id, kind, class_name, limit_s, opened_at, stay_from, closed_at, close_reason,
       dwell_observed_s + dwell_occluded_s + dwell_unknown_s, clear_width_m
FROM incidents ORDER BY opened_at, incident_id
"""
_STILLS = """
SELECT camera_id, kind, moment, sha256 FROM evidence_references JOIN incidents USING (agent_id, incident_id)
ORDER BY opened_at, incident_id, captured_at
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as the aggregator has it."""

    id: str
    camera: str
    zone: str
    kind: str
    class_name: str
    limit_s: float
    opened_at: datetime
    since: datetime | None
    closed_at: datetime | None
    reason: str
    dwell_s: float
    width_m: float | None


@dataclass(frozen=True, slots=True)
class Still:
    """A picture that an incident refers to."""

    camera: str
    kind: str
    moment: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the folder of stills."""
        return f"{self.sha256}.jpg"


@dataclass(frozen=True, slots=True)
class Known:
    """One look. Each mapping has the camera's id as its key."""

    incidents: tuple[Incident, ...] = ()
    states: dict[str, str] = field(default_factory=dict)
    widths_m: dict[str, float] = field(default_factory=dict)
    frames_at: dict[str, datetime] = field(default_factory=dict)
    waiting_events: int | None = None

    def all_arrived(self, cameras: Iterable[str]) -> bool:
        """True once every recording has ended and no event waits in the agent's queue."""
        return self.waiting_events == 0 and all(self.states.get(camera) == "ended" for camera in cameras)


class Lookout:
    """Looks at an aggregator and, for how far the recordings are, at the agent."""

    def __init__(self, store: Path, aggregator_metrics: str, agent_metrics: str) -> None:
        self._store = store
        self._aggregator = aggregator_metrics
        self._agent = agent_metrics
        self._frames_at: dict[str, datetime] = {}

    def look(self) -> Known:
        """Everything as it is now."""
        states: dict[str, str] = {}
        widths: dict[str, float] = {}
        for name, labels, value in _scrape(self._aggregator):
            if name == "clearway_camera_state" and value == 1:
                states[labels["camera"]] = labels["state"]
            elif name == "clearway_passage_clear_width_meters":
                widths[labels["camera"]] = value
        waiting: int | None = None
        for name, labels, value in _scrape(self._agent):
            if name == "clearway_agent_last_frame_timestamp_seconds":
                self._frames_at[labels["camera"]] = datetime.fromtimestamp(value, UTC)
            elif name == "clearway_agent_queue_pending_events":
                waiting = int(value)
        return Known(self._incidents(), states, widths, dict(self._frames_at), waiting)

    def stills(self) -> list[Still]:
        """The pictures that incidents refer to, incident by incident, oldest first."""
        return [Still(camera, kind, moment, sha.hex()) for camera, kind, moment, sha in self._rows(_STILLS)]

    def _incidents(self) -> tuple[Incident, ...]:
        return tuple(
            Incident(
                id=row[0],
                camera=row[1],
                zone=row[2],
                kind=row[3],
                class_name=row[4],
                limit_s=row[5],
                opened_at=datetime.fromisoformat(row[6]).replace(tzinfo=UTC),
                since=_utc(row[7]),
                closed_at=_utc(row[8]),
                reason=row[9] or "",
                dwell_s=row[10],
                width_m=row[11],
            )
            for row in self._rows(_INCIDENTS)
        )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self._store.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            return store.execute(query).fetchall()


def _utc(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def _scrape(url: str) -> list[tuple[str, dict[str, str], float]]:
    try:
        with _NO_PROXY.open(url, timeout=_SCRAPE_S) as answer:
            text = answer.read().decode()
    except OSError:  # it is stopping, or busy: its process says which, and the next look is soon
        return []
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
