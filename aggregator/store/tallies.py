"""Sums that outlive what they were made from: incidents that were opened and closed, seconds that agents told.

Each is kept twice: by camera and zone, and by the street in which the camera stood at the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from aggregator.store.schema import street_sums, tallies
from aggregator.store.upsert import insert_or

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


class TallyBook:
    """Increments that one transaction gathers."""

    def __init__(self, street_of: StreetOf) -> None:
        self._street_of = street_of
        self._sums: defaultdict[TallyKey, float] = defaultdict(float)
        self._street_sums: defaultdict[StreetSumKey, float] = defaultdict(float)

    def opened(self, place: tuple[str, str, str, str, str, str]) -> None:
        """An incident was opened at ``place`` (agent, camera, zone, scenario, kind, class group)."""
        self._sums[TallyKey(*place, OPENED)] += 1
        self._add_to_street(place, OPENED, 1)

    def closed(self, place: tuple[str, str, str, str, str, str], reason: str, duration_s: float) -> None:
        """An incident was closed after ``duration_s`` seconds."""
        bound = next((str(bound) for bound in DURATION_BOUNDS_S if duration_s <= bound), MORE)
        self._sums[TallyKey(*place, CLOSED + reason)] += 1
        self._sums[TallyKey(*place, DURATION + bound)] += 1
        self._sums[TallyKey(*place, DURATION_SUM)] += duration_s
        self._add_to_street(place, CLOSED + reason, 1)
        if reason in SEEN_TO_END:
            self._add_to_street(place, CLEAR + bound, 1)
            self._add_to_street(place, CLEAR_SUM, duration_s)

    def grown(self, agent_id: str, grown: Grown) -> None:
        """A sum of seconds has grown. By camera only violations are kept: they are rare, and no heartbeat has their
        kind."""
        street = self._street_of(agent_id, grown.camera_id)
        self._street_sums[StreetSumKey(agent_id, *street, grown.scenario, grown.kind, grown.name)] += grown.value
        if grown.name == VIOLATION_SECONDS:
            place = (agent_id, grown.camera_id, grown.zone_id, grown.scenario, grown.kind)
            self._sums[TallyKey(*place, "", VIOLATION_SECONDS)] += grown.value

    def write(self, connection: Connection) -> None:
        """Add everything to the tables, in an order by which two replicas never wait for each other in a circle."""
        rows = [{**key._asdict(), "value": value} for key, value in sorted(self._sums.items())]
        insert_or(connection, tallies, rows, lambda new: {"value": tallies.c.value + new.value})
        rows = [{**key._asdict(), "value": value} for key, value in sorted(self._street_sums.items())]
        insert_or(connection, street_sums, rows, lambda new: {"value": street_sums.c.value + new.value})

    def _add_to_street(self, place: tuple[str, str, str, str, str, str], name: str, value: float) -> None:
        agent, camera, _, scenario, kind, _ = place
        self._street_sums[StreetSumKey(agent, *self._street_of(agent, camera), scenario, kind, name)] += value
