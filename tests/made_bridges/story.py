"""What happens on a made footbridge: who walks where, what is put down and what is taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from tests.made_bridges.eye import Deck, Eye
from tests.made_bridges.people import TALLEST_M, Walker
from tests.made_bridges.solids import THINGS, Solid, against_wall, dog, pram

SPEED_MPS = 1.2
BEYOND_M = 3.0
"""People come from and go to so far beyond the deck's ends."""
NEGATIVES = ("crowd", "waiting", "talking", "pram", "tree_shadows", "wet", "leaves", "dog")

Way = tuple[tuple[float, float, float], ...]
"""Places in order of time: second, x, y."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody who goes along ``way``, and is only there while it lasts."""

    walker: Walker
    tall_m: float
    way: Way

    def at(self, at_s: float) -> tuple[float, float] | None:
        """Where he is, or None."""
        if not self.way[0][0] <= at_s <= self.way[-1][0]:
            return None
        times, xs, ys = zip(*self.way, strict=True)
        return float(np.interp(at_s, times, xs)), float(np.interp(at_s, times, ys))

    def walks(self, at_s: float) -> bool:
        """Whether he is on his way."""
        now, later = self.at(at_s), self.at(at_s + 0.1)
        return now is not None and later is not None and abs(now[0] - later[0]) + abs(now[1] - later[1]) > 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """Something that stands at ``place`` from ``from_s`` to ``to_s``; before and after somebody has it in his hands.

    ``held_m``: where it is from who carries it, x and y, and how high.
    """

    solid: Solid
    place: Solid
    from_s: float
    to_s: float
    bringer: Person | None
    taker: Person | None
    held_m: tuple[float, float, float]
    turn: float
    stops_for_s: float | None = None

    def at(self, at_s: float) -> Solid | None:
        """What of it there is to be seen."""
        if self.from_s <= at_s < self.to_s:
            return self.place
        who = self.bringer if at_s < self.from_s else self.taker
        where = who.at(at_s) if who else None
        if where is None:
            return None
        return self.solid.placed(where[0] + self.held_m[0], where[1] + self.held_m[1], self.turn, self.held_m[2])

    def stands(self, at_s: float) -> bool:
        """True while it stands in the way."""
        return self.from_s <= at_s < self.to_s


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """All of it, and how long it takes."""

    kind: str
    duration_s: float
    people: tuple[Person, ...]
    things: tuple[Thing, ...]

    def footprints(self, at_s: float) -> list[BaseGeometry]:
        """The ground under what stands there; what somebody merely stops with is nothing left."""
        return [thing.place.footprint for thing in self.things if thing.stands(at_s) and thing.stops_for_s is None]


class Teller:
    """Makes stories up. The same seed tells the same one.

    Things stand in the ``stretch_m`` (from, to) along the deck; those at a wall at that of side ``near_wall`` (-1 left,
    1 right), or at either.
    """

    def __init__(
        self,
        random: np.random.Generator,
        eye: Eye,
        deck: Deck,
        walkers: list[Walker],
        stretch_m: tuple[float, float],
        near_wall: int = 0,
    ) -> None:
        self.random, self.eye, self.deck = random, eye, deck
        self._stretch_m, self._near_wall = stretch_m, near_wall
        self._towards = [walker for walker in walkers if not walker.away]
        self._away = [walker for walker in walkers if walker.away]

    def positive(self, duration_s: float, count: int, busy: int) -> Story:
        """``count`` things are put down one by one and taken away one by one, while ``busy`` people walk past."""
        random = self.random
        people, things, taken = [], [], []
        starts = np.sort(random.uniform(9, duration_s * 0.45, count)) + np.arange(count) * 2.0
        for index in range(count):
            solid = THINGS[random.integers(len(THINGS))](random)
            place, turn = self._room_for(solid, taken)
            if place is None:
                continue
            taken.append(place.footprint)
            to_s = duration_s + 99 if random.random() < 0.3 else random.uniform(max(starts) + 16, duration_s - 8)
            bringer, held = self._carrier(solid, place, turn, float(starts[index]), brings=True)
            taker, _ = self._carrier(solid, place, turn, to_s, brings=False)
            people += [bringer, taker]
            things.append(Thing(solid, place, float(starts[index]), to_s, bringer, taker, held, turn))
        people += [self._passer(duration_s) for _ in range(busy)]
        return Story("things", duration_s, tuple(people), tuple(things))

    def negative(self, kind: str, duration_s: float) -> Story:
        """Nothing is put down."""
        random = self.random
        count = 26 if kind == "crowd" else 5
        people = [self._passer(duration_s, slow=kind == "crowd") for _ in range(count)]
        things = []
        if kind in ("waiting", "talking"):
            x, y = self._inner(0.8)
            people.append(self._stander(x, y, 8.0, duration_s - 6))
            if kind == "talking":
                people.append(self._stander(x + 0.7, y + 0.2, 12.0, duration_s - 12))
        if kind in ("pram", "dog"):
            solid = pram(random) if kind == "pram" else dog(random)
            x, y = self._inner(1.2)
            stop = random.uniform(0.35, 0.5) * duration_s
            away = bool(random.random() < 0.5)
            turn = np.pi / 2 if away else -np.pi / 2
            ahead = 0.85 if away else -0.85
            way = self._straight(x, away, stop, y - ahead, pause_s=5.0)
            who = self._person(away, way)
            place = solid.placed(x, y, turn)
            things.append(Thing(solid, place, stop, stop + 5.0, who, who, (0.0, ahead, 0.0), turn, stops_for_s=5.0))
            people.append(who)
        return Story(kind, duration_s, tuple(people), tuple(things))

    def _room_for(self, solid: Solid, taken: list[BaseGeometry]) -> tuple[Solid | None, float]:
        """A place on the deck that is free; often against a wall, sometimes close to another thing."""
        deck, random = self.deck, self.random
        half = deck.width_m / 2
        low_m = deck.near_m if self._stretch_m[0] > deck.near_m else deck.near_m - 1.0
        outline = box(-half, low_m, half, deck.far_m).buffer(1e-6)
        for _ in range(200):
            turn = float(random.choice([0, np.pi / 2]) if random.random() < 0.5 else random.uniform(0, 2 * np.pi))
            x, y = random.uniform(-half, half), random.uniform(*self._stretch_m)
            place = solid.placed(x, y, turn)
            if random.random() < 0.45:
                gap = 0.0 if random.random() < 0.3 else float(random.uniform(0.01, 0.15))
                wall_x = self._near_wall * half or float(random.choice([-half, half]))
                place = against_wall(solid, 0.0, y, turn, wall_x, gap)
            shape = place.footprint
            if outline.contains(shape) and all(shape.distance(other) > 0.12 for other in taken):
                return place, turn
        return None, 0.0

    def _carrier(
        self, solid: Solid, place: Solid, turn: float, at_s: float, brings: bool
    ) -> tuple[Person, tuple[float, float, float]]:
        """Who brings a thing, puts it down and goes back, or comes for it and carries it off; and how he holds it."""
        random = self.random
        from_near = bool(random.random() < 0.5) if brings else self.random.random() < 0.5
        middle = place.footprint.centroid
        low, high = place.footprint.bounds[1], place.footprint.bounds[3]
        y = low - 0.3 if from_near else high + 0.3
        own = solid.placed(0, 0, turn).footprint.centroid
        held = (
            0.0 if not brings else -own.x,
            (middle.y - y) - own.y,
            0.0 if solid.rolls else float(random.uniform(0.3, 0.6)),
        )
        limit = self.deck.width_m / 2 - 0.2
        x = float(np.clip(middle.x, -limit, limit))
        end = self.deck.near_m - BEYOND_M if from_near else self.deck.far_m + BEYOND_M
        took = abs(y - end) / (SPEED_MPS * 0.85)
        wait = random.uniform(0.6, 3.0)
        if brings:
            way: Way = ((at_s - took, x, end), (at_s, x, y), (at_s + wait, x, y), (at_s + wait + took, x, end))
        else:
            way = ((at_s - wait - took, x, end), (at_s - wait, x, y), (at_s, x, y), (at_s + took, x, end))
        return self._person(from_near, way), (held[0] + (middle.x - x if brings else 0.0), held[1], held[2])

    def _person(self, away: bool, way: Way) -> Person:
        among = self._away if away else self._towards
        walker = among[self.random.integers(len(among))]
        return Person(walker, float(self.random.uniform(*TALLEST_M)), way)

    def _passer(self, duration_s: float, slow: bool = False) -> Person:
        away = bool(self.random.random() < 0.5)
        start = float(self.random.uniform(-15, duration_s))
        x = float(self.random.uniform(-0.5, 0.5) * (self.deck.width_m - 0.6))
        ends = self.deck.near_m - BEYOND_M, self.deck.far_m + BEYOND_M
        speed = SPEED_MPS * self.random.uniform(0.8, 1.2) * (0.55 if slow else 1.0)
        took = (ends[1] - ends[0]) / speed
        first, last = ends if away else ends[::-1]
        drift = float(
            np.clip(x + self.random.normal(0, 0.4), -self.deck.width_m / 2 + 0.3, self.deck.width_m / 2 - 0.3)
        )
        return self._person(away, ((start, x, first), (start + took, drift, last)))

    def _stander(self, x: float, y: float, from_s: float, to_s: float) -> Person:
        away = bool(self.random.random() < 0.5)
        way = self._straight(x, away, from_s, y, pause_s=to_s - from_s)
        return self._person(away, way)

    def _straight(self, x: float, away: bool, stop_s: float, y: float, pause_s: float) -> Way:
        """Over the whole deck with one pause."""
        ends = self.deck.near_m - BEYOND_M, self.deck.far_m + BEYOND_M
        first, last = ends if away else ends[::-1]
        before, after = abs(y - first) / SPEED_MPS, abs(last - y) / SPEED_MPS
        return (
            (stop_s - before, x, first),
            (stop_s, x, y),
            (stop_s + pause_s, x, y),
            (stop_s + pause_s + after, x, last),
        )

    def _inner(self, margin_m: float) -> tuple[float, float]:
        half = max(self.deck.width_m / 2 - margin_m, 0.1)
        x = self.random.uniform(-half, half)
        return float(x), float(self.random.uniform(self.deck.near_m + 2, self.deck.far_m - 2))
