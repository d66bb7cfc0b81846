"""A zone's rules hold by the clock on the site's wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edge_agent.config import Schedule, SiteConfig
from edge_agent.scenarios.schedule import in_force

LISBON = ZoneInfo("Europe/Lisbon")
SITE = SiteConfig(time_zone=LISBON, holidays=frozenset({date(2026, 4, 25)}))
_SCHEDULE = TypeAdapter(Schedule)


def schedule(*windows: dict[str, object], **more: object) -> Schedule:
    return _SCHEDULE.validate_python({"windows": windows, **more})


def at(text: str, zone: ZoneInfo = LISBON, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def test_without_windows_the_rules_always_hold() -> None:
    assert in_force(Schedule(), SITE, at("2026-04-25T03:00"))


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-02T07:59:59", False),
        ("2026-03-02T08:00:00", True),
        ("2026-03-02T18:59:59", True),
        ("2026-03-02T19:00:00", False),
        ("2026-03-07T12:00:00", False),
    ],
)
def test_a_window_holds_from_its_first_minute_to_the_one_before_its_end_on_its_days(moment: str, holds: bool) -> None:
    weekdays = schedule({"hours": "08:00-19:00", "days": ["mon", "tue", "wed", "thu", "fri"]})
    assert in_force(weekdays, SITE, at(moment)) is holds


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-06T21:59", False),
        ("2026-03-06T22:00", True),
        ("2026-03-07T05:59", True),
        ("2026-03-07T06:00", False),
        ("2026-03-07T22:30", False),
        ("2026-03-06T05:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts(moment: str, holds: bool) -> None:
    friday_night = schedule({"hours": "22:00-06:00", "days": ["fri"]})
    assert in_force(friday_night, SITE, at(moment)) is holds


@pytest.mark.parametrize(
    ("rule", "on_holiday", "on_other_days"), [("include", True, True), ("exclude", False, True), ("only", True, False)]
)
def test_holidays_are_days_like_others_or_excluded_or_the_only_ones(
    rule: str, on_holiday: bool, on_other_days: bool
) -> None:
    held = schedule({"hours": "08:00-20:00", "holidays": rule})
    assert in_force(held, SITE, at("2026-04-25T12:00")) is on_holiday
    assert in_force(held, SITE, at("2026-04-26T12:00")) is on_other_days


def test_a_night_that_begins_on_a_holiday_is_that_holidays() -> None:
    held = schedule({"hours": "22:00-06:00", "holidays": "exclude"})
    assert not in_force(held, SITE, at("2026-04-26T03:00"))
    assert in_force(held, SITE, at("2026-04-25T03:00"))


def test_a_window_on_certain_dates_or_between_two() -> None:
    fair = schedule({"dates": ["2026-06-12", "2026-06-13"]}, {"from_date": "2026-12-01", "to_date": "2026-12-24"})
    for moment, holds in (
        ("2026-06-11T23:59", False),
        ("2026-06-12T00:00", True),
        ("2026-06-13T23:59", True),
        ("2026-06-14T00:00", False),
        ("2026-12-01T00:00", True),
        ("2026-12-24T23:59", True),
        ("2026-12-25T00:00", False),
    ):
        assert in_force(fair, SITE, at(moment)) is holds, moment


def test_excepted_dates_win_over_every_window_and_over_none() -> None:
    excepted = [date(2026, 6, 12)]
    with_window = schedule({"hours": "08:00-20:00"}, except_dates=excepted)
    for held in (with_window, schedule(except_dates=excepted)):
        assert not in_force(held, SITE, at("2026-06-12T12:00"))
        assert in_force(held, SITE, at("2026-06-13T12:00"))


def test_the_sites_time_zone_counts_and_no_other() -> None:
    morning = schedule({"hours": "08:00-12:00"})
    moment = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
    assert in_force(morning, SiteConfig(time_zone=ZoneInfo("Asia/Shanghai")), moment)
    assert not in_force(morning, SITE, moment)
    assert in_force(morning, SITE, datetime(2026, 7, 1, 7, 0, tzinfo=UTC))  # 08:00 in summer
    assert not in_force(morning, SITE, datetime(2026, 1, 7, 7, 0, tzinfo=UTC))


def test_an_hour_that_clocks_skip_is_never_in_force() -> None:
    early = schedule({"hours": "01:00-02:00"})
    night = [datetime(2026, 3, 28, 22, 0, tzinfo=UTC) + timedelta(minutes=n) for n in range(8 * 60)]
    assert not any(in_force(early, SITE, moment) for moment in night)


def test_an_hour_that_comes_twice_is_in_force_twice() -> None:
    early = schedule({"hours": "01:00-02:00"})
    assert in_force(early, SITE, at("2026-10-25T01:30", fold=0))
    assert in_force(early, SITE, at("2026-10-25T01:30", fold=1))
    night = [datetime(2026, 10, 24, 22, 0, tzinfo=UTC) + timedelta(minutes=n) for n in range(8 * 60)]
    assert sum(in_force(early, SITE, moment) for moment in night) == 120


def test_a_day_window_is_as_long_as_the_day_is() -> None:
    sunday = schedule({"hours": "00:00-24:00", "days": ["sun"]})
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 5, 3), 24)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        minutes = [noon + timedelta(minutes=n) for n in range(-30 * 60, 30 * 60)]
        assert sum(in_force(sunday, SITE, moment) for moment in minutes) == hours * 60


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
def test_a_window_and_its_complement_share_the_day_between_them(moment: datetime, start: int, end: int) -> None:
    if start == end:
        return
    window = schedule({"hours": (start, end)})
    other = schedule({"hours": (end, start)}) if (start, end) != (0, 1440) else None
    wall = moment.astimezone(LISBON)
    minute = wall.hour * 60 + wall.minute
    inside = start <= minute < end if start < end else minute >= start or minute < end
    assert in_force(window, SITE, moment) is inside
    if other is not None:
        assert in_force(other, SITE, moment) is not inside
