"""Did it look like this before? A short memory of whole frames, small and grey."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import cv2
import numpy as np

from edge_agent.scene.appearance import Grey, LookTable, Picture
from edge_agent.scene.stay import Box

WIDTH_PX = 640
"""Frames are kept no wider than this: a remembered place is some 40 px across, and many cameras share a box."""
KEPT = 24
"""Frames kept; with one a second, longer than any vehicle takes to come to rest."""
APART_S = 0.9
"""Least time between two kept frames."""


class LookBack:
    """The last frames of a camera, in its reference view."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, float, LookTable]] = deque(maxlen=KEPT)

    def remember(self, at_s: float, grey: Grey, shift_px: tuple[float, float]) -> None:
        """Keep a frame, unless the one before is too near."""
        if self._frames and at_s - self._frames[-1][0] < APART_S:
            return
        scale = min(1.0, WIDTH_PX / grey.shape[1])
        if scale < 1.0:
            size = WIDTH_PX, round(grey.shape[0] * scale)
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        shift = shift_px[0] * scale, shift_px[1] * scale
        self._frames.append((at_s, scale, LookTable(grey, shift)))

    def alike(self, picture: Picture, box: Box, before_s: float, least: float) -> list[float]:
        """Times before ``before_s``, oldest first, at which ``box`` looked like ``picture``."""
        return [
            at_s
            for at_s, scale, table in self._frames
            if at_s < before_s
            and table.similarity(picture, (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)) >= least
        ]

    def watched_s(self, from_s: float, to_s: float, gap_s: float) -> float:
        """How much of a time the camera could see: without what lies between frames further apart than ``gap_s``."""
        times = [from_s, *(at_s for at_s, _, _ in self._frames if from_s < at_s < to_s), to_s]
        return sum(after - before for before, after in pairwise(times) if after - before <= gap_s)
