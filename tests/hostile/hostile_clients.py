"""Clients that mean harm: strangers without a certificate, boxes with one that is no good, and one that is good."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import grpc
from clearway.v1 import enrollment_pb2

from aggregator.authority import Authority
from aggregator.register import LOOK_EVERY_S
from edge_agent.identity.identity import Identity, new_key
from tests.end_to_end.identities import signed_by
from tests.hostile import http2
from tests.hostile.corpus import batch, hello
from tests.hostile.victim import Victim

HOLD_S = 1.0
"""How long a slow client holds on; that the aggregator lets go of it sooner or later is a test of its own."""
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))

Attack = Callable[[], Awaitable[str]]


class Hostile:
    """Every attack, drawn by a seed. ``met`` counts what each kind met with."""

    def __init__(self, victim: Victim, folder: Path, seed: int) -> None:
        self._victim = victim
        self._chance = random.Random(seed)
        self._ca = victim.authority.pem
        self._good = victim.signed("bad-agent")
        self._pretender = victim.signed("pretender")
        self._ended = victim.signed("ended", days=1, ago_days=2)
        self._foreign = signed_by(Authority.open(folder / "other"), "bad-agent", trusts=self._ca)
        self._revoked = victim.signed("shut-out")
        victim.register.revoke("shut-out")
        self._token = victim.register.invite("new-box", timedelta(hours=1))
        self._context = ssl_context(self._good)
        self._anonymous = ssl_context(None)
        self.met: Counter[str] = Counter()
        self.attacks: dict[str, Attack] = {
            "silent_tcp": self._silent_tcp,
            "trickled_tls": self._trickled_tls,
            "half_a_tls_hello": self._half_a_tls_hello,
            "tls_and_then_nothing": self._tls_and_then_nothing,
            "half_a_preface": lambda: self._raw(http2.PREFACE[:11]),
            "http_1": lambda: self._raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            "plain_text": self._plain_text,
            "noise": lambda: self._raw(self._chance.randbytes(4096)),
            "noise_after_preface": lambda: self._raw(http2.opening() + self._chance.randbytes(4096)),
            "oversized_frame": lambda: self._raw(
                http2.opening() + http2.frame(http2.DATA, 0, 1, bytes(70_000), says_bytes=2**24 - 1)
            ),
            "settings_flood": lambda: self._raw(http2.opening() + http2.frame(http2.SETTINGS, 0, 0) * 5000),
            "ping_flood": lambda: self._raw(http2.opening() + http2.frame(http2.PING, 0, 0, bytes(8)) * 5000),
            "rapid_reset": self._rapid_reset,
            "empty_frames": lambda: self._raw(http2.opening() + http2.call(1) + http2.frame(http2.DATA, 0, 1) * 5000),
            "priority_flood": lambda: self._raw(
                http2.opening() + http2.frame(http2.PRIORITY, 0, 1, bytes(4) + b"\x10") * 5000
            ),
            "continuation_flood": lambda: self._raw(
                http2.opening()
                + http2.call(1, flags=0)
                + http2.frame(http2.CONTINUATION, 0, 1, http2.header(b"x", b"y" * 8000)) * 100
            ),
            "huge_headers": lambda: self._raw(
                http2.opening()
                + b"".join(http2.call(2 * n + 1, extra=http2.header(b"x", b"y" * 15_000)) for n in range(30))
            ),
            "window_overflow": lambda: self._raw(
                http2.opening() + http2.frame(http2.WINDOW_UPDATE, 0, 0, (2**31 - 1).to_bytes(4, "big")) * 3
            ),
            "data_on_no_stream": lambda: self._raw(http2.opening() + http2.frame(http2.DATA, 0, 0, b"x")),
            "many_calls_without_a_word": lambda: self._raw(
                http2.opening() + b"".join(http2.call(2 * n + 1) for n in range(500))
            ),
            "no_room_for_answers": lambda: self._raw(
                http2.opening(s4=0) + b"".join(http2.call(2 * n + 1) + self._hello(2 * n + 1) for n in range(10))
            ),
            "length_that_lies": lambda: self._raw(
                http2.opening() + http2.call(1) + http2.message(1, b"abc", says_bytes=2**32 - 1)
            ),
            "said_to_be_compressed": lambda: self._raw(
                http2.opening() + http2.call(1) + http2.message(1, b"abc", compressed=1)
            ),
            "five_mebibytes": lambda: self._raw(http2.opening() + http2.call(1) + http2.message(1, bytes(5 << 20))),
            "batches_before_hello": lambda: self._raw(
                http2.opening() + http2.call(1) + http2.message(1, batch(1).SerializeToString()) * 50
            ),
            "unknown_calls": lambda: self._raw(
                http2.opening() + b"".join(http2.call(2 * n + 1, path=b"/no/such") for n in range(100))
            ),
            "no_certificate": lambda: self._as(None, "bad-agent", grpc.StatusCode.UNAVAILABLE),
            "foreign_certificate": lambda: self._as(self._foreign, "bad-agent", grpc.StatusCode.UNAVAILABLE),
            "ended_certificate": lambda: self._as(self._ended, "ended", grpc.StatusCode.UNAVAILABLE),
            "revoked_certificate": lambda: self._as(self._revoked, "shut-out", grpc.StatusCode.PERMISSION_DENIED),
            "anothers_name": lambda: self._as(self._pretender, "well-behaved", grpc.StatusCode.PERMISSION_DENIED),
            "token_again": self._token_again,
        }

    async def make_ready(self) -> None:
        """The box for which the token was made enrols, and the revocation takes effect."""
        assert await self._enrol("new-box") == "OK"
        await asyncio.sleep(2 * LOOK_EVERY_S)

    async def attack(self, count: int, at_once: int = 40) -> None:
        """So many clients, of every kind in turn."""
        kinds = list(self.attacks)
        places = asyncio.Semaphore(at_once)

        async def one(kind: str) -> None:
            async with places:
                self.met[f"{kind}: {await asyncio.wait_for(self.attacks[kind](), 30)}"] += 1

        await asyncio.gather(*(one(kinds[number % len(kinds)]) for number in range(count)))

    async def _silent_tcp(self) -> str:
        return await self._after_sending(*await _connect(self._victim.address), b"")

    async def _half_a_tls_hello(self) -> str:
        return await self._after_sending(*await _connect(self._victim.address), _client_hello()[:60])

    async def _trickled_tls(self) -> str:
        reader, writer = await _connect(self._victim.enrollment)
        for byte in _client_hello()[:20]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(HOLD_S / 20)
        return await self._after_sending(reader, writer, b"")

    async def _tls_and_then_nothing(self) -> str:
        return await self._raw(b"")

    async def _plain_text(self) -> str:
        reader, writer = await _connect(self._victim.address)
        return await self._after_sending(reader, writer, http2.opening() + http2.call(1))

    async def _rapid_reset(self) -> str:
        """CVE-2023-44487: calls that are begun and given up at once."""
        cancel = (8).to_bytes(4, "big")
        calls = (http2.call(2 * n + 1) + http2.frame(http2.RST_STREAM, 0, 2 * n + 1, cancel) for n in range(2000))
        return await self._raw(http2.opening() + b"".join(calls))

    async def _raw(self, data: bytes) -> str:
        """Bytes inside of TLS, to the port for agents with a good certificate, or to that for strangers without."""
        stranger = self._chance.random() < 0.3
        address = self._victim.enrollment if stranger else self._victim.address
        try:
            connection = await _connect(address, self._anonymous if stranger else self._context)
        except OSError:
            return "not let in"
        return await self._after_sending(*connection, data)

    async def _after_sending(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> str:
        """Send, read for a while, and go: whether it was the aggregator that ended the connection."""
        try:
            async with asyncio.timeout(HOLD_S):
                writer.write(data)
                while await reader.read(65_536):
                    pass
        except TimeoutError:
            return "still open"
        except OSError:
            return "ended"
        finally:
            writer.transport.abort()
        return "ended"

    async def _as(self, identity: Identity | None, agent_id: str, expected: grpc.StatusCode) -> str:
        key, chain = (identity.key_pem, identity.chain_pem) if identity is not None else (None, None)
        credentials = grpc.ssl_channel_credentials(self._ca, key, chain)
        async with grpc.aio.secure_channel(self._victim.address, credentials, _OPTIONS) as channel:
            call = channel.stream_stream("/clearway.v1.IngestService/Connect")(timeout=20)
            answer = grpc.aio.EOF
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(hello(agent_id).SerializeToString())
                answer = await call.read()
            code = await call.code()
        assert answer is grpc.aio.EOF, f"{agent_id} is welcome"
        # A stream that is refused while this side still writes to it is INTERNAL here, whatever it was there.
        assert code in (expected, grpc.StatusCode.INTERNAL), f"{agent_id} met with {code}"
        return str(code.name)

    async def _token_again(self) -> str:
        name = self._chance.choice(("new-box", "well-behaved"))
        said = await self._enrol(name)
        assert said in ("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"), said
        return said

    async def _enrol(self, agent_id: str) -> str:
        _, csr = new_key(agent_id)
        request = enrollment_pb2.EnrollRequest(token=self._token, agent_id=agent_id, csr_der=csr).SerializeToString()
        credentials = grpc.ssl_channel_credentials(self._ca)
        async with grpc.aio.secure_channel(self._victim.enrollment, credentials, _OPTIONS) as channel:
            call = channel.unary_unary("/clearway.v1.EnrollmentService/Enroll")(request, timeout=20)
            return str((await call.code()).name)

    def _hello(self, stream: int) -> bytes:
        return http2.message(stream, hello("bad-agent").SerializeToString())


async def _connect(
    address: str, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), ssl=context)


def ssl_context(identity: Identity | None) -> ssl.SSLContext:
    """TLS that shows what an identity has, and believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if identity is not None:
        handle, name = tempfile.mkstemp()
        with os.fdopen(handle, "wb") as file:
            file.write(identity.key_pem + identity.chain_pem)
        context.load_cert_chain(name)
        Path(name).unlink()
    return context


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    connection = ssl_context(None).wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()
