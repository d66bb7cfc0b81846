"""The uplink sends every event once and in order, whatever the aggregator and the network do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from clearway.v1 import ingest_pb2

from edge_agent import wire
from edge_agent.config_file import ConfigError
from edge_agent.outbox.gap import GapReason
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.uplink.state import TRANSITIONS
from edge_agent.uplink.uplink import Uplink, UplinkSettings, UplinkState, check_address, versions
from tests.edge_agent.uplink.scripted_aggregator import ScriptedAggregator, Stream

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
QUICK = UplinkSettings(
    connect_timeout_s=2.0,
    welcome_timeout_s=0.5,
    ack_timeout_s=0.5,
    half_close_timeout_s=0.5,
    backoff_first_s=0.02,
    backoff_max_s=0.05,
    refused_retry_s=0.2,
    batch_age_s=0.01,
    min_heartbeat_s=0.02,
    default_heartbeat_s=0.1,
)


def until(what: Callable[[], object], patience_s: float = 30.0) -> None:
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.005)


def heartbeat() -> ingest_pb2.Heartbeat:
    return ingest_pb2.Heartbeat()


def event(text: str) -> bytes:
    message = ingest_pb2.Event(emitted_at=wire.timestamp(NOW))
    message.incident.incident_id = text
    return message.SerializeToString()


class Agent:
    """A queue and an uplink, as an agent has them."""

    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox(folder, 1 << 20)
        self.uplinks: list[Uplink] = []
        self.texts: list[str] = []

    def emit(self, count: int, size: int = 0) -> None:
        texts = [f"event {len(self.texts) + each}{'x' * size}" for each in range(count)]
        self.texts += texts
        assert self.outbox.append([event(text) for text in texts], EventKind.INCIDENT)

    def connect(
        self,
        address: str,
        settings: UplinkSettings = QUICK,
        heartbeat: Callable[[], ingest_pb2.Heartbeat] = heartbeat,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Uplink:
        uplink = Uplink(
            address,
            "agent-1",
            self.outbox,
            heartbeat,
            insecure=True,
            versions=versions("1.0", "nanodet", "abc"),
            settings=settings,
            clock=clock,
        )
        self.uplinks.append(uplink)
        uplink.start()
        return uplink

    def drained(self) -> bool:
        return self.outbox.status().pending_events == 0


@pytest.fixture
def aggregator() -> Iterator[ScriptedAggregator]:
    server = ScriptedAggregator()
    yield server
    server.stop()


@pytest.fixture
def agent(tmp_path: Path, aggregator: ScriptedAggregator) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    for uplink in agent.uplinks:
        assert uplink.stop(), "the thread has ended"
    agent.outbox.close()
    assert aggregator.violations == []


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


def test_a_throttle_pauses_events_but_not_heartbeats(agent: Agent, aggregator: ScriptedAggregator) -> None:
    agent.connect(aggregator.address)
    until(lambda: aggregator.streams and aggregator.streams[0].heartbeats)
    stream = aggregator.streams[0]
    stream.throttle(0.4)
    time.sleep(0.1)
    began, beats = time.monotonic(), len(stream.heartbeats)
    agent.emit(3)
    until(agent.drained)
    assert time.monotonic() - began > 0.2
    assert len(stream.heartbeats) >= beats + 3
    assert len(aggregator.streams) == 1


def test_a_throttle_that_never_ends_is_not_believed(agent: Agent, aggregator: ScriptedAggregator) -> None:
    agent.connect(aggregator.address, settings=UplinkSettings(max_pause_s=0.2))
    until(lambda: aggregator.streams and aggregator.streams[0].heartbeats)
    aggregator.streams[0].throttle(10**9)
    agent.emit(1)
    until(agent.drained)


def test_a_drained_agent_half_closes_after_its_acks_and_comes_back_later(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    agent.emit(5)
    uplink = agent.connect(aggregator.address)
    until(agent.drained)
    aggregator.streams[0].drain(0.3)
    until(lambda: aggregator.streams[0].half_closed)
    assert uplink.status().state in (UplinkState.DRAINING, UplinkState.BACKING_OFF)
    agent.emit(5)
    until(lambda: len(aggregator.streams) == 2)
    assert aggregator.streams[0].closed_s is not None
    assert 0.25 < aggregator.streams[1].opened_s - aggregator.streams[0].closed_s < 2
    until(agent.drained)
    assert aggregator.texts == agent.texts
    assert aggregator.duplicates == 0


def test_a_drained_agent_waits_for_the_ack_of_what_is_on_the_way(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.acks = False
    agent.emit(5)
    agent.connect(aggregator.address)
    until(lambda: len(aggregator.stored) == 5)
    stream = aggregator.streams[0]
    stream.drain(0.0)
    time.sleep(0.1)
    assert not stream.half_closed
    stream.ack(5)
    until(lambda: stream.half_closed)


def test_an_ack_of_what_was_never_sent_is_not_believed(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.answer = lambda stream, batch: stream.ack(10**6) or False if len(aggregator.streams) < 2 else True
    agent.emit(3)
    uplink = agent.connect(aggregator.address)
    until(lambda: len(aggregator.streams) == 2)
    assert (uplink.status().reconnects, uplink.status().failures) == (1, 0)
    agent.emit(3)
    until(agent.drained)
    assert aggregator.texts == agent.texts


def test_a_rejection_outside_of_its_ack_is_not_believed(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.answer = lambda stream, batch: (
        stream.ack(2, {3: "bad"}) or False if len(aggregator.streams) < 2 else True
    )
    agent.emit(3)
    uplink = agent.connect(aggregator.address)
    until(agent.drained)
    assert agent.outbox.status().dead_letters == 0
    assert uplink.status().reconnects == 1


def test_an_event_before_welcome_is_never_sent(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.silent = True
    agent.emit(3)
    uplink = agent.connect(aggregator.address)
    until(lambda: uplink.status().last_error == "no welcome in time")
    assert agent.outbox.status().pending_events == 3
    aggregator.silent = False
    until(agent.drained)
    assert aggregator.texts == agent.texts


def test_an_aggregator_that_knows_more_of_the_queue_than_the_queue_gets_a_new_epoch(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    epoch = agent.outbox.status().epoch
    agent.emit(3)
    aggregator._committed[epoch] = 50  # the queue's file was put back from an old copy
    agent.connect(aggregator.address)
    until(agent.drained)
    assert agent.outbox.status().epoch != epoch
    assert aggregator.texts == agent.texts


def test_rejected_events_become_dead_letters_and_the_rest_goes_on(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.answer = lambda stream, batch: stream.ack(
        batch.first_seq + len(batch.events) - 1, {batch.first_seq: "unknown camera"}
    )
    aggregator.max_batch = 5
    agent.emit(10)
    agent.connect(aggregator.address)
    until(agent.drained)
    status = agent.outbox.status()
    assert (status.dead_letters, status.shed_events) == (2, 0)


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
def test_a_refusal_is_visible_and_retried_slowly_and_loses_nothing(
    agent: Agent, aggregator: ScriptedAggregator, code: grpc.StatusCode
) -> None:
    aggregator.refuse_with = code
    agent.emit(5)
    uplink = agent.connect(aggregator.address)
    until(lambda: uplink.status().state is UplinkState.REFUSED)
    assert uplink.status().last_error == f"{code.name}: not you"
    time.sleep(0.5)
    assert aggregator.attempts <= 6, "0.1 s at least between attempts"
    aggregator.refuse_with = None
    until(agent.drained)
    assert aggregator.texts == agent.texts


def test_a_transient_failure_is_not_a_refusal(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.refuse_with = grpc.StatusCode.RESOURCE_EXHAUSTED
    uplink = agent.connect(aggregator.address)
    until(lambda: uplink.status().reconnects > 5)
    assert uplink.status().state is not UplinkState.REFUSED


def test_without_an_ack_in_time_the_stream_is_given_up(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.acks = False
    agent.emit(5)
    uplink = agent.connect(aggregator.address)
    until(lambda: uplink.status().last_error == "no ack for 0.5 s")
    aggregator.acks = True
    until(agent.drained)
    assert aggregator.texts == agent.texts
    assert aggregator.duplicates == 0


def test_stopping_sends_what_is_left_and_ends_by_half_close(agent: Agent, aggregator: ScriptedAggregator) -> None:
    uplink = agent.connect(aggregator.address)
    until(lambda: uplink.status().state is UplinkState.CONNECTED)
    agent.emit(500)
    assert uplink.stop(flush_s=10)
    assert agent.drained()
    assert aggregator.texts == agent.texts
    until(lambda: aggregator.streams[0].half_closed)
    assert uplink.status().state is UplinkState.STOPPED


def test_stopping_waits_no_longer_than_it_was_told(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.acks = False
    uplink = agent.connect(aggregator.address, settings=UplinkSettings(half_close_timeout_s=0.3))
    until(lambda: uplink.status().state is UplinkState.CONNECTED)
    agent.emit(5)
    began = time.monotonic()
    assert uplink.stop(flush_s=0.3)
    assert 0.25 < time.monotonic() - began < 2
    assert agent.outbox.status().pending_events == 5


def test_stopping_while_nobody_answers_ends_at_once(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.silent = True
    uplink = agent.connect(aggregator.address, settings=UplinkSettings())
    until(lambda: aggregator.streams)
    began = time.monotonic()
    assert uplink.stop(flush_s=10)
    assert time.monotonic() - began < 2


def test_stopping_while_backing_off_ends_at_once(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    uplink = agent.connect("127.0.0.1:1", settings=UplinkSettings(backoff_first_s=60, backoff_max_s=60))
    until(lambda: uplink.status().state is UplinkState.BACKING_OFF)
    began = time.monotonic()
    assert uplink.stop(flush_s=10)
    agent.outbox.close()
    assert time.monotonic() - began < 2


def test_heartbeats_come_at_the_interval_that_the_aggregator_sets(agent: Agent, aggregator: ScriptedAggregator) -> None:
    aggregator.heartbeat_s = 0.1
    agent.connect(aggregator.address)
    until(lambda: aggregator.streams and len(aggregator.streams[0].heartbeats) >= 6)
    took = time.monotonic() - aggregator.streams[0].opened_s
    assert 0.45 < took < 2
    assert all(beat.HasField("sent_at") for beat in aggregator.streams[0].heartbeats)


def test_a_heartbeat_that_cannot_be_built_stops_neither_events_nor_heartbeats(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    def broken() -> ingest_pb2.Heartbeat:
        raise RuntimeError("no status today")

    agent.connect(aggregator.address, heartbeat=broken)
    agent.emit(5)
    until(agent.drained)
    until(lambda: len(aggregator.streams[0].heartbeats) > 2)
    assert len(aggregator.streams) == 1
    assert aggregator.streams[0].heartbeats[-1].HasField("queue")


def test_the_clock_s_offset_is_measured_and_told(agent: Agent, aggregator: ScriptedAggregator) -> None:
    uplink = agent.connect(aggregator.address, clock=lambda: datetime.now(UTC) + timedelta(seconds=30))
    until(lambda: aggregator.streams and aggregator.streams[0].heartbeats)
    offset = uplink.status().clock_offset_s
    assert offset is not None
    assert abs(offset - 30) < 0.5
    assert abs(aggregator.streams[0].heartbeats[0].clock_offset_s - 30) < 0.5


def test_when_the_head_of_the_queue_is_dropped_a_new_hello_says_where_it_starts(
    agent: Agent, aggregator: ScriptedAggregator
) -> None:
    agent.connect(aggregator.address)
    until(lambda: aggregator.streams and aggregator.streams[0].heartbeats)
    aggregator.streams[0].throttle(0.8)
    time.sleep(0.1)
    for _ in range(30):
        agent.emit(10, size=5000)
    dropped = agent.outbox.status().dropped_events
    assert dropped > 0
    until(lambda: len(aggregator.streams) == 2)
    until(agent.drained)
    assert aggregator.streams[1].hello.lowest_unacked_seq == dropped + 1
    arrived = [event for _, _, event in aggregator.stored]
    assert [each.incident.incident_id for each in arrived if each.HasField("incident")] == agent.texts[dropped:]
    [gap] = [wire.gap(each.gap) for each in arrived if each.HasField("gap")]
    assert (gap.reason, gap.events_lost, gap.first_lost_seq) == (GapReason.DROPPED_OLDEST, dropped, 1)


def test_a_fault_inside_is_counted_and_said_and_the_uplink_goes_on(
    agent: Agent, aggregator: ScriptedAggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, faults = agent.outbox.position, iter([RuntimeError("a fault")])

    def position(*, hold: bool = False) -> object:
        for fault in faults:
            raise fault
        return sound(hold=hold)

    monkeypatch.setattr(agent.outbox, "position", position)
    agent.emit(3)
    uplink = agent.connect(aggregator.address)
    until(agent.drained)
    assert uplink.status().failures == 1
    assert aggregator.texts == agent.texts


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
