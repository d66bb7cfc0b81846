"""Throttles, drains, heartbeats and stopping: the uplink waits when it is told to and ends in order."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clearway.v1 import ingest_pb2

from edge_agent.uplink.uplink import UplinkSettings, UplinkState
from tests.edge_agent.uplink.scripted_aggregator import ScriptedAggregator
from tests.edge_agent.uplink.uplink_agent import Agent, until


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
