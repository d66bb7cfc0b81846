"""What a zone says in the configuration: its rules, its schedule, and how its pixels lie on the ground."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from edge_agent.config_fields import STRICT, DayMinutes, Identifier, Point, Polygon, Seconds, Weekday
from edge_agent.detection.detections import ClassGroup


@dataclass(frozen=True, slots=True, config=STRICT)
class Window:
    """A time window of a schedule. A window over midnight belongs to the day on which it starts.

    ``days`` and ``dates`` both narrow it; ``holidays`` says what the site's holidays do to it: ``include`` (they are
    days like any other), ``exclude`` (not on a holiday) or ``only``.
    """

    hours: DayMinutes = (0, 24 * 60)
    days: frozenset[Weekday] = frozenset(Weekday)
    dates: frozenset[date] | None = None
    from_date: date | None = None
    to_date: date | None = None
    holidays: Literal["include", "exclude", "only"] = "include"

    @model_validator(mode="after")
    def _holds_at_some_time(self) -> Window:
        if not self.days or (self.dates is not None and not self.dates):
            raise ValueError("days or dates is empty, so the window never holds: name some, or leave it out")
        if self.from_date is not None and self.to_date is not None and self.from_date > self.to_date:
            raise ValueError(f"from_date {self.from_date} is after to_date {self.to_date}, so the window never holds")
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Schedule:
    """When a zone's rules are in force: in any of ``windows``, except on ``except_dates``. No windows: always."""

    windows: tuple[Window, ...] = ()
    except_dates: frozenset[date] = frozenset()


ALL_VEHICLES_S: dict[str, float] = {ClassGroup.VEHICLE.value: 300.0}


@dataclass(frozen=True, slots=True, config=STRICT)
class ParkingZone:
    """A zone in which vehicles must not stand longer than its limits.

    ``dwell_limit_s`` maps a class group, or a single class, to seconds; the class wins over its group, a group that
    is not named or is 0 is not enforced. ``exempt_classes`` are never reported. ``min_overlap`` is the least share
    of a stay's ground contact that must lie in the polygon.
    """

    id: Identifier
    scenario: Literal["parking"]
    polygon: Polygon
    dwell_limit_s: dict[str, Seconds] = Field(default_factory=lambda: dict(ALL_VEHICLES_S))
    exempt_classes: frozenset[str] = frozenset()
    schedule: Schedule = Field(default_factory=Schedule)
    min_overlap: Annotated[float, Field(gt=0, le=1)] = 0.5
    blind_close_s: Annotated[float, Field(gt=0)] = 3600.0


@dataclass(frozen=True, slots=True, config=STRICT)
class PointPair:
    """The same point in the picture, pixels, and on the ground, metres."""

    px: Point
    m: Point


@dataclass(frozen=True, slots=True, config=STRICT)
class KnownLength:
    """A segment of the picture, pixels, whose true length on the ground is known, metres."""

    from_px: Point
    to_px: Point
    length_m: Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True, config=STRICT)
class CalibrationConfig:
    """How pixels lie on the ground: four or more point pairs, or lengths across and along (see the docs)."""

    points: tuple[PointPair, ...] = ()
    lengths: tuple[KnownLength, ...] = ()
    max_residual_m: Annotated[float, Field(gt=0)] = 0.15

    @model_validator(mode="after")
    def _enough(self) -> CalibrationConfig:
        if self.points and self.lengths:
            raise ValueError("give either points or lengths, not both")
        if self.points and len(self.points) < 4:
            raise ValueError(f"a calibration needs at least 4 points, this one has {len(self.points)}")
        if not self.points and len(self.lengths) < 2:
            raise ValueError("a calibration needs at least 4 points or 2 lengths")
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class PassageLimits:
    """Clear widths in metres below which a passage is blocked or narrowed (GB 55019-2021, clause 2.2.2)."""

    blocked: Annotated[float, Field(gt=0)] = 1.2
    narrowed: Annotated[float, Field(gt=0)] = 1.8

    @model_validator(mode="after")
    def _ordered(self) -> PassageLimits:
        if self.blocked >= self.narrowed:
            raise ValueError(f"blocked ({self.blocked} m) must be less than narrowed ({self.narrowed} m)")
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class PassageDwell:
    """How long a passage may be blocked, narrowed or crowded before it is an incident, seconds."""

    blocked: Seconds = 60.0
    narrowed: Seconds = 300.0
    crowded: Seconds = 120.0


@dataclass(frozen=True, slots=True, config=STRICT)
class PassageZone:
    """A footbridge, ramp or pavement whose clear width is measured between its two ends.

    ``ends`` are the two edges by which people come in and go out, each two points in pixels near the polygon's
    border.
    """

    id: Identifier
    scenario: Literal["passage"]
    polygon: Polygon
    ends: tuple[tuple[Point, Point], tuple[Point, Point]]
    calibration: CalibrationConfig | None = None
    limits_m: PassageLimits = Field(default_factory=PassageLimits)
    dwell_limit_s: PassageDwell = Field(default_factory=PassageDwell)
    schedule: Schedule = Field(default_factory=Schedule)
    blind_close_s: Annotated[float, Field(gt=0)] = 3600.0


Zone = Annotated[ParkingZone | PassageZone, Field(discriminator="scenario")]


def refuse_outside(zone: ParkingZone | PassageZone, width: int, height: int) -> None:
    """Raise ``ValueError`` if a corner of the zone lies outside a picture of this size (2 px of slack)."""
    for x, y in zone.polygon:
        if not (-2 <= x <= width + 2 and -2 <= y <= height + 2):
            raise ValueError(
                f"zone {zone.id!r}: the polygon's point ({x:g}, {y:g}) lies outside the picture of {width}x{height} "
                f"pixels: correct it, or set the camera's size to that of the picture it was drawn on"
            )
