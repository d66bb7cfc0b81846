"""One agent's stream, from Hello to half-close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import grpc
import structlog
from clearway.v1 import ingest_pb2

from aggregator.bounds import MAX_HEARTBEAT_BYTES
from aggregator.decoding import Undecodable
from aggregator.entries import read_entries
from aggregator.heartbeat_bounds import keep_what_fits
from aggregator.identity import Peer
from aggregator.ingest import Failed
from aggregator.limits import Allowance, Pacer, TooFastError
from aggregator.records import (
    Batch,
    CameraChange,
    Entry,
    Fenced,
    Hole,
    IncidentEvent,
    Opening,
    Outcome,
    QueueBehind,
)
from aggregator.refusal import RefusalError, exhausted, store_refuses, taken_over
from aggregator.store.errors import StoreError
from aggregator.stream_parts import Arrived, Shared
from aggregator.wire import MAX_SEQ, BadMessageError, read_opening

T = TypeVar("T")

log = structlog.get_logger(__name__)


class GoneError(Exception):
    """The agent went away while something was being sent to it."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch that waits for its commit."""

    future: asyncio.Future[Outcome | Failed]
    read_at: float
    events: int
    size_bytes: int


class AgentStream:
    """Reads batches, hands them to the group commit and acks each once it is durable.

    ``took_over`` is called with the stream once its Hello was accepted.
    """

    def __init__(self, shared: Shared, context: Any, took_over: Callable[[AgentStream], None]) -> None:
        self.agent_id = ""
        self.fence = 0
        self._shared = shared
        self._context = context
        self._took_over = took_over
        self._peer: Peer | None = None
        self._epoch = b""
        self._pending: asyncio.Queue[_Sent | None] = asyncio.Queue()
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._allowance: Allowance | None = None
        self._left_out = 0
        self._room = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._ended: asyncio.Future[RefusalError | None] = asyncio.get_running_loop().create_future()

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
            if self._allowance is not None:
                self._allowance.streams -= 1

    def end(self, refusal: RefusalError) -> None:
        """End the stream with an error."""
        if not self._ended.done():
            self._ended.set_result(refusal)

    def finish(self) -> None:
        """Read no more, ack what was read, then end the stream well."""
        if not self._ended.done():
            self._ended.set_result(None)

    def end_if_shut_out(self) -> None:
        """End the stream if its agent was revoked, or its certificate has ended, since it began."""
        refusal = self._shut_out()
        if refusal is not None:
            self.end(refusal)

    def _shut_out(self) -> RefusalError | None:
        if self._shared.identity is None or self._peer is None:
            return None
        return self._shared.identity.refuses(self._peer)

    async def drain(self, reconnect_after_s: float) -> None:
        """Ask the agent to half-close and to come back."""
        message = ingest_pb2.ConnectResponse()
        message.drain.reconnect_after.FromMilliseconds(int(reconnect_after_s * 1000))
        try:
            await self._write(message)
        except GoneError:
            log.info("agent went away", agent=self.agent_id)

    async def _open(self) -> None:
        if self._shared.identity is not None:
            self._peer = self._shared.identity.peer(self._context)
            self._enter(self._peer.agent_id)
        hello = await self._hello()
        if self._peer is not None:
            self._peer.must_be(hello.agent_id)
        else:
            self._enter(hello.agent_id)
        if not self._shared.config.knows(hello.agent_id):
            await self._store(self._shared.ingest.write(lambda: self._shared.store.refuse(hello.agent_id)))
            raise RefusalError(
                grpc.StatusCode.PERMISSION_DENIED,
                "unknown_agent",
                f"agent {hello.agent_id!r} is not among this aggregator's agents",
            )
        most = self._shared.config.limits.max_agents
        if not self._shared.fleet.has(hello.agent_id) and len(self._shared.fleet) >= most:
            raise exhausted("too_many_agents", f"there are {most} agents already, which is limits.max_agents")
        opened = await self._store(self._shared.ingest.open(hello))
        if isinstance(opened, QueueBehind):
            await self._welcome(opened.committed_seq)  # by which the agent sees that it needs a new epoch
            raise RefusalError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "queue_behind_store",
                f"sequences up to {opened.committed_seq} of this epoch are stored, and the agent would number its next "
                f"event {hello.next_seq}: the queue is an old copy; start a new epoch",
                committed_seq=opened.committed_seq,
            )
        if opened.lost:
            log.warning("events are missing", agent=hello.agent_id, lost=opened.lost, through=opened.committed_seq)
        self.agent_id, self._epoch, self.fence = hello.agent_id, hello.epoch, opened.fence
        self._took_over(self)
        log.info("agent connected", agent=self.agent_id, committed=opened.committed_seq, version=hello.agent_version)
        await self._welcome(opened.committed_seq)

    def _enter(self, agent_id: str) -> None:
        """Count the stream as the agent's, whatever it says next. Raises ``RefusalError`` if it has too many."""
        allowance = self._shared.limits.of(agent_id)
        if not allowance.may_open():
            most = self._shared.config.limits.streams_per_minute
            raise exhausted(
                "too_many_streams",
                f"agent {agent_id!r} opens streams too often: {most} a minute, which is limits.streams_per_minute",
            )
        allowance.streams += 1
        self._allowance = allowance

    async def _hello(self) -> Opening:
        try:
            async with asyncio.timeout(self._shared.config.stream.hello_timeout_s):
                arrived = await self._next()
        except TimeoutError as error:
            raise RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, "no_hello", "no Hello came in time") from error
        message = None if arrived is None else arrived.message
        if message is None or message.WhichOneof("message") != "hello":
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "no_hello", "the first message must be a Hello")
        try:
            return read_opening(message.hello, self._shared.clock())
        except BadMessageError as error:
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "bad_hello", f"Hello: {error}") from error

    async def _welcome(self, committed_seq: int) -> None:
        bounds = self._shared.config.stream
        message = ingest_pb2.ConnectResponse()
        message.welcome.committed_seq = committed_seq
        message.welcome.window = bounds.window
        message.welcome.max_batch = bounds.max_batch
        message.welcome.heartbeat_interval.FromMilliseconds(int(bounds.heartbeat_s * 1000))
        message.welcome.server_time.FromDatetime(self._shared.clock())
        await self._write(message)

    async def _serve(self) -> None:
        reading = asyncio.create_task(self._read())
        acking = asyncio.create_task(self._acknowledge())
        waiting: set[asyncio.Future[Any]] = {reading, acking, self._ended}
        try:
            while not acking.done():
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if self._ended in done:
                    refusal = self._ended.result()
                    if refusal is not None:
                        raise refusal
                    reading.cancel()
                    waiting.discard(reading)
                    self._pending.put_nowait(None)
                elif reading in done:
                    reading.result()
                    self._pending.put_nowait(None)
                waiting -= done
            acking.result()
        finally:
            reading.cancel()
            acking.cancel()
            await asyncio.gather(reading, acking, return_exceptions=True)

    async def _read(self) -> None:
        assert self._allowance is not None
        bounds = self._shared.config.stream
        pacer = Pacer(self._allowance, bounds.window, bounds.max_message_bytes, self._shared.seconds)
        while (arrived := await self._next()) is not None:
            if (refusal := self._shut_out()) is not None:
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
            await self._write(message)

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
        read_at = time.perf_counter()
        async with self._room:
            await self._room.wait_for(lambda: self._has_room(count, size_bytes))
            self._in_flight += count
            self._in_flight_bytes += size_bytes
        future = self._shared.ingest.put(Batch(self.agent_id, self._epoch, self.fence, first, entries))
        self._pending.put_nowait(_Sent(future, read_at, count, size_bytes))

    def _has_room(self, events: int, size_bytes: int) -> bool:
        """Whether so much more of this agent may wait for a commit; one message always may."""
        bounds = self._shared.config.stream
        return not self._in_flight_bytes or (
            self._in_flight + events <= bounds.window and self._in_flight_bytes + size_bytes <= bounds.max_message_bytes
        )

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

    async def _acknowledge(self) -> None:
        while (sent := await self._pending.get()) is not None:
            outcome = await sent.future
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
                    await self._write(message)
                    self._shared.watch.acked(time.perf_counter() - sent.read_at)
            async with self._room:
                self._in_flight -= sent.events
                self._in_flight_bytes -= sent.size_bytes
                self._room.notify_all()

    async def _next(self) -> Arrived | None:
        """The next message, or None once the agent has half-closed."""
        arrived = await self._context.read()
        if arrived is grpc.aio.EOF:
            return None
        if isinstance(arrived.message, Undecodable):
            raise arrived.message.refusal()
        return cast(Arrived, arrived)

    async def _write(self, message: Any) -> None:
        try:
            async with self._writing:
                await self._context.write(message)
        except (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError) as error:
            raise GoneError from error

    async def _store(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except StoreError as error:
            raise store_refuses(error) from error


def _place(entry: Entry) -> tuple[str, ...]:
    """The camera, and the zone, of which an entry says something."""
    body = entry.body
    if type(body) is IncidentEvent:
        return (body.camera_id, body.zone_id)
    return (body.camera_id,) if type(body) is CameraChange else ()
