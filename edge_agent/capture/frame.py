"""One picture and its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: (height, width, 3), BGR, 0-255."""

Grey = NDArray[np.uint8]
"""A picture without colour: (height, width), 0-255."""

SMALL_PX = 320
"""Pixels across a picture in which sharpness and changes can still be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture with its time.

    ``media_time_s`` is in seconds on the stream's own clock and never runs back; ``captured_at`` is the same moment
    in UTC. Every decision about dwell uses these two and no other clock.
    """

    image: Image
    captured_at: datetime
    media_time_s: float
    _grey: list[Grey] = field(default_factory=list, init=False, repr=False)
    _small: list[Grey] = field(default_factory=list, init=False, repr=False)

    @staticmethod
    def nothing(captured_at: datetime, media_time_s: float) -> Frame:
        """Word that no picture came from the camera until now."""
        return Frame(np.zeros((0, 0, 3), np.uint8), captured_at, media_time_s)

    def without_picture(self) -> Frame:
        """Its times alone: what is kept of a frame when it has been looked at, without its megabytes."""
        return Frame.nothing(self.captured_at, self.media_time_s)

    @property
    def has_picture(self) -> bool:
        """False if nothing came from the camera."""
        return self.image.size > 0

    @property
    def grey(self) -> Grey:
        """The picture without colour, made when it is first asked for: health, memory and the change gate share it."""
        if not self._grey:
            self._grey.append(np.asarray(cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY), np.uint8))
        return self._grey[0]

    @property
    def small(self) -> Grey:
        """``grey`` made smaller by a whole number, to ``SMALL_PX`` across or some more: health and gate share it.

        Whole numbers alone are cheap: a third of the time of the next size beside them.
        """
        if not self._small:
            by = max(1, self.width // SMALL_PX)
            rows, columns = max(1, self.height // by), max(1, self.width // by)
            cut = self.grey[: rows * by, : columns * by]
            if by > 2 and by % 2 == 0:  # halving has a way of its own, so that two steps take half the time of one
                cut = np.asarray(
                    cv2.resize(cut, (columns * by // 2, rows * by // 2), interpolation=cv2.INTER_AREA), np.uint8
                )
            self._small.append(np.asarray(cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8))
        return self._small[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])
