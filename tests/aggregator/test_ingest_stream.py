"""What an agent may rely on when it talks to an aggregator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy.engine import URL

from aggregator.config import CommitConfig, StreamConfig
from aggregator.records import Batch, Outcome
from aggregator.service import open_store
from aggregator.store.errors import StoreFullError, StoreUnavailableError
from aggregator.store.incidents import IncidentQuery
from aggregator.store.store import Store
from tests.aggregator.harness import Agent, camera_change, config_for, event, rows, serving

Run = Callable[[Any], None]


class StoreThatFails(Store):
    """A real store whose next commits fail before they are made durable."""

    failing: Exception | None = None
    commits = 0

    def commit(self, taken: list[Batch]) -> list[Outcome]:
        self.commits += 1
        if self.failing is not None:
            raise self.failing
        return super().commit(taken)


def failing_store(url: URL) -> StoreThatFails:
    store = StoreThatFails(url)
    store.migrate()
    return store


def test_an_ack_says_that_events_are_stored(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            welcome = await agent.hello()
            assert welcome.committed_seq == 0
            assert (welcome.window, welcome.max_batch) == (1024, 256)
            await agent.batch(1, event("a"), event("a", "UPDATED", at_s=10), camera_change("north", "DARK"))
            ack = await agent.ack_through(3)
            assert not ack.rejected
            assert rows(sqlite_url, "SELECT seq, phase FROM incident_events ORDER BY seq") == [
                (1, "opened"),
                (2, "updated"),
            ]
            assert rows(sqlite_url, "SELECT camera_id, from_state, to_state FROM camera_state_changes") == [
                ("north", "seeing", "dark")
            ]

    run(scene())


def test_nothing_is_acked_while_commits_fail(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        store = failing_store(sqlite_url)
        async with serving(config_for(sqlite_url), store) as service:
            for failure, code in (
                (StoreUnavailableError("database is locked"), grpc.StatusCode.UNAVAILABLE),
                (StoreFullError("database or disk is full"), grpc.StatusCode.RESOURCE_EXHAUSTED),
                (ValueError("a surprise"), grpc.StatusCode.UNAVAILABLE),
            ):
                async with Agent(service.address) as agent:
                    store.failing = failure
                    await agent.hello()
                    await agent.batch(1, event("a"))
                    refused = await agent.refusal()
                    assert refused.code() is code
            store.failing = None
            assert rows(sqlite_url, "SELECT count(*) FROM incident_events") == [(0,)]
            async with Agent(service.address) as agent:
                assert (await agent.hello()).committed_seq == 0
                await agent.batch(1, event("a"))
                assert (await agent.ack_through(1)).committed_through_seq == 1

    run(scene())


def test_batches_that_come_again_or_overlap_are_stored_once(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        events = [event("a"), *(event("a", "UPDATED", at_s=at_s) for at_s in range(1, 6))]
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, *events[:3])
            await agent.batch(1, *events[:3])
            await agent.batch(2, *events[1:5])
            await agent.batch(4, *events[3:])
            assert (await agent.ack_through(6)).committed_through_seq == 6
        assert rows(sqlite_url, "SELECT seq FROM incident_events ORDER BY seq") == [(n,) for n in range(1, 7)]
        assert rows(sqlite_url, "SELECT stored_events, duplicate_events FROM streams") == [(6, 7)]

    run(scene())


def test_a_hole_ends_the_stream_and_says_what_was_expected(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, event("a"))
            await agent.ack_through(1)
            await agent.batch(3, event("a", "UPDATED"))
            refused = await agent.refusal()
            assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert dict(refused.trailing_metadata())["clearway-expected-seq"] == "2"
        assert rows(sqlite_url, "SELECT seq FROM incident_events") == [(1,)]

    run(scene())


def test_a_store_that_lost_events_takes_the_rest_and_records_the_gap(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            welcome = await agent.hello(lowest=501, next_seq=503)
            assert welcome.committed_seq == 500
            await agent.batch(501, event("a", "UPDATED"), event("b"))
            await agent.ack_through(502)
        assert rows(sqlite_url, "SELECT reason, events_lost, first_lost_seq, last_lost_seq FROM gap_records") == [
            ("missing_at_hello", 500, 1, 500)
        ]

    run(scene())


def test_a_bad_event_is_rejected_by_its_sequence_and_costs_its_batch_nothing(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service:
            bad = event("b", media_time_s=float("nan"))
            async with Agent(service.address) as agent:
                await agent.hello()
                await agent.batch(1, event("a"), bad, event("c"))
                ack = await agent.ack_through(3)
                assert [(one.seq, one.reason) for one in ack.rejected] == [
                    (2, "media_time_s nan is not a number that can be")
                ]
            async with Agent(service.address) as again:  # the ack was lost on its way
                await again.hello()
                await again.batch(1, event("a"), bad, event("c"))
                assert [one.seq for one in (await again.ack_through(3)).rejected] == [2]
        assert rows(sqlite_url, "SELECT seq FROM incident_events ORDER BY seq") == [(1,), (3,)]
        assert rows(sqlite_url, "SELECT seq, reason FROM rejected_events") == [
            (2, "media_time_s nan is not a number that can be")
        ]
        assert rows(sqlite_url, "SELECT stored_events, rejected_events FROM streams") == [(2, 1)]

    run(scene())


def test_an_agent_that_ignores_the_window_is_slowed_and_loses_nothing(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, stream=StreamConfig(window=2, max_batch=2, drain_s=0.5))
        async with serving(config) as service, Agent(service.address) as agent:
            await agent.hello()
            for seq in range(1, 21):
                await agent.batch(seq, event(f"incident-{seq}"))
            assert (await agent.ack_through(20)).committed_through_seq == 20
            await agent.half_close()

    run(scene())


def test_batches_of_many_agents_share_transactions(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        store = failing_store(sqlite_url)
        config = config_for(sqlite_url, commit=CommitConfig(max_delay_ms=200, max_events=2000))
        async with serving(config, store) as service:
            agents = [Agent(service.address, f"agent-{number}") for number in range(20)]
            for agent in agents:
                await agent.hello()
            await asyncio.gather(*(agent.batch(1, event("a")) for agent in agents))
            acks = await asyncio.gather(*(agent.ack_through(1) for agent in agents))
            assert [ack.committed_through_seq for ack in acks] == [1] * 20
            assert store.commits <= 2
            for agent in agents:
                await agent.__aexit__()
        assert rows(sqlite_url, "SELECT count(*) FROM incidents") == [(20,)]

    run(scene())


def test_a_batch_that_breaks_its_transaction_does_not_keep_other_agents_out(run: Run, sqlite_url: URL) -> None:
    class Brittle(Store):
        def commit(self, taken: list[Batch]) -> list[Outcome]:
            if any(batch.agent_id == "broken" for batch in taken):
                raise ValueError("a surprise")
            return super().commit(taken)

    async def scene() -> None:
        store = Brittle(sqlite_url)
        store.migrate()
        config = config_for(sqlite_url, commit=CommitConfig(max_delay_ms=200))
        async with (
            serving(config, store) as service,
            Agent(service.address, "broken") as broken,
            Agent(service.address, "well") as well,
        ):
            await broken.hello()
            await well.hello()
            await broken.batch(1, event("a"))
            await well.batch(1, event("a"))
            assert (await broken.refusal()).code() is grpc.StatusCode.UNAVAILABLE
            assert (await well.ack_through(1)).committed_through_seq == 1
        assert rows(sqlite_url, "SELECT agent_id FROM incidents") == [("well",)]

    run(scene())


def test_a_stopping_aggregator_asks_agents_to_leave_and_acks_what_they_sent(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        store = open_store(config_for(sqlite_url), migrate=False)
        async with (
            serving(config_for(sqlite_url), store) as service,
            Agent(service.address) as polite,
            Agent(service.address, "bridge-2") as deaf,
        ):
            await polite.hello()
            await deaf.hello()
            stopping = asyncio.create_task(service.stop())
            drain = await polite.next()
            assert drain.WhichOneof("message") == "drain"
            await polite.batch(1, event("last words"))
            assert (await polite.ack_through(1)).committed_through_seq == 1
            await polite.half_close()
            assert (await deaf.next()).WhichOneof("message") == "drain"
            with pytest.raises(EOFError):
                await deaf.next()
            await stopping
        assert rows(sqlite_url, "SELECT incident_id FROM incidents") == [("last words",)]

    run(scene())


def test_the_health_service_says_serving(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with (
            serving(config_for(sqlite_url)) as service,
            grpc.aio.insecure_channel(service.address) as channel,
        ):
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "clearway.v1.IngestService"):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

    run(scene())


def test_clients_may_ping_often(run: Run, sqlite_url: URL) -> None:
    """By default a server ends a connection as too_many_pings once a fifth ping came within as many seconds."""

    async def scene() -> None:
        options = (("grpc.keepalive_time_ms", 50), ("grpc.http2.max_pings_without_data", 0))
        async with serving(config_for(sqlite_url)) as service, Agent(service.address, options=options) as agent:
            await agent.hello()
            with pytest.raises(TimeoutError):
                await agent.next(timeout_s=6)

    run(scene())


def test_what_an_agent_sent_outlives_the_aggregator(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await agent.hello()
            await agent.batch(1, event("a"), event("a", "CLOSED", at_s=90))
            await agent.ack_through(2)
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            assert (await agent.hello(lowest=1, next_seq=3)).committed_seq == 2
        with Store(sqlite_url) as store:
            (incident,) = store.incidents(IncidentQuery())
        assert (incident.close_reason, incident.dwell_observed_s) == ("left", 390)

    run(scene())


def test_a_port_in_use_is_one_clear_error(run: Run, sqlite_url: URL, tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service:
            with pytest.raises(Exception, match=f"cannot listen on {service.address}: is it in use"):
                async with serving(config_for(sqlite_url, listen=service.address)):
                    pass

    run(scene())
