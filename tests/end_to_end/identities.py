"""A real aggregator with TLS in a thread, and what is needed to prove something to it, or to fail to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from clearway.v1 import ingest_pb2
from clearway.v1.ingest_pb2_grpc import IngestServiceStub
from sqlalchemy.engine import make_url

from aggregator.authority import Authority
from aggregator.config import AggregatorConfig, LimitsConfig, MetricsConfig, StreamConfig, TlsConfig
from aggregator.register import Register
from aggregator.service import Service, open_store
from edge_agent.identity.enrollment import Token, enroll
from edge_agent.identity.identity import Identity, new_key

OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class TlsAggregator:
    """An aggregator that serves, and its register."""

    service: Service
    config: AggregatorConfig
    register: Register
    loop: asyncio.AbstractEventLoop

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def authority(self) -> Authority:
        return Authority.open(self.config.identity_folder)

    def invite(self, agent_id: str, ttl: timedelta = timedelta(hours=1)) -> Token:
        return Token(self.register.invite(agent_id, ttl), self.authority().fingerprint)

    def enrolled(self, agent_id: str) -> Identity:
        """An agent that has come in by the front door."""
        return enroll(self.service.enrollment_address, agent_id, self.invite(agent_id))

    def signed(self, agent_id: str, *, days: float = 1.0, at: datetime | None = None) -> Identity:
        """A certificate of this authority, for any time."""
        return signed_by(self.authority(), agent_id, days=days, at=at)


def signed_by(
    authority: Authority, agent_id: str, *, days: float = 1.0, at: datetime | None = None, trusts: bytes | None = None
) -> Identity:
    """A certificate of any authority; ``trusts`` is whom its holder believes."""
    key, csr = new_key(agent_id)
    issued = authority.sign_agent(agent_id, csr, days, at or utc_now())
    return Identity.of(key, issued.chain_pem, trusts or authority.pem, agent_id, "a test")


@contextmanager
def serving_tls(
    folder: Path, tls: TlsConfig | None = None, limits: LimitsConfig | None = None
) -> Iterator[TlsAggregator]:
    """Serve until the block ends."""
    config = AggregatorConfig(
        listen="127.0.0.1:0",
        store=make_url(f"sqlite:///{folder}/clearway.sqlite"),
        stream=StreamConfig(drain_s=0.2, heartbeat_s=0.2),
        metrics=MetricsConfig(listen="127.0.0.1:0", refresh_s=0.2),
        tls=tls or TlsConfig(),
        limits=limits or LimitsConfig(),
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="aggregator")
    thread.start()
    try:
        with open_store(config, migrate=False) as store:
            service = Service(config, store)
            asyncio.run_coroutine_threadsafe(service.start(), loop).result(20)
            try:
                yield TlsAggregator(service, config, Register(config.identity_folder, utc_now), loop)
            finally:
                asyncio.run_coroutine_threadsafe(service.stop(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Stream:
    """One stream that says Hello and then what it is told."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None, agent_id: str) -> None:
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options=OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, credentials, options=OPTIONS)
        self._closing = threading.Event()
        hello = ingest_pb2.ConnectRequest()
        hello.hello.agent_id = agent_id
        hello.hello.epoch = b"0123456789abcdef"
        hello.hello.lowest_unacked_seq = hello.hello.next_seq = 1
        self._hello = hello
        self.answers = IngestServiceStub(self._channel).Connect(self._requests(), timeout=15)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.answers.cancel()
        self._channel.close()

    def _requests(self) -> Iterator[ingest_pb2.ConnectRequest]:
        yield self._hello
        self._closing.wait(15)

    def welcome(self) -> ingest_pb2.Welcome:
        """The aggregator's answer to Hello."""
        return next(self.answers).welcome

    def refusal(self) -> tuple[grpc.StatusCode, str]:
        """The error with which the stream ends."""
        try:
            for _ in self.answers:
                pass
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
        raise AssertionError("the stream ended well")
