"""One agent's stream, from Hello to half-close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import grpc
import structlog
from clearway.v1 import ingest_pb2

from aggregator.admission import Admission
from aggregator.bounds import MAX_HEARTBEAT_BYTES
from aggregator.entries import read_entries
from aggregator.heartbeat_bounds import keep_what_fits
from aggregator.in_flight import InFlight, Sent
from aggregator.ingest import Failed
from aggregator.limits import Pacer, TooFastError
from aggregator.line import GoneError, Line
from aggregator.records import (
    Batch,
    CameraChange,
    Entry,
    Fenced,
    Hole,
    IncidentEvent,
    Outcome,
)
from aggregator.refusal import RefusalError, exhausted, store_refuses, taken_over
from aggregator.stream_parts import Arrived, Shared
from aggregator.wire import MAX_SEQ

T = TypeVar("T")

log = structlog.get_logger(__name__)


class AgentStream:
    """Reads batches, hands them to the group commit and acks each once it is durable.

    ``took_over`` is called with the stream once its Hello was accepted. One task reads, and it can be interrupted; acks
    have one of their own while there is something to ack.
    """

    __slots__ = (
        "_admission",
        "_context",
        "_epoch",
        "_finished",
        "_in_flight",
        "_interruptions",
        "_left_out",
        "_line",
        "_serving",
        "_shared",
        "_took_over",
        "_trouble",
        "agent_id",
        "fence",
    )

    def __init__(self, shared: Shared, context: Any, took_over: Callable[[AgentStream], None]) -> None:
        self.agent_id = ""
        self.fence = 0
        self._shared = shared
        self._context = context
        self._took_over = took_over
        self._epoch = b""
        self._left_out = 0
        self._line = Line(context)
        self._admission = Admission(shared, self._line)
        self._serving: asyncio.Task[Any] | None = None
        self._trouble: Exception | None = None
        self._interruptions = 0
        self._finished = False
        bounds = shared.config.stream
        self._in_flight = InFlight(bounds.window, bounds.max_message_bytes, self._answer, self._fail)

    async def run(self) -> None:
        """Serve the stream to its end."""
        try:
            await self._open()
            self._shared.fleet.connected(self.agent_id, self._shared.clock())
            try:
                await self._serve()
            finally:
                self._shared.fleet.disconnected(self.agent_id)
        except RefusalError as refusal:
            self._shared.watch.stream_refused(refusal.reason)
            log.warning("stream ended", agent=self.agent_id, reason=refusal.reason, detail=str(refusal))
            await self._context.abort(refusal.code, str(refusal), refusal.metadata)
        except GoneError:
            log.info("agent went away", agent=self.agent_id)
        finally:
            self._in_flight.close()
            self._admission.leave()

    def end(self, refusal: RefusalError) -> None:
        """End the stream with an error."""
        self._fail(refusal)

    def finish(self) -> None:
        """Read no more, ack what was read, then end the stream well."""
        if not self._finished:
            self._finished = True
            self._interrupt()

    def _fail(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = error
            self._interrupt()

    def _interrupt(self) -> None:
        if self._serving is not None:
            self._interruptions += 1
            self._serving.cancel()

    def end_if_shut_out(self) -> None:
        """End the stream if its agent was revoked, or its certificate has ended, since it began."""
        refusal = self._admission.shut_out()
        if refusal is not None:
            self.end(refusal)

    async def drain(self, reconnect_after_s: float) -> None:
        """Ask the agent to half-close and to come back."""
        message = ingest_pb2.ConnectResponse()
        message.drain.reconnect_after.FromMilliseconds(int(reconnect_after_s * 1000))
        try:
            await self._line.write(message)
        except GoneError:
            log.info("agent went away", agent=self.agent_id)

    async def _open(self) -> None:
        hello, opened = await self._admission.take(self._context)
        self.agent_id, self._epoch, self.fence = hello.agent_id, hello.epoch, opened.fence
        self._took_over(self)
        log.info("agent connected", agent=self.agent_id, committed=opened.committed_seq, version=hello.agent_version)
        await self._admission.welcome(opened.committed_seq)

    async def _serve(self) -> None:
        if not self._finished:
            await self._until_interrupted(self._read)
        self._finished = True
        await self._until_interrupted(self._in_flight.none_left)

    async def _until_interrupted(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` to its end, or until there is trouble, which is raised, or until the stream is to finish."""
        if self._trouble is None:
            self._serving = task = cast(asyncio.Task[Any], asyncio.current_task())
            try:
                await work()
            except asyncio.CancelledError:
                for _ in range(self._interruptions):
                    task.uncancel()
                if not self._interruptions or task.cancelling():
                    raise  # it was gRPC: the agent has hung up
                self._interruptions = 0
            finally:
                self._serving = None
        if self._trouble is not None:
            raise self._trouble

    async def _read(self) -> None:
        assert self._admission.allowance is not None
        bounds = self._shared.config.stream
        pacer = Pacer(self._admission.allowance, bounds.window, bounds.max_message_bytes, self._shared.seconds)
        while (arrived := await self._line.next()) is not None:
            await self._hear(arrived, pacer)
            del arrived  # thousands of agents say nothing for seconds

    async def _hear(self, arrived: Arrived, pacer: Pacer) -> None:
        if (refusal := self._admission.shut_out()) is not None:
            raise refusal
        message = arrived.message
        await self._pace(pacer, len(message.batch.events), arrived.size_bytes)
        self._shared.fleet.heard(self.agent_id, self._shared.clock())
        match message.WhichOneof("message"):
            case "batch":
                await self._take(message.batch, arrived.size_bytes)
            case "heartbeat":
                self._note(message.heartbeat, arrived.size_bytes)
            case "hello":
                raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "bad_message", "a stream has one Hello")
            case _:
                log.info("message of an unknown kind", agent=self.agent_id)

    async def _pace(self, pacer: Pacer, events: int, size_bytes: int) -> None:
        """Ask an agent that is too fast to pause; end the stream of one that does not."""
        limits = self._shared.config.limits
        why = f"limits.events_per_s is {limits.events_per_s:g}, limits.bytes_per_s {limits.bytes_per_s:g}"
        try:
            pause_s = pacer.took(events, size_bytes)
        except TooFastError:
            raise exhausted("too_fast", f"was asked to pause, and sent on: {why}") from None
        if pause_s:
            self._shared.watch.throttled(self.agent_id)
            log.warning("agent is asked to pause", agent=self.agent_id, pause_s=round(pause_s, 1))
            message = ingest_pb2.ConnectResponse()
            message.throttle.pause.FromMilliseconds(int(pause_s * 1000))
            message.throttle.reason = why
            await self._line.write(message)

    def _note(self, heartbeat: Any, size_bytes: int) -> None:
        now, names = self._shared.clock(), self._shared.label_sets
        gone = 1
        if size_bytes <= MAX_HEARTBEAT_BYTES:
            gone = keep_what_fits(heartbeat, now, lambda *place: not names.refuses(self.agent_id, *place))
            self._shared.fleet.heartbeat(self.agent_id, heartbeat, now)
        if gone > self._left_out:
            log.warning("parts of a heartbeat are out of their bounds", agent=self.agent_id, left_out=gone)
        self._left_out = gone

    async def _take(self, message: Any, size_bytes: int) -> None:
        bounds, count, first = self._shared.config.stream, len(message.events), message.first_seq
        if count > bounds.max_batch:
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "bad_message",
                f"a batch of {count} events, more than {bounds.max_batch}",
            )
        if not 1 <= first <= MAX_SEQ - count:
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "bad_message", f"first_seq {first} is no sequence")
        now = self._shared.clock()
        entries = self._named(read_entries(first, message.events, now))
        read_at_s = time.perf_counter()
        await self._in_flight.room_for(count, size_bytes)
        future = self._shared.ingest.put(Batch(self.agent_id, self._epoch, self.fence, first, entries))
        self._in_flight.put(Sent(future, read_at_s, count, size_bytes))

    def _named(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The entries, without the bodies of those whose camera or zone would be one too many."""
        names = dict.fromkeys(_place(entry) for entry in entries)
        refused = {
            place: reason
            for place in names
            if place and (reason := self._shared.label_sets.refuses(self.agent_id, *place))
        }
        if not refused:
            return entries
        return tuple(
            entry._replace(body=None, reject_reason=refused[place]) if (place := _place(entry)) in refused else entry
            for entry in entries
        )

    async def _answer(self, sent: Sent, outcome: Outcome | Failed) -> None:
        match outcome:
            case Failed(error):
                raise store_refuses(error)
            case Fenced():
                raise taken_over(self.agent_id)
            case Hole(expected_seq):
                raise RefusalError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "hole",
                    f"events are missing: sequence {expected_seq} was expected next; connect anew with the lowest "
                    f"sequence that the queue still holds",
                    expected_seq=expected_seq,
                )
            case stored:
                message = ingest_pb2.ConnectResponse()
                message.ack.committed_through_seq = stored.committed_seq
                for seq, reason in stored.rejected:
                    message.ack.rejected.add(seq=seq, reason=reason)
                    log.warning("event rejected", agent=self.agent_id, seq=seq, reason=reason)
                await self._line.write(message)
                self._shared.watch.acked(time.perf_counter() - sent.read_at_s)


def _place(entry: Entry) -> tuple[str, ...]:
    """The camera, and the zone, of which an entry says something."""
    body = entry.body
    if type(body) is IncidentEvent:
        return (body.camera_id, body.zone_id)
    return (body.camera_id,) if type(body) is CameraChange else ()
