"""The agent's configuration: the only place where it is read and checked.

Everything after this module trusts its types. ``load_config`` reads a YAML file and raises one ``ConfigError`` that
lists everything that is wrong, each with file, line and field.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

from edge_agent.config_file import ConfigError, ConfigFile
from edge_agent.detection.detections import ClassGroup

__all__ = [
    "AgentConfig",
    "CameraConfig",
    "ConfigError",
    "ParkingZone",
    "PassageZone",
    "Schedule",
    "Zone",
    "load_camera",
    "load_config",
]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


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


@dataclass(frozen=True, slots=True, config=_STRICT)
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


@dataclass(frozen=True, slots=True, config=_STRICT)
class Schedule:
    """When a zone's rules are in force: in any of ``windows``, except on ``except_dates``. No windows: always."""

    windows: tuple[Window, ...] = ()
    except_dates: frozenset[date] = frozenset()


ALL_VEHICLES_S: dict[str, float] = {ClassGroup.VEHICLE.value: 300.0}


@dataclass(frozen=True, slots=True, config=_STRICT)
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


@dataclass(frozen=True, slots=True, config=_STRICT)
class PointPair:
    """The same point in the picture, pixels, and on the ground, metres."""

    px: Point
    m: Point


@dataclass(frozen=True, slots=True, config=_STRICT)
class KnownLength:
    """A segment of the picture, pixels, whose true length on the ground is known, metres."""

    from_px: Point
    to_px: Point
    length_m: Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True, config=_STRICT)
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


@dataclass(frozen=True, slots=True, config=_STRICT)
class PassageLimits:
    """Clear widths in metres below which a passage is blocked or narrowed (GB 55019-2021, clause 2.2.2)."""

    blocked: Annotated[float, Field(gt=0)] = 1.2
    narrowed: Annotated[float, Field(gt=0)] = 1.8

    @model_validator(mode="after")
    def _ordered(self) -> PassageLimits:
        if self.blocked >= self.narrowed:
            raise ValueError(f"blocked ({self.blocked} m) must be less than narrowed ({self.narrowed} m)")
        return self


@dataclass(frozen=True, slots=True, config=_STRICT)
class PassageDwell:
    """How long a passage may be blocked, narrowed or crowded before it is an incident, seconds."""

    blocked: Seconds = 60.0
    narrowed: Seconds = 300.0
    crowded: Seconds = 120.0


@dataclass(frozen=True, slots=True, config=_STRICT)
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


@dataclass(frozen=True, slots=True, config=_STRICT)
class DetectionConfig:
    """How a camera's frames are looked at. ``model`` overrides the agent's; see the docs for ``tiles``."""

    model: str | None = None
    min_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    tiles: Literal["auto", "off"] = "auto"


@dataclass(frozen=True, slots=True, config=_STRICT)
class CameraConfig:
    """A fixed view, or a recording that replays as one.

    ``source`` is a video file or a folder of stills with an ``index.json``; ``start_time`` is the time of its first
    frame (with an offset, or in the site's time zone), else the file's own, else 1970-01-01. ``size`` is the picture
    (width, height) on which polygons were drawn, if it is not the frame's own. ``period_s`` is the sampling period.
    """

    id: Identifier
    source: Annotated[str, Field(min_length=1)]
    zones: tuple[Zone, ...] = ()
    start_time: datetime | None = None
    period_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    calibration: CalibrationConfig | None = None
    detection: DetectionConfig = Field(default_factory=DetectionConfig)

    @model_validator(mode="after")
    def _consistent(self) -> CameraConfig:
        _refuse_twins("zone", [zone.id for zone in self.zones])
        for zone in self.zones:
            if isinstance(zone, PassageZone) and zone.calibration is None and self.calibration is None:
                raise ValueError(f"zone {zone.id!r} is a passage: it, or its camera, needs a calibration")
            if self.size is not None:
                refuse_outside(zone, *self.size)
        return self


def refuse_outside(zone: ParkingZone | PassageZone, width: int, height: int) -> None:
    """Raise ``ValueError`` if a corner of the zone lies outside a picture of this size (2 px of slack)."""
    for x, y in zone.polygon:
        if not (-2 <= x <= width + 2 and -2 <= y <= height + 2):
            raise ValueError(
                f"zone {zone.id!r}: the polygon's point ({x:g}, {y:g}) lies outside the picture of {width}x{height} "
                f"pixels: correct it, or set the camera's size to that of the picture it was drawn on"
            )


def _refuse_twins(what: str, names: list[str]) -> None:
    for name in sorted(set(names)):
        if names.count(name) > 1:
            raise ValueError(f"{what} id {name!r} is used {names.count(name)} times: ids must be unique")


@dataclass(frozen=True, slots=True, config=_STRICT)
class SiteConfig:
    """Where the cameras are, for schedules."""

    time_zone: TimeZone = Field(default_factory=lambda: ZoneInfo("UTC"))
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, config=_STRICT)
class TlsConfig:
    """PEM files of an authority outside the aggregator, instead of enrolling: what this agent shows and believes."""

    certificate: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)]
    ca: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class AggregatorConfig:
    """Where to send. ``insecure`` allows a connection without TLS, to this machine alone.

    With TLS the agent shows the certificate that it got by enrolling, or the one that ``tls`` names.
    """

    address: Address
    insecure: bool = False
    tls: TlsConfig | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> AggregatorConfig:
        if self.insecure and self.tls is not None:
            raise ValueError("tls has no effect with insecure: true: take one of the two out")
        return self


@dataclass(frozen=True, slots=True, config=_STRICT)
class MetricsConfig:
    """Where to serve ``/metrics``; port 0 takes a free one."""

    listen: Address = "127.0.0.1:9101"
    per_camera: bool = True


@dataclass(frozen=True, slots=True, config=_STRICT)
class EvidenceConfig:
    """Stills of incidents. ``mask_people`` may be switched off only with ``unmasked_authorised_by`` filled in.

    ``upload`` sends them to the aggregator, after the events and with ``upload_bytes_per_s`` at most;
    ``keep_after_upload`` leaves them here when they are there.
    """

    enabled: bool = True
    mask_people: bool = True
    unmasked_authorised_by: str | None = None
    max_bytes: Annotated[int, Field(gt=0)] = 512 * 1024 * 1024
    upload: bool = True
    upload_bytes_per_s: Annotated[int, Field(ge=4096)] = 128 * 1024
    keep_after_upload: bool = True

    @model_validator(mode="after")
    def _authorised(self) -> EvidenceConfig:
        if not self.mask_people and not (self.unmasked_authorised_by or "").strip():
            raise ValueError("mask_people is off: name who authorised it in unmasked_authorised_by")
        return self


@dataclass(frozen=True, slots=True, config=_STRICT)
class QueueConfig:
    """The queue on disk. ``when_full``: what happens to events once ``max_bytes`` is reached."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 64 * 1024 * 1024
    when_full: Literal["reject_new", "drop_oldest"] = "drop_oldest"


@dataclass(frozen=True, slots=True, config=_STRICT)
class AgentConfig:
    """The whole file. ``version`` is the hash of the file's text, stamped on every incident."""

    id: Identifier
    cameras: Annotated[tuple[CameraConfig, ...], Field(min_length=1)]
    model: str = "nanodet-g-416"
    models_dir: str | None = None
    state_dir: str = "state"
    threads: Annotated[int, Field(ge=1, le=64)] | None = None
    site: SiteConfig = Field(default_factory=SiteConfig)
    aggregator: AggregatorConfig | None = None
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    evidence: EvidenceConfig = Field(default_factory=EvidenceConfig)
    queue: QueueConfig = Field(default_factory=QueueConfig)
    version: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> AgentConfig:
        _refuse_twins("camera", [camera.id for camera in self.cameras])
        return self

    def camera(self, camera_id: str) -> CameraConfig:
        """The camera with this id. Raises ``ConfigError`` that lists the ones there are."""
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        known = ", ".join(camera.id for camera in self.cameras)
        raise ConfigError([f"no camera {camera_id!r} in the configuration; there are: {known}"])


_AGENT: TypeAdapter[AgentConfig] = TypeAdapter(AgentConfig)
_CAMERA: TypeAdapter[CameraConfig] = TypeAdapter(CameraConfig)


def load_config(path: Path) -> AgentConfig:
    """Read an agent's configuration. Relative paths in it are taken from the file's own folder.

    Raises ``ConfigError``, which lists everything that is wrong in one go.
    """
    file = ConfigFile.read(path)
    data = dict(file.data)
    data["version"] = hashlib.sha256(file.text.encode()).hexdigest()[:16]
    _resolve(data, "state_dir", path.parent)
    _resolve(data, "models_dir", path.parent)
    aggregator = data.get("aggregator")
    if isinstance(aggregator, dict) and isinstance(aggregator.get("tls"), dict):
        for name in ("certificate", "key", "ca"):
            _resolve(aggregator["tls"], name, path.parent)
    cameras = data.get("cameras")
    for camera in cameras if isinstance(cameras, list) else ():
        if isinstance(camera, dict):
            _resolve(camera, "source", path.parent)
    data.setdefault("state_dir", str(path.parent / "state"))
    return file.validate(_AGENT, data)


def load_camera(file: ConfigFile, data: Any, at: tuple[str | int, ...], base: Path) -> CameraConfig:
    """Check a camera section that stands inside another YAML file, at path ``at`` of it."""
    if isinstance(data, dict):
        data = dict(data)
        _resolve(data, "source", base)
    return file.validate(_CAMERA, data, at)


def _resolve(section: dict[str, Any], key: str, base: Path) -> None:
    value = section.get(key)
    if isinstance(value, str) and value and "://" not in value:
        section[key] = str((base / Path(value).expanduser()).resolve())


def fit_zones(camera: CameraConfig, width: int, height: int) -> tuple[ParkingZone | PassageZone, ...]:
    """The camera's zones in pixels of a frame of this size. Raises ``ConfigError`` for one that lies outside it."""
    drawn_on = camera.size or (width, height)
    across, down = width / drawn_on[0], height / drawn_on[1]
    problems: list[str] = []
    zones: list[ParkingZone | PassageZone] = []
    for zone in camera.zones:
        try:
            refuse_outside(zone, *drawn_on)
        except ValueError as error:
            problems.append(f"camera {camera.id!r}: {error}")
        zones.append(_scaled(zone, across, down) if (across, down) != (1.0, 1.0) else zone)
    if problems:
        raise ConfigError(problems)
    return tuple(zones)


def _scaled(zone: ParkingZone | PassageZone, across: float, down: float) -> ParkingZone | PassageZone:
    def point(p: Point) -> Point:
        return p[0] * across, p[1] * down

    polygon = tuple(point(corner) for corner in zone.polygon)
    if isinstance(zone, ParkingZone):
        return replace(zone, polygon=polygon)
    (a, b), (c, d) = zone.ends
    return replace(
        zone,
        polygon=polygon,
        ends=((point(a), point(b)), (point(c), point(d))),
        calibration=scale_calibration(zone.calibration, across, down),
    )


def scale_calibration(calibration: CalibrationConfig | None, across: float, down: float) -> CalibrationConfig | None:
    """The same calibration for a picture that is scaled by these factors."""
    if calibration is None:
        return None
    return replace(
        calibration,
        points=tuple(PointPair((p.px[0] * across, p.px[1] * down), p.m) for p in calibration.points),
        lengths=tuple(
            KnownLength(
                (s.from_px[0] * across, s.from_px[1] * down), (s.to_px[0] * across, s.to_px[1] * down), s.length_m
            )
            for s in calibration.lengths
        ),
    )
