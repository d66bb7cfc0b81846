"""The part of the picture that a passage needs: the zone and what may rise above it, no larger than it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Image
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.patch import Mask
from edge_agent.scene.pose import Pose
from edge_agent.scene.stay import Box
from edge_agent.scene.upright import Upright

LARGEST_SIDE_PX = 640
"""Longest side of the crop that is looked at; a larger zone is reduced. A pixel is then 1 to 3 cm across."""
RISE_M = 1.5
"""Things up to this height are seen whole at the zone's far side."""
LEAST_SIDE_M = 0.18
"""Smallest side of a thing without a class that matters: a bag. Less than that, feet and wheels step over or round."""
LEAST_AREA_PX = 30.0
"""and no thing is smaller than this many pixels of the crop, however far away: noise is."""


@dataclass(frozen=True, slots=True, eq=False)
class ZoneCrop:
    """Where the crop lies in the full frame (whole pixels), by what it is scaled, and its masks."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float
    ground: Mask
    watched: Mask
    least_area_px: NDArray[np.float32]

    @staticmethod
    def around(
        polygon_px: Sequence[tuple[float, float]],
        calibration: Calibration,
        upright: Upright,
        frame_size: tuple[int, int],
    ) -> ZoneCrop:
        """The crop of a zone on calibrated ground."""
        corners = np.asarray(polygon_px, np.float64)
        ground_m = calibration.to_ground(corners)
        layers = []
        for height in np.arange(0.0, RISE_M + 1e-9, RISE_M / 10):
            lifted = upright.to_pixels(np.column_stack([ground_m, np.full(len(ground_m), height)]))
            if np.isfinite(lifted).all():
                layers.append(lifted)
        limits = np.array([frame_size[0], frame_size[1]], np.float64)
        spread = np.concatenate(layers)
        low = np.floor(np.clip(spread.min(axis=0) - 4, 0, limits - 2)).astype(int)
        high = np.ceil(np.clip(spread.max(axis=0) + 4, low + 2, limits)).astype(int)
        scale = min(1.0, LARGEST_SIDE_PX / float((high - low).max()))
        size = np.maximum(np.round((high - low) * scale).astype(int), 2)
        ground = np.zeros((size[1], size[0]), np.uint8)
        watched = ground.copy()
        for layer in layers:
            cv2.fillPoly(watched, [np.round((layer - low) * scale - 0.5).astype(np.int32)], 1)
        cv2.fillPoly(ground, [np.round((corners - low) * scale - 0.5).astype(np.int32)], 1)
        least = _least_area_px(calibration, low, high, (int(size[0]), int(size[1])), scale)
        return ZoneCrop(int(low[0]), int(low[1]), int(high[0]), int(high[1]), scale, ground > 0, watched > 0, least)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the crop."""
        return self.ground.shape[0], self.ground.shape[1]

    def of(self, image: Image, pose: Pose) -> Image:
        """The crop of a picture that lies in ``pose`` against the reference."""
        width, height = self.right - self.left, self.bottom - self.top
        if pose.is_still:
            part = image[self.top : self.bottom, self.left : self.right]
        else:
            back = pose.matrix.copy()
            back[:, 2] += back[:, :2] @ (self.left, self.top)
            part = np.asarray(
                cv2.warpAffine(
                    image,
                    back,
                    (width, height),
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                ),
                np.uint8,
            )
        if self.scale == 1.0:
            return part
        return np.asarray(cv2.resize(part, (self.shape[1], self.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)

    def posed(self, pose: Pose, motion: NDArray[np.float64]) -> Pose:
        """The pose of a picture whose crop, as if in ``pose``, lies off by ``motion`` (2, 3), in pixels of the crop."""
        k = self.scale
        to_crop = np.array(
            [[k, 0, (0.5 - self.left) * k - 0.5], [0, k, (0.5 - self.top) * k - 0.5], [0, 0, 1]], np.float64
        )
        lower = [[0.0, 0.0, 1.0]]
        whole = np.vstack([pose.matrix, lower]) @ np.linalg.inv(to_crop) @ np.vstack([motion, lower]) @ to_crop
        return Pose(whole[:2])

    def outside(self, pose: Pose, frame_size: tuple[int, int]) -> Mask:
        """Pixels of the crop that lie outside a picture in this pose."""
        rows, columns = self.shape
        outside = np.zeros(self.shape, bool)
        if pose.is_still:
            return outside
        corners = np.array([(0, 0), (frame_size[0], 0), frame_size, (0, frame_size[1])], np.float64)
        inside = (pose.to_reference(corners) - (self.left, self.top)) * self.scale
        shown = cv2.fillConvexPoly(np.zeros((rows, columns), np.uint8), np.round(inside).astype(np.int32), 1)
        return np.asarray(shown == 0, bool)

    def cover(self, mask: Mask, box: NDArray[np.float32] | Box, margin: float) -> None:
        """Set in ``mask`` the pixels of a box of the full frame, grown by a share of its sides."""
        mask[self.part(box, margin)] = True

    def part(self, box: NDArray[np.float32] | Box, margin: float = 0.0) -> tuple[slice, slice]:
        """The rows and columns of the crop under a box of the full frame, grown by a share of its sides."""
        x1, y1, x2, y2 = (float(side) for side in box)
        across, down = margin * (x2 - x1), margin * (y2 - y1)
        left, right = ((x - self.left) * self.scale for x in (x1 - across, x2 + across))
        top, bottom = ((y - self.top) * self.scale for y in (y1 - down, y2 + down))
        rows, columns = self.shape
        return (
            slice(max(int(np.floor(top)), 0), max(min(int(np.ceil(bottom)), rows), 0)),
            slice(max(int(np.floor(left)), 0), max(min(int(np.ceil(right)), columns), 0)),
        )

    def to_frame(self, box: tuple[int, int, int, int]) -> Box:
        """A box of the crop in pixels of the full frame."""
        x1, y1, x2, y2 = box
        return (
            self.left + x1 / self.scale,
            self.top + y1 / self.scale,
            self.left + x2 / self.scale,
            self.top + y2 / self.scale,
        )


def _least_area_px(
    calibration: Calibration, low: NDArray[np.int_], high: NDArray[np.int_], size: tuple[int, int], scale: float
) -> NDArray[np.float32]:
    """For each pixel of the crop, the area in pixels of the smallest thing whose foot may be there."""
    rows = np.linspace(low[1], high[1], 12)
    columns = np.linspace(low[0], high[0], 6)
    areas = np.full((len(rows), len(columns)), LEAST_AREA_PX, np.float32)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            if calibration.sees([[x, y - 1], [x, y + 1]]).all():
                fine_m, _ = calibration.pixel_scale((x, y))
                areas[i, j] = max(LEAST_AREA_PX, (LEAST_SIDE_M / fine_m * scale) ** 2)
    return np.asarray(cv2.resize(areas, size, interpolation=cv2.INTER_LINEAR), np.float32)
