"""People who keep their place in a passage, and how closely they stand. They are never obstacles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True)
class PeopleRules:
    """Who stands, and how a crowd is measured."""

    reach_m: float = 0.6
    """A person who is still this near to where they were first seen has kept their place; a step is longer."""
    stand_s: float = 5.0
    """and stands once they have kept it for so long: someone who waits to let another by does not count."""
    missed_s: float = 3.0
    """A person not detected for longer has left; detectors miss a standing one for a frame or two."""
    crowd_radius_m: float = 1.8
    """Density is counted in a disc of this radius (10 m²): wide enough that three who talk are no crowd."""


PEOPLE_RULES = PeopleRules()


@dataclass(slots=True)
class _Place:
    x: float
    y: float
    since_s: float
    last_s: float


class StandingPeople:
    """The places of people on one passage, metres. Feed it their feet in order of media time."""

    def __init__(self, outline: BaseGeometry, rules: PeopleRules = PEOPLE_RULES) -> None:
        self._outline = outline
        self._rules = rules
        self._places: list[_Place] = []

    def observe(self, feet_m: NDArray[np.float64], now_s: float) -> tuple[int, float]:
        """(people who stand, the most of them on a square metre) after a frame that shows feet at (n, 2)."""
        rules = self._rules
        free = list(self._places)
        for x, y in feet_m:
            if not (np.isfinite(x) and self._outline.contains(Point(x, y))):
                continue
            nearest = min(free, key=lambda place: _distance(place, x, y), default=None)
            if nearest is not None and _distance(nearest, x, y) <= rules.reach_m:
                free.remove(nearest)
                nearest.last_s = now_s
            else:
                self._places.append(_Place(float(x), float(y), now_s, now_s))
        self._places = [place for place in self._places if now_s - place.last_s <= rules.missed_s]
        standing = [place for place in self._places if place.last_s - place.since_s >= rules.stand_s]
        return len(standing), max((self._density(place, standing) for place in standing), default=0.0)

    def _density(self, middle: _Place, standing: list[_Place]) -> float:
        radius = self._rules.crowd_radius_m
        area = Point(middle.x, middle.y).buffer(radius, quad_segs=4).intersection(self._outline).area
        near = sum(_distance(place, middle.x, middle.y) <= radius for place in standing)
        # A disc that lies for the most part outside the passage says nothing of how close people stand in it.
        return near / max(float(area), np.pi * radius * radius / 4)


def _distance(place: _Place, x: float, y: float) -> float:
    return float(np.hypot(place.x - x, place.y - y))
