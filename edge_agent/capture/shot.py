"""A picture that has arrived and is not an image yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Protocol

from edge_agent.capture.frame import Image


class BrokenPictureError(Exception):
    """What arrived cannot be made into an image, or into one that shows things that are not there."""


class Undeveloped(Protocol):
    """Bytes or planes that become an image when somebody wants to see it."""

    def develop(self) -> Image:
        """The image. Raises ``BrokenPictureError``."""
        ...


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that is due. ``taken_s`` is when it was taken, as far as its arrival tells, in monotonic seconds of
    this machine; ``sent_at`` is the same by the camera's own clock, if it says so."""

    picture: Undeveloped
    taken_s: float
    sent_at: datetime | None = None


class LiveStream(Protocol):
    """A connection to a camera. Used by one thread."""

    @property
    def hardware(self) -> str | None:
        """What decodes in hardware, if anything does."""
        ...

    def shots(self, stop: Event) -> Iterator[Shot]:
        """The pictures that are due. Ends when told to stop. Raises ``SourceError`` when the stream ends or stalls."""
        ...

    def close(self) -> None:
        """Let go of the connection. Shots that are not developed yet may break by it."""
        ...
