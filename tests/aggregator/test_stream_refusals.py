"""Streams that are ended with an error, and what the agent is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from sqlalchemy.engine import URL

from aggregator.config import StreamConfig
from tests.aggregator.harness import Agent, config_for, event, rows, serving

Run = Callable[[Any], None]


def test_an_old_copy_of_a_queue_is_refused_because_its_new_events_would_be_taken_for_old(
    run: Run, sqlite_url: URL
) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, event("a"), event("b"))
            await agent.ack_through(2)
            async with Agent(service.address) as copy:
                assert (await copy.hello(lowest=2, next_seq=2)).committed_seq == 2
                refused = await copy.refusal()
                assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
                assert dict(refused.trailing_metadata())["clearway-committed-seq"] == "2"
            await agent.batch(3, event("c"))
            assert (await agent.ack_through(3)).committed_through_seq == 3

    run(scene())


def test_a_newer_stream_of_an_agent_takes_over_from_the_older(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with (
            serving(config_for(sqlite_url)) as service,
            Agent(service.address) as older,
            Agent(service.address) as newer,
        ):
            await older.hello()
            await older.batch(1, event("a"))
            await older.ack_through(1)
            assert (await newer.hello()).committed_seq == 1
            assert (await older.refusal()).code() is grpc.StatusCode.ABORTED
            await newer.batch(2, event("b"))
            assert (await newer.ack_through(2)).committed_through_seq == 2

    run(scene())


def test_a_stale_stream_on_another_replica_is_fenced(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url)
        async with (
            serving(config) as one,
            serving(config) as other,
            Agent(one.address) as stale,
            Agent(other.address) as fresh,
        ):
            await stale.hello()
            await fresh.hello()
            await stale.batch(1, event("from the stale stream"))
            assert (await stale.refusal()).code() is grpc.StatusCode.ABORTED
            await fresh.batch(1, event("from the fresh stream"))
            await fresh.ack_through(1)
        assert rows(sqlite_url, "SELECT incident_id FROM incidents") == [("from the fresh stream",)]

    run(scene())


def test_an_unknown_agent_is_refused_and_remembered(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, agents=["bridge-1"])
        async with serving(config) as service:
            async with Agent(service.address, "stranger") as stranger:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stranger.hello()
                assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
                assert "stranger" in (refused.value.details() or "")
            async with Agent(service.address, "bridge-1") as known:
                assert (await known.hello()).committed_seq == 0
        assert rows(sqlite_url, "SELECT agent_id, state FROM agents ORDER BY 1") == [
            ("bridge-1", "known"),
            ("stranger", "refused"),
        ]

    run(scene())


@pytest.mark.parametrize(
    ("lowest", "next_seq", "agent_id", "epoch"),
    [(0, 1, "bridge-1", b"0" * 16), (2, 1, "bridge-1", b"0" * 16), (1, 1, "", b"0" * 16), (1, 1, "bridge-1", b"0")],
)
def test_a_hello_that_makes_no_sense_is_refused(
    run: Run, sqlite_url: URL, lowest: int, next_seq: int, agent_id: str, epoch: bytes
) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address, agent_id, epoch) as agent:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await agent.hello(lowest, next_seq)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    run(scene())


def test_a_stream_must_begin_with_hello_and_soon(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, stream=StreamConfig(hello_timeout_s=0.2, drain_s=0.5))
        async with serving(config) as service:
            async with Agent(service.address) as hasty:
                await hasty.batch(1, event("a"))
                assert (await hasty.refusal()).code() is grpc.StatusCode.INVALID_ARGUMENT
            async with Agent(service.address) as silent:
                assert (await silent.refusal()).code() is grpc.StatusCode.DEADLINE_EXCEEDED

    run(scene())


def test_a_batch_larger_than_the_bound_is_refused(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, stream=StreamConfig(window=4, max_batch=2, drain_s=0.5))
        async with serving(config) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, event("a"), event("b"), event("c"))
            assert (await agent.refusal()).code() is grpc.StatusCode.INVALID_ARGUMENT

    run(scene())


def test_bytes_that_are_no_message_end_their_stream_and_nothing_else(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await agent.hello()
            async with grpc.aio.insecure_channel(service.address) as channel:
                call = channel.stream_stream("/clearway.v1.IngestService/Connect")()
                await call.write(b"\xff\xff\xff no protobuf")
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call.read()
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            host, port = service.address.split(":")
            for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 4096):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(garbage)
                await writer.drain()
                await asyncio.wait_for(reader.read(), 5)
                writer.close()
                await writer.wait_closed()
            await agent.batch(1, event("a"))
            assert (await agent.ack_through(1)).committed_through_seq == 1

    run(scene())
