"""The offset of the agent's clock is right however slow the way is, and stays right when the clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge_agent.uplink.clock_offset import ClockOffset

SERVER = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


class Clocks:
    """Time that passes, and a clock that is wrong by ``off_s``."""

    def __init__(self, off_s: float) -> None:
        self.off_s = off_s
        self.passed_s = 0.0

    def clock(self) -> datetime:
        return SERVER + timedelta(seconds=self.passed_s + self.off_s)

    def elapsed_s(self) -> float:
        return 5000 + self.passed_s


def measured(clocks: Clocks) -> ClockOffset:
    """The answer is written after one second, and comes after another."""
    offset = ClockOffset(clocks.clock, clocks.elapsed_s)
    offset.ask()
    clocks.passed_s = 2.0
    offset.answered(SERVER + timedelta(seconds=1))
    return offset


def test_nothing_is_said_before_it_was_measured() -> None:
    clocks = Clocks(30)
    assert ClockOffset(clocks.clock, clocks.elapsed_s).now_s() is None


def test_the_time_on_the_way_is_no_offset() -> None:
    assert measured(Clocks(0)).now_s() == 0
    assert measured(Clocks(-30)).now_s() == -30


def test_a_clock_that_is_set_shows_at_once() -> None:
    clocks = Clocks(30)
    offset = measured(clocks)
    clocks.passed_s += 600
    assert offset.now_s() == 30
    clocks.off_s += 86400
    assert offset.now_s() == 86430


def test_a_clock_that_is_set_while_the_answer_is_on_its_way_shows_as_it_is_after() -> None:
    clocks = Clocks(0)
    offset = ClockOffset(clocks.clock, clocks.elapsed_s)
    offset.ask()
    clocks.off_s, clocks.passed_s = -86400, 2.0
    offset.answered(SERVER + timedelta(seconds=1))
    assert offset.now_s() == -86400
