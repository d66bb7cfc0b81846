"""When a schedule is in force within a recording."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from edge_agent.config import Schedule, SiteConfig, Window
from edge_agent.evaluation.enforced import enforced
from edge_agent.evaluation.truth import Span

LISBON = SiteConfig(time_zone=ZoneInfo("Europe/Lisbon"))
START = datetime(2026, 7, 1, 7, 58, 30, tzinfo=UTC)
"""08:58:30 on the wall in Lisbon, a Wednesday."""


def hours(*windows: str) -> Schedule:
    return Schedule(windows=tuple(Window(hours=window) for window in windows))


@pytest.mark.parametrize(
    ("schedule", "spans"),
    [
        (Schedule(), ((0, 400),)),
        (hours("00:00-24:00"), ((0, 400),)),
        (hours("09:00-10:00"), ((90, 400),)),
        (hours("08:00-09:00"), ((0, 90),)),
        (hours("08:59-09:01", "09:03-09:04"), ((30, 150), (270, 330))),
        (hours("20:00-06:00"), ()),
        (Schedule(windows=(Window(days=frozenset({"sat"})),)), ()),
        (Schedule(except_dates=frozenset({"2026-07-01"})), ()),
    ],
)
def test_spans_are_those_of_the_clock_on_the_sites_wall(
    schedule: Schedule, spans: tuple[tuple[float, float], ...]
) -> None:
    assert enforced(LISBON, START)(schedule, 0.0, 400.0) == tuple(Span(a, b) for a, b in spans)


def test_only_the_asked_stretch_is_told() -> None:
    assert enforced(LISBON, START)(hours("09:00-10:00"), 200.0, 300.0) == (Span(200, 300),)
    assert enforced(LISBON, START)(hours("09:00-10:00"), 10.0, 40.0) == ()


def test_a_night_runs_over_midnight() -> None:
    evening = datetime(2026, 7, 1, 22, 59, tzinfo=UTC)
    assert enforced(LISBON, evening)(hours("23:30-00:01"), 0.0, 300.0) == (Span(0, 120),)
