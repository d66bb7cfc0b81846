"""The kinds of values that fields of the configuration hold, and what is wrong with a value that is none."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""A section of the configuration takes no field that it does not know, and no number that is none."""


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError(
            f"{text!r} is not an id: use 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return text


def _address(text: str) -> str:
    parts = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})", text)
    if parts is None or int(parts[2]) > _LAST_PORT:
        raise ValueError(f"{text!r} is not an address: write HOST:PORT, with a port of at most {_LAST_PORT}")
    return text


_LAST_PORT = 65535

Identifier = Annotated[str, AfterValidator(_identifier)]
Point = tuple[float, float]
Seconds = Annotated[float, Field(ge=0)]
Address = Annotated[str, AfterValidator(_address)]


def _simple_polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    if len(points) < 3:
        raise ValueError(f"a polygon needs at least 3 points, this one has {len(points)}")
    shape = ShapelyPolygon(points)
    if not shape.is_valid:
        raise ValueError(f"the polygon is not simple ({explain_validity(shape)}): list its corners in order, round it")
    if shape.area < 1:
        raise ValueError("the polygon has no area")
    return points


Polygon = Annotated[tuple[Point, ...], AfterValidator(_simple_polygon)]
"""Corners in order, in pixels of the picture that the camera's ``size`` names."""


def _zone_info(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}: use an IANA name such as Europe/Lisbon") from error


TimeZone = Annotated[ZoneInfo, BeforeValidator(_zone_info)]


class Weekday(StrEnum):
    """Days of the week as a schedule names them, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdigit() and minutes.isdigit() and len(minutes) == 2):
        raise ValueError(f"{text!r} is not a time of day: write HH:MM")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 24 * 60:
        raise ValueError(f"{text!r} is not a time of day: write 00:00 to 24:00")
    return total


def _hours(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return int(value[0]), int(value[1])
    start, dash, end = str(value).replace(" ", "").partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not a time window: write it as HH:MM-HH:MM, quoted")
    window = _minutes(start), _minutes(end)
    if window[0] == window[1]:
        raise ValueError(f"{value!r} is an empty time window: for the whole day write 00:00-24:00")
    return window


DayMinutes = Annotated[tuple[int, int], BeforeValidator(_hours)]
"""From and to in minutes after midnight; a window whose end is before its start runs over midnight."""
