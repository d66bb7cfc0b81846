"""One gRPC stream as messages out and a row of things that happened in."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc
from clearway.v1 import ingest_pb2
from clearway.v1.ingest_pb2_grpc import IngestServiceStub


@dataclass(frozen=True, slots=True)
class Woken:
    """Something of our own changed: events came, or the uplink is to stop."""


@dataclass(frozen=True, slots=True)
class ChannelTried:
    """The connection stands, or could not be made: a call will say which."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message came down."""

    message: ingest_pb2.ConnectResponse


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream ended; ``code`` is OK if the aggregator ended it in order."""

    code: grpc.StatusCode
    details: str


Happening = Woken | ChannelTried | Received | Ended
Inbox = SimpleQueue[Happening]


def open_channel(
    address: str, options: list[tuple[str, int]], credentials: grpc.ChannelCredentials | None
) -> grpc.Channel:
    """A channel with TLS, or without credentials in plain text, for addresses that ``check_address`` lets pass."""
    if credentials is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, credentials, options=options)


class Call:
    """A channel and, once ``open`` was called, a stream on it. What happens is put into ``inbox``.

    gRPC takes messages from a queue in a thread of its own, and another thread reads: neither decides anything.
    """

    def __init__(
        self,
        address: str,
        options: list[tuple[str, int]],
        inbox: Inbox,
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        self._inbox = inbox
        self._outgoing: SimpleQueue[ingest_pb2.ConnectRequest | None] = SimpleQueue()
        self._channel = open_channel(address, options, credentials)
        self._call: Any = None
        self._reader: threading.Thread | None = None
        self._tried = False
        self._channel.subscribe(self._connectivity, try_to_connect=True)

    def _connectivity(self, state: grpc.ChannelConnectivity) -> None:
        if state in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE) and not self._tried:
            self._tried = True
            self._inbox.put(ChannelTried())

    def open(self) -> None:
        """Start the stream."""
        self._channel.unsubscribe(self._connectivity)
        stub = IngestServiceStub(self._channel)  # type: ignore[no-untyped-call]  # as it is generated
        self._call = stub.Connect(iter(self._outgoing.get, None))
        self._reader = threading.Thread(target=self._read, args=(self._call,), name="uplink-reader", daemon=True)
        self._reader.start()

    def _read(self, call: Iterable[ingest_pb2.ConnectResponse]) -> None:
        try:
            for message in call:
                self._inbox.put(Received(message))
        except grpc.RpcError as error:
            self._inbox.put(Ended(error.code(), error.details() or ""))
        except Exception as error:  # noqa: BLE001 whatever ends the reader ends the stream, and says so
            self._inbox.put(Ended(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"))
        else:
            self._inbox.put(Ended(grpc.StatusCode.OK, ""))

    @property
    def backlog(self) -> int:
        """Messages that the connection has not taken yet."""
        return self._outgoing.qsize()

    def send(self, message: ingest_pb2.ConnectRequest) -> None:
        """Send a message after those before."""
        self._outgoing.put(message)

    def half_close(self) -> None:
        """Say that no more messages will come; the aggregator ends the stream when it has answered all."""
        self._outgoing.put(None)

    def close(self) -> None:
        """End the stream, if it has not ended, and the channel."""
        if self._call is not None:
            self._call.cancel()
        self._outgoing.put(None)
        self._channel.close()
        if self._reader is not None:
            self._reader.join()
