"""The numbers by which stills are sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """How uploads behave. All times in seconds."""

    chunk_bytes: int = 64 * 1024
    """Bytes in one message: half a second of a thin mobile link, so that a stop or an event does not wait for more."""
    answer_timeout_s: float = 20.0
    """For the connection and one short answer: a mobile link that wakes up takes several seconds."""
    upload_timeout_s: float = 60.0
    """For an upload, on top of the time that its bytes take at the limit."""
    yield_s: float = 5.0
    """Longest wait for the events' queue to empty before a chunk goes all the same."""
    look_s: float = 0.1
    """Between two looks at the events' queue."""
    max_wrong: int = 3
    """A still whose bytes arrived damaged so often is given up."""
