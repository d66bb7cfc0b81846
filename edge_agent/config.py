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

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from edge_agent.capture.source_kind import DEVICES, SourceKind, kind_of
from edge_agent.config_fields import STRICT, Address, Identifier, TimeZone
from edge_agent.config_file import ConfigError, ConfigFile
from edge_agent.stream_config import SourceText, StreamConfig
from edge_agent.zone_config import (
    CalibrationConfig,
    KnownLength,
    ParkingZone,
    PassageDwell,
    PassageLimits,
    PassageZone,
    PointPair,
    Schedule,
    Window,
    Zone,
    refuse_outside,
)

__all__ = [
    "AgentConfig",
    "AggregatorConfig",
    "CalibrationConfig",
    "CameraConfig",
    "ConfigError",
    "DetectionConfig",
    "EvidenceConfig",
    "KnownLength",
    "LifetimeConfig",
    "MetricsConfig",
    "ParkingZone",
    "PassageDwell",
    "PassageLimits",
    "PassageZone",
    "PointPair",
    "QueueConfig",
    "Schedule",
    "SiteConfig",
    "StreamConfig",
    "TlsConfig",
    "Window",
    "Zone",
    "load_camera",
    "load_config",
    "refuse_outside",
]


@dataclass(frozen=True, slots=True, config=STRICT)
class DetectionConfig:
    """How a camera's frames are looked at. ``model`` overrides the agent's; see the docs for ``tiles``.

    ``recheck_s`` is the longest that a zone in which nothing changes goes without a look; 0 looks at every frame.
    """

    model: str | None = None
    min_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    tiles: Literal["auto", "off"] = "auto"
    recheck_s: Annotated[float, Field(ge=0, le=600)] = 20.0


@dataclass(frozen=True, slots=True, config=STRICT)
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


def _refuse_twins(what: str, names: list[str]) -> None:
    for name in sorted(set(names)):
        if names.count(name) > 1:
            raise ValueError(f"{what} id {name!r} is used {names.count(name)} times: ids must be unique")


@dataclass(frozen=True, slots=True, config=STRICT)
class SiteConfig:
    """Where the cameras are, for schedules."""

    time_zone: TimeZone = Field(default_factory=lambda: ZoneInfo("UTC"))
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, config=STRICT)
class TlsConfig:
    """PEM files of an authority outside the aggregator, instead of enrolling: what this agent shows and believes."""

    certificate: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)]
    ca: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, config=STRICT)
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


@dataclass(frozen=True, slots=True, config=STRICT)
class MetricsConfig:
    """Where to serve ``/metrics``; port 0 takes a free one."""

    listen: Address = "127.0.0.1:9101"
    per_camera: bool = True


@dataclass(frozen=True, slots=True, config=STRICT)
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


@dataclass(frozen=True, slots=True, config=STRICT)
class QueueConfig:
    """The queue on disk. ``when_full``: what happens to events once ``max_bytes`` is reached."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 64 * 1024 * 1024
    when_full: Literal["reject_new", "drop_oldest"] = "drop_oldest"


@dataclass(frozen=True, slots=True, config=STRICT)
class LifetimeConfig:
    """What the agent does to run for months: when a camera's thread counts as stuck, what it may take of the box.

    ``max_memory_bytes`` None: six tenths of the machine's memory, or three quarters of its control group's limit.
    """

    stuck_after_s: Annotated[float, Field(ge=5)] = 60.0
    max_stuck_threads: Annotated[int, Field(ge=0)] = 3
    max_memory_bytes: Annotated[int, Field(ge=64 * 1024 * 1024)] | None = None
    max_written_bytes_per_day: Annotated[int, Field(gt=0)] = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, config=STRICT)
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
