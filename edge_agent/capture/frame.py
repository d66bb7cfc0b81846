"""One picture and its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.source_kind import SourceKind

Image = NDArray[np.uint8]
"""A picture: (height, width, 3), BGR, 0-255."""

Grey = NDArray[np.uint8]
"""A picture without colour: (height, width), 0-255."""


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

    ``frames_skipped`` were not due; ``frames_late`` were due and gave way to a newer one before their turn came;
    ``frames_broken`` could not be decoded, or lean on one that could not.
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
    frames_late: int = 0


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """How a source is doing now; ``CaptureCounts`` says what it has met.

    ``decode`` is the decode mode of a live stream, None before it is known and for recordings. ``fps_in`` counts
    pictures that arrive, decoded or not; ``gop_s`` is the distance of key frames. ``last_picture_age_s`` is since the
    last picture that was whole. ``sender_time`` is true while the camera's own clock says when pictures were taken.
    ``problem`` is why there is no signal, fit to be shown.
    """

    kind: SourceKind
    connected: bool = True
    decode: str | None = None
    fps_in: float | None = None
    gop_s: float | None = None
    reconnects: int = 0
    last_picture_age_s: float | None = None
    hardware: str | None = None
    sub_stream: bool = False
    sender_time: bool = False
    problem: str | None = None


class Source(Protocol):
    """Gives the frames of one camera, sampled at its period.

    Iterating opens it; a source that cannot be opened raises ``SourceError``. A frame that cannot be decoded is
    counted and skipped. Two frames further apart than the period allows are a gap: the receiver sees it in
    ``media_time_s`` and counts it as unknown time.
    """

    @property
    def counts(self) -> CaptureCounts:
        """What it has met so far."""
        ...

    def status(self) -> CaptureStatus:
        """How it is doing."""
        ...

    def probe(self) -> SourceInfo:
        """Open the source, read what it is, close it again. Raises ``SourceError``."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames in order of media time, at most one in each sampling period."""
        ...


class SourceError(Exception):
    """A source that cannot be read; the message names it and says what to do."""
