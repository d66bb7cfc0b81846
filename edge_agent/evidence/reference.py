"""A picture that shows a moment of an incident, as events refer to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EvidenceMoment(StrEnum):
    """When in the life of a stay a still was taken."""

    ARRIVAL = "arrival"
    LIMIT = "limit"
    DEPARTURE = "departure"


@dataclass(frozen=True, slots=True)
class EvidenceReference:
    """Names a picture by what is in it; its bytes travel apart from the event.

    ``sha256`` is the hash of the whole file, 64 lower-case hex digits: its name in every store. ``captured_at`` and
    ``media_time_s`` are those of the frame. ``people_masked`` is true if people were made unrecognisable before the
    file was written.
    """

    sha256: str
    moment: EvidenceMoment
    media_type: str
    size_bytes: int
    captured_at: datetime
    media_time_s: float
    people_masked: bool
