"""Sends mutated messages to a real aggregator, over every call that it serves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import grpc
from clearway.v1 import ingest_pb2
from google.protobuf.message import DecodeError

from edge_agent.identity.identity import Identity
from tests.hostile import corpus
from tests.hostile.mutation import Mutator

PREFIX = "/clearway.v1."
TIMEOUT_S = 20.0
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)
_ENDED = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


class Fuzzer:
    """One agent with a good certificate and bad manners. ``outcomes`` counts what messages met with."""

    def __init__(self, address: str, enrollment: str, identity: Identity, agent_id: str, seed: int) -> None:
        ca, key, chain = identity.ca_pem, identity.key_pem, identity.chain_pem
        self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(ca, key, chain), OPTIONS)
        self._stranger = grpc.aio.secure_channel(enrollment, grpc.ssl_channel_credentials(ca), OPTIONS)
        self._agent_id = agent_id
        self._metadata = (("clearway-agent-id", agent_id),)
        self._hello = corpus.hello(agent_id).SerializeToString()
        self._stream: Any = None
        self._seq = self._turn = 1
        self._undecodable = 0
        everything = [self._hello, *corpus.on_a_stream(1), *corpus.uploads(), *corpus.questions()]
        self._mutator = Mutator(seed, [*everything, *corpus.enrolments(), *corpus.renewals()])
        self._enrolments, self._renewals = corpus.enrolments(), corpus.renewals()
        self.outcomes: Counter[str] = Counter()

    async def send(self, count: int) -> None:
        """Send so many messages, and wait for what becomes of each."""
        ways: tuple[Callable[[], Awaitable[str]], ...] = (
            *(self._on_the_stream,) * 14,
            self._as_hello,
            self._as_hello,
            self._as_question,
            self._as_upload,
            self._as_enrolment,
            self._as_renewal,
        )
        for number in range(count):
            outcome = await asyncio.wait_for(ways[number % len(ways)](), TIMEOUT_S)
            self.outcomes[outcome] += 1

    async def close(self) -> None:
        """End its connections."""
        if self._stream is not None:
            self._stream.cancel()
        await self._channel.close()
        await self._stranger.close()

    async def _on_the_stream(self) -> str:
        """In the middle of a stream, after what is well-formed; the empty batch behind it is answered in any case."""
        if self._stream is None:
            self._stream = self._call("IngestService/Connect")
            await self._stream.write(self._hello)
            welcome = ingest_pb2.ConnectResponse.FromString(await self._stream.read())
            self._seq = welcome.welcome.committed_seq + 1
        probe = ingest_pb2.ConnectRequest(batch=ingest_pb2.EventBatch(first_seq=1)).SerializeToString()
        messages = corpus.on_a_stream(self._seq)
        self._turn += 1
        message, kind = self._drawn(messages[self._turn % len(messages)])
        try:
            await self._stream.write(message)
            if kind is not None:
                await self._stream.write(probe)
            answers = [await self._stream.read() for _ in range(1 + (kind == "batch"))]
        except _ENDED:
            answers = [grpc.aio.EOF]
        if grpc.aio.EOF not in answers:
            acks = [ingest_pb2.ConnectResponse.FromString(answer).ack for answer in answers]
            self._seq = acks[-1].committed_through_seq + 1
            return "stream: event rejected" if acks[0].rejected else "stream: taken"
        outcome = f"stream: {(await self._stream.code()).name}"
        self._stream = None
        return outcome

    def _drawn(self, message: bytes) -> tuple[bytes, str | None]:
        """A mutation, and which message it is. Of those that are none, which cost a stream each, one in eight."""
        while True:
            mutated = self._mutator.mutated(message)
            kind = _kind(mutated)
            self._undecodable += kind is None
            if kind is not None or self._undecodable % 8 == 0:
                return mutated, kind

    async def _as_hello(self) -> str:
        call = self._call("IngestService/Connect")
        with suppress(*_ENDED):
            await call.write(self._mutator.mutated(self._hello))
            if await call.read() is not grpc.aio.EOF:
                call.cancel()
                if self._stream is not None:
                    self._stream.cancel()
                self._stream = None  # it was taken over
                return "hello: welcome"
        return f"hello: {(await call.code()).name}"

    async def _as_question(self) -> str:
        return "question: " + await self._unary(self._channel, "EvidenceService/GetUploadOffset", corpus.questions())

    async def _as_enrolment(self) -> str:
        return "enrol: " + await self._unary(self._stranger, "EnrollmentService/Enroll", self._enrolments)

    async def _as_renewal(self) -> str:
        return "renew: " + await self._unary(self._channel, "EnrollmentService/Renew", self._renewals)

    async def _as_upload(self) -> str:
        call = self._channel.stream_unary(PREFIX + "EvidenceService/UploadEvidence")(metadata=self._metadata)
        with suppress(*_ENDED):
            for message in corpus.uploads():
                await call.write(self._mutator.mutated(message))
            await call.done_writing()
        return f"upload: {(await call.code()).name}"

    async def _unary(self, channel: Any, method: str, messages: Iterable[bytes]) -> str:
        (message,) = messages
        call = channel.unary_unary(PREFIX + method)(self._mutator.mutated(message), metadata=self._metadata)
        return str((await call.code()).name)

    def _call(self, method: str) -> Any:
        return self._channel.stream_stream(PREFIX + method)()


def _kind(message: bytes) -> str | None:
    """Which message of a stream these bytes are, empty if of none that is known; None if they are no message."""
    try:
        return ingest_pb2.ConnectRequest.FromString(message).WhichOneof("message") or ""
    except DecodeError:
        return None
