"""From a camera's configuration to its source."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path

from edge_agent.capture.av_stream import AvStream
from edge_agent.capture.credentials import credentials_of
from edge_agent.capture.decode_plan import DecodeMode, DecodePlan
from edge_agent.capture.http_stream import HttpStream
from edge_agent.capture.live import LiveSource, Reading
from edge_agent.capture.open_stream import open_device, open_rtsp, video_of, why
from edge_agent.capture.packets import live_packets, looped_packets
from edge_agent.capture.shot import LiveStream
from edge_agent.capture.source import Source, SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind, kind_of
from edge_agent.capture.stills import StillsSource
from edge_agent.capture.video import VideoSource, open_video
from edge_agent.config import CameraConfig
from edge_agent.redaction import shown_address


def open_source(camera: CameraConfig, time_zone: tzinfo) -> Source:
    """The source of a camera, live or recorded. ``time_zone`` is as for ``open_recording``. Raises ``SourceError``."""
    return open_live(camera) if camera.kind.is_live else open_recording(camera, time_zone)


def open_recording(camera: CameraConfig, time_zone: tzinfo) -> Source:
    """The source of a camera that plays a recording, once even if it is looped: a video file or a folder of stills.

    ``time_zone`` is the site's: a ``start_time`` without an offset is in it. Raises ``SourceError``.
    """
    if kind_of(camera.source).is_live:
        raise SourceError(
            f"camera {camera.id}: {shown_address(camera.source)} is live: only a recording can be played; `run` "
            f"watches it, and --source PATH plays a video file or a folder of stills in its place"
        )
    path = Path(camera.source)
    started_at = None
    if camera.start_time is not None:
        started_at = _utc(camera.start_time, time_zone)
    if path.is_dir():
        return StillsSource(path, camera.period_s, started_at)
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or folder: correct the source of camera {camera.id}")
    return VideoSource(path, camera.period_s, started_at)


def probe_source(camera: CameraConfig, time_zone: tzinfo) -> SourceInfo:
    """What the source of a camera is: opens it, a live one for some seconds. Raises ``SourceError``."""
    if camera.kind is SourceKind.LOOP:
        open_live(camera)
        return open_recording(camera, time_zone).probe()
    return open_source(camera, time_zone).probe()


def open_live(camera: CameraConfig) -> LiveSource:
    """The source of a live camera. Nothing is connected before it is started. Raises ``SourceError``."""
    if camera.kind is SourceKind.LOOP and not Path(camera.source).is_file():
        raise SourceError(f"{camera.source}: is no video file, so it cannot be looped: correct camera {camera.id}")
    return LiveSource(
        camera.kind,
        partial(_connect, camera),
        camera.period_s,
        DecodePlan(camera.stream.decode, camera.period_s),
        name=camera.id,
        has_sub_stream=camera.stream.sub_source is not None,
        secret=partial(_secret, camera),
    )


def _connect(camera: CameraConfig, reading: Reading, sub_stream: bool) -> LiveStream:
    settings = camera.stream
    source = settings.sub_source if sub_stream and settings.sub_source is not None else camera.source
    kind = kind_of(source, loop=camera.loop)
    if kind is SourceKind.HTTP:
        return HttpStream(
            source,
            credentials_of(source, settings),
            settings,
            reading.sampling,
            reading.clock,
            reading.counts,
            reading.rate,
        )
    reliable = True
    if kind is SourceKind.RTSP:
        container, reliable = open_rtsp(source, credentials_of(source, settings), settings)
    elif kind is SourceKind.DEVICE:
        container = open_device(source, camera.size, settings)
    else:
        container = open_video(Path(source))
    try:
        stream = video_of(container, source)
        packets = (
            looped_packets(container, stream)
            if kind is SourceKind.LOOP
            else live_packets(container, stream, partial(why, source, settings))
        )
        return AvStream(
            container,
            stream,
            packets,
            reading.plan,
            reading.sampling,
            reading.clock,
            reading.counts,
            reading.rate,
            name=shown_address(source),
            reliable=reliable,
            keys_apart=kind is SourceKind.RTSP,
            hardware=settings.hardware == "auto" and reading.plan.mode is not DecodeMode.KEYFRAMES,
        )
    except SourceError:
        container.close()
        raise


def _secret(camera: CameraConfig) -> object:
    try:
        found = credentials_of(camera.source, camera.stream)
    except SourceError:
        return None
    return None if found is None else (found.username, found.password)


def _utc(moment: datetime, time_zone: tzinfo) -> datetime:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=time_zone)
    return moment.astimezone(UTC)
