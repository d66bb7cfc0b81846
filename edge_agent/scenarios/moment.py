"""Everything a scenario may know of one analysed frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge_agent.scenarios.finding import ClearWidth, Finding
from edge_agent.scene.stay import Box, Stay, StayState


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that stands in a passage, for evidence. Pixels are those of the frame that was measured.

    ``stay_id`` names the stay it is, None for a thing without a class. ``limits_width`` is true for the one or two
    between which the passage is narrowest.
    """

    box: Box
    footprint_px: tuple[tuple[float, float], ...]
    state: StayState
    since_s: float
    stay_id: str | None = None
    limits_width: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """What was measured of one passage zone: its clear width, and how many people stand in it.

    ``at_least_m`` and ``at_most_m`` bound the width where nobody can tell it (a thing has only come, or is just being
    taken away) and where the foot of a thing lies beyond the picture; else they are the width itself, and None while
    the camera cannot see.
    ``narrowed_since`` holds pairs of a media time and the width that was left once the things that have stood since
    then, or longer, stood there; the width falls from pair to pair.

    ``standing_people`` counts people who keep their place; ``crowd_density`` is how many of them stand on a square
    metre where they stand closest. ``narrowest_px`` is where the widest path is narrowest, two border points in
    pixels, for drawing; ``path_px`` the path itself. ``obstacles`` are the things that stand in it.
    """

    clear_width: ClearWidth
    standing_people: int = 0
    crowd_density: float = 0.0
    path_px: tuple[tuple[float, float], ...] = ()
    narrowest_px: tuple[tuple[float, float], tuple[float, float]] | None = None
    obstacles: tuple[Obstacle, ...] = ()
    at_least_m: float | None = None
    at_most_m: float | None = None
    narrowed_since: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One analysed frame as scenarios see it.

    ``can_see`` is false while the camera cannot tell; ``passages`` maps the id of each passage zone to what was
    measured of it.
    """

    media_time_s: float
    captured_at: datetime
    can_see: bool
    stays: tuple[Stay, ...]
    passages: Mapping[str, Passage] = field(default_factory=dict)


class Judge(Protocol):
    """One zone's scenario. It keeps what it needs between moments and knows nothing of pictures."""

    zone_id: str

    def judge(self, moment: Moment) -> tuple[Finding, ...]:
        """What the zone says now: at most one finding for each (kind, stay). An end is said once."""
        ...
