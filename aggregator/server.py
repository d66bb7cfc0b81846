"""The gRPC server: one stream for each agent, pictures beside it, and the standard health service."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import structlog
from clearway.v1 import ingest_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from aggregator.decoding import decoder
from aggregator.enrollment import renewal_handler
from aggregator.evidence_service import EvidenceService
from aggregator.refusal import RefusalError, taken_over
from aggregator.register import LOOK_EVERY_S
from aggregator.server_options import server_options
from aggregator.stream import AgentStream
from aggregator.stream_parts import Arrived, Shared

log = structlog.get_logger(__name__)

SERVICE = "clearway.v1.IngestService"
STOP_GRACE_S = 1.0
LOOKED_AT_ONCE = 200
"""Streams that are looked at before something else has its turn."""


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class IngestServer:
    """Serves ``IngestService.Connect`` until it is drained."""

    def __init__(self, shared: Shared, evidence: EvidenceService) -> None:
        self._shared = shared
        self._streams: set[AgentStream] = set()
        self._current: dict[str, AgentStream] = {}
        self._draining = False
        self._watch: asyncio.Task[None] | None = None
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._health = health_aio.HealthServicer()
        self._server = grpc.aio.server(options=server_options(shared.config))
        handler = grpc.stream_stream_rpc_method_handler(
            self._connect,
            request_deserializer=_decode,
            response_serializer=ingest_pb2.ConnectResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Connect": handler}),))
        self._server.add_generic_rpc_handlers((evidence.handler(),))
        if shared.identity is not None:
            self._server.add_generic_rpc_handlers((renewal_handler(shared.config, shared.identity, shared.limits),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> str:
        """Begin to serve. Returns the address, with the real port. Raises ``StartError``."""
        listen = self._shared.config.listen
        identity = self._shared.identity
        try:
            if identity is None:
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, identity.ingest_credentials())
        except RuntimeError as error:
            raise StartError(f"cannot listen on {listen}: is it in use? set another address in listen") from error
        await self._server.start()
        if identity is not None:
            self._watch = asyncio.create_task(self._end_streams_that_are_shut_out())
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return f"{listen.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Drain: ask agents to leave, ack what they sent, then stop."""
        self._draining = True
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        drain_s = self._shared.config.stream.drain_s
        asking = [asyncio.create_task(stream.drain(drain_s)) for stream in self._current.values()]
        if asking:
            await asyncio.wait(asking, timeout=drain_s)  # an agent that reads nothing must not hold up the others
        if not await self._wait_until_none_left(drain_s):
            log.info("agents that did not leave are sent away", streams=len(self._streams))
            for stream in self._streams:
                stream.finish()
            await self._wait_until_none_left(drain_s)
        await self._server.stop(STOP_GRACE_S)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for task in asking:
            task.cancel()

    async def _connect(self, _requests: Any, context: Any) -> None:
        stream = AgentStream(self._shared, context, self._took_over)
        self._streams.add(stream)
        self._none_left.clear()
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)
            if self._current.get(stream.agent_id) is stream:
                del self._current[stream.agent_id]
            if not self._streams:
                self._none_left.set()

    def _took_over(self, stream: AgentStream) -> None:
        if self._draining:
            raise RefusalError(grpc.StatusCode.UNAVAILABLE, "stopping", "this aggregator is stopping: come back later")
        older = self._current.get(stream.agent_id)
        if older is not None and older.fence > stream.fence:
            raise taken_over(stream.agent_id)
        self._current[stream.agent_id] = stream
        if older is not None:
            older.end(taken_over(stream.agent_id))

    async def _end_streams_that_are_shut_out(self) -> None:
        """Streams look for themselves at each message; this ends those that are silent."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for place, stream in enumerate(tuple(self._streams), start=1):
                stream.end_if_shut_out()
                if place % LOOKED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _wait_until_none_left(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._none_left.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _say(self, status: Any) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)


_DECODE = decoder(ingest_pb2.ConnectRequest)


def _decode(data: bytes) -> Arrived:
    return Arrived(_DECODE(data), len(data))
