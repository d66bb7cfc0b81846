"""A real gRPC server that takes events as the protocol says, except where a test tells it to do otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import SimpleQueue

import grpc
from clearway.v1 import ingest_pb2
from clearway.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server

Response = ingest_pb2.ConnectResponse


@dataclass
class Stream:
    """One stream as the server saw it."""

    hello: ingest_pb2.Hello
    opened_s: float = field(default_factory=time.monotonic)
    batches: list[ingest_pb2.EventBatch] = field(default_factory=list)
    heartbeats: list[ingest_pb2.Heartbeat] = field(default_factory=list)
    down: SimpleQueue[Response | None] = field(default_factory=SimpleQueue)
    half_closed: bool = False
    closed_s: float | None = None

    def ack(self, through_seq: int, rejected: dict[int, str] | None = None) -> None:
        message = ingest_pb2.Ack(committed_through_seq=through_seq)
        for seq, reason in (rejected or {}).items():
            message.rejected.add(seq=seq, reason=reason)
        self.down.put(Response(ack=message))

    def throttle(self, pause_s: float) -> None:
        message = ingest_pb2.Throttle(reason="busy")
        message.pause.FromNanoseconds(int(pause_s * 1e9))
        self.down.put(Response(throttle=message))

    def drain(self, after_s: float) -> None:
        message = ingest_pb2.Drain()
        message.reconnect_after.FromNanoseconds(int(after_s * 1e9))
        self.down.put(Response(drain=message))

    def end(self) -> None:
        self.down.put(None)


class ScriptedAggregator(IngestServiceServicer):
    """Set its attributes before a connection to script it; read what it saw from the others."""

    def __init__(self, port: int = 0) -> None:
        self.window = 256
        self.max_batch = 64
        self.heartbeat_s = 0.05
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.welcome_committed: int | None = None
        self.refuse_with: grpc.StatusCode | None = None
        self.silent = False
        self.acks = True
        self.answer: Callable[[Stream, ingest_pb2.EventBatch], bool] = lambda stream, batch: True
        """Called for each batch after it is stored; the ack is left out if it gives False."""
        self.streams: list[Stream] = []
        self.attempts = 0
        self.stored: list[tuple[bytes, int, ingest_pb2.Event]] = []
        self.duplicates = 0
        self.violations: list[str] = []
        self._committed: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        add_IngestServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        """The incident ids of what was stored, in the order in which it came."""
        return [event.incident.incident_id for _, _, event in self.stored]

    def stop(self) -> None:
        self._server.stop(0).wait()

    def Connect(  # noqa: N802 the name that the protocol gives it
        self, requests: Iterator[ingest_pb2.ConnectRequest], context: grpc.ServicerContext
    ) -> Iterator[Response]:
        self.attempts += 1
        if self.refuse_with is not None:
            context.abort(self.refuse_with, "not you")
        hello = next(requests).hello
        stream = Stream(hello)
        self.streams.append(stream)
        if self.silent:
            context.add_callback(stream.end)
            stream.down.get()
            return
        committed = self._committed.get(hello.epoch, 0) if self.welcome_committed is None else self.welcome_committed
        welcome = ingest_pb2.Welcome(committed_seq=committed, window=self.window, max_batch=self.max_batch)
        welcome.heartbeat_interval.FromNanoseconds(int(self.heartbeat_s * 1e9))
        welcome.server_time.FromDatetime(self.clock())
        yield Response(welcome=welcome)
        context.add_callback(stream.end)
        reader = threading.Thread(target=self._read, args=(stream, requests), daemon=True)
        reader.start()
        while (message := stream.down.get()) is not None:
            yield message
        stream.closed_s = time.monotonic()

    def _read(self, stream: Stream, requests: Iterator[ingest_pb2.ConnectRequest]) -> None:
        expected = max(self._committed.get(stream.hello.epoch, 0) + 1, stream.hello.lowest_unacked_seq)
        try:
            for request in requests:
                if request.HasField("heartbeat"):
                    stream.heartbeats.append(request.heartbeat)
                    continue
                batch = request.batch
                stream.batches.append(batch)
                if batch.first_seq != expected:
                    self.violations.append(f"a batch from {batch.first_seq} where {expected} was expected")
                if len(batch.events) > self.max_batch:
                    self.violations.append(f"a batch of {len(batch.events)}")
                expected = batch.first_seq + len(batch.events)
                self._store(stream.hello.epoch, batch)
                if self.answer(stream, batch) and self.acks:
                    stream.ack(expected - 1)
        except grpc.RpcError:
            return
        stream.half_closed = True
        stream.end()

    def _store(self, epoch: bytes, batch: ingest_pb2.EventBatch) -> None:
        with self._lock:
            for seq, event in enumerate(batch.events, batch.first_seq):
                if seq <= self._committed.get(epoch, 0):
                    self.duplicates += 1
                    continue
                self._committed[epoch] = seq
                self.stored.append((epoch, seq, event))
