"""The contours of what stands in a part of the picture, and what lies on them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.stay import Box

Array = NDArray[np.float64]

BLUR_PX = 1.2
"""Contours are blurred by so much, one standard deviation: wheels are no exact circles."""
CLEAR = 90.0
"""Contours above this percentile of those looked at are as good as any: paint and shade make no wheel."""


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """How strong the contours in a part of the picture are, (height, width).

    The part begins at ``origin_px`` (x, y) of the full frame and is ``scale`` times as large as there.
    """

    strength: NDArray[np.float32]
    origin_px: tuple[float, float]
    scale: float

    def bare(self, outlines: Array, box: Box) -> Array:
        """(k,) contours in a box outside each of (k, n, 2) convex outlines, as a share of those inside."""
        left, top = self.origin_px
        edges = ((np.array(box) - [left, top, left, top]) * self.scale).round().astype(int)
        x1, y1 = max(edges[0], 0), max(edges[1], 0)
        part = self.strength[y1 : max(edges[3], 0), x1 : max(edges[2], 0)]
        found = np.zeros(len(outlines))
        if part.size == 0:
            return found
        for index, outline in enumerate(outlines):
            if not np.isfinite(outline).all():
                continue
            corners = (outline - self.origin_px) * self.scale - (x1, y1)
            inside = np.zeros(part.shape, np.uint8)
            hull = cv2.convexHull(np.round(corners).astype(np.int32))
            cv2.fillConvexPoly(inside, hull, 1)
            held, bare = part[inside > 0], part[inside == 0]
            if len(held) and len(bare):
                found[index] = float(bare.sum()) / max(float(held.sum()), 1e-6)
        return found

    @staticmethod
    def of(look: NDArray[np.float32], origin_px: tuple[float, float], scale: float) -> Contours:
        """Those of a picture of any number of planes, (height, width, planes)."""
        strength = np.zeros(look.shape[:2], np.float32)
        for plane in cv2.split(look):
            strength += np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1))
        return Contours(strength, origin_px, scale)

    def around(self, box: Box, margin: float) -> Contours:
        """Only those in and about a box, from nought to one and blurred, for ``along``.

        ``margin`` is a share of the box's longer side.
        """
        grown = np.array(box) + margin * np.array([-1, -1, 1, 1]) * max(box[2] - box[0], box[3] - box[1])
        x1, y1, x2, y2 = ((grown - [*self.origin_px, *self.origin_px]) * self.scale).round().astype(int).clip(0)
        part = cv2.GaussianBlur(self.strength, (0, 0), BLUR_PX)[y1:y2, x1:x2]
        if part.size == 0:
            return Contours(np.zeros((1, 1), np.float32), self.origin_px, self.scale)
        clear = max(float(np.percentile(part, CLEAR)), 1e-6)
        origin = self.origin_px[0] + x1 / self.scale, self.origin_px[1] + y1 / self.scale
        return Contours(np.minimum(part / np.float32(clear), np.float32(1)), origin, self.scale)

    def along(self, lines: Array) -> Array:
        """(k,) mean strength at the points of each of (k, n, 2) lines; nothing lies outside this part."""
        at = np.asarray((lines - self.origin_px) * self.scale - 0.5, np.float32)
        found = cv2.remap(
            np.asarray(self.strength, np.float32),
            np.nan_to_num(at[..., 0], nan=-9.0),
            np.nan_to_num(at[..., 1], nan=-9.0),
            cv2.INTER_LINEAR,
            borderValue=0,
        )
        strength: Array = np.asarray(found, np.float64).mean(axis=1)
        return strength
