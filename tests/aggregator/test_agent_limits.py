"""An agent that asks for more than its share: what it is told, and that others do not feel it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from clearway.v1 import camera_pb2, ingest_pb2
from sqlalchemy.engine import URL

from aggregator.config import LimitsConfig, StreamConfig
from tests.aggregator.harness import Agent, camera_change, config_for, event, gap, rows, samples, scrape, serving, total

Run = Callable[[Any], None]
SLOW = LimitsConfig(events_per_s=50, burst_s=1)


def test_an_agent_that_is_too_fast_is_asked_to_pause_and_what_it_sent_is_stored(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with (
            serving(config_for(sqlite_url, limits=SLOW)) as service,
            Agent(service.address) as agent,
        ):
            await agent.hello()
            await agent.batch(1, *(event(f"incident-{number}") for number in range(75)))
            throttle = (await agent.next()).throttle
            assert 1.4 < throttle.pause.ToMilliseconds() / 1000 < 1.6
            assert "limits.events_per_s is 50" in throttle.reason
            assert (await agent.ack_through(75)).committed_through_seq == 75
            await service.refresh()
            found = samples(scrape(service.metrics_address))
            assert total(found, "clearway_agent_throttled_total", agent="bridge-1") == 1

    run(scene())


def test_an_agent_that_does_not_pause_is_cut_and_nothing_that_was_acked_is_lost(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, limits=SLOW, stream=StreamConfig(window=32, max_batch=32, drain_s=0.5))
        async with serving(config) as service, Agent(service.address) as agent:
            await agent.hello()
            refused = asyncio.create_task(agent.refusal())
            seq = 1
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while not refused.done():
                    await agent.batch(seq, event(f"incident-{seq}"))
                    seq += 1
            await refused
            found = samples(scrape(service.metrics_address))
            assert total(found, "clearway_streams_refused_total", reason="too_fast") == 1
            stored = rows(sqlite_url, "SELECT count(*), max(committed_seq) FROM incident_events, streams")
            assert 50 < stored[0][0] == stored[0][1] < 200

    run(scene())


def test_heartbeats_go_on_while_an_agent_pauses(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url, limits=SLOW)) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, *(event(f"incident-{number}") for number in range(75)))
            for _ in range(20):
                await agent.heartbeat(ingest_pb2.Heartbeat())
            assert (await agent.next()).WhichOneof("message") == "throttle"
            await agent.ack_through(75)
            await agent.half_close()

    run(scene())


def test_reconnecting_without_end_is_refused_for_that_agent_alone(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url, limits=LimitsConfig(streams_per_minute=5))) as service:
            for _ in range(5):
                async with Agent(service.address) as agent:
                    await agent.hello()
            async with Agent(service.address) as agent:
                await agent.say_hello()
                refused = await agent.refusal()
                assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "limits.streams_per_minute" in str(refused.details())
            async with Agent(service.address, "bridge-2") as other:
                await other.hello()

    run(scene())


def test_where_anybody_may_connect_not_everybody_may(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url, limits=LimitsConfig(max_agents=1))) as service:
            async with Agent(service.address) as first:
                await first.hello()
            async with Agent(service.address, "bridge-2") as second:
                await second.say_hello()
                assert (await second.refusal()).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            async with Agent(service.address) as again:
                await again.hello()

    run(scene())


def test_names_are_bounded_and_a_restart_gives_no_new_ones(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, limits=LimitsConfig(cameras=2))
        beat = ingest_pb2.Heartbeat()
        for number in range(50):
            beat.cameras.add(camera_id=f"beat-{number}", state=camera_pb2.CAMERA_STATE_SEEING)
        for first in (1, 5):
            async with serving(config) as service, Agent(service.address) as agent:
                await agent.hello(lowest=first)
                await agent.batch(first, event("a", camera="north"), camera_change("south", "DARK"))
                assert not (await agent.ack_through(first + 1)).rejected
                await agent.batch(first + 2, event("b", camera=f"west-{first}"), camera_change("east", "DARK"))
                reasons = [one.reason for one in (await agent.ack_through(first + 3)).rejected]
                assert len(reasons) == 2
                assert all("limits.cameras" in reason for reason in reasons)
                await agent.heartbeat(beat)
                await agent.half_close()
                await service.refresh()
                assert "beat-" not in scrape(service.metrics_address)

    run(scene())


def test_an_agent_that_floods_does_not_slow_another(run: Run, sqlite_url: URL) -> None:
    """The flood sends all that it may, in full batches, and all of it is stored; the other sends single events."""

    async def flood(address: str, name: str, stop: asyncio.Event) -> None:
        events = [event(f"flood-{number}") for number in range(256)]
        async with Agent(address, name) as agent:
            await agent.hello(next_seq=10**9)
            seq = 1
            while not stop.is_set():
                await agent.batch(seq, *events)
                await agent.ack_through(seq + 255)
                seq += 256

    async def waits(address: str) -> list[float]:
        found, loop = [], asyncio.get_running_loop()
        async with Agent(address, "well") as agent:
            await agent.hello()
            for seq in range(1, 61):
                began_s = loop.time()
                await agent.batch(seq, event(f"well-{seq}"))
                await agent.ack_through(seq)
                found.append(loop.time() - began_s)
                await asyncio.sleep(0.01)
        return sorted(found)

    async def scene() -> None:
        limits = LimitsConfig(events_per_s=10_000, streams_per_minute=600)
        async with serving(config_for(sqlite_url, limits=limits)) as service:
            stop = asyncio.Event()
            flooding = asyncio.create_task(flood(service.address, "flood", stop))
            found = await waits(service.address)
            assert not flooding.done()
            stop.set()
            await flooding
        assert found[len(found) // 2] < 0.5

    run(scene())


def test_losses_that_cannot_be_added_up_in_64_bits_do_not_end_the_metrics_of_all(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        most = 2**63 - 1
        for number in range(3):
            async with (
                serving(config_for(sqlite_url)) as service,
                Agent(service.address, epoch=bytes([number] * 16)) as agent,
            ):
                await agent.hello(lowest=2**62, next_seq=2**62)
                absurd = gap(1, 1)
                absurd.gap.events_lost = absurd.gap.last_lost_seq = most
                await agent.batch(2**62, absurd)
                assert not (await agent.ack_through(2**62)).rejected
                await service.refresh()
                found = samples(scrape(service.metrics_address))
                lost = total(found, "clearway_ingest_lost_events", agent="bridge-1")
                assert lost >= (number + 1) * 2**62

    run(scene())
