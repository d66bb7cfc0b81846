"""Opening what FFmpeg reads, with time-outs, and what is said when it fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.error import ExitError, FFmpegError, HTTPForbiddenError, HTTPNotFoundError, HTTPUnauthorizedError
from av.video.stream import VideoStream

from edge_agent.capture.credentials import Credentials, RefusedError, with_user
from edge_agent.capture.source import SourceError
from edge_agent.redaction import redacted, shown_address
from edge_agent.stream_config import StreamConfig

_PROBED_US = 1_000_000
"""Longest that FFmpeg looks at a stream before it gives packets."""
_PROBED_BYTES = 1_000_000
_UDP_BYTES = 1024 * 1024
"""Room in the kernel for the packets of a key frame, which come all at once; it gives what its own limit allows."""
_NO_SUCH_TRANSPORT = (errno.EPROTONOSUPPORT, errno.EPROTOTYPE)


def open_rtsp(url: str, credentials: Credentials | None, stream: StreamConfig) -> tuple[InputContainer, bool]:
    """A connection to an RTSP server, and true if it is one that loses nothing. Raises ``SourceError``."""
    with said(url, stream):
        if stream.transport != "udp":
            try:
                return _open_rtsp(url, credentials, stream, "tcp"), True
            except OSError as error:
                if stream.transport == "tcp" or error.errno not in _NO_SUCH_TRANSPORT:
                    raise
        return _open_rtsp(url, credentials, stream, "udp"), False


def _open_rtsp(url: str, credentials: Credentials | None, stream: StreamConfig, transport: str) -> InputContainer:
    options = {
        "rtsp_transport": transport,
        "buffer_size": str(_UDP_BYTES),
        "allowed_media_types": "video",
        "analyzeduration": str(_PROBED_US),
        "probesize": str(_PROBED_BYTES),
        "timeout": str(int(stream.open_timeout_s * 1_000_000)),
    }
    timeouts = stream.open_timeout_s, stream.read_timeout_s
    return av.open(with_user(url, credentials), options=options, timeout=timeouts)


def open_device(device: str, size: tuple[int, int] | None, stream: StreamConfig) -> InputContainer:
    """A Video4Linux device, at ``size`` if it can. Raises ``SourceError``."""
    wishes: list[dict[str, str]] = [{"input_format": "mjpeg"}, {}]
    if size is not None:
        wanted = f"{size[0]}x{size[1]}"
        wishes = [{"input_format": "mjpeg", "video_size": wanted}, {"video_size": wanted}, *wishes]
    with said(device, stream):
        for wish in wishes[:-1]:
            try:
                return _open_device(device, wish, stream)
            except (FileNotFoundError, PermissionError):
                raise
            except FFmpegError:
                continue  # not in this format or size
        return _open_device(device, wishes[-1], stream)


def _open_device(device: str, options: dict[str, str], stream: StreamConfig) -> InputContainer:
    return av.open(device, format="v4l2", options=options, timeout=(stream.open_timeout_s, stream.read_timeout_s))


def video_of(container: InputContainer, source: str) -> VideoStream:
    """The pictures of what was opened. Raises ``SourceError``."""
    if not container.streams.video:
        raise SourceError(f"{shown_address(source)}: holds no video: choose the camera's address with pictures")
    found = container.streams.video[0]
    if found.codec_context is None or not found.codec_context.codec.is_decoder:
        raise SourceError(f"{shown_address(source)}: its codec is not known here: set the camera to H.264 or H.265")
    return found


@contextmanager
def said(source: str, stream: StreamConfig) -> Iterator[None]:
    """Turn what FFmpeg raises into a ``SourceError`` that says what to do, and no secrets."""
    began_s = time.monotonic()
    try:
        yield
    except FFmpegError as error:
        # FFmpeg says all sorts of things when it was interrupted in the middle of something.
        waited = time.monotonic() - began_s >= _TIMED_OUT * stream.open_timeout_s
        if waited and type(error) not in _TELLING:
            raise _silent(source, stream) from None
        raise why(source, stream, error) from None


def why(source: str, stream: StreamConfig, error: FFmpegError) -> SourceError:
    """What failed and what to do about it. FFmpeg's own words hold the address with its password: they are not used."""
    name = shown_address(source)
    if isinstance(error, HTTPUnauthorizedError | HTTPForbiddenError):
        return RefusedError(
            f"{name}: refuses the user or the password: correct stream.username and stream.password_file, and ask "
            f"again only a few times, as cameras lock users out"
        )
    if isinstance(error, HTTPNotFoundError):
        return SourceError(f"{name}: the camera has no such path: look the address of its stream up in its manual")
    if isinstance(error, ConnectionRefusedError):
        return SourceError(f"{name}: nothing listens there: switch the camera's RTSP on, or correct the port")
    if isinstance(error, ExitError | TimeoutError):
        return _silent(source, stream)
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{name}: there is no such device: plug the camera in, `v4l2-ctl --list-devices` names it")
    if isinstance(error, PermissionError):
        return SourceError(f"{name}: may not be read: add this user to the group of the device (video)")
    return SourceError(f"{name}: cannot be read ({redacted(error.strerror or type(error).__name__)})")


def _silent(source: str, stream: StreamConfig) -> SourceError:
    return SourceError(
        f"{shown_address(source)}: says nothing (stream.open_timeout_s {stream.open_timeout_s:g} s, "
        f"stream.read_timeout_s {stream.read_timeout_s:g} s): look at the camera's power and network"
    )


_TIMED_OUT = 0.95
"""Of the time-out: who waited so long was interrupted."""
_TELLING = (HTTPUnauthorizedError, HTTPForbiddenError, HTTPNotFoundError)
