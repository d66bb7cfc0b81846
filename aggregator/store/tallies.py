"""Sums that outlive what they were made from: incidents that were opened and closed, seconds that agents told.

Each is kept twice: by camera and zone, and by the street in which the camera stood at the time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import fsum
from typing import NamedTuple

from sqlalchemy import Connection

from aggregator.store.schema import street_sums, tallies
from aggregator.store.upsert import Insert

DURATION_BOUNDS_S = (60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
"""Upper bounds of the incident duration histogram: from a minute's stop to a day; longer ones count as 'more'."""

OPENED = "opened"
CLOSED = "closed."
DURATION_SUM = "duration_sum"
DURATION = "duration."
MORE = "more"
CLEAR_SUM = "clear_sum"
CLEAR = "clear."
STATE_SECONDS = "state."
ENFORCED_SECONDS = "enforced"
JUDGED_SECONDS = "judged"
VIOLATION_SECONDS = "violation"

_BOUND_NAMES = (*map(str, DURATION_BOUNDS_S), MORE)

SEEN_TO_END = ("left", "cleared")
"""The reasons for closing by which a place was seen to be clear."""

UNPLACED = "unplaced"
"""District and street of a camera that has no place."""


class StreetKey(NamedTuple):
    """A street by its codes."""

    district: str
    street: str


NOWHERE = StreetKey(UNPLACED, UNPLACED)

StreetOf = Callable[[str, str], StreetKey]
"""The street of a camera, given agent and camera."""


def nowhere(_agent_id: str, _camera_id: str) -> StreetKey:
    """The street of every camera where no places are known."""
    return NOWHERE


class TallyKey(NamedTuple):
    """What is counted, and where."""

    agent_id: str
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str
    name: str


class StreetSumKey(NamedTuple):
    """What is counted of one agent in one street."""

    agent_id: str
    district: str
    street: str
    scenario: str
    kind: str
    name: str


class Grown(NamedTuple):
    """By how much a sum of one camera has grown. Zone, scenario and kind are empty where they mean nothing."""

    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    name: str
    value: float


Place = tuple[str, str, str, str, str, str]
"""Agent, camera, zone, scenario, kind and class group."""

_ADD = Insert(tallies, lambda new: {"value": tallies.c.value + new.value})
_ADD_TO_STREETS = Insert(street_sums, lambda new: {"value": street_sums.c.value + new.value})


class TallyBook:
    """Increments that one transaction gathers."""

    def __init__(self, street_of: StreetOf) -> None:
        self._street_of = street_of
        self._opened: defaultdict[Place, int] = defaultdict(int)
        self._closed: defaultdict[tuple[Place, str], list[float]] = defaultdict(list)
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._street_sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def opened(self, place: Place) -> None:
        """An incident was opened at ``place``."""
        self._opened[place] += 1

    def closed(self, place: Place, reason: str, duration_s: float) -> None:
        """An incident was closed after ``duration_s`` seconds."""
        self._closed[place, reason].append(duration_s)

    def grown(self, agent_id: str, grown: Grown) -> None:
        """A sum of seconds has grown. By camera only violations are kept: they are rare, and no heartbeat has their
        kind."""
        place = (agent_id, grown.camera_id, grown.zone_id, grown.scenario, grown.kind, "")
        self._street_sums[*self._street(place), grown.name] += grown.value
        if grown.name == VIOLATION_SECONDS:
            self._sums[*place, VIOLATION_SECONDS] += grown.value

    def write(self, connection: Connection) -> None:
        """Add everything to the tables, in an order by which two replicas never wait for each other in a circle."""
        for place, count in self._opened.items():
            self._sums[*place, OPENED] += count
            self._street_sums[*self._street(place), OPENED] += count
        for (place, reason), durations_s in self._closed.items():
            self._add_closed(place, reason, durations_s)
        _ADD(connection, [(*key, value) for key, value in sorted(self._sums.items())])
        _ADD_TO_STREETS(connection, [(*key, value) for key, value in sorted(self._street_sums.items())])

    def _add_closed(self, place: Place, reason: str, durations_s: Sequence[float]) -> None:
        sums, street_sums, street = self._sums, self._street_sums, self._street(place)
        count, total_s = len(durations_s), fsum(durations_s)
        bounds = Counter(bisect_left(DURATION_BOUNDS_S, duration_s) for duration_s in durations_s)
        by_bound = {_BOUND_NAMES[bound]: many for bound, many in bounds.items()}
        sums[*place, CLOSED + reason] += count
        sums[*place, DURATION_SUM] += total_s
        street_sums[*street, CLOSED + reason] += count
        for bound, many in by_bound.items():
            sums[*place, DURATION + bound] += many
        if reason in SEEN_TO_END:
            street_sums[*street, CLEAR_SUM] += total_s
            for bound, many in by_bound.items():
                street_sums[*street, CLEAR + bound] += many

    def _street(self, place: Place) -> tuple[str, ...]:
        agent, camera, _, scenario, kind, _ = place
        return (agent, *self._street_of(agent, camera), scenario, kind)
