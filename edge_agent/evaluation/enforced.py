"""When, within a recording, a zone's schedule is in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge_agent.config import Schedule, SiteConfig
from edge_agent.evaluation.expected import InForce
from edge_agent.evaluation.truth import Span
from edge_agent.scenarios.schedule import in_force


def enforced(site: SiteConfig, started_at: datetime) -> InForce:
    """The spans in which a schedule holds, for a recording whose media time 0 was at ``started_at``.

    Schedules change on whole minutes, so only those are looked at.
    """

    def within(schedule: Schedule, from_s: float, to_s: float) -> tuple[Span, ...]:
        if not schedule.windows and not schedule.except_dates:
            return (Span(from_s, to_s),)
        spans: list[Span] = []
        since_s: float | None = None
        at_s = from_s
        while at_s < to_s:
            at = started_at + timedelta(seconds=at_s)
            holds = in_force(schedule, site, at)
            if holds and since_s is None:
                since_s = at_s
            elif not holds and since_s is not None:
                spans.append(Span(since_s, at_s))
                since_s = None
            at_s = (_next_minute(at) - started_at) / timedelta(seconds=1)
        if since_s is not None:
            spans.append(Span(since_s, to_s))
        return tuple(spans)

    return within


def _next_minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
