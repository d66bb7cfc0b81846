"""From an agent's connection to its Welcome: who it is, whether it may come in, and where its queue stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
import structlog
from clearway.v1 import ingest_pb2

from aggregator.bound import BadMessageError
from aggregator.identity import Peer
from aggregator.limits import Allowance
from aggregator.line import Line
from aggregator.records import Opened, Opening, QueueBehind
from aggregator.refusal import RefusalError, exhausted, store_refuses
from aggregator.store.errors import StoreError
from aggregator.stream_parts import Shared
from aggregator.wire import read_opening

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Admission:
    """One stream's. ``peer`` is the agent by its certificate, None in plain text; ``allowance`` what it may ask for."""

    __slots__ = ("_line", "_shared", "allowance", "peer")

    def __init__(self, shared: Shared, line: Line) -> None:
        self._shared = shared
        self._line = line
        self.peer: Peer | None = None
        self.allowance: Allowance | None = None

    async def take(self, context: Any) -> tuple[Opening, Opened]:
        """Hear the agent's Hello and register its stream. Raises ``RefusalError``, ``GoneError``."""
        if self._shared.identity is not None:
            self.peer = self._shared.identity.peer(context)
            self._enter(self.peer.agent_id)
        hello = await self._hello()
        if self.peer is not None:
            self.peer.must_be(hello.agent_id)
        else:
            self._enter(hello.agent_id)
        if not self._shared.config.knows(hello.agent_id):
            await _stored(self._shared.ingest.write(lambda: self._shared.store.refuse(hello.agent_id)))
            raise RefusalError(
                grpc.StatusCode.PERMISSION_DENIED,
                "unknown_agent",
                f"agent {hello.agent_id!r} is not among this aggregator's agents",
            )
        most = self._shared.config.limits.max_agents
        if not self._shared.fleet.has(hello.agent_id) and len(self._shared.fleet) >= most:
            raise exhausted("too_many_agents", f"there are {most} agents already, which is limits.max_agents")
        opened = await _stored(self._shared.ingest.open(hello))
        if isinstance(opened, QueueBehind):
            await self.welcome(opened.committed_seq)  # by which the agent sees that it needs a new epoch
            raise RefusalError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "queue_behind_store",
                f"sequences up to {opened.committed_seq} of this epoch are stored, and the agent would number its next "
                f"event {hello.next_seq}: the queue is an old copy; start a new epoch",
                committed_seq=opened.committed_seq,
            )
        if opened.lost:
            log.warning("events are missing", agent=hello.agent_id, lost=opened.lost, through=opened.committed_seq)
        return hello, opened

    async def welcome(self, committed_seq: int) -> None:
        """Tell the agent where the store stands, and the bounds of its stream."""
        bounds = self._shared.config.stream
        message = ingest_pb2.ConnectResponse()
        message.welcome.committed_seq = committed_seq
        message.welcome.window = bounds.window
        message.welcome.max_batch = bounds.max_batch
        message.welcome.heartbeat_interval.FromMilliseconds(int(bounds.heartbeat_s * 1000))
        message.welcome.server_time.FromDatetime(self._shared.clock())
        await self._line.write(message)

    def shut_out(self) -> RefusalError | None:
        """Why the agent may not go on, if it was revoked, or its certificate has ended, since it came in."""
        if self._shared.identity is None or self.peer is None:
            return None
        return self._shared.identity.refuses(self.peer)

    def leave(self) -> None:
        """The stream has ended."""
        if self.allowance is not None:
            self.allowance.streams -= 1

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
        self.allowance = allowance

    async def _hello(self) -> Opening:
        try:
            async with asyncio.timeout(self._shared.config.stream.hello_timeout_s):
                arrived = await self._line.next()
        except TimeoutError as error:
            raise RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, "no_hello", "no Hello came in time") from error
        message = None if arrived is None else arrived.message
        if message is None or message.WhichOneof("message") != "hello":
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "no_hello", "the first message must be a Hello")
        try:
            return read_opening(message.hello, self._shared.clock())
        except BadMessageError as error:
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "bad_hello", f"Hello: {error}") from error


async def _stored(work: Awaitable[T]) -> T:
    try:
        return await work
    except StoreError as error:
        raise store_refuses(error) from error
