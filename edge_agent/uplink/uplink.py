"""The way to the aggregator: keeps one stream open, sends what the queue holds, and never loses an event."""

from __future__ import annotations

import platform
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from queue import SimpleQueue

import grpc
import structlog
from clearway.v1 import ingest_pb2

from edge_agent.identity.identity import IdentityError
from edge_agent.outbox.outbox import Outbox
from edge_agent.uplink.backoff import Backoff
from edge_agent.uplink.call import Call, Inbox, Woken
from edge_agent.uplink.latency import LatencyHistogram
from edge_agent.uplink.session import End, EndKind, Session, SessionParts
from edge_agent.uplink.settings import UplinkSettings, check_address
from edge_agent.uplink.state import TRANSITIONS, UplinkState, UplinkStatus

__all__ = ["Uplink", "UplinkSettings", "UplinkState", "UplinkStatus", "check_address", "versions"]

_JOIN_GRACE_S = 10.0  # for the half-close and for closing the channel, on top of the flush
_log = structlog.get_logger(__name__)


def versions(agent: str, model: str, config: str) -> ingest_pb2.AgentVersions:
    """What runs on this box."""
    return ingest_pb2.AgentVersions(agent=agent, model=model, config=config, platform=platform.platform(terse=True))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Uplink:
    """A thread that owns the stream.

    ``heartbeat`` builds a message at the interval that the aggregator sets; the uplink adds the clock's offset.
    ``credentials`` gives what each new channel shows, or raises ``IdentityError``; an ``insecure`` uplink has none.
    ``uniform(a, b)`` draws the jitter. Raises ``ConfigError`` for an address that may not be used.
    """

    def __init__(
        self,
        address: str,
        agent_id: str,
        outbox: Outbox,
        heartbeat: Callable[[], ingest_pb2.Heartbeat],
        *,
        insecure: bool,
        credentials: Callable[[], grpc.ChannelCredentials] | None = None,
        versions: ingest_pb2.AgentVersions | None = None,
        settings: UplinkSettings | None = None,
        clock: Callable[[], datetime] = _utc_now,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        check_address(address, insecure)
        if insecure == (credentials is not None):
            raise ValueError("an uplink is either insecure or has credentials")
        self._credentials = credentials
        self._address = address
        self._outbox = outbox
        self._settings = settings or UplinkSettings()
        self._clock = clock
        self._uniform = uniform
        self._superseded = threading.Event()
        self._hurry = threading.Event()
        self._backoff = Backoff(self._settings.backoff_first_s, self._settings.backoff_max_s, uniform)
        self._latency = LatencyHistogram()
        self._parts = SessionParts(
            agent_id=agent_id,
            versions=versions or ingest_pb2.AgentVersions(),
            outbox=outbox,
            heartbeat=heartbeat,
            settings=self._settings,
            clock=clock,
            latency=self._latency,
            on_welcome=self._welcomed,
            on_drain=lambda: self._enter(UplinkState.DRAINING),
            on_look=self._woken,
            stop_at_s=lambda: self._stop_at_s,
            is_superseded=self._superseded.is_set,
        )
        self._lock = threading.Lock()
        self._status = UplinkStatus(since=clock())
        self._session: Session | None = None
        self._inbox: Inbox = SimpleQueue()
        self._wake_pending = False
        self._stop_at_s: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._alive_at_s = time.monotonic()

    def start(self) -> None:
        """Start the thread; returns at once. An aggregator that is away is waited for. May be called once."""
        if self._thread is not None:
            raise RuntimeError("an uplink is started once")
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._outbox.notify(self._wake)
        self._thread.start()

    def stop(self, flush_s: float = 0.0) -> bool:
        """Send what the queue holds for at most ``flush_s`` seconds, end the stream by half-close, end the thread.

        True if the thread has ended. What was not acked stays in the queue.
        """
        self._outbox.notify(None)
        self._stop_at_s = time.monotonic() + flush_s
        self._stopping.set()
        self._hurry.set()
        self._inbox.put(Woken())
        if self._thread is None:
            return True
        self._thread.join(flush_s + self._settings.half_close_timeout_s + _JOIN_GRACE_S)
        return not self._thread.is_alive()

    def reconnect(self) -> None:
        """Change to a new channel, with credentials asked for anew: at once, but for what still waits for an ack."""
        self._superseded.set()
        self._hurry.set()
        self._inbox.put(Woken())

    def status(self) -> UplinkStatus:
        """How the uplink is."""
        with self._lock:
            status, session = self._status, self._session
        offset_s = session.clock_offset_s if session is not None else None
        return replace(
            status,
            clock_offset_s=status.clock_offset_s if offset_s is None else offset_s,
            in_flight_events=session.on_the_way if session is not None else 0,
            ack_latency=self._latency.snapshot(),
        )

    def silent_s(self) -> float:
        """Seconds without a sign of life from the thread; 0 while it only waits before another attempt."""
        waits = self.status().state in (UplinkState.BACKING_OFF, UplinkState.REFUSED)
        return 0.0 if waits else time.monotonic() - self._alive_at_s

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                end = self._attempt()
                if end.kind is not EndKind.STOPPED:
                    self._wait(end)
        except BaseException as error:
            self._note(failures=1, last_error=f"{type(error).__name__}: {error}")
            _log.exception("uplink_died")
            raise
        finally:
            self._enter(UplinkState.STOPPED)

    def _attempt(self) -> End:
        """One connection, from nothing to its end. Whatever goes wrong inside ends it and is logged."""
        self._enter(UplinkState.CONNECTING)
        inbox: Inbox = SimpleQueue()
        self._inbox, self._wake_pending = inbox, False
        self._superseded.clear()
        if not self._stopping.is_set():
            self._hurry.clear()
        call: Call | None = None
        try:
            credentials = self._credentials() if self._credentials is not None else None
            call = Call(self._address, self._settings.channel_options(), inbox, credentials)
            session = Session(self._parts, call, inbox)
            self._session = session
            return session.run()
        except IdentityError as error:
            return End(EndKind.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 the thread must outlive every fault, and none goes unsaid
            self._note(failures=1)
            _log.exception("uplink_failed")
            return End(EndKind.LOST, f"{type(error).__name__}: {error}")
        finally:
            self._session = None
            if call is not None:
                call.close()

    def _wait(self, end: End) -> None:
        """What comes after a stream: the state that says why, and the wait before the next."""
        self._note(reconnects=1, last_error=end.why)
        if end.good:
            self._backoff.reset()
        if end.kind is EndKind.MOVED:
            return
        if end.kind is EndKind.REFUSED:
            self._enter(UplinkState.REFUSED)
            wait_s = self._uniform(self._settings.refused_retry_s / 2, self._settings.refused_retry_s)
        elif end.kind is EndKind.DRAINED:
            self._enter(UplinkState.BACKING_OFF)
            wait_s = end.after_s + self._backoff.next_s()
        else:
            self._enter(UplinkState.BACKING_OFF)
            wait_s = self._backoff.next_s()
        _log.warning("uplink_interrupted", how=end.kind.value, why=end.why, retry_in_s=round(wait_s, 1))
        if not self._stopping.is_set():
            self._hurry.wait(wait_s)

    def _wake(self) -> None:
        if not self._wake_pending:
            self._wake_pending = True
            self._inbox.put(Woken())

    def _woken(self) -> None:
        self._wake_pending = False
        self._alive_at_s = time.monotonic()

    def _welcomed(self, clock_offset_s: float | None) -> None:
        self._enter(UplinkState.CONNECTED)
        with self._lock:
            self._status = replace(self._status, clock_offset_s=clock_offset_s, last_error="")
        _log.info("uplink_connected", address=self._address, clock_offset_s=clock_offset_s)

    def _enter(self, state: UplinkState) -> None:
        self._alive_at_s = time.monotonic()
        with self._lock:
            if state is self._status.state:
                return
            if state not in TRANSITIONS[self._status.state]:
                raise RuntimeError(f"the uplink cannot go from {self._status.state} to {state}")
            self._status = replace(self._status, state=state, since=self._clock())

    def _note(self, reconnects: int = 0, failures: int = 0, last_error: str | None = None) -> None:
        with self._lock:
            self._status = replace(
                self._status,
                reconnects=self._status.reconnects + reconnects,
                failures=self._status.failures + failures,
                last_error=self._status.last_error if last_error is None else last_error,
            )
