"""A grid of metres drawn on the ground of a picture, to see whether a calibration is right."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.calibration import Calibration

GRID_COLOUR = np.array([60, 220, 60])
OUTLINE_COLOUR = (0, 140, 255)


def draw_ground_grid(
    image: NDArray[np.uint8], calibration: Calibration, polygon_px: Sequence[Sequence[float]], step_m: float = 1.0
) -> NDArray[np.uint8]:
    """A copy of the picture with lines every ``step_m`` metres on the ground inside a polygon."""
    picture = image.copy()
    corners = calibration.to_ground(polygon_px)
    low, high = np.floor(corners.min(axis=0) / step_m), np.ceil(corners.max(axis=0) / step_m)
    lines = np.zeros(image.shape[:2], np.uint8)
    for axis in range(2):
        for place in np.arange(low[axis], high[axis] + 1):
            along = np.linspace(low[1 - axis], high[1 - axis], 200) * step_m
            points = np.full((200, 2), place * step_m)
            points[:, 1 - axis] = along
            pixels = calibration.to_pixels(points)
            pixels = pixels[np.isfinite(pixels).all(axis=1) & (np.abs(pixels) < 1e5).all(axis=1)]
            cv2.polylines(lines, [np.round(pixels * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 4)
    inside = np.zeros_like(lines)
    outline = [np.round(np.asarray(polygon_px)).astype(np.int32)]
    cv2.fillPoly(inside, outline, 255)
    weight = (np.minimum(lines, inside) / 255.0)[:, :, None]
    picture[:] = (picture * (1 - weight) + GRID_COLOUR * weight).astype(np.uint8)
    cv2.polylines(picture, outline, True, OUTLINE_COLOUR, 2, cv2.LINE_AA)
    return picture
