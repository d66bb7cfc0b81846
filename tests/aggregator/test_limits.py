"""What one agent may ask for: buckets, pauses and names."""

from __future__ import annotations

import pytest

from aggregator.config import LimitsConfig
from aggregator.label_sets import LabelSets
from aggregator.limits import AHEAD_S, MAX_STREAMS, RENEWALS, RENEWALS_PER_HOUR, Limits, Pacer, TooFastError


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


LIMITS = LimitsConfig(
    events_per_s=100, bytes_per_s=100_000, burst_s=2, streams_per_minute=6, cameras=2, zones_per_camera=1
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pacer(clock: Clock, window: int = 50) -> Pacer:
    return Pacer(Limits(LIMITS, clock).of("a"), window, 50_000, clock)


def test_a_burst_is_free_and_what_is_more_is_paid_for_by_a_pause(clock: Clock) -> None:
    agent = pacer(clock)
    assert agent.took(200, 1) == 0
    assert agent.took(50, 1) == pytest.approx(0.5 + AHEAD_S)


def test_bytes_are_counted_as_well_as_events(clock: Clock) -> None:
    assert pacer(clock).took(1, 250_000) == pytest.approx(0.5 + AHEAD_S)


def test_messages_without_events_count(clock: Clock) -> None:
    agent = pacer(clock)
    assert [agent.took(0, 1) for _ in range(200)] == [0] * 200
    assert agent.took(0, 1) > 0


def test_what_was_on_its_way_when_the_pause_was_asked_for_is_no_offence(clock: Clock) -> None:
    agent = pacer(clock)
    assert agent.took(201, 1) > 0
    assert [agent.took(25, 1) for _ in range(4)] == [0] * 4
    with pytest.raises(TooFastError):
        agent.took(1, 1)


def test_bytes_during_a_pause_are_bounded_too(clock: Clock) -> None:
    agent = pacer(clock)
    assert agent.took(201, 1) > 0
    with pytest.raises(TooFastError):
        agent.took(1, 100_001)


def test_an_agent_that_pauses_as_asked_is_asked_again_and_never_cut(clock: Clock) -> None:
    agent, sent, began_s = pacer(clock), 0, clock.now_s
    while sent < 10_000:
        pause_s = agent.took(50, 1)
        sent += 50
        clock.now_s += pause_s
    assert sent / (clock.now_s - began_s) == pytest.approx(100, rel=0.1)


def test_a_new_stream_does_not_begin_with_full_buckets(clock: Clock) -> None:
    limits = Limits(LIMITS, clock)
    assert Pacer(limits.of("a"), 50, 50_000, clock).took(200, 1) == 0
    assert Pacer(limits.of("a"), 50, 50_000, clock).took(50, 1) > 0
    assert Pacer(limits.of("b"), 50, 50_000, clock).took(50, 1) == 0


def test_streams_are_opened_so_often_and_so_many_at_one_time(clock: Clock) -> None:
    agent = Limits(LIMITS, clock).of("a")
    assert [agent.may_open() for _ in range(7)] == [True] * 6 + [False]
    clock.now_s += 10
    assert agent.may_open()
    assert not agent.may_open()
    clock.now_s += 60
    agent.streams = MAX_STREAMS
    assert not agent.may_open()


def test_agents_that_owe_nothing_are_forgotten(clock: Clock) -> None:
    limits = Limits(LIMITS, clock)
    limits.of("busy").streams = 1
    for number in range(5000):
        limits.of(f"agent-{number}").message(1, 1)
        clock.now_s += 0.02
    assert len(limits) < 2000
    assert limits.of("busy").streams == 1


def test_names_that_become_labels_are_bounded_for_each_agent() -> None:
    names = LabelSets(LIMITS, [("a", "north", "kerb")])
    assert names.refuses("a", "north", "kerb") == ""
    assert "limits.zones_per_camera" in names.refuses("a", "north", "another")
    assert names.refuses("a", "south", "kerb") == ""
    assert "limits.cameras" in names.refuses("a", "west")
    assert names.refuses("b", "west") == ""


def test_certificates_are_renewed_so_often(clock: Clock) -> None:
    agent = Limits(LIMITS, clock).of("a")
    assert [agent.may_renew() for _ in range(RENEWALS + 1)] == [True] * RENEWALS + [False]
    clock.now_s += 3600 / RENEWALS_PER_HOUR
    assert agent.may_renew()
