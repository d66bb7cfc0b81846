"""Things that people put down, as faces and rods, with the exact ground that they stand on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.affinity import rotate, translate
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

Array = NDArray[np.float64]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Frustum:
    """A convex body between a polygon (n, 2) at height ``low_m`` and another at ``high_m``; colour BGR."""

    low: Array
    high: Array
    low_m: float
    high_m: float
    colour: Colour
    grain: float = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Rod:
    """A line (n, 3) of round section."""

    line: Array
    thick_m: float
    colour: Colour


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A thing round its own origin. ``rolls``: it is pushed along and not carried."""

    name: str
    parts: tuple[Frustum | Rod, ...]
    rolls: bool = False

    def placed(self, x: float, y: float, turn: float, rise_m: float = 0.0) -> Solid:
        """The same, turned (radians) and moved."""
        cosine, sine = np.cos(turn), np.sin(turn)
        spin = np.array([[cosine, sine], [-sine, cosine]])
        parts: list[Frustum | Rod] = []
        for part in self.parts:
            if isinstance(part, Rod):
                line = np.column_stack([part.line[:, :2] @ spin + (x, y), part.line[:, 2] + rise_m])
                parts.append(Rod(line, part.thick_m, part.colour))
            else:
                low, high = part.low @ spin + (x, y), part.high @ spin + (x, y)
                ends = part.low_m + rise_m, part.high_m + rise_m
                parts.append(Frustum(low, high, *ends, part.colour, part.grain))
        return Solid(self.name, tuple(parts), self.rolls)

    @property
    def footprint(self) -> BaseGeometry:
        """The convex hull of what is below two metres: what stands in somebody's way."""
        points = []
        for part in self.parts:
            if isinstance(part, Rod):
                half = part.thick_m / 2
                low = part.line[part.line[:, 2] < 2.0, :2]
                points += [np.add(low, (dx, dy)) for dx in (-half, half) for dy in (-half, half)]
            elif part.low_m < 2.0:
                points += [part.low, part.high] if part.high_m < 2.0 else [part.low]
        return MultiPoint(np.concatenate(points)).convex_hull

    @property
    def height_m(self) -> float:
        """How high it is."""
        return max(float(part.line[:, 2].max()) if isinstance(part, Rod) else part.high_m for part in self.parts)


def _rectangle(width: float, depth: float, x: float = 0.0, y: float = 0.0) -> Array:
    half = np.array([width, depth]) / 2
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + (x, y)


def _round(radius: float, count: int = 20) -> Array:
    angles = np.arange(count) * 2 * np.pi / count
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def _block(width: float, depth: float, low: float, high: float, colour: Colour, **at: float) -> Frustum:
    base = _rectangle(width, depth, **at)
    return Frustum(base, base, low, high, colour)


def _colour(random: np.random.Generator) -> Colour:
    """Mostly dull, sometimes strong."""
    grey, tint = random.uniform(35, 215), random.normal(0, 1, 3)
    strength = random.choice([6, 18, 60])
    blue, green, red = np.clip(grey + strength * tint, 12, 245)
    return float(blue), float(green), float(red)


def carton(random: np.random.Generator) -> Solid:
    """A box of any proportions."""
    width, depth, height = random.uniform(0.3, 1.1, 3)
    return Solid("carton", (_block(width, depth, 0, height, _colour(random)),))


def plank_pile(random: np.random.Generator) -> Solid:
    """Something long, low and flat: boards, a rolled carpet, a mattress."""
    return Solid(
        "planks",
        (_block(random.uniform(1.2, 2.2), random.uniform(0.3, 0.9), 0, random.uniform(0.12, 0.35), _colour(random)),),
    )


def bin_(random: np.random.Generator) -> Solid:
    """A drum or a dustbin."""
    radius, height = random.uniform(0.2, 0.4), random.uniform(0.6, 1.1)
    body = Frustum(_round(radius * random.uniform(0.8, 1)), _round(radius), 0, height, _colour(random))
    return Solid("bin", (body,))


def traffic_cone(random: np.random.Generator) -> Solid:
    """A cone on its plate."""
    plate = _block(0.36, 0.36, 0, 0.04, (40, 40, 45))
    return Solid("cone", (plate, Frustum(_round(0.14), _round(0.03), 0.04, 0.72, (30, 90, random.uniform(200, 240)))))


def board(random: np.random.Generator) -> Solid:
    """A sign that stands on its edge: high and thin."""
    return Solid("board", (_block(random.uniform(0.6, 1.2), 0.06, 0, random.uniform(0.9, 1.6), _colour(random)),))


def suitcase(random: np.random.Generator) -> Solid:
    """A case with its handle drawn out."""
    body = _block(
        random.uniform(0.4, 0.55), random.uniform(0.24, 0.32), 0.04, random.uniform(0.55, 0.8), _colour(random)
    )
    top = body.high_m + random.uniform(0, 0.35)
    bow = np.array([(-0.12, 0, body.high_m), (-0.12, 0, top), (0.12, 0, top), (0.12, 0, body.high_m)])
    return Solid("suitcase", (body, Rod(bow, 0.025, (60, 60, 60))))


def sacks(random: np.random.Generator) -> Solid:
    """Two or three filled sacks that lean on each other."""
    parts = []
    for index in range(int(random.integers(2, 4))):
        radius = random.uniform(0.22, 0.3)
        shape = _round(radius, 12) * random.uniform(0.85, 1.1, (12, 1)) + (0.42 * index, random.uniform(-0.1, 0.1))
        height = random.uniform(0.35, 0.7)
        middle, colour = shape.mean(axis=0), _colour(random)
        parts.append(Frustum(middle + 0.9 * (shape - middle), shape, 0, 0.6 * height, colour, 0.1))
        parts.append(Frustum(shape, middle + 0.4 * (shape - middle), 0.6 * height, height, colour, 0.1))
    return Solid("sacks", tuple(parts))


def tarpaulin(random: np.random.Generator) -> Solid:
    """A low heap under a sheet: irregular, a hand to a knee high."""
    angles = np.sort(random.uniform(0, 2 * np.pi, 13))
    reach = random.uniform(0.75, 1.0, (13, 1)) * (random.uniform(0.5, 0.9), random.uniform(0.4, 0.7))
    rim = np.asarray(MultiPoint(reach * np.column_stack([np.cos(angles), np.sin(angles)])).convex_hull.exterior.coords)[
        :-1
    ]
    height, colour = random.uniform(0.18, 0.5), _colour(random)
    middle = rim.mean(axis=0)
    levels = [(1.0, 0.0), (0.85, 0.5), (0.55, 0.85), (0.15, 1.0)]
    rings = [(middle + share * (rim - middle), high * height) for share, high in levels]
    pairs = itertools.pairwise(rings)
    return Solid("tarpaulin", tuple(Frustum(low, high, z1, z2, colour, 0.12) for (low, z1), (high, z2) in pairs))


def sofa(random: np.random.Generator) -> Solid:
    """Seat, back and two arms."""
    width, colour = random.uniform(1.4, 1.9), _colour(random)
    seat = _block(width, 0.8, 0.08, 0.42, colour)
    back = _block(width, 0.2, 0.42, 0.85, colour, y=0.3)
    arms = [_block(0.18, 0.8, 0.42, 0.62, colour, x=side * (width / 2 - 0.09)) for side in (-1, 1)]
    return Solid("sofa", (seat, back, *arms), rolls=True)


def pallet(random: np.random.Generator) -> Solid:
    """Boxes stacked on a pallet."""
    parts = [_block(1.2, 0.8, 0, 0.14, (70, 110, 150))]
    for x in (-0.3, 0.3):
        for y in (-0.2, 0.2):
            parts.append(_block(0.56, 0.37, 0.14, random.uniform(0.4, 0.95), _colour(random), x=x, y=y))
    return Solid("pallet", tuple(parts), rolls=True)


def trolley(random: np.random.Generator) -> Solid:
    """A loaded platform with a handle."""
    grey = (90.0, 90.0, 95.0)
    deck = _block(0.9, 0.6, 0.14, 0.2, (60, 60, 160))
    load = _block(random.uniform(0.5, 0.8), 0.5, 0.2, random.uniform(0.5, 0.9), _colour(random), x=0.04)
    bow = np.array([(-0.45, -0.25, 0.2), (-0.45, -0.25, 0.95), (-0.45, 0.25, 0.95), (-0.45, 0.25, 0.2)])
    wheels = [_block(0.14, 0.05, 0, 0.14, (25, 25, 25), x=x, y=y) for x in (-0.35, 0.35) for y in (-0.25, 0.25)]
    return Solid("trolley", (*wheels, deck, load, Rod(bow, 0.035, grey)), rolls=True)


def stall(random: np.random.Generator) -> Solid:
    """A counter under a roof on four posts."""
    width, depth, height = random.uniform(1.2, 2.0), random.uniform(0.9, 1.3), random.uniform(1.95, 2.3)
    roof = _rectangle(width, depth)
    corners = 0.96 * roof
    posts = [Rod(np.array([(x, y, 0), (x, y, height)]), 0.05, (120, 120, 120)) for x, y in corners]
    counter = _block(0.9 * width, 0.5 * depth, 0, random.uniform(0.75, 0.95), _colour(random))
    goods = [
        _block(0.2, 0.2, counter.high_m, counter.high_m + 0.15, _colour(random), x=x)
        for x in (-0.3 * width, 0, 0.25 * width)
    ]
    top = Frustum(1.05 * roof, 0.3 * roof, height, height + 0.3, _colour(random))
    return Solid("stall", (counter, *goods, *posts, top), rolls=True)


def fallen_bicycle(random: np.random.Generator) -> Solid:
    """A bicycle on its side, as rods: wheels, frame, handlebar."""
    colour = _colour(random)
    turn = np.arange(0, 2 * np.pi + 0.01, np.pi / 12)
    parts = []
    for x, lean in ((-0.52, 0.1), (0.52, random.uniform(0.1, 0.3))):
        ring = np.column_stack([x + 0.33 * np.cos(turn), 0.33 * np.sin(turn), 0.06 + lean * (np.sin(turn) + 1) / 2])
        parts.append(Rod(ring, 0.045, (28, 28, 28)))
    joints = {"back": (-0.52, 0, 0.1), "front": (0.52, 0, 0.16), "pedals": (-0.1, 0.02, 0.12)}
    joints |= {"saddle": (-0.22, 0.62, 0.15), "head": (0.38, 0.6, 0.2)}
    for one, other in (
        ("back", "pedals"),
        ("back", "saddle"),
        ("pedals", "saddle"),
        ("pedals", "head"),
        ("saddle", "head"),
        ("head", "front"),
    ):
        parts.append(Rod(np.array([joints[one], joints[other]]), 0.05, colour))
    bar = np.array([(0.32, 0.66, 0.02), (0.40, 0.66, 0.22), (0.34, 0.68, 0.55)])
    parts.append(Rod(bar, 0.04, (40, 40, 40)))
    parts.append(Rod(np.array([(-0.34, 0.66, 0.15), (-0.12, 0.64, 0.15)]), 0.13, (25, 25, 25)))
    return Solid("bicycle", tuple(parts))


def pram(random: np.random.Generator) -> Solid:
    """A pram with its hood."""
    colour = _colour(random)
    body = Frustum(_rectangle(0.6, 0.38), _rectangle(0.8, 0.46), 0.4, 0.75, colour)
    hood = Frustum(_rectangle(0.38, 0.46, x=0.2), _rectangle(0.2, 0.4, x=0.14), 0.75, 1.05, colour)
    wheels = [_block(0.22, 0.05, 0, 0.22, (25, 25, 25), x=x, y=y) for x in (-0.3, 0.3) for y in (-0.2, 0.2)]
    bow = np.array([(-0.35, -0.2, 0.7), (-0.6, -0.2, 1.0), (-0.6, 0.2, 1.0), (-0.35, 0.2, 0.7)])
    return Solid("pram", (*wheels, body, hood, Rod(bow, 0.03, (70, 70, 70))), rolls=True)


def dog(random: np.random.Generator) -> Solid:
    """A dog, roughly."""
    colour = _colour(random)
    body = _block(0.55, 0.2, 0.25, 0.48, colour)
    head = _block(0.2, 0.15, 0.42, 0.62, colour, x=0.34)
    legs = [_block(0.06, 0.06, 0, 0.25, colour, x=x, y=y) for x in (-0.22, 0.22) for y in (-0.07, 0.07)]
    return Solid("dog", (*legs, body, head))


THINGS: tuple[Callable[[np.random.Generator], Solid], ...] = (
    carton,
    carton,
    plank_pile,
    bin_,
    traffic_cone,
    board,
    suitcase,
    sacks,
    tarpaulin,
    sofa,
    pallet,
    trolley,
    stall,
    fallen_bicycle,
)


def against_wall(solid: Solid, x: float, y: float, turn: float, wall_x: float, gap_m: float) -> Solid:
    """A thing turned and pushed sideways until it stands ``gap_m`` before a wall at ``wall_x``."""
    shape = translate(rotate(solid.footprint, turn, origin=(0, 0), use_radians=True), x, y)
    left, _, right, _ = shape.bounds
    moved = wall_x - gap_m - right if wall_x > 0 else wall_x + gap_m - left
    return solid.placed(x + moved, y, turn)
