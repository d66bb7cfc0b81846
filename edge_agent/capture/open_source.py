"""From a camera's configuration to its source."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.capture.frame import Source, SourceError
from edge_agent.capture.stills import StillsSource
from edge_agent.capture.video import VideoSource
from edge_agent.config import CameraConfig


def open_source(camera: CameraConfig, time_zone: tzinfo) -> Source:
    """The source of a camera: a video file or a folder of stills with an ``index.json``.

    ``time_zone`` is the site's: a ``start_time`` without an offset is in it. Raises ``SourceError``.
    """
    if "://" in camera.source:
        raise SourceError(
            f"camera {camera.id}: {without_credentials(camera.source)} is a stream: give the path of a video file "
            f"or of a folder of stills"
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


def without_credentials(url: str) -> str:
    """The URL without user name, password and query, fit for a message."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.partition("://")[0] + "://..."
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _utc(moment: datetime, time_zone: tzinfo) -> datetime:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=time_zone)
    return moment.astimezone(UTC)
