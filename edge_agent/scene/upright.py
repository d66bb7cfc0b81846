"""Heights above the ground: where a point that many metres above a place appears in the picture.

A ground homography of a camera with square pixels whose optical axis meets the middle of the picture holds the
focal length and with it the vertical direction (Zhang 2000, section 3.1). Where the homography is too flat to give
one, the focal length that street cameras usually have is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.calibration import Calibration
from edge_agent.scene.level_camera import PRIORS

Array = NDArray[np.float64]

LEAST_FOCAL = 0.35
MOST_FOCAL = 5.0
"""Focal lengths, in widths of the picture, between which a street camera's lies (110 to 11 degrees across)."""


@dataclass(frozen=True, slots=True, eq=False)
class Upright:
    """Ground and height together: the pixel of (x, y, z) is that of ``m_to_px @ (x, y, 1) + z * per_metre``."""

    m_to_px: Array
    per_metre: Array
    camera_m: Array

    @staticmethod
    def of(calibration: Calibration, frame_size: tuple[int, int]) -> Upright:
        """The vertical that belongs to a calibrated ground, for a picture of ``frame_size`` (width, height)."""
        centring = np.array([[1.0, 0, -frame_size[0] / 2], [0, 1.0, -frame_size[1] / 2], [0, 0, 1.0]])
        centred = centring @ calibration.m_to_px
        focal = _focal(centred, frame_size[0])
        axes = np.diag([1 / focal, 1 / focal, 1.0]) @ centred
        scale = (np.linalg.norm(axes[:, 0]) + np.linalg.norm(axes[:, 1])) / 2
        first, second = axes[:, 0] / np.linalg.norm(axes[:, 0]), axes[:, 1] / np.linalg.norm(axes[:, 1])
        up = np.cross(first, second)
        up /= np.linalg.norm(up)
        offset = axes[:, 2] / scale
        height = -float(up @ offset)
        if height < 0:
            up, height = -up, -height
        place = -np.linalg.lstsq(np.stack([first, second, up], axis=1), offset, rcond=None)[0]
        lens = np.linalg.inv(centring) @ np.diag([focal, focal, 1.0])
        return Upright(calibration.m_to_px, lens @ up * scale, np.array([place[0], place[1], height]))

    def to_pixels(self, points_m: Array) -> Array:
        """Points (..., 3) in metres to pixels (..., 2); NaN behind the camera."""
        x, y, z = points_m[..., 0], points_m[..., 1], points_m[..., 2]
        right, down, away = (
            x * row[0] + y * row[1] + row[2] + z * per_metre
            for row, per_metre in zip(self.m_to_px, self.per_metre, strict=True)
        )
        away = np.where(away > 1e-9, away, np.nan)
        # Each coordinate lies in one piece: thousands of shapes are tried for one box.
        return np.moveaxis(np.stack([right / away, down / away]), 0, -1)

    def plane(self, height_m: float) -> Array:
        """Homography (3, 3) from metres to pixels of the plane ``height_m`` above the ground."""
        lifted = self.m_to_px.copy()
        lifted[:, 2] += height_m * self.per_metre
        return lifted


def _focal(centred: Array, width: int) -> float:
    first, second = centred[:, 0], centred[:, 1]
    factors = np.array([first[:2] @ second[:2], first[:2] @ first[:2] - second[:2] @ second[:2]])
    rest = np.array([first[2] * second[2], first[2] ** 2 - second[2] ** 2])
    squared = factors @ factors
    inverse = -float(factors @ rest) / squared if squared > 0 else 0.0
    if inverse > 0 and LEAST_FOCAL * width <= inverse**-0.5 <= MOST_FOCAL * width:
        return float(inverse**-0.5)
    return float(width / 2 / np.tan(np.radians(PRIORS.field_of_view_deg) / 2))
