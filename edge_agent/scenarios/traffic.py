"""Standing in traffic is not parking.

Where vehicles have driven, and nowhere else, is a lane. A vehicle that stands in a lane next to another that stands
in it too is taken to wait, until its neighbours have gone on and it has not. Where frames are too far apart for anybody
to be seen driving, so are the vehicles of a row that were seen to come one right after the other: who parks comes when
it suits him, who must stop stops with the others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.stay import Box, Stay, StayState


@dataclass(frozen=True, slots=True)
class TrafficRules:
    """Lengths are in units of a vehicle's size, the root of its box's area; times are seconds of media time."""

    spot: float = 0.4
    """A vehicle drove over a spot if its foot came this near to it: less than to the next lane."""
    moved: float = 0.3
    """A vehicle has driven on if none is left this near to where it was."""
    sure_score: float = 0.5
    """Best score from which a sighting counts as a vehicle that drives; weaker ones flicker."""
    neighbour: float = 2.5
    """Neighbours in a queue stand no further apart than this, measured by the smaller of the two."""
    arrival_s: float = 1.5
    """What was seen at a spot this shortly before a vehicle came to rest there was that vehicle."""
    approach_s: float = 8.0
    """How far back a vehicle's own way to its spot is followed."""
    row_s: float = 12.0
    """Neighbours that came within this time of each other are a row that had to stop: at a red light the next one comes
    in seconds, whether or not the sampling period shows its way there."""
    sparse_s: float = 1.5
    """Only with frames this far apart: with more of them who drives is seen to drive, and without a lane there is no
    queue; then two that park one right after the other are two that park."""
    parts_s: float = 3.0
    """Two that came within this time of each other are no row: they may be one vehicle, seen in parts."""
    remembered_s: float = 900.0
    """How long it is remembered that a vehicle drove over a spot."""
    start_up_s: float = 6.0
    """How long a vehicle may stay behind when its neighbours go on: a driver's start-up, twice over."""
    longest_s: float = 180.0
    """Longest that a vehicle counts as waiting: the longest cycle of a traffic light, and some."""
    most_sightings: int = 4000
    """Bound of the memory; the oldest go first."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    at_s: float
    x: float
    y: float


class Traffic:
    """Which standing vehicles wait in a queue. Feed it the stays of every frame."""

    def __init__(self, rules: TrafficRules | None = None) -> None:
        self._rules = rules or TrafficRules()
        self._driven: deque[_Sighting] = deque(maxlen=self._rules.most_sightings)
        self._passing: list[tuple[Box, float]] = []
        self._queued_s: dict[str, float] = {}
        self._last_queued_s: dict[str, float] = {}
        self._last_s: float | None = None

    def observe(self, stays: Iterable[Stay], at_s: float) -> None:
        """Take in one frame: where vehicles drive, and who waits."""
        vehicles = [stay for stay in stays if stay.class_group is ClassGroup.VEHICLE]
        while self._driven and at_s - self._driven[0].at_s > self._rules.remembered_s:
            self._driven.popleft()
        self._follow(vehicles, at_s)
        elapsed_s = 0.0 if self._last_s is None else at_s - self._last_s
        self._last_s = at_s
        standing = [stay for stay in vehicles if stay.standing and stay.state is not StayState.ABSENT]
        known = {stay.stay_id for stay in standing}
        self._queued_s = {stay_id: sum_s for stay_id, sum_s in self._queued_s.items() if stay_id in known}
        self._last_queued_s = {stay_id: last for stay_id, last in self._last_queued_s.items() if stay_id in known}
        rows = self._rows(standing) if elapsed_s >= self._rules.sparse_s else set()
        for stay in standing:
            if stay.stay_id in rows or any(self._in_line(stay, other) for other in standing if other is not stay):
                self._queued_s[stay.stay_id] = self._queued_s.get(stay.stay_id, 0.0) + elapsed_s
                self._last_queued_s[stay.stay_id] = at_s

    def _follow(self, vehicles: list[Stay], at_s: float) -> None:
        """Book what has driven on since the frame before: sure sightings whose place is free now and has no owner."""
        for box, seen_s in self._passing:
            stays_put = any(_apart(box, other.box) < self._rules.moved for other in vehicles)
            if not stays_put:
                self._driven.append(_Sighting(seen_s, *_foot(box)))
        self._passing = [
            (stay.box, at_s)
            for stay in vehicles
            if not stay.standing and stay.state is StayState.OBSERVED and stay.score >= self._rules.sure_score
        ]

    def waits(self, stay: Stay, at_s: float) -> bool:
        """True while the vehicle may be waiting in traffic."""
        last_s = self._last_queued_s.get(stay.stay_id)
        if last_s is None or self._queued_s.get(stay.stay_id, 0.0) >= self._rules.longest_s:
            return False
        return at_s - last_s < self._rules.start_up_s

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, to a hundredth of a pixel and a second."""
        return {
            "driven": [[round(value, 2) for value in (spot.at_s, spot.x, spot.y)] for spot in self._driven],
            "passing": [[list(box), seen_s] for box, seen_s in self._passing],
            "queued_s": self._queued_s,
            "last_queued_s": self._last_queued_s,
            "last_s": self._last_s,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        self._driven.clear()
        self._driven.extend(_Sighting(float(at_s), float(x), float(y)) for at_s, x, y in state["driven"])
        self._passing = [((x1, y1, x2, y2), seen_s) for (x1, y1, x2, y2), seen_s in state["passing"]]
        self._queued_s, self._last_queued_s = dict(state["queued_s"]), dict(state["last_queued_s"])
        self._last_s = state["last_s"]

    def _in_line(self, stay: Stay, other: Stay) -> bool:
        """True if both stand in one lane, next to each other."""
        if not self._next_to(stay, other):
            return False
        came_through = self._driven_over(other.box, stay.from_s - self._rules.approach_s, stay.from_s)
        if not came_through and not self._in_lane(other):
            return False
        return came_through or self._in_lane(stay)

    def _next_to(self, stay: Stay, other: Stay) -> bool:
        x, y = _foot(stay.box)
        other_x, other_y = _foot(other.box)
        near = self._rules.neighbour * min(_size(stay.box), _size(other.box))
        return math.hypot(x - other_x, y - other_y) <= near

    def _rows(self, standing: list[Stay]) -> set[str]:
        """Those that stand in a row of neighbours that were seen to come one right after the other."""
        found: set[str] = set()
        left = [stay for stay in standing if stay.came and stay.score >= self._rules.sure_score]
        while left:
            row = [left.pop()]
            for one in row:
                row += [other for other in left if self._came_with(one, other)]
                left = [other for other in left if other not in row]
            came = [stay.from_s for stay in row]
            if len(row) > 2 or max(came) - min(came) >= self._rules.parts_s:
                found |= {stay.stay_id for stay in row}
        return found

    def _came_with(self, stay: Stay, other: Stay) -> bool:
        return abs(stay.from_s - other.from_s) <= self._rules.row_s and self._next_to(stay, other)

    def _in_lane(self, stay: Stay) -> bool:
        return self._driven_over(stay.box, -math.inf, stay.from_s - self._rules.arrival_s)

    def _driven_over(self, spot: Box, from_s: float, to_s: float) -> bool:
        x, y = _foot(spot)
        reach = self._rules.spot * _size(spot)
        return any(
            from_s <= sighting.at_s < to_s and math.hypot(sighting.x - x, sighting.y - y) <= reach
            for sighting in self._driven
        )


def _apart(box: Box, other: Box) -> float:
    """Distance of two feet in units of the larger's size."""
    x, y = _foot(box)
    other_x, other_y = _foot(other)
    return math.hypot(x - other_x, y - other_y) / max(_size(box), _size(other))


def _foot(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3] - 0.15 * (box[3] - box[1])


def _size(box: Box) -> float:
    return math.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0))
