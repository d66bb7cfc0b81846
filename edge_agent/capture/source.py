"""What gives the frames of one camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first frame is analysed."""

    width: int
    height: int
    duration_s: float | None
    fps: float | None
    details: dict[str, Any]


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
