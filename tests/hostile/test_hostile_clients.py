"""Clients that mean harm get nowhere, cost little, and are let go of."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from edge_agent.identity.enrollment import Token, enroll
from edge_agent.identity.identity import Identity
from tests.end_to_end.identities import Stream, utc_now
from tests.hostile import http2
from tests.hostile.hostile_clients import Hostile, ssl_context
from tests.hostile.scale import HOSTILE_CLIENTS, LONG, TIMEOUT_S
from tests.hostile.victim import CONFIG, Victim, WellBehaved, p99, victim_in

pytestmark = pytest.mark.timeout(TIMEOUT_S)
SEED = 20260513
ROUNDS = 10 if LONG else 2
MAX_GROWTH_MIB = 48.0
"""Between the first round and the last: buffers of connections, which the allocator keeps for the next."""
LET_GO_WITHIN_S = 25.0
"""Ten seconds for a handshake; gRPC looks at its timers when it will, and this machine may be busy."""


def test_hostile_clients_crash_nothing_leak_nothing_and_slow_nobody(tmp_path: Path) -> None:
    with victim_in(tmp_path / "aggregator") as victim:
        folder = tmp_path / "well"
        folder.mkdir()
        well = WellBehaved(folder, victim)
        try:
            quiet_from = time.monotonic()
            time.sleep(10 if LONG else 2)
            quiet_to = time.monotonic()
            files = victim.open_files()
            met, memory = asyncio.run(attack(victim, tmp_path))
            attacked_to = time.monotonic()
            quiet, attacked = well.waits_s(quiet_from, quiet_to), well.waits_s(quiet_to, attacked_to)
            let_go_s = until_files(victim, files + 5)
        finally:
            well.close()
        print(
            f"{met.total()} clients in {attacked_to - quiet_to:.0f} s; "
            f"memory {', '.join(f'{each:.0f}' for each in memory)} MiB; "
            f"ack p99 {p99(quiet) * 1e3:.0f} ms before, {p99(attacked) * 1e3:.0f} ms meanwhile; "
            f"all let go after {let_go_s:.0f} s; {dict(sorted(met.items()))}"
        )
        assert victim.runs
        assert victim.errors() == []
        assert met.total() == HOSTILE_CLIENTS
        assert memory[-1] - memory[1] < MAX_GROWTH_MIB
        assert p99(attacked) < 10 * p99(quiet) + 0.25


async def attack(victim: Victim, folder: Path) -> tuple[Counter[str], list[float]]:
    hostile = Hostile(victim, folder, SEED)
    await hostile.make_ready()
    memory = [victim.rss_mib()]
    for number in range(ROUNDS):
        share = HOSTILE_CLIENTS // ROUNDS
        await hostile.attack(share if number else HOSTILE_CLIENTS - share * (ROUNDS - 1))
        memory.append(victim.rss_mib())
    return hostile.met, memory


def until_files(victim: Victim, most: int) -> float:
    began = time.monotonic()
    while victim.open_files() > most:
        assert time.monotonic() - began < LET_GO_WITHIN_S, f"{victim.open_files()} files are open, {most} were before"
        time.sleep(0.2)
    return time.monotonic() - began


def test_who_says_nothing_is_let_go_of_and_keeps_nobody_from_enrolling(tmp_path: Path) -> None:
    """Also calls that were begun, in all the places that the enrolment port has."""
    with victim_in(tmp_path) as victim:
        token = Token(victim.register.invite("new-box", timedelta(hours=1)), victim.authority.fingerprint)
        held = [_connected(address) for address in (victim.address, victim.enrollment)]
        half = _connected(victim.enrollment)
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        calls = b"".join(http2.call(2 * n + 1, path=b"/clearway.v1.EnrollmentService/Enroll") for n in range(16))
        stranger = ssl_context(None).wrap_socket(_connected(victim.enrollment))
        stranger.sendall(http2.opening() + calls)
        began = time.monotonic()
        for connection in (*held, half, stranger):
            with suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
            connection.close()
        assert time.monotonic() - began < LET_GO_WITHIN_S
        assert enroll(victim.enrollment, "new-box", token).not_after > utc_now()


def test_more_connections_than_there_may_be_are_turned_away_and_do_no_harm(tmp_path: Path) -> None:
    config = CONFIG.replace("limits: {", "limits: {max_connections: 20, ")
    with victim_in(tmp_path, config) as victim:
        held = [_connected(victim.address) for _ in range(60)]
        time.sleep(1.0)
        assert victim.open_files() < 20 + 60, "those that are too many are not kept"
        for connection in held:
            connection.close()
        identity = victim.signed("box-1")
        give_up = time.monotonic() + LET_GO_WITHIN_S
        while not _is_welcome(victim, identity):
            assert time.monotonic() < give_up, "no place became free"


def _is_welcome(victim: Victim, identity: Identity) -> bool:
    credentials = grpc.ssl_channel_credentials(identity.ca_pem, identity.key_pem, identity.chain_pem)
    with Stream(victim.address, credentials, "box-1") as stream:
        try:
            return stream.welcome().window > 0
        except grpc.RpcError:
            return False


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(LET_GO_WITHIN_S)
    return connection
