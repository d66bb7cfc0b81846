"""Whether a zone's rules are in force."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from edge_agent.config import Schedule, SiteConfig, Window
from edge_agent.config_fields import Weekday

_DAYS = tuple(Weekday)


def in_force(schedule: Schedule, site: SiteConfig, at: datetime) -> bool:
    """True if any window of ``schedule`` holds at ``at`` (timezone-aware), by the clock on the site's wall.

    A window over midnight belongs to the day on which it starts. Wall-clock time is taken as it is when clocks
    change: an hour that happens twice is in force twice, one that is skipped not at all.
    """
    wall = at.astimezone(site.time_zone)
    today = wall.date()
    if not schedule.windows:
        return today not in schedule.except_dates
    minute = wall.hour * 60 + wall.minute
    for window in schedule.windows:
        start, end = window.hours
        if start < end:
            if start <= minute < end and _on(window, schedule, site, today):
                return True
        elif (minute >= start and _on(window, schedule, site, today)) or (
            minute < end and _on(window, schedule, site, today - timedelta(days=1))
        ):
            return True
    return False


def _on(window: Window, schedule: Schedule, site: SiteConfig, day: date) -> bool:
    holiday = day in site.holidays
    return (
        day not in schedule.except_dates
        and _DAYS[day.weekday()] in window.days
        and (window.dates is None or day in window.dates)
        and (window.from_date is None or day >= window.from_date)
        and (window.to_date is None or day <= window.to_date)
        and not (holiday and window.holidays == "exclude")
        and not (not holiday and window.holidays == "only")
    )
