"""Did it look like this before? A short memory of whole frames, small and grey."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from edge_agent.scene.appearance import LookTable, Picture
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
        self._frames: deque[tuple[float, LookTable]] = deque(maxlen=KEPT)

    def remember(self, at_s: float, table: LookTable) -> None:
        """Keep a frame, unless the one before is too near."""
        if not self._frames or at_s - self._frames[-1][0] >= APART_S:
            self._frames.append((at_s, table.no_wider(WIDTH_PX)))

    def alike(self, picture: Picture, box: Box, before_s: float, least: float) -> list[float]:
        """Times before ``before_s``, oldest first, at which ``box`` looked like ``picture``."""
        return [at_s for at_s, table in self._frames if at_s < before_s and table.similarity(picture, box) >= least]

    def steadiness(self, picture: Picture, box: Box, from_s: float, least: float) -> float:
        """Share of the frames from ``from_s`` on in which ``box`` looked like ``picture``; 1 if there are none."""
        alike = [table.similarity(picture, box) >= least for at_s, table in self._frames if at_s >= from_s]
        return sum(alike) / len(alike) if alike else 1.0

    def likeness_before(self, picture: Picture, box: Box, at_s: float, within_s: float) -> float | None:
        """How much ``box`` looked like ``picture`` just before ``at_s``; None if nobody looked ``within_s`` of it."""
        near = [table for seen_s, table in self._frames if at_s - within_s <= seen_s < at_s]
        return near[-1].similarity(picture, box) if near else None

    def watched_s(self, from_s: float, to_s: float, gap_s: float) -> float:
        """How much of a time the camera could see: without what lies between frames further apart than ``gap_s``."""
        times = [from_s, *(at_s for at_s, _ in self._frames if from_s < at_s < to_s), to_s]
        return sum(after - before for before, after in pairwise(times) if after - before <= gap_s)
