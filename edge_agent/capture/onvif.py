"""Asking an ONVIF camera for the addresses of its streams (ONVIF Core and Media, profile S)."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from edge_agent.capture.credentials import Credentials, RefusedError
from edge_agent.capture.source import SourceError
from edge_agent.capture.ws_discovery import local, parsed, text_of
from edge_agent.redaction import shown_address

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_TIMEOUT_S = 5.0
_MOST_BYTES = 1024 * 1024
_TOKEN = (
    '<s:Header><w:Security s:mustUnderstand="1" xmlns:w="http://docs.oasis-open.org/wss/2004/01/'
    'oasis-200401-wss-wssecurity-secext-1.0.xsd"><w:UsernameToken><w:Username>{user}</w:Username><w:Password Type="http://'
    'docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest">{digest}</w:Password>'
    '<w:Nonce EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0'
    '#Base64Binary">{nonce}</w:Nonce><u:Created xmlns:u="http://docs.oasis-open.org/wss/2004/01/'
    'oasis-200401-wss-wssecurity-utility-1.0.xsd">{created}</u:Created></w:UsernameToken></w:Security></s:Header>'
)


@dataclass(frozen=True, slots=True)
class StreamProfile:
    """One stream that a camera offers. ``address`` holds no user."""

    name: str
    address: str
    codec: str | None
    size: tuple[int, int] | None
    fps: float | None


class OnvifCamera:
    """A camera by the address of its device service. Raises ``SourceError``, and ``RefusedError`` for the password."""

    def __init__(self, service: str, credentials: Credentials | None = None) -> None:
        self._service = service
        self._credentials = credentials
        self._ahead: timedelta | None = None

    def profiles(self) -> tuple[StreamProfile, ...]:
        """Its streams, the largest first."""
        body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
        media = text_of(self._ask(self._service, body), "Media", "XAddr") or self._service
        media = self._reachable(media)
        found = []
        for profile in self._ask(media, f'<GetProfiles xmlns="{_MEDIA}"/>').iter():
            if local(profile) == "Profiles":
                found.append(self._profile(media, profile))
        return tuple(sorted(found, key=lambda each: -(each.size[0] * each.size[1]) if each.size else 0))

    def _profile(self, media: str, profile: ElementTree.Element) -> StreamProfile:
        token = escape(profile.get("token", ""), {'"': "&quot;"})
        answer = self._ask(
            media,
            f'<GetStreamUri xmlns="{_MEDIA}"><StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
            f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
            f"<ProfileToken>{token}</ProfileToken></GetStreamUri>",
        )
        address = text_of(answer, "Uri")
        if not address:
            raise SourceError(f"{self._name}: gives no address for its stream {profile.get('token')!r}")
        encoder = next((each for each in profile.iter() if local(each) == "VideoEncoderConfiguration"), None)
        size = fps = codec = None
        if encoder is not None:
            codec = text_of(encoder, "Encoding")
            width, height = text_of(encoder, "Resolution", "Width"), text_of(encoder, "Resolution", "Height")
            size = (int(width), int(height)) if width and height and width.isdigit() and height.isdigit() else None
            rate = text_of(encoder, "RateControl", "FrameRateLimit")
            fps = float(rate) if rate and rate.replace(".", "", 1).isdigit() else None
        parts = urlsplit(self._reachable(address))
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        name = text_of(profile, "Name") or profile.get("token") or ""
        return StreamProfile(name, bare, codec, size, fps)

    def _reachable(self, address: str) -> str:
        """The address at the host by which we came: behind a router a camera names one of its own network."""
        parts, ours = urlsplit(address), urlsplit(self._service)
        if not parts.hostname or not ours.hostname or parts.hostname == ours.hostname:
            return address
        host = f"[{ours.hostname}]" if ":" in ours.hostname else ours.hostname
        return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))

    @property
    def _name(self) -> str:
        return shown_address(self._service)

    def _ask(self, address: str, body: str) -> ElementTree.Element:
        if self._credentials is not None and self._ahead is None:
            self._ahead = self._clock_ahead()
        header = "" if self._credentials is None else self._header(self._credentials)
        return self._send(address, header, body)

    def _clock_ahead(self) -> timedelta:
        """By how much the camera's clock is ahead: a token of another time is refused."""
        answer = self._send(self._service, "", f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>')
        now = [text_of(answer, "UTCDateTime", *path) for path in _DATE_AND_TIME]
        if not all(each and each.isdigit() for each in now):
            return timedelta(0)
        try:
            return datetime(*(int(each or 0) for each in now), tzinfo=UTC) - datetime.now(UTC)  # type: ignore[misc, arg-type]
        except ValueError:
            return timedelta(0)

    def _header(self, credentials: Credentials) -> str:
        nonce = os.urandom(16)
        created = (datetime.now(UTC) + (self._ahead or timedelta(0))).strftime("%Y-%m-%dT%H:%M:%SZ")
        # SHA-1 is what the profile asks for (WS-Security UsernameToken Profile 1.0, section 3.1).
        digest = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False).digest()
        return _TOKEN.format(
            user=escape(credentials.username),
            digest=base64.b64encode(digest).decode(),
            nonce=base64.b64encode(nonce).decode(),
            created=created,
        )

    def _send(self, address: str, header: str, body: str) -> ElementTree.Element:
        envelope = f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">{header}<s:Body>{body}</s:Body></s:Envelope>'
        request = urllib.request.Request(
            address, envelope.encode(), {"Content-Type": "application/soap+xml; charset=utf-8"}, method="POST"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                data = answer.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                data = error.read(_MOST_BYTES)
            if error.code in (401, 403) or b"NotAuthorized" in data or b"FailedAuthentication" in data:
                raise RefusedError(f"{self._name}: refuses the user or the password: correct them") from None
            raise SourceError(f"{self._name}: answers with HTTP {error.code}: is it an ONVIF camera?") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise SourceError(
                f"{self._name}: cannot be asked ({getattr(reason, 'strerror', None) or reason})"
            ) from None
        root = parsed(data)
        if root is None:
            raise SourceError(f"{self._name}: does not answer as an ONVIF camera does")
        if b"NotAuthorized" in data or b"FailedAuthentication" in data:
            raise RefusedError(f"{self._name}: refuses the user or the password: correct them")
        return root


_DATE_AND_TIME = (
    ("Date", "Year"),
    ("Date", "Month"),
    ("Date", "Day"),
    ("Time", "Hour"),
    ("Time", "Minute"),
    ("Time", "Second"),
)
