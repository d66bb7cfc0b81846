"""The agent's configuration: the only place where it is read and checked.

Everything after this module trusts its types. ``load_config`` reads a YAML file and raises one ``ConfigError`` that
lists everything that is wrong, each with file, line and field.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from edge_agent.capture.source_kind import DEVICES, SourceKind, kind_of
from edge_agent.config_fields import Address, DayMinutes, Identifier, Point, Polygon, Seconds, TimeZone, Weekday
from edge_agent.config_file import ConfigError, ConfigFile
from edge_agent.detection.detections import ClassGroup
from edge_agent.stream_config import SourceText, StreamConfig

__all__ = [
    "AgentConfig",
    "CameraConfig",
    "ConfigError",
    "ParkingZone",
    "PassageZone",
    "Schedule",
    "StreamConfig",
    "Zone",
    "load_camera",
    "load_config",
]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


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
    """How a camera's frames are looked at. ``model`` overrides the agent's; see the docs for ``tiles``.

    ``recheck_s`` is the longest that a zone in which nothing changes goes without a look; 0 looks at every frame.
    """

    model: str | None = None
    min_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    tiles: Literal["auto", "off"] = "auto"
    recheck_s: Annotated[float, Field(ge=0, le=600)] = 20.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class CameraConfig:
    """A fixed view, or a recording that replays as one.

    ``source`` is an address (RTSP, HTTP), a device, a video file or a folder of stills with an ``index.json``; ``loop``
    plays a video file as a camera that never ends. ``start_time`` is the time of a recording's first frame (with an
    offset, or in the site's time zone), else the file's own, else 1970-01-01. ``size`` is the picture (width, height)
    on which polygons were drawn, if it is not the frame's own. ``period_s`` is the sampling period.
    """

    id: Identifier
    source: SourceText
    zones: tuple[Zone, ...] = ()
    start_time: datetime | None = None
    period_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    calibration: CalibrationConfig | None = None
    detection: DetectionConfig = Field(default_factory=DetectionConfig)
    loop: bool = False
    stream: StreamConfig = Field(default_factory=StreamConfig)

    @property
    def kind(self) -> SourceKind:
        """What ``source`` names."""
        return kind_of(self.source, loop=self.loop)

    @model_validator(mode="after")
    def _consistent(self) -> CameraConfig:
        if self.loop and kind_of(self.source).is_live:
            raise ValueError("loop is for video files: this source never ends by itself")
        addresses = (self.source, self.stream.sub_source or "")
        if self.stream.username is not None and any(
            "@" in each.partition("://")[2].split("/")[0] for each in addresses
        ):
            raise ValueError("the source names a user already: take the user out of it, or username out of stream")
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
class LifetimeConfig:
    """What the agent does to run for months: when a camera's thread counts as stuck, what it may take of the box.

    ``max_memory_bytes`` None: six tenths of the machine's memory, or three quarters of its control group's limit.
    """

    stuck_after_s: Annotated[float, Field(ge=5)] = 60.0
    max_stuck_threads: Annotated[int, Field(ge=0)] = 3
    max_memory_bytes: Annotated[int, Field(ge=64 * 1024 * 1024)] | None = None
    max_written_bytes_per_day: Annotated[int, Field(gt=0)] = 2 * 1024 * 1024 * 1024


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
    lifetime: LifetimeConfig = Field(default_factory=LifetimeConfig)
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
            _resolve_camera(camera, path.parent)
    data.setdefault("state_dir", str(path.parent / "state"))
    return file.validate(_AGENT, data)


def load_camera(file: ConfigFile, data: Any, at: tuple[str | int, ...], base: Path) -> CameraConfig:
    """Check a camera section that stands inside another YAML file, at path ``at`` of it."""
    if isinstance(data, dict):
        data = dict(data)
        _resolve_camera(data, base)
    return file.validate(_CAMERA, data, at)


def _resolve_camera(camera: dict[str, Any], base: Path) -> None:
    _resolve(camera, "source", base)
    if isinstance(camera.get("stream"), dict):
        _resolve(camera["stream"], "password_file", base)


def _resolve(section: dict[str, Any], key: str, base: Path) -> None:
    value = section.get(key)
    # A device keeps its name: those under /dev/v4l/by-id are links whose target changes when it is plugged in anew.
    if isinstance(value, str) and value and "://" not in value and not value.startswith(DEVICES):
        section[key] = str((base / Path(value).expanduser()).resolve())
