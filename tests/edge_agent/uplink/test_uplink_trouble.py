"""Refusals, silence and word that cannot be true: the uplink loses nothing by an aggregator that is wrong."""

from __future__ import annotations

import time

import grpc
import pytest

from edge_agent import wire
from edge_agent.outbox.gap import GapReason
from edge_agent.uplink.uplink import UplinkSettings, UplinkState
from tests.edge_agent.uplink.scripted_aggregator import ScriptedAggregator
from tests.edge_agent.uplink.uplink_agent import Agent, until


def test_a_throttle_that_never_ends_is_not_believed(agent: Agent, aggregator: ScriptedAggregator) -> None:
    agent.connect(aggregator.address, settings=UplinkSettings(max_pause_s=0.2))
    until(lambda: aggregator.streams and aggregator.streams[0].heartbeats)
    aggregator.streams[0].throttle(10**9)
    agent.emit(1)
    until(agent.drained)


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
