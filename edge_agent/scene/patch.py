"""A region of a raster: a small mask and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """``mask`` (height, width) bool, whose corner lies at column ``x`` and row ``y`` of the raster."""

    x: int
    y: int
    mask: Mask

    @staticmethod
    def of(mask: Mask) -> Patch:
        """The set pixels of a whole raster; an empty patch if there are none."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return Patch(0, 0, np.zeros((0, 0), bool))
        x, y = int(columns[0]), int(rows[0])
        return Patch(x, y, mask[y : rows[-1] + 1, x : columns[-1] + 1].copy())

    @staticmethod
    def of_contour(contour: NDArray[np.int32]) -> Patch:
        """A contour of OpenCV, filled."""
        x, y, width, height = cv2.boundingRect(contour)
        filled = np.zeros((height, width), np.uint8)
        cv2.drawContours(filled, [contour], -1, 1, cv2.FILLED, offset=(-x, -y))
        return Patch(x, y, filled > 0)

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the raster that it lies in."""
        return slice(self.y, self.y + self.mask.shape[0]), slice(self.x, self.x + self.mask.shape[1])

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """xyxy in the raster."""
        return self.x, self.y, self.x + self.mask.shape[1], self.y + self.mask.shape[0]

    def add_to(self, raster: Mask) -> None:
        """Set its pixels in a whole raster."""
        raster[self.part] |= self.mask

    def count_in(self, raster: Mask) -> int:
        """How many of its pixels are set in a whole raster."""
        return int(np.count_nonzero(self.mask & raster[self.part]))

    def shared(self, other: Patch) -> int:
        """How many pixels two patches share."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.box[2], other.box[2]), min(self.box[3], other.box[3])
        if left >= right or top >= bottom:
            return 0
        mine = self.mask[top - self.y : bottom - self.y, left - self.x : right - self.x]
        theirs = other.mask[top - other.y : bottom - other.y, left - other.x : right - other.x]
        return int(np.count_nonzero(mine & theirs))

    def iou(self, other: Patch) -> float:
        """Intersection over union."""
        shared = self.shared(other)
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def kept(self, keep: Mask) -> Patch:
        """Only the pixels that are set in ``keep``, a mask of the same small shape."""
        inner = Patch.of(self.mask & keep)
        return Patch(self.x + inner.x, self.y + inner.y, inner.mask)

    def joined(self, other: Patch) -> Patch:
        """Both together."""
        left, top = min(self.x, other.x), min(self.y, other.y)
        right, bottom = max(self.box[2], other.box[2]), max(self.box[3], other.box[3])
        mask = np.zeros((bottom - top, right - left), bool)
        for patch in (self, other):
            Patch(patch.x - left, patch.y - top, patch.mask).add_to(mask)
        return Patch(left, top, mask)
