"""Where a thing of unknown shape stands on the ground, from its silhouette.

A silhouette covers the ground that the thing stands on and, because things have height, ground behind it. One picture
does not say which: a low deep thing and a high flat one look alike. The thing is taken as an upright prism that
fills its silhouette, and of those that do as the one whose proportions are most like those of what people put down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from edge_agent.scene.calibration import Calibration
from edge_agent.scene.footprint import Footprint
from edge_agent.scene.upright import Upright

Array = NDArray[np.float64]
Cells = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SilhouetteRules:
    """How silhouettes are trusted."""

    cell_m: float = 0.04
    """Raster of the ground."""
    most_cells: int = 250_000
    """A larger silhouette takes coarser cells."""
    height_step_m: float = 0.1
    tallest_m: float = 2.6
    """Prisms are tried up to here; what is above does not stand in the way of a wheelchair."""
    depth_spread: float = 0.4
    """Scatter of the logarithm of depth over width, for boxes, crates, bins, stalls and bicycles seen from anywhere."""
    height: float = -0.3
    height_spread: float = 1.8
    """The logarithm of height over the root of depth times width, and its scatter: from a toppled bicycle and a
    mattress (a third) to a bin and a pile of crates (twice), with much room for what lies flat."""
    explained: float = 0.90
    """Share of a silhouette that a prism must fill,"""
    unexplained_spread: float = 0.03
    """and how much of it a prism of the right height leaves: its outline is good to a pixel or two."""
    most_parts: int = 3
    least_part: float = 0.03
    """A silhouette may be of several things side by side; what is smaller than this share of it is none."""
    outline_noise_px: float = 1.5
    """One standard deviation of a silhouette's outline."""
    tail: float = 0.05
    """How likely a cell of the ground is no part, or a part, of what a thing is at most, or at least."""
    beyond_m: float = 1.5
    """So far beyond the picture's end what reaches there may go on,"""
    front_step_m: float = 0.3
    """and is tried to begin at such steps."""
    deepest_m: float = 12.0
    """Ground further behind a thing's foot than this is not looked at."""


RULES = SilhouetteRules()
_EDGE = 3
"""What ends so near to the border of its part of the picture, in pixels with a border of one, reaches it."""


class Cut(NamedTuple):
    """Which sides of a part of the picture, but the upper one, are the picture's own."""

    left: bool
    right: bool
    bottom: bool


UNCUT = Cut(False, False, False)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """A raster of the ground. ``maps``: for each height, the homography from its cells to pixels of the silhouette."""

    maps: list[Array]
    size: tuple[int, int]
    low: Array
    cell: float
    upright: Upright

    def raised(self, mask: Cells, level: int) -> Cells:
        """The cells over which a mask is set at a height."""
        return np.asarray(
            cv2.warpPerspective(
                mask,
                np.linalg.inv(self.maps[level]),
                self.size,
                flags=cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.uint8,
        )

    def cover(self, base: Cells, level: int, shape: tuple[int, ...]) -> Cells:
        """What of a picture a prism up to a height fills."""
        cover = np.zeros(shape, np.uint8)
        for below in self.maps[: level + 1]:
            cover |= cv2.warpPerspective(base, below, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
        return cover

    def _from_camera(self) -> Array:
        columns, rows = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        return np.stack([columns, rows], axis=-1) * self.cell + self.low - self.upright.camera_m[:2]

    def sector(self, seen: Cells) -> Cells:
        """The cells in the directions in which something is seen."""
        places = self._from_camera()
        ahead = places[seen > 0].mean(axis=0)
        angles = np.arctan2(ahead[0] * places[..., 1] - ahead[1] * places[..., 0], places @ ahead)
        return np.asarray((angles >= angles[seen > 0].min()) & (angles <= angles[seen > 0].max()), np.uint8)

    def fronts(self, base: Cells) -> list[Cells]:
        """A base, and what is left of it if it begins further and further from the camera."""
        away = np.linalg.norm(self._from_camera(), axis=-1)
        reach = away[base > 0]
        return [base & (away >= edge) for edge in np.arange(reach.min(), reach.max(), RULES.front_step_m)]


def footprint_of_silhouette(
    mask: NDArray[np.bool_],
    origin_px: tuple[float, float],
    scale: float,
    upright: Upright,
    calibration: Calibration,
    cut: Cut = UNCUT,
) -> Footprint | None:
    """The footprint of a thing of unknown shape; None if its foot is not on the ground.

    ``mask`` (height, width) is a part of the picture that begins at ``origin_px`` (x, y) and is ``scale`` times as
    large as there. ``cut``: its sides at which the picture ends: what is beyond them nobody has seen.
    """
    if not mask.any():
        return None
    rest = np.pad(mask, 1).astype(np.uint8)
    is_cut = bool(_unseen(rest, cut).any())
    ground = calibration.to_ground(_outline_px(mask) / scale + np.asarray(origin_px))
    ground = ground[np.isfinite(ground).all(axis=1)]
    if len(ground) < 3:
        return None
    away = np.linalg.norm(ground - upright.camera_m[:2], axis=1)
    ground, away = ground[away < away.min() + RULES.deepest_m], away[away < away.min() + RULES.deepest_m]
    if is_cut:
        nearer = (
            upright.camera_m[:2]
            + (ground - upright.camera_m[:2]) * (1 - RULES.beyond_m / away.clip(RULES.beyond_m))[:, None]
        )
        ground = np.concatenate([ground, nearer])
    low, high = ground.min(axis=0) - 0.2, ground.max(axis=0) + 0.2
    cell = max(RULES.cell_m, float(np.sqrt(np.prod(high - low) / RULES.most_cells)))
    size = tuple(int(count) for count in np.ceil((high - low) / cell))
    to_cells = np.array([[1 / cell, 0, -low[0] / cell - 0.5], [0, 1 / cell, -low[1] / cell - 0.5], [0, 0, 1.0]])
    to_mask = np.array([[scale, 0, -scale * origin_px[0] + 0.5], [0, scale, -scale * origin_px[1] + 0.5], [0, 0, 1.0]])
    heights = np.arange(0.0, RULES.tallest_m + 1e-9, RULES.height_step_m)
    maps = [to_mask @ upright.plane(float(height)) @ np.linalg.inv(to_cells) for height in heights]
    grid = _Grid(maps, (size[0], size[1]), low, cell, upright)
    base, least, most = (np.zeros((size[1], size[0]), bool) for _ in range(3))
    for _ in range(RULES.most_parts):
        part, filled, chance = _likeliest_base(rest, _unseen(rest, cut), grid)
        base |= part > 0
        least |= chance >= 1 - RULES.tail
        most |= chance >= RULES.tail
        # What one prism leaves over is another thing beside it, unless it is no more than a ragged border.
        rest = cv2.morphologyEx(rest & ~filled, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        if np.count_nonzero(rest) < RULES.least_part * np.count_nonzero(mask):
            break
    shape = _outlined(base, low, cell)
    if shape is None:
        return None
    middle = calibration.to_pixels(np.array([[shape.centroid.x, shape.centroid.y]]))[0]
    fine_m, _ = calibration.pixel_scale(middle)
    at_least, at_most = (_outlined(cells, low, cell) or Polygon() for cells in (least & base, most | base))
    return Footprint(shape, fine_m * RULES.outline_noise_px / scale, at_least, at_most, foot_seen=not is_cut)


def _unseen(thing: Cells, cut: Cut) -> Cells:
    """A silhouette with a border of a pixel, and in it what lies beyond the picture where it reaches its end."""
    unseen = np.zeros_like(thing)
    if cut.left and thing[:, 1:_EDGE].any():
        unseen[:, 0] = 1
    if cut.right and thing[:, -_EDGE:-1].any():
        unseen[:, -1] = 1
    if cut.bottom and thing[-_EDGE:-1].any():
        unseen[-1] = 1
    return unseen


def _likeliest_base(thing: Cells, unseen: Cells, grid: _Grid) -> tuple[Cells, Cells, Array]:
    """The base of the likeliest prism that fills a silhouette, the pixels that it fills, and for each cell of the
    ground how likely it belongs to the base, over all prisms that fill the silhouette.
    """
    whole = thing | unseen
    hidden = bool(unseen.any()) and bool(grid.raised(thing, 0).any())
    base = grid.raised(whole, 0)
    sector = grid.sector(grid.raised(thing, 0)) if hidden else None
    found: list[tuple[float, Cells, Cells]] = []
    for level in range(len(grid.maps)):
        # What stands on a cell up to a height shows at all heights below.
        if level:
            base = base & grid.raised(whole, level)
        if sector is not None:
            base = base & sector
        if not base.any():
            break
        if level % 2 and hidden:
            continue
        tried = len(found)
        for near in grid.fronts(base) if hidden else [base]:
            cover = grid.cover(near, level, thing.shape)
            cover = cv2.dilate(cover, np.ones((3, 3), np.uint8)) & thing
            unfilled = 1 - np.count_nonzero(cover) / np.count_nonzero(thing)
            flat = level == 0 and not hidden  # lies on all of the ground that it hides
            if unfilled > 1 - RULES.explained and not flat:
                continue
            cost = _misproportion(near, level * RULES.height_step_m, grid.upright, grid.low, grid.cell)
            if not flat:
                cost += (unfilled / RULES.unexplained_spread) ** 2
            found.append((cost, near, cover))
        if len(found) == tried:
            break
    if not found:
        found.append((0.0, grid.raised(thing, 0), thing))
    costs = np.array([cost for cost, _, _ in found])
    likely = np.exp(-0.5 * (costs - costs.min()))
    chance = np.einsum("k,kij->ij", likely / likely.sum(), np.array([near for _, near, _ in found], np.float64))
    _, best, filled = found[int(np.argmin(costs))]
    return np.asarray(best, np.uint8), np.asarray(filled, np.uint8), chance


def _misproportion(base: Cells, height_m: float, upright: Upright, low: Array, cell: float) -> float:
    """How unlike the things that people put down a prism is: squared deviations of its proportions."""
    rows, columns = np.nonzero(base)
    if not len(rows):
        return np.inf
    points = np.column_stack([columns, rows]) * cell + low - upright.camera_m[:2]
    ahead = points.mean(axis=0) / max(float(np.linalg.norm(points.mean(axis=0))), 1e-9)
    depth = np.ptp(points @ ahead) + cell
    width = np.ptp(points @ np.array([-ahead[1], ahead[0]])) + cell
    turned = np.log(depth / width) / RULES.depth_spread
    tall = (
        np.log(max(height_m, RULES.height_step_m / 2) / np.sqrt(depth * width)) - RULES.height
    ) / RULES.height_spread
    return float(turned**2 + tall**2)


def _outline_px(mask: NDArray[np.bool_]) -> Array:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.concatenate([contour[:, 0, :] for contour in contours]).astype(np.float64)


def _outlined(cells: NDArray[np.bool_], low: Array, cell: float) -> BaseGeometry | None:
    """The union of the cells that are set, as polygons in metres, or None."""
    contours, _ = cv2.findContours(cells.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in contours:
        points = (contour[:, 0, :] + 0.5) * cell + low
        # Contours run through the middles of the border cells: half a cell is missing all round.
        part = Polygon(points) if len(points) > 3 else MultiPoint(points)
        parts.append(part.buffer(cell / 2, quad_segs=2))
    return unary_union(parts).simplify(cell / 4) if parts else None
