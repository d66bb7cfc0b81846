"""Arithmetic of boxes: (n, 4) arrays, xyxy in pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.stay import Box

Boxes = NDArray[np.float32]
Matrix = NDArray[np.float32]


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """(n,) areas, never negative."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def intersections(first: Boxes, second: Boxes) -> Matrix:
    """(n, m) areas that each of ``first`` shares with each of ``second``."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def iou(first: Boxes, second: Boxes) -> Matrix:
    """(n, m) intersection over union."""
    shared = intersections(first, second)
    union = areas(first)[:, None] + areas(second)[None, :] - shared
    return np.asarray(np.where(union > 0, shared / np.maximum(union, 1e-6), 0), np.float32)


def covered(boxes: Boxes, by: Boxes) -> Matrix:
    """(n, m) share of each of ``boxes`` that each of ``by`` covers."""
    return np.asarray(intersections(boxes, by) / np.maximum(areas(boxes)[:, None], 1e-6), np.float32)


def offset(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """(n,) how far paired boxes lie apart, in units of the second's size: the larger of the distance of their
    centres over the root of the area, and the change of the root of the area."""
    centre = (first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]) / 2
    size_first, size = np.sqrt(np.maximum(areas(first), 1)), np.sqrt(np.maximum(areas(second), 1))
    moved = np.hypot(centre[:, 0], centre[:, 1]) / size
    return np.asarray(np.maximum(moved, np.abs(size_first - size) / size), np.float32)


def root_area(box: Box) -> float:
    """The size of a box: the root of its area, at least 1."""
    return math.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0))


def strayed(box: Box, place: Box) -> float:
    """``offset`` of one box from one place."""
    return float(offset(np.array([box], np.float32), np.array([place], np.float32))[0])


def covered_by_all(box: Box, others: list[Box], cells: int = 16) -> float:
    """Share of ``box`` that lies in any of ``others``, on a grid of cells x cells."""
    across = box[0] + (np.arange(cells) + 0.5) / cells * (box[2] - box[0])
    down = box[1] + (np.arange(cells) + 0.5) / cells * (box[3] - box[1])
    taken = np.zeros((cells, cells), bool)
    for x1, y1, x2, y2 in others:
        taken |= ((across >= x1) & (across <= x2))[None, :] & ((down >= y1) & (down <= y2))[:, None]
    return float(taken.mean())


def shared_of_smaller(box: Box, other: Box) -> float:
    """What two boxes share, as a part of the smaller."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(root_area(box) ** 2, root_area(other) ** 2)


def iou_of(box: Box, other: Box) -> float:
    """``iou`` of two boxes."""
    return float(iou(np.array([box], np.float32), np.array([other], np.float32))[0, 0])
