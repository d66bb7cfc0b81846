"""One stream from Hello to its end: what to send, what an answer means, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from queue import Empty

import grpc
import structlog
from clearway.v1 import ingest_pb2

from edge_agent import wire
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.queue_batch import Position, Rejection
from edge_agent.uplink.call import Call, ChannelTried, Ended, Inbox, Received
from edge_agent.uplink.clock_offset import ClockOffset
from edge_agent.uplink.flight import Flight, ProtocolError
from edge_agent.uplink.latency import LatencyHistogram
from edge_agent.uplink.settings import UplinkSettings

_log = structlog.get_logger(__name__)

REFUSALS = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INVALID_ARGUMENT,
    }
)
"""Codes that will stay until a person changes something."""


class EndKind(StrEnum):
    """How a stream ended."""

    LOST = "lost"
    REFUSED = "refused"
    DRAINED = "drained"
    MOVED = "moved"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class End:
    """How and why a stream ended. ``good`` if it did what a stream is for; ``after_s`` when to come back, if said."""

    kind: EndKind
    why: str = ""
    good: bool = False
    after_s: float = 0.0


class _EndedError(Exception):
    def __init__(self, kind: EndKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What a session works with.

    ``on_welcome`` is told the clock's offset; ``on_look`` is called before the session looks at what there is to do:
    what changes after that must wake it. ``stop_at_s`` gives the monotonic time by which to end, None while it is to
    go on. ``is_superseded`` says that a new channel is to take this one's place.
    """

    agent_id: str
    versions: ingest_pb2.AgentVersions
    outbox: Outbox
    heartbeat: Callable[[], ingest_pb2.Heartbeat]
    settings: UplinkSettings
    clock: Callable[[], datetime]
    latency: LatencyHistogram
    on_welcome: Callable[[float | None], None]
    on_drain: Callable[[], None]
    on_look: Callable[[], None]
    stop_at_s: Callable[[], float | None]
    is_superseded: Callable[[], bool]


class Session:
    """One stream. ``run`` decides everything in the calling thread and returns how it ended."""

    def __init__(self, parts: SessionParts, call: Call, inbox: Inbox) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._outbox = parts.outbox
        self._call = call
        self._inbox = inbox
        self._began_s = time.monotonic()
        self._position: Position | None = None
        self._flight: Flight | None = None
        self._max_batch = 1
        self._heartbeat_s = self._settings.default_heartbeat_s
        self._heartbeat_due_s = 0.0
        self._deadline_s: float | None = self._began_s + self._settings.connect_timeout_s
        self._deadline_why = "no connection in time"
        self._throttled_until_s = 0.0
        self._batch_due_s: float | None = None
        self._drain_after_s: float | None = None
        self._half_closed = False
        self._progress = False
        self._offset = ClockOffset(parts.clock)

    @property
    def on_the_way(self) -> int:
        """Events that were sent and not acked."""
        return self._flight.on_the_way if self._flight is not None else 0

    @property
    def clock_offset_s(self) -> float | None:
        """The agent's clock minus the aggregator's as it is now; None until measured."""
        return self._offset.now_s()

    def run(self) -> End:
        """Do everything that the stream is for until it ends."""
        try:
            while True:
                self._parts.on_look()
                now = time.monotonic()
                self._give_up_if_due(now)
                if self._flight is not None and not self._half_closed:
                    self._work(self._flight, now)
                try:
                    happening = self._inbox.get(timeout=max(0.0, self._next_due_s() - time.monotonic()))
                except Empty:
                    continue
                if isinstance(happening, ChannelTried):
                    self._say_hello()
                elif isinstance(happening, Received):
                    self._receive(happening.message)
                elif isinstance(happening, Ended):
                    return self._ended(happening)
        except _EndedError as end:
            return self._end(end.kind, end.why)
        except ProtocolError as error:
            return self._end(EndKind.LOST, f"the aggregator breaks the protocol: {error}")
        finally:
            self._outbox.release()

    def _end(self, kind: EndKind, why: str) -> End:
        good = self._progress or (
            self._flight is not None and time.monotonic() - self._began_s >= self._settings.stable_s
        )
        return End(kind, why, good, self._drain_after_s or 0.0)

    def _ended(self, ended: Ended) -> End:
        stopping = self._parts.stop_at_s() is not None
        if self._half_closed and (ended.code is grpc.StatusCode.OK or stopping):
            return self._end(EndKind.STOPPED if stopping else EndKind.DRAINED, "")
        if self._drain_after_s is not None:
            return self._end(EndKind.DRAINED, ended.details)
        why = f"{ended.code.name}: {ended.details}" if ended.details else ended.code.name
        if ended.code is grpc.StatusCode.OK:
            why = "the aggregator ended the stream"
        return self._end(EndKind.REFUSED if ended.code in REFUSALS else EndKind.LOST, why)

    # -- time ----------------------------------------------------------------------------------------------------

    def _give_up_if_due(self, now: float) -> None:
        stop_at = self._parts.stop_at_s()
        if stop_at is not None and self._flight is None:
            raise _EndedError(EndKind.STOPPED, "")
        if self._deadline_s is not None and now >= self._deadline_s:
            if stop_at is not None:
                raise _EndedError(EndKind.STOPPED, self._deadline_why)
            if self._drain_after_s is not None:
                raise _EndedError(EndKind.DRAINED, self._deadline_why)
            raise _EndedError(EndKind.LOST, self._deadline_why)
        waiting_since = self._flight.waiting_since_s if self._flight is not None else None
        if waiting_since is not None and now >= waiting_since + self._settings.ack_timeout_s:
            raise _EndedError(EndKind.LOST, f"no ack for {self._settings.ack_timeout_s:g} s")

    def _next_due_s(self) -> float:
        now = time.monotonic()
        due = [now + self._settings.look_every_s]
        due += [each for each in (self._deadline_s, self._batch_due_s) if each is not None]
        if self._flight is not None:
            if self._flight.waiting_since_s is not None:
                due.append(self._flight.waiting_since_s + self._settings.ack_timeout_s)
            if not self._half_closed:
                due.append(self._heartbeat_due_s)
                if (stop_at := self._parts.stop_at_s()) is not None:
                    due.append(stop_at)
                if self._throttled_until_s > now:
                    due.append(self._throttled_until_s)
        return min(due)

    # -- up ------------------------------------------------------------------------------------------------------

    def _say_hello(self) -> None:
        self._call.open()
        self._position = self._outbox.position(hold=True)
        self._offset.ask()
        hello = ingest_pb2.Hello(
            agent_id=self._parts.agent_id,
            epoch=self._position.epoch,
            lowest_unacked_seq=self._position.lowest_unacked_seq,
            next_seq=self._position.next_seq,
            versions=self._parts.versions,
            sent_at=wire.timestamp(self._parts.clock()),
        )
        self._call.send(ingest_pb2.ConnectRequest(hello=hello))
        self._deadline_s = time.monotonic() + self._settings.welcome_timeout_s
        self._deadline_why = "no welcome in time"

    def _work(self, flight: Flight, now: float) -> None:
        stop_at = self._parts.stop_at_s()
        if now >= self._heartbeat_due_s:
            self._heartbeat_due_s = now + self._heartbeat_s
            if self._call.backlog == 0:
                self._call.send(ingest_pb2.ConnectRequest(heartbeat=self._heartbeat()))
        if self._drain_after_s is None and self._parts.is_superseded():
            self._drain_after_s = 0.0
            self._parts.on_drain()
        may_send = self._drain_after_s is None and now >= self._throttled_until_s
        all_sent = self._send_events(flight, now, eager=stop_at is not None) if may_send else True
        leaving = self._drain_after_s is not None or stop_at is not None
        if stop_at is not None:
            self._parts.on_drain()
        if leaving and ((all_sent and flight.on_the_way == 0) or (stop_at is not None and now >= stop_at)):
            self._call.half_close()
            self._half_closed = True
            self._deadline_s = now + self._settings.half_close_timeout_s
            self._deadline_why = "the aggregator did not end the half-closed stream"

    def _send_events(self, flight: Flight, now: float, *, eager: bool) -> bool:
        """Send what the window allows; true if nothing is left to send."""
        self._batch_due_s, due = None, self._batch_due_s
        while flight.room:
            most = min(flight.room, self._max_batch)
            batch = self._outbox.peek(flight.sent_through, most, self._settings.batch_bytes, hold=True)
            assert self._position is not None
            if batch.epoch != self._position.epoch:
                raise _EndedError(EndKind.MOVED, "the queue has a new epoch")
            if not batch.payloads:
                return True
            if batch.first_seq != flight.sent_through + 1:
                raise _EndedError(EndKind.MOVED, "the head of the queue was dropped")
            full = len(batch.payloads) == most or sum(map(len, batch.payloads)) >= self._settings.batch_bytes // 2
            if flight.on_the_way and not full and not eager:
                due = due if due is not None else now + self._settings.batch_age_s
                if now < due:
                    self._batch_due_s = due
                    return False
            events = [ingest_pb2.Event.FromString(payload) for payload in batch.payloads]
            message = ingest_pb2.EventBatch(first_seq=batch.first_seq, events=events)
            self._call.send(ingest_pb2.ConnectRequest(batch=message))
            flight.sent(batch, now)
            due = None
        return False

    def _heartbeat(self) -> ingest_pb2.Heartbeat:
        try:
            message = self._parts.heartbeat()
        except Exception:  # noqa: BLE001 a status that cannot be made must not stop events
            _log.exception("heartbeat_failed")
            message = ingest_pb2.Heartbeat(queue=wire.queue_status(self._outbox.status()))
        if not message.HasField("sent_at"):
            message.sent_at.CopyFrom(wire.timestamp(self._parts.clock()))
        offset_s = self._offset.now_s()
        if offset_s is not None:
            message.clock_offset_s = offset_s
        return message

    # -- down ----------------------------------------------------------------------------------------------------

    def _receive(self, message: ingest_pb2.ConnectResponse) -> None:
        which = message.WhichOneof("message")
        if which == "welcome":
            self._welcomed(message.welcome)
        elif self._flight is None:
            raise ProtocolError(f"{which} came before welcome")
        elif which == "ack":
            self._acked(self._flight, message.ack)
        elif which == "throttle":
            pause_s = self._bounded_s(message.throttle.pause.ToTimedelta())
            self._throttled_until_s = time.monotonic() + pause_s
            if self._flight.on_the_way == 0:
                self._outbox.release()
            _log.warning("uplink_throttled", pause_s=pause_s, reason=message.throttle.reason)
        elif which == "drain" and self._drain_after_s is None:
            self._drain_after_s = self._bounded_s(message.drain.reconnect_after.ToTimedelta())
            self._parts.on_drain()
        # Anything else is from a newer aggregator and of no meaning here.

    def _bounded_s(self, span: timedelta) -> float:
        return min(max(0.0, span.total_seconds()), self._settings.max_pause_s)

    def _welcomed(self, welcome: ingest_pb2.Welcome) -> None:
        if welcome.HasField("server_time"):
            self._offset.answered(wire.moment(welcome.server_time))
        if self._flight is not None or self._position is None:
            raise ProtocolError("welcome came twice, or before hello")
        position, settings = self._position, self._settings
        if self._outbox.is_behind(welcome.committed_seq):
            self._outbox.renew_epoch(welcome.committed_seq)
            raise _EndedError(
                EndKind.LOST,
                f"the aggregator has event {welcome.committed_seq} of this queue, which never sent it: it was put back "
                f"from a copy, or has lost its end, and goes on under a new epoch",
            )
        self._outbox.ack(position.epoch, welcome.committed_seq)
        self._flight = Flight(
            max(welcome.committed_seq, position.lowest_unacked_seq - 1),
            min(max(1, welcome.window), settings.max_window),
        )
        self._max_batch = max(1, welcome.max_batch)
        interval_s = welcome.heartbeat_interval.ToTimedelta().total_seconds()
        if interval_s > 0:
            self._heartbeat_s = min(max(interval_s, settings.min_heartbeat_s), settings.max_heartbeat_s)
        self._deadline_s = None
        self._parts.on_welcome(self._offset.now_s())

    def _acked(self, flight: Flight, ack: ingest_pb2.Ack) -> None:
        assert self._position is not None
        before = flight.acked_through
        waits = flight.acked(ack.committed_through_seq, time.monotonic())
        rejected = [Rejection(each.seq, each.reason) for each in ack.rejected]
        for each in rejected:
            if not before < each.seq <= flight.acked_through:
                raise ProtocolError(f"it rejected event {each.seq}, which is not among those it acked")
        for wait_s in waits:
            self._parts.latency.observe(wait_s)
        if flight.acked_through > before:
            self._outbox.ack(self._position.epoch, flight.acked_through, rejected)
            self._progress = True
