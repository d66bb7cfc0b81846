"""Stills on their way to the aggregator: on a channel of their own, slowly, and after the events that name them."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

import grpc
import structlog
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub

from edge_agent.uplink.backoff import Backoff
from edge_agent.uplink.bandwidth import Bandwidth
from edge_agent.uplink.call import open_channel
from edge_agent.uplink.evidence_upload_settings import UploadSettings
from edge_agent.uplink.evidence_upload_status import EvidenceUploadStatus
from edge_agent.uplink.settings import UplinkSettings, check_address
from edge_agent.uplink.upload_list import UploadList, Wanted

AGENT_ID = "clearway-agent-id"
"""Metadata in which an agent says who it is."""
MEDIA_TYPE = "image/jpeg"

_GIVE_UP = {grpc.StatusCode.INVALID_ARGUMENT}
"""The aggregator will never take this still."""
_SELDOM = {
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""Only a person can help: it is tried again, but not often."""
_JOIN_GRACE_S = 10.0
_log = structlog.get_logger("evidence")


class Stills(Protocol):
    """Where the stills lie."""

    def path_of(self, sha256: str) -> Path:
        """Where the still with this hash lies, if it is still there."""
        ...

    def discard(self, sha256: str) -> None:
        """Delete a still."""
        ...


class _Result(Enum):
    """What became of one attempt."""

    DONE = auto()
    GIVEN_UP = auto()
    CUT = auto()


class EvidenceUpload:
    """A thread that sends the stills which events have named, one after the other, until the aggregator has them.

    ``folder`` keeps the list of what is to be sent. ``events_wait`` is true while events wait for the aggregator:
    stills let them go first. Unless ``keep``, a still is deleted here once it is there. ``credentials`` gives what
    each new channel shows; an ``insecure`` upload has none. ``uniform(a, b)`` draws the jitter, ``clock`` gives
    seconds that only grow. Raises ``ConfigError`` for an address that may not be used, and ``OSError`` if there can be
    no such folder.
    """

    def __init__(
        self,
        address: str,
        agent_id: str,
        stills: Stills,
        folder: Path,
        *,
        insecure: bool,
        credentials: Callable[[], grpc.ChannelCredentials] | None = None,
        bytes_per_s: float,
        keep: bool = True,
        events_wait: Callable[[], bool] = lambda: False,
        settings: UploadSettings | None = None,
        link: UplinkSettings | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_address(address, insecure)
        if insecure == (credentials is not None):
            raise ValueError("an upload is either insecure or has credentials")
        self._address = address
        self._credentials = credentials
        self._metadata = ((AGENT_ID, agent_id),)
        self._stills = stills
        self._list = UploadList(folder)
        self._bytes_per_s = bytes_per_s
        self._bandwidth = Bandwidth(bytes_per_s, clock)
        self._keep = keep
        self._events_wait = events_wait
        self._settings = settings or UploadSettings()
        self._link = link or UplinkSettings()
        self._uniform = uniform
        self._backoff = Backoff(self._link.backoff_first_s, self._link.backoff_max_s, uniform)
        self._wrong: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._status = EvidenceUploadStatus()
        self._call: Any = None
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._cut = threading.Event()
        self._thread: threading.Thread | None = None

    def want(self, incident_id: str, hashes: Iterable[str]) -> None:
        """Send these stills; that they are wanted is on disk when this returns."""
        if self._list.add(incident_id, hashes):
            self._work.set()

    def start(self) -> None:
        """Start the thread; returns at once. May be called once."""
        if self._thread is not None:
            raise RuntimeError("an upload is started once")
        self._thread = threading.Thread(target=self._run, name="evidence-upload", daemon=True)
        self._thread.start()

    def stop(self, flush_s: float = 0.0) -> bool:
        """Go on for at most ``flush_s`` seconds while it goes well, then end. True if the thread has ended.

        What was not sent stays on the list, and goes on where it was cut.
        """
        self._stopping.set()
        self._work.set()
        if self._thread is None:
            return True
        self._thread.join(flush_s)
        with self._lock:
            self._cut.set()
            if self._call is not None:
                self._call.cancel()
        self._thread.join(_JOIN_GRACE_S)
        return not self._thread.is_alive()

    def status(self) -> EvidenceUploadStatus:
        """How uploads are doing."""
        with self._lock:
            return replace(self._status, pending=len(self._list))

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._work.clear()
            if self._list.first() is None:
                if self._stopping.is_set():
                    return
                self._work.wait()
                continue
            wait_s = self._burst()
            if wait_s is not None and self._stopping.wait(wait_s):
                return

    def _burst(self) -> float | None:
        """Send what is wanted over one connection. Seconds to wait if that met with trouble; None if all has gone."""
        try:
            channel = self._channel()
        except Exception as error:  # noqa: BLE001 the thread must outlive every fault, and none goes unsaid
            return self._failed(None, f"{type(error).__name__}: {error}")
        with channel:
            stub = EvidenceServiceStub(channel)  # type: ignore[no-untyped-call]  # as it is generated
            while (wanted := self._list.first()) is not None:
                try:
                    result = self._send(stub, wanted)
                except grpc.FutureCancelledError:
                    return 0.0
                except grpc.RpcError as error:
                    if self._cut.is_set():
                        return 0.0
                    wait_s = self._refused(wanted, error.code(), error.details() or "")
                    if wait_s is not None:
                        return wait_s
                    result = _Result.GIVEN_UP
                except Exception as error:  # noqa: BLE001 as above
                    _log.exception("upload_failed", file=wanted.sha256)
                    return self._failed(wanted, f"{type(error).__name__}: {error}")
                if result is _Result.CUT:
                    return 0.0
                self._settle(wanted, result)
        return None

    def _channel(self) -> grpc.Channel:
        """A channel that shares its connection with no other."""
        credentials = self._credentials() if self._credentials is not None else None
        return open_channel(self._address, self._link.channel_options(), credentials)

    def _send(self, stub: Any, wanted: Wanted) -> _Result:
        """One attempt at one still. Raises ``grpc.RpcError``."""
        self._let_events_go_first()
        if self._cut.is_set():
            return _Result.CUT
        sha256 = bytes.fromhex(wanted.sha256)
        request = evidence_pb2.GetUploadOffsetRequest(sha256=sha256)
        here = self._called(stub.GetUploadOffset, request, self._settings.answer_timeout_s)
        if here.complete:
            return _Result.DONE
        data = self._read(wanted.sha256)
        if data is None:
            return _Result.GIVEN_UP
        offset = here.offset if here.offset <= len(data) else 0
        opening = evidence_pb2.EvidenceUpload(
            sha256=sha256,
            size_bytes=len(data),
            media_type=MEDIA_TYPE,
            offset=offset,
            incident_id=wanted.incident_id,
        )
        chunks = -(-(len(data) - offset) // self._settings.chunk_bytes)
        timeout_s = (
            self._settings.upload_timeout_s
            + chunks * self._settings.yield_s
            + (len(data) - offset + self._settings.chunk_bytes) / self._bytes_per_s
        )
        answer = self._called(stub.UploadEvidence, self._messages(opening, data), timeout_s)
        if answer.complete:
            return _Result.DONE
        if self._cut.is_set():
            return _Result.CUT
        raise RuntimeError(f"the aggregator has {answer.offset} of {len(data)} bytes, and all were sent")

    def _called(self, method: Any, argument: Any, timeout_s: float) -> Any:
        """The answer to a call that ``stop`` can cancel."""
        call = method.future(argument, metadata=self._metadata, timeout=timeout_s)
        with self._lock:
            self._call = call
            if self._cut.is_set():
                call.cancel()
        try:
            return call.result()
        finally:
            with self._lock:
                self._call = None

    def _messages(
        self, opening: evidence_pb2.EvidenceUpload, data: bytes
    ) -> Iterator[evidence_pb2.UploadEvidenceRequest]:
        yield evidence_pb2.UploadEvidenceRequest(open=opening)
        for start in range(opening.offset, len(data), self._settings.chunk_bytes):
            chunk = data[start : start + self._settings.chunk_bytes]
            self._let_events_go_first()
            if self._cut.wait(self._bandwidth.wait_s(len(chunk))):
                return
            yield evidence_pb2.UploadEvidenceRequest(chunk=chunk)
            with self._lock:
                self._status = replace(self._status, sent_bytes=self._status.sent_bytes + len(chunk))

    def _let_events_go_first(self) -> None:
        waited_s = 0.0
        while waited_s < self._settings.yield_s and self._events_wait() and not self._cut.wait(self._settings.look_s):
            waited_s += self._settings.look_s

    def _read(self, sha256: str) -> bytes | None:
        """The still; None, which is logged, if it is not what it was."""
        try:
            data = self._stills.path_of(sha256).read_bytes()
        except OSError as error:
            _log.warning("still_gone", file=sha256, error=error.strerror, hint="evidence.max_bytes may be too little")
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            _log.error("still_damaged", file=sha256)
            return None
        return data

    def _refused(self, wanted: Wanted, code: grpc.StatusCode, why: str) -> float | None:
        """Seconds to wait before the next attempt; None if there is none."""
        if code is grpc.StatusCode.DATA_LOSS:
            self._wrong[wanted.sha256] += 1
        if code in _GIVE_UP or self._wrong[wanted.sha256] >= self._settings.max_wrong:
            _log.error("still_refused", file=wanted.sha256, incident=wanted.incident_id, why=why)
            return None
        wait_s = self._failed(wanted, f"{code.name}: {why}")
        if code in _SELDOM:
            wait_s = self._uniform(self._link.refused_retry_s / 2, self._link.refused_retry_s)
        return wait_s

    def _failed(self, wanted: Wanted | None, why: str) -> float:
        if wanted is not None:
            self._list.later(wanted.sha256)
        wait_s = self._backoff.next_s()
        with self._lock:
            self._status = replace(self._status, failures=self._status.failures + 1)
        _log.warning("upload_interrupted", file=wanted.sha256 if wanted else None, why=why)
        return wait_s

    def _settle(self, wanted: Wanted, result: _Result) -> None:
        self._wrong.pop(wanted.sha256, None)
        if result is _Result.DONE:
            self._backoff.reset()
            if not self._keep:
                self._discard(wanted.sha256)
        with self._lock:  # so that a status never shows it neither pending nor done
            self._list.settle(wanted.sha256)
            if result is _Result.DONE:
                self._status = replace(self._status, uploaded=self._status.uploaded + 1)
                _log.info("still_uploaded", file=wanted.sha256, incident=wanted.incident_id[:8])
            else:
                self._status = replace(self._status, given_up=self._status.given_up + 1)

    def _discard(self, sha256: str) -> None:
        try:
            self._stills.discard(sha256)
        except OSError as error:
            _log.warning("still_not_deleted", file=sha256, error=error.strerror)
