"""The widest disc that can pass a passage from one end to the other.

A disc of diameter w is stopped exactly when a chain of things reaches from one wall to the other in which every gap is
narrower than w. So the clear width is the least, over all chains, of the chain's widest gap: the bottleneck path
between the two walls in the graph of distances. Polygons make it exact; a raster (distance transform) is used only to
lay a path through, and by the tests to check this file against.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiLineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points, substring

PointM = tuple[float, float]

PATH_CELL_M = 0.1
"""Raster of the drawn path; the width does not depend on it."""
MAX_PATH_CELLS = 60_000
"""A larger passage takes coarser cells, so that a path is found in less than a tenth of a second."""


class CorridorError(Exception):
    """A polygon and two ends that make no corridor; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Corridor:
    """A passage on the ground, metres: its outline, its two open ends, and the two walls between them."""

    outline: Polygon
    ends: tuple[LineString, LineString]
    walls: tuple[BaseGeometry, BaseGeometry]

    @staticmethod
    def between(polygon_m: Sequence[PointM], ends_m: Sequence[tuple[PointM, PointM]]) -> Corridor:
        """Cut a polygon's border at the ends of its two ``ends_m``. Raises ``CorridorError``."""
        outline = Polygon(polygon_m)
        if not outline.is_valid or outline.area <= 0:
            raise CorridorError(
                "the passage's polygon crosses itself on the ground: check its corners and the calibration"
            )
        border = outline.exterior
        first, second = ([border.project(Point(point)) for point in end] for end in ends_m)
        for place, end in (("first", first), ("second", second)):
            if abs(end[0] - end[1]) < 1e-6:
                raise CorridorError(
                    f"the {place} end of the passage has no length: give two points of the polygon's border"
                )
        arcs = _arcs(border, first, second)
        if arcs is None:
            raise CorridorError("the two ends of the passage cross each other: each must be one stretch of the border")
        end_a, wall_right, end_b, wall_left = arcs
        return Corridor(outline, (end_a, end_b), (wall_left, wall_right))


@dataclass(frozen=True, slots=True, eq=False)
class ClearPassage:
    """What the solver found.

    ``narrowest_m``: the two border points between which it is narrowest. ``gap_sides``: what they belong to, indices of
    the footprints, or -1 and -2 for the walls.
    """

    width_m: float
    narrowest_m: tuple[PointM, PointM]
    gap_sides: tuple[int, int]


def clear_width(corridor: Corridor, footprints: Sequence[BaseGeometry]) -> ClearPassage:
    """The clear width between ``footprints``, polygons on the ground in metres. What lies outside is cut away.

    An added footprint can never widen the passage: it only adds chains.
    """
    inside = [(index, shape.intersection(corridor.outline)) for index, shape in enumerate(footprints)]
    inside = [(index, shape) for index, shape in inside if not shape.is_empty]
    names = [-1, -2, *(index for index, _ in inside)]
    shapes = np.array([*corridor.walls, *(shape for _, shape in inside)], dtype=object)
    gaps = np.atleast_2d(shapely.distance(shapes[:, None], shapes[None, :]))
    chain = _bottleneck(gaps, 0, 1)
    widest = max(chain, key=lambda link: gaps[link])
    on_a, on_b = nearest_points(shapes[widest[0]], shapes[widest[1]])
    return ClearPassage(
        float(gaps[widest]),
        ((on_a.x, on_a.y), (on_b.x, on_b.y)),
        (names[widest[0]], names[widest[1]]),
    )


def narrowing(
    corridor: Corridor, footprints: Sequence[BaseGeometry], since_s: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """How the clear width fell as things came: (media time, width in metres) of each thing that made it less."""
    steps: list[tuple[float, float]] = []
    order = sorted(range(len(footprints)), key=lambda index: since_s[index])
    for count, index in enumerate(order, start=1):
        if count < len(order) and since_s[order[count]] == since_s[index]:
            continue
        width_m = clear_width(corridor, [footprints[other] for other in order[:count]]).width_m
        if not steps or width_m < steps[-1][1]:
            steps.append((since_s[index], width_m))
    return tuple(steps)


def clear_path(corridor: Corridor, footprints: Sequence[BaseGeometry], width_m: float) -> tuple[PointM, ...]:
    """A short way for a disc of ``width_m`` from end to end, metres; empty when the raster finds none."""
    cell = max(PATH_CELL_M, float(np.sqrt(corridor.outline.envelope.area / MAX_PATH_CELLS)))
    distance, origin = clearance_raster(corridor, footprints, cell)
    # Two cells of slack: the raster's discs must fit through a gap that the exact width just touches.
    free = distance >= max(width_m / 2 - 2 * cell, 0.5 * cell)
    starts, goals = (_cells_along(end, origin, cell, free) for end in corridor.ends)
    cells = _shortest(free, distance, starts, goals)
    if len(cells) < 2:
        return ()
    middles = LineString([(origin[0] + (x + 0.5) * cell, origin[1] + (y + 0.5) * cell) for x, y in cells])
    return tuple((float(x), float(y)) for x, y in middles.simplify(cell / 2).coords)


def clearance_raster(
    corridor: Corridor, footprints: Sequence[BaseGeometry], cell_m: float
) -> tuple[NDArray[np.float32], PointM]:
    """Metres from each cell's middle to the nearest wall or footprint, (rows, columns), and the corner (x, y).

    Cells beyond the walls and the ends are 0.
    """
    low_x, low_y, high_x, high_y = corridor.outline.bounds
    margin = 2
    columns = int(np.ceil((high_x - low_x) / cell_m)) + 2 * margin
    rows = int(np.ceil((high_y - low_y) / cell_m)) + 2 * margin
    origin = (low_x - margin * cell_m, low_y - margin * cell_m)
    inside = np.zeros((rows, columns), np.uint8)
    _fill(inside, corridor.outline, origin, cell_m, 1)
    free = np.ones((rows, columns), np.uint8)
    for wall in corridor.walls:
        for line in wall.geoms if isinstance(wall, MultiLineString) else [wall]:
            cv2.polylines(free, [_fixed(np.asarray(line.coords), origin, cell_m)], False, 0, 1, cv2.LINE_8, 8)
    for shape in footprints:
        _fill(free, shape.intersection(corridor.outline), origin, cell_m, 0)
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float32) * cell_m
    distance[inside == 0] = 0
    return distance, origin


def _arcs(
    border: LineString, first: list[float], second: list[float]
) -> tuple[BaseGeometry, BaseGeometry, BaseGeometry, BaseGeometry] | None:
    """The border cut into end, wall, end, wall, in its own order; None when the ends interleave."""
    round_trip = border.length
    from_a, to_a = first
    for start, stop in ((from_a, to_a), (to_a, from_a)):
        length = (stop - start) % round_trip
        rest = sorted((place - start) % round_trip for place in second)
        if rest[0] >= length - 1e-9:
            cuts = [0.0, length, rest[0], rest[1], round_trip]
            end, wall, other_end, other_wall = (
                _stretch(border, start + low, start + high) for low, high in pairwise(cuts)
            )
            return end, wall, other_end, other_wall
    return None


def _stretch(border: LineString, start: float, stop: float) -> BaseGeometry:
    total = border.length
    start, stop = start % total, start % total + (stop - start)
    if stop <= total:
        return substring(border, start, stop)
    head, tail = substring(border, start, total), substring(border, 0, stop - total)
    return LineString([*head.coords, *tail.coords])


def _bottleneck(gaps: NDArray[np.float64], start: int, goal: int) -> list[tuple[int, int]]:
    """The links of the path from start to goal whose widest gap is least (Dijkstra on the maximum)."""
    best = np.full(len(gaps), np.inf)
    best[start] = 0.0
    before = [-1] * len(gaps)
    done = np.zeros(len(gaps), bool)
    while not done[goal]:
        here = int(np.argmin(np.where(done, np.inf, best)))
        done[here] = True
        reach = np.maximum(gaps[here], best[here])
        for there in np.flatnonzero(~done & (reach < best)):
            best[there], before[there] = reach[there], here
    chain = []
    while goal != start:
        chain.append((before[goal], goal))
        goal = before[goal]
    return chain


def _fixed(points: NDArray[np.float64], origin: PointM, cell: float) -> NDArray[np.int32]:
    """Metres to cells in OpenCV's fixed point with 8 fractional bits; a cell's middle is at a whole number."""
    cells: NDArray[np.int32] = np.round(((points - np.asarray(origin)) / cell - 0.5) * 256).astype(np.int32)
    return cells


def _fill(raster: NDArray[np.uint8], shape: BaseGeometry, origin: PointM, cell: float, value: int) -> None:
    for part in getattr(shape, "geoms", [shape]):
        if isinstance(part, Polygon) and not part.is_empty:
            cv2.fillPoly(raster, [_fixed(np.asarray(part.exterior.coords), origin, cell)], value, cv2.LINE_8, 8)


def _cells_along(end: LineString, origin: PointM, cell: float, free: NDArray[np.bool_]) -> list[tuple[int, int]]:
    count = max(2, int(end.length / cell) * 2)
    points = np.array([end.interpolate(part, normalized=True).coords[0] for part in np.linspace(0, 1, count)])
    cells = np.floor((points - np.asarray(origin)) / cell).astype(int)
    found: set[tuple[int, int]] = set()
    for x, y in cells:
        # The end's own cells may lie half outside: take the free cells beside them too.
        for column in (x - 1, x, x + 1):
            for row in (y - 1, y, y + 1):
                if 0 <= row < free.shape[0] and 0 <= column < free.shape[1] and free[row, column]:
                    found.add((int(column), int(row)))
    return sorted(found)


def _shortest(
    free: NDArray[np.bool_],
    distance: NDArray[np.float32],
    starts: list[tuple[int, int]],
    goals: list[tuple[int, int]],
) -> list[tuple[int, int]]:
    """A* over free cells (x, y), eight neighbours, a little in favour of the middle.

    No step costs less than its length at the lowest price, so what is left to the goals' bounding box is never
    overestimated and the way is the cheapest. Cells at the raster's border are never free: ``clearance_raster`` leaves
    a margin.
    """
    if not starts or not goals:
        return []
    rows, columns = free.shape
    # Plain lists: single elements of an array are several times slower to reach.
    prices = np.where(free, 1.0 + 0.2 / (0.1 + distance), np.inf)
    price = prices.ravel().tolist()
    (low_x, low_y), (high_x, high_y) = np.min(goals, axis=0), np.max(goals, axis=0)
    x, y = np.arange(columns), np.arange(rows)
    left_x = np.maximum(np.maximum(low_x - x, x - high_x), 0)
    left_y = np.maximum(np.maximum(low_y - y, y - high_y), 0)
    left = (np.hypot(left_x[None, :], left_y[:, None]) * prices.min()).ravel().tolist()
    steps = [(dy * columns + dx, (dx * dx + dy * dy) ** 0.5) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    cost = dict.fromkeys((y * columns + x for x, y in starts), 0.0)
    before: dict[int, int] = {}
    wanted = {y * columns + x for x, y in goals}
    queue = [(left[cell], 0.0, cell) for cell in cost]
    heapq.heapify(queue)
    while queue:
        _, so_far, here = heapq.heappop(queue)
        if so_far > cost[here]:
            continue
        if here in wanted:
            cells = [here]
            while cells[-1] in before:
                cells.append(before[cells[-1]])
            return [(cell % columns, cell // columns) for cell in reversed(cells)]
        for step, length in steps:
            there = here + step
            total = so_far + length * price[there]
            if total < cost.get(there, np.inf):
                cost[there], before[there] = total, here
                heapq.heappush(queue, (total + left[there], total, there))
    return []
