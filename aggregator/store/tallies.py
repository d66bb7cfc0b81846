"""Sums over incidents that outlive their rows: how many were opened, closed and how long they lasted."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

DURATION_BOUNDS_S = (60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
"""Upper bounds of the incident duration histogram: from a minute's stop to a day; longer ones count as 'more'."""

OPENED = "opened"
CLOSED = "closed."
DURATION_SUM = "duration_sum"
DURATION = "duration."
MORE = "more"


class TallyKey(NamedTuple):
    """What is counted, and where."""

    agent_id: str
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str
    name: str


class TallyBook:
    """Increments that one transaction gathers."""

    def __init__(self) -> None:
        self._sums: defaultdict[TallyKey, float] = defaultdict(float)

    def opened(self, place: tuple[str, str, str, str, str, str]) -> None:
        """An incident was opened at ``place`` (agent, camera, zone, scenario, kind, class group)."""
        self._sums[TallyKey(*place, OPENED)] += 1

    def closed(self, place: tuple[str, str, str, str, str, str], reason: str, duration_s: float) -> None:
        """An incident was closed after ``duration_s`` seconds."""
        bound = next((str(bound) for bound in DURATION_BOUNDS_S if duration_s <= bound), MORE)
        self._sums[TallyKey(*place, CLOSED + reason)] += 1
        self._sums[TallyKey(*place, DURATION + bound)] += 1
        self._sums[TallyKey(*place, DURATION_SUM)] += duration_s

    def rows(self) -> list[dict[str, str | float]]:
        """One row for each key, sorted, so that two replicas never wait for each other in a circle."""
        return [{**key._asdict(), "value": value} for key, value in sorted(self._sums.items())]
