"""What a place looks like, whatever the light.

The similarity is the normalised cross-correlation (Lewis 1995), which a change of brightness or contrast does not
touch, of grey values and of gradients; the better of the two counts, since a shadow's edge spoils the first and noise
the second. A small search allows for the camera's own shake.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.stay import Box

Grey = NDArray[np.uint8]
Picture = NDArray[np.float32]

FRAME_PX = 960
"""Frames are looked at no wider than this: pictures of places are some 40 px across, and reducing a large place from
1080p for each of them was a third of the cost of a frame."""
SIDE_PX = 40
"""Longer side of a remembered picture: enough to tell cars apart, little enough to keep hundreds."""
LEAST_SIDE_PX = 6
"""A place smaller than this shows nothing to remember."""
SEARCH_SHARE = 0.05
"""How far a picture is looked for around its place, as a share of its longer side."""
SEARCH_LEAST_PX = 1
INSET_SHARE = 0.04
"""The outermost part of a box shows background."""
TEXTURE_LEAST = 4.0
"""Standard deviation of grey below which a picture has nothing to correlate."""


class LookTable:
    """One grey frame from which places are looked at. ``shift_px`` is how far the view has moved (right, down):
    boxes are given in the reference view. Both are in pixels of the frame, however much the table itself is reduced."""

    def __init__(self, grey: Grey, shift_px: tuple[float, float] = (0.0, 0.0)) -> None:
        self._grey = grey
        self._height, self._width = grey.shape
        self._shift = shift_px
        self._scale = 1.0

    def no_wider(self, width_px: int) -> LookTable:
        """The same frame, reduced to a width of ``width_px`` if it is wider."""
        if self._width <= width_px:
            return self
        by = width_px / self._width
        size = width_px, round(self._height * by)
        table = LookTable(np.asarray(cv2.resize(self._grey, size, interpolation=cv2.INTER_AREA), np.uint8))
        table._scale, table._shift = self._scale * by, (self._shift[0] * by, self._shift[1] * by)
        return table

    def _cut(self, box: Box) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of the place in the frame, or None if too little of it is in view."""
        x1, y1, x2, y2 = box if self._scale == 1.0 else tuple(side * self._scale for side in box)
        inset_x, inset_y = (x2 - x1) * INSET_SHARE, (y2 - y1) * INSET_SHARE
        left = max(round(x1 + inset_x + self._shift[0]), 0)
        top = max(round(y1 + inset_y + self._shift[1]), 0)
        right = min(round(x2 - inset_x + self._shift[0]), self._width)
        bottom = min(round(y2 - inset_y + self._shift[1]), self._height)
        if right - left < LEAST_SIDE_PX or bottom - top < LEAST_SIDE_PX:
            return None
        return left, top, right, bottom

    def picture(self, box: Box) -> Picture | None:
        """The place's picture, longer side ``SIDE_PX`` at most, or None if too little of it is in view."""
        place = self._cut(box)
        if place is None:
            return None
        left, top, right, bottom = place
        cut = self._grey[top:bottom, left:right]
        scale = min(1.0, SIDE_PX / max(cut.shape))
        size = max(round(cut.shape[1] * scale), 3), max(round(cut.shape[0] * scale), 3)
        return np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.float32)

    def similarity(self, picture: Picture, box: Box, share: float = 1.0) -> float:
        """How well the remembered ``picture`` fits at ``box`` now, -1 to 1; 0 if the place is out of view.

        Less than 1 for ``share`` compares the upper part alone: what stands before a thing is lower in the picture.
        """
        place = self._cut(box)
        if place is None:
            return 0.0
        left, top, right, bottom = place
        scale_x, scale_y = picture.shape[1] / (right - left), picture.shape[0] / (bottom - top)
        if share < 1.0:
            rows = round(share * picture.shape[0])
            if rows < LEAST_SIDE_PX:
                return 0.0
            picture, bottom = picture[:rows], top + max(round(rows / scale_y), 1)
        height, width = picture.shape
        margin = max(SEARCH_LEAST_PX, round(SEARCH_SHARE * max(width, height)))
        reach_x, reach_y = round(margin / scale_x), round(margin / scale_y)
        cut = self._grey[
            max(top - reach_y, 0) : min(bottom + reach_y, self._height),
            max(left - reach_x, 0) : min(right + reach_x, self._width),
        ]
        size = max(round(cut.shape[1] * scale_x), width), max(round(cut.shape[0] * scale_y), height)
        now = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        if _deviation(picture) < TEXTURE_LEAST or _deviation(now) < TEXTURE_LEAST / 2:
            return 0.0
        best = _correlate(now, picture)
        if best < 0.9:
            best = max(best, _correlate(_gradient(now), _gradient(picture)))
        return best

    def still(self, before: Picture, box: Box, least: float) -> bool:
        """True if the place looks as it did a frame ago: alike in pattern, or both without any and of one grey."""
        now = self.picture(box)
        if now is None or now.shape != before.shape:
            return True
        if float(np.abs(now - now.mean() - before + before.mean()).mean()) < TEXTURE_LEAST:
            return True
        return self.similarity(before, box) >= least


def _correlate(now: Picture, picture: Picture) -> float:
    scores = cv2.matchTemplate(now, picture, cv2.TM_CCOEFF_NORMED)
    value = float(scores.max())
    if not math.isfinite(value):  # flat ground beneath the picture at some place of the search
        value = float(np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0).max())
    return min(max(value, -1.0), 1.0)


def _deviation(picture: Picture) -> float:
    """Standard deviation of grey."""
    return float(cv2.meanStdDev(picture)[1][0, 0])


def _gradient(picture: Picture) -> Picture:
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3)
    return np.asarray(cv2.magnitude(across, down), np.float32)
