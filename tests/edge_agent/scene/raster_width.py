"""The clear width found another way, on a raster: an oracle for tests and a rival for benchmarks."""

from __future__ import annotations

import cv2
import numpy as np
from shapely.geometry import Polygon

from edge_agent.scene.clear_width import Corridor, clearance_raster

CELL_M = 0.05


def raster_width(corridor: Corridor, footprints: list[Polygon]) -> float:
    """The same question answered another way: distance transform, threshold, connected components, bisection."""
    distance, origin = clearance_raster(corridor, footprints, CELL_M)
    ends = []
    for end in corridor.ends:
        mask = np.zeros(distance.shape, np.uint8)
        points = np.round((np.asarray(end.coords) - origin) / CELL_M - 0.5).astype(np.int32)
        cv2.polylines(mask, [points], False, 1, 3)
        ends.append(mask.astype(bool))
    low, high = 0.0, 20.0
    while high - low > 0.005:
        middle = (low + high) / 2
        _, labels = cv2.connectedComponents((distance >= middle / 2).astype(np.uint8), connectivity=8)
        shared = set(labels[ends[0]].tolist()) & set(labels[ends[1]].tolist()) - {0}
        low, high = (middle, high) if shared else (low, middle)
    return low
