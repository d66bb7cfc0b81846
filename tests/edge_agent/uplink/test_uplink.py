"""The uplink sends every event once and in order, whatever the network does."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from clearway.v1 import ingest_pb2

from edge_agent.config_file import ConfigError
from edge_agent.outbox.outbox import EventKind
from edge_agent.uplink.state import TRANSITIONS
from edge_agent.uplink.uplink import Uplink, UplinkSettings, UplinkState, check_address
from tests.edge_agent.uplink.scripted_aggregator import ScriptedAggregator, Stream
from tests.edge_agent.uplink.uplink_agent import Agent, event, heartbeat, until


def test_events_from_before_and_after_connecting_arrive_once_and_in_order(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    agent.emit(300)
    uplink = agent.connect(aggregator.address)
    until(agent.drained)
    agent.emit(5)
    until(agent.drained)
    assert aggregator.texts == agent.texts
    assert aggregator.duplicates == 0
    assert uplink.status().state is UplinkState.CONNECTED
    assert sum(uplink.status().ack_latency.counts) >= 6


def test_hello_says_who_speaks_and_where_the_queue_stands(agent: Agent, aggregator: ScriptedAggregator) -> None:
    agent.emit(7)
    agent.outbox.ack(agent.outbox.status().epoch, 3)
    agent.connect(aggregator.address)
    until(agent.drained)
    hello = aggregator.streams[0].hello
    assert (hello.agent_id, hello.lowest_unacked_seq, hello.next_seq) == ("agent-1", 4, 8)
    assert hello.epoch == agent.outbox.status().epoch
    assert (hello.versions.agent, hello.versions.model, hello.versions.config) == ("1.0", "nanodet", "abc")
    assert hello.versions.platform
    assert hello.HasField("sent_at")


def test_an_aggregator_that_is_away_at_first_gets_everything_once_it_is_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agent = Agent(tmp_path)
    uplink = agent.connect(f"127.0.0.1:{port}")
    agent.emit(10)
    until(lambda: uplink.status().reconnects > 2)
    assert agent.outbox.status().pending_events == 10
    assert "UNAVAILABLE" in uplink.status().last_error
    server = ScriptedAggregator(port)
    until(agent.drained)
    assert uplink.stop()
    agent.outbox.close()
    assert server.texts == agent.texts
    server.stop()


def test_no_more_events_are_on_the_way_than_the_window_allows(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.window, aggregator.max_batch, aggregator.acks = 20, 8, False
    agent.emit(50)
    uplink = agent.connect(aggregator.address)
    until(lambda: len(aggregator.stored) == 20)
    time.sleep(0.1)
    assert len(aggregator.stored) == 20
    assert uplink.status().in_flight_events == 20
    aggregator.streams[0].ack(5)
    until(lambda: len(aggregator.stored) == 25)
    aggregator.acks = True
    aggregator.streams[0].ack(25)
    until(agent.drained)
    assert aggregator.texts == agent.texts


def test_a_batch_stays_within_its_bytes(agent: Agent, aggregator: ScriptedAggregator) -> None:
    agent.emit(40, size=5000)
    agent.connect(aggregator.address, settings=UplinkSettings(batch_bytes=20_000))
    until(agent.drained)
    assert aggregator.texts == agent.texts
    assert all(batch.ByteSize() <= 21_000 for batch in aggregator.streams[0].batches)


def test_what_was_stored_although_its_ack_was_lost_is_not_sent_again(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    def lose_the_first(stream: Stream, batch: ingest_pb2.EventBatch) -> bool:
        if len(aggregator.streams) == 1:
            stream.end()
            return False
        return True

    aggregator.answer = lose_the_first
    agent.emit(10)
    agent.connect(aggregator.address)
    until(agent.drained)
    assert aggregator.texts == agent.texts
    assert aggregator.duplicates == 0
    assert len(aggregator.streams) == 2


def test_a_stream_that_breaks_again_and_again_loses_and_doubles_nothing(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    aggregator.max_batch, aggregator.window = 7, 21

    def break_often(stream: Stream, batch: ingest_pb2.EventBatch) -> bool:
        if len(stream.batches) % 3 == 2:
            stream.end()
            return False
        return True

    aggregator.answer = break_often
    agent.emit(200)
    uplink = agent.connect(aggregator.address)
    until(agent.drained, 20)
    assert aggregator.texts == agent.texts
    assert aggregator.duplicates == 0
    assert uplink.status().reconnects > 3


def test_what_an_agent_emits_from_many_threads_while_connected_arrives_once(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    agent.connect(aggregator.address)

    def work(name: int) -> None:
        for number in range(40):
            agent.outbox.append([event(f"{name}-{number}")], EventKind.INCIDENT)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(agent.drained)
    assert sorted(aggregator.texts) == sorted(f"{name}-{number}" for name in range(5) for number in range(40))
    assert aggregator.duplicates == 0


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "localhost:50051", "[::1]:50051", "127.8.9.1:1"])
def test_this_machine_may_be_spoken_to_without_tls(address: str) -> None:
    check_address(address, insecure=True)


@pytest.mark.parametrize(
    "address", ["10.0.0.1:50051", "aggregator.example:50051", "0.0.0.0:50051", "localhost.example:1", "[fe80::1]:1"]
)
def test_nothing_leaves_this_machine_without_tls(address: str) -> None:
    with pytest.raises(ConfigError, match=r"aggregator\.address: .* is not on this machine"):
        check_address(address, insecure=True)


def test_with_tls_any_address_may_be_used_but_never_without_credentials(agent: Agent) -> None:
    check_address("aggregator.example:50051", insecure=False)
    with pytest.raises(ValueError, match="either insecure or has credentials"):
        Uplink("aggregator.example:50051", "a", agent.outbox, heartbeat, insecure=False)


def test_a_change_of_state_that_the_table_does_not_permit_is_a_fault(agent: Agent) -> None:
    uplink = Uplink("127.0.0.1:1", "a", agent.outbox, heartbeat, insecure=True)
    with pytest.raises(RuntimeError, match="cannot go from stopped to connected"):
        uplink._enter(UplinkState.CONNECTED)


def test_every_state_can_be_reached_and_left_and_stopped() -> None:
    assert set(TRANSITIONS) == set(UplinkState)
    assert set().union(*TRANSITIONS.values()) == set(UplinkState)
    assert all(UplinkState.STOPPED in after for state, after in TRANSITIONS.items() if state is not UplinkState.STOPPED)
