"""Cameras that speak HTTP: motion JPEG, and stills that are asked for again and again."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Event

import cv2
import numpy as np

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.credentials import Credentials, RefusedError, without_user
from edge_agent.capture.frame import Image
from edge_agent.capture.live_clock import LiveClock
from edge_agent.capture.live_sampling import LiveSampling
from edge_agent.capture.meter import RateMeter
from edge_agent.capture.multipart import Part, Parts
from edge_agent.capture.shot import BrokenPictureError, Shot
from edge_agent.capture.source import SourceError
from edge_agent.redaction import redacted, shown_address
from edge_agent.stream_config import StreamConfig

MAX_PICTURE_BYTES = 16 * 1024 * 1024
"""A JPEG of 4K has 2 to 4 MiB. Whatever is longer is no picture of a camera, and is not kept."""
_SLOWEST_FPS = 0.01
_CHUNK_BYTES = 64 * 1024
_UNAUTHORISED = (401, 403)
_JPEG_END = b"\xff\xd9"
_JPEG_PADDING = b"\x00\r\n"


class HttpStream:
    """Reads what an address answers: parts of a motion JPEG as they come, or one still in each period."""

    hardware: str | None = None

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        stream: StreamConfig,
        sampling: LiveSampling,
        clock: LiveClock,
        counts: CaptureCounts,
        rate: RateMeter,
    ) -> None:
        self._url = without_user(url)
        self._stream = stream
        self._sampling = sampling
        self._clock = clock
        self._counts = counts
        self._rate = rate
        self._opener = _opener(self._url, credentials, stream)
        clock.restart()
        self._response: http.client.HTTPResponse | None = self._ask()

    @property
    def is_still(self) -> bool:
        """True if the address answers with one picture at a time."""
        return self._response is None or not _kind(self._response).startswith("multipart/")

    def shots(self, stop: Event) -> Iterator[Shot]:
        """The pictures that are due. Raises ``SourceError`` when the camera stalls or ends the stream."""
        response = self._response
        if response is None:
            raise SourceError(f"{self._name}: is closed")
        try:
            yield from self._motion(response, stop) if not self.is_still else self._stills(response, stop)
        except (OSError, http.client.HTTPException) as error:
            raise self._why(error) from None

    def close(self) -> None:
        """Let go of the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _motion(self, response: http.client.HTTPResponse, stop: Event) -> Iterator[Shot]:
        parts = Parts(response.headers.get_param("boundary"), MAX_PICTURE_BYTES)
        last_s = time.monotonic()
        while not stop.is_set():
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                raise SourceError(f"{self._name}: the camera has ended the stream")
            now_s = time.monotonic()
            for part in parts.feed(chunk):
                last_s = now_s
                yield from self._due(part, now_s)
            if now_s - last_s > self._stream.read_timeout_s:
                raise SourceError(f"{self._name}: sends no picture any more: look at the camera")
        return

    def _stills(self, response: http.client.HTTPResponse, stop: Event) -> Iterator[Shot]:
        period_s = self._sampling.period_s
        due_s = time.monotonic()
        while True:
            with response:
                data = self._read_still(response)
            yield from self._due(Part(data, None), time.monotonic())
            due_s = max(due_s + period_s, time.monotonic())
            if stop.wait(max(0.0, due_s - time.monotonic())):
                return
            response = self._response = self._ask()

    def _read_still(self, response: http.client.HTTPResponse) -> bytes:
        data = bytearray()
        give_up_s = time.monotonic() + self._stream.read_timeout_s
        while chunk := response.read1(_CHUNK_BYTES):
            data += chunk
            if len(data) > MAX_PICTURE_BYTES:
                raise SourceError(f"{self._name}: answers with more than a picture: give the address of its stills")
            if time.monotonic() > give_up_s:
                raise SourceError(f"{self._name}: is too slow with a still: raise stream.read_timeout_s")
        return bytes(data)

    def _due(self, part: Part, arrived_s: float) -> Iterator[Shot]:
        self._rate.count(arrived_s)
        taken_s = self._clock.taken_s(None, arrived_s)
        spacing_s = self._sampling.period_s if self.is_still else 1 / max(self._rate.rate(arrived_s), _SLOWEST_FPS)
        if self._sampling.take(taken_s, spacing_s):
            yield Shot(JpegPicture(part.data), taken_s, part.sent_at)
        else:
            self._counts.frames_skipped += 1

    def _ask(self) -> http.client.HTTPResponse:
        request = urllib.request.Request(self._url, headers={"User-Agent": "clearway-agent", "Accept": "*/*"})
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=self._stream.open_timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._why(error) from None
        kind = _kind(response)
        if kind.startswith("multipart/") or kind in ("image/jpeg", "image/jpg", "image/png"):
            return response
        response.close()
        raise SourceError(
            f"{self._name}: answers with {redacted(kind)}, not with pictures: give the address of the camera's motion "
            f"JPEG or of its stills, or its rtsp:// address"
        )

    @property
    def _name(self) -> str:
        return shown_address(self._url)

    def _why(self, error: Exception) -> SourceError:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code in _UNAUTHORISED:
                return RefusedError(
                    f"{self._name}: refuses the user or the password: correct stream.username and "
                    f"stream.password_file, and ask again only a few times, as cameras lock users out"
                )
            return SourceError(f"{self._name}: answers with HTTP {error.code}: correct the path, or look at the camera")
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return SourceError(
                f"{self._name}: its certificate is not trusted ({reason.verify_message}): give the camera one that is, "
                f"or set stream.verify_tls: false"
            )
        if isinstance(reason, TimeoutError):
            return SourceError(
                f"{self._name}: says nothing for {self._stream.open_timeout_s:g} s: look at the camera's power and "
                f"network"
            )
        if isinstance(reason, ConnectionRefusedError):
            return SourceError(f"{self._name}: nothing listens there: correct the port, or switch its HTTP on")
        said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        return SourceError(f"{self._name}: cannot be read ({redacted(str(said))})")


class JpegPicture:
    """A JPEG (or PNG) as it came: decoded when somebody looks, never if nobody does."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def develop(self) -> Image:
        """The image. Raises ``BrokenPictureError`` if it is cut short or no picture."""
        data = self._data
        if data[:2] == b"\xff\xd8" and not data.rstrip(_JPEG_PADDING).endswith(_JPEG_END):
            raise BrokenPictureError("the picture is cut short")
        image: Image | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if image is None:
            raise BrokenPictureError("not a picture")
        return image


def _kind(response: http.client.HTTPResponse) -> str:
    return response.headers.get_content_type().lower()


def _opener(url: str, credentials: Credentials | None, stream: StreamConfig) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if not stream.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({}),  # a camera is in the box's own network, wherever others must go through
        _Plain(stream.read_timeout_s),
        _Tls(stream.read_timeout_s, context),
    ]
    if credentials is not None:
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, url, credentials.username, credentials.password)  # any realm
        handlers += [urllib.request.HTTPDigestAuthHandler(known), urllib.request.HTTPBasicAuthHandler(known)]
    return urllib.request.build_opener(*handlers)


def _reading(connection: type[http.client.HTTPConnection], read_timeout_s: float) -> type[http.client.HTTPConnection]:
    """A kind of connection that has one time-out until it answers and another one from then on."""

    class Connection(connection):  # type: ignore[misc, valid-type]
        def getresponse(self) -> http.client.HTTPResponse:
            socket = self.sock
            response: http.client.HTTPResponse = super().getresponse()
            socket.settimeout(read_timeout_s)
            return response

    return Connection


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, read_timeout_s: float) -> None:
        super().__init__()
        self._connection = _reading(http.client.HTTPConnection, read_timeout_s)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)


class _Tls(urllib.request.HTTPSHandler):
    def __init__(self, read_timeout_s: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._kept = context
        self._connection = _reading(http.client.HTTPSConnection, read_timeout_s)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req, context=self._kept)
