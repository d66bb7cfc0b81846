"""Where a thing of unknown shape stands on the ground, from its silhouette.

A silhouette covers the ground that the thing stands on and, because things have height, ground behind it. One picture
does not say which: a low deep thing and a high flat one look alike. The thing is taken as an upright prism that
fills its silhouette, and of those that do as the one whose proportions are most like those of what people put down.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    tallest_m: float = 2.0
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
    deepest_m: float = 12.0
    """Ground further behind a thing's foot than this is not looked at."""


RULES = SilhouetteRules()


def footprint_of_silhouette(
    mask: NDArray[np.bool_], origin_px: tuple[float, float], scale: float, upright: Upright, calibration: Calibration
) -> Footprint | None:
    """The footprint of a thing of unknown shape; None if its foot is not on the ground.

    ``mask`` (height, width) is a part of the picture that begins at ``origin_px`` (x, y) and is ``scale`` times as
    large as there.
    """
    if not mask.any():
        return None
    ground = calibration.to_ground(_outline_px(mask) / scale + np.asarray(origin_px))
    ground = ground[np.isfinite(ground).all(axis=1)]
    if len(ground) < 3:
        return None
    away = np.linalg.norm(ground - upright.camera_m[:2], axis=1)
    ground = ground[away < away.min() + RULES.deepest_m]
    low, high = ground.min(axis=0) - 0.2, ground.max(axis=0) + 0.2
    cell = max(RULES.cell_m, float(np.sqrt(np.prod(high - low) / RULES.most_cells)))
    size = tuple(int(count) for count in np.ceil((high - low) / cell))
    to_cells = np.array([[1 / cell, 0, -low[0] / cell - 0.5], [0, 1 / cell, -low[1] / cell - 0.5], [0, 0, 1.0]])
    to_mask = np.array([[scale, 0, -scale * origin_px[0] - 0.5], [0, scale, -scale * origin_px[1] - 0.5], [0, 0, 1.0]])
    heights = np.arange(0.0, RULES.tallest_m + 1e-9, RULES.height_step_m)
    maps = [to_mask @ upright.plane(float(height)) @ np.linalg.inv(to_cells) for height in heights]
    base = np.zeros((size[1], size[0]), np.uint8)
    rest = mask.astype(np.uint8)
    for _ in range(RULES.most_parts):
        part, filled = _likeliest_base(rest, maps, (size[0], size[1]), upright, low, cell)
        base |= part
        # What one prism leaves over is another thing beside it, unless it is no more than a ragged border.
        rest = cv2.morphologyEx(rest & ~filled, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        if np.count_nonzero(rest) < RULES.least_part * np.count_nonzero(mask):
            break
    shape = _outlined(base, low, cell)
    if shape is None:
        return None
    middle = calibration.to_pixels(np.array([[shape.centroid.x, shape.centroid.y]]))[0]
    fine_m, _ = calibration.pixel_scale(middle)
    return Footprint(shape, fine_m * RULES.outline_noise_px / scale)


def _likeliest_base(
    thing: Cells, maps: list[Array], size: tuple[int, int], upright: Upright, low: Array, cell: float
) -> tuple[Cells, Cells]:
    """The base of the likeliest prism that fills a silhouette, and the pixels that it fills.

    ``maps``: for each height, the homography from cells of the ground to pixels of the silhouette.
    """
    base = cv2.warpPerspective(thing, np.linalg.inv(maps[0]), size, flags=cv2.INTER_NEAREST)
    best, best_cover, best_misproportion = base, thing, _misproportion(base, 0.0, upright, low, cell)
    filled = thing.shape[1], thing.shape[0]
    for level in range(1, len(maps)):
        # What stands on a cell up to a height shows at all heights below.
        base = base & cv2.warpPerspective(thing, np.linalg.inv(maps[level]), size, flags=cv2.INTER_NEAREST)
        if not base.any():
            break
        cover = np.zeros_like(thing)
        for below in maps[: level + 1]:
            cover |= cv2.warpPerspective(base, below, filled, flags=cv2.INTER_NEAREST)
        cover = cv2.dilate(cover, np.ones((3, 3), np.uint8)) & thing
        if np.count_nonzero(cover) < RULES.explained * np.count_nonzero(thing):
            break
        misproportion = _misproportion(base, level * RULES.height_step_m, upright, low, cell)
        unfilled = 1 - np.count_nonzero(cover) / np.count_nonzero(thing)
        misproportion += (unfilled / RULES.unexplained_spread) ** 2
        if misproportion < best_misproportion:
            best, best_cover, best_misproportion = base, cover, misproportion
    return np.asarray(best, np.uint8), np.asarray(best_cover, np.uint8)


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


def _outlined(cells: NDArray[np.uint8], low: Array, cell: float) -> BaseGeometry | None:
    """The union of the cells that are set, as polygons in metres, or None."""
    contours, _ = cv2.findContours(cells, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in contours:
        points = (contour[:, 0, :] + 0.5) * cell + low
        # Contours run through the middles of the border cells: half a cell is missing all round.
        part = Polygon(points) if len(points) > 3 else MultiPoint(points)
        parts.append(part.buffer(cell / 2, quad_segs=2))
    return unary_union(parts).simplify(cell / 4) if parts else None
