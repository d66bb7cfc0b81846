"""One picture and its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: (height, width, 3), BGR, 0-255."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture with its time.

    ``media_time_s`` is in seconds on the stream's own clock and never runs back; ``captured_at`` is the same moment
    in UTC. Every decision about dwell uses these two and no other clock.
    """

    image: Image
    captured_at: datetime
    media_time_s: float

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first frame is analysed."""

    width: int
    height: int
    duration_s: float | None
    fps: float | None
    details: dict[str, Any]


@dataclass(slots=True)
class CaptureCounts:
    """What a source has met so far; the only mutable value of capture, read by metrics.

    ``frames_skipped`` were not due; ``frames_broken`` could not be decoded, or lean on one that could not.
    ``timestamps_missing`` and ``timestamps_wrong`` are frames left out because their moment is not known;
    ``clock_restarts`` is how often the stream's clock began anew; ``size_changes`` how often the picture's size changed
    between two analysed frames.
    """

    frames_analysed: int = 0
    frames_skipped: int = 0
    frames_broken: int = 0
    timestamps_missing: int = 0
    timestamps_wrong: int = 0
    clock_restarts: int = 0
    size_changes: int = 0


class Source(Protocol):
    """Gives the frames of one camera, sampled at its period.

    Iterating opens it; a source that cannot be opened raises ``SourceError``. A frame that cannot be decoded is
    counted and skipped. Two frames further apart than the period allows are a gap: the receiver sees it in
    ``media_time_s`` and counts it as unknown time.
    """

    counts: CaptureCounts

    def probe(self) -> SourceInfo:
        """Open the source, read what it is, close it again. Raises ``SourceError``."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames in order of media time, at most one in each sampling period."""
        ...


class SourceError(Exception):
    """A source that cannot be read; the message names it and says what to do."""
