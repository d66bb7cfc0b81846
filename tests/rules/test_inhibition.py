"""Who is told of what, and what mutes what, by a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import until
from tests.end_to_end.watching import Alertmanager, Webhook, alertmanager, webhook

SITE = {"site": "example"}
OPERATIONS = SITE | {"audience": "operations"}
STREET = {"district": "310115", "street": "lujiazui"}
OTHER_STREET = {"district": "310115", "street": "century-avenue"}
SILENT = OPERATIONS | STREET | {"alertname": "ClearwayAgentSilent", "severity": "critical", "agent": "box-1"}
BLIND = OPERATIONS | STREET | {"alertname": "ClearwayCameraBlind", "severity": "warning"}
BLOCKED = SITE | STREET | {"alertname": "ClearwayPassageBlocked", "severity": "critical", "audience": "district"}
DOWN = OPERATIONS | {"alertname": "ClearwaySiteDown", "severity": "critical", "cause": "no_agent"}
CLOCK = OPERATIONS | {
    "alertname": "ClearwayAgentClockOff",
    "severity": "warning",
    "agent": "box-1",
    "district": "310115",
}
INGEST = OPERATIONS | {"alertname": "ClearwayIngestFailing", "severity": "critical", "instance": "aggregator-1"}
DISK = OPERATIONS | {"alertname": "ClearwayDiskFilling", "instance": "aggregator-1", "disk": "store"}


@pytest.fixture
def told() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def manager(told: Webhook, tmp_path: Path) -> Iterator[Alertmanager]:
    with alertmanager(tmp_path, told) as made:
        yield made


def state(manager: Alertmanager, alert: dict[str, str]) -> str:
    """Of one alert, once Alertmanager has it and knows whether it is muted."""
    name = alert["alertname"]
    labels = {key: value for key, value in alert.items() if key != "alertname"}
    found = until(lambda: [s for s in manager.states(name, **labels) if s != "unprocessed"], f"{name} has a state")
    assert len(found) == 1
    return str(found[0])


def test_a_silent_agent_mutes_its_silent_cameras_and_nothing_else(manager: Alertmanager, told: Webhook) -> None:
    other_agents_clock = CLOCK | {"agent": "box-2"}
    shown = (
        SILENT,
        BLOCKED,
        BLIND | {"reason": "covered"},
        BLIND | OTHER_STREET | {"reason": "silent"},
        other_agents_clock,
    )
    muted = (BLIND | {"reason": "silent"}, CLOCK)
    manager.post(SILENT)  # before the others, as its rule's shorter wait has it
    assert state(manager, SILENT) == "active"
    manager.post(*shown, *muted)
    assert [state(manager, alert) for alert in shown] == ["active"] * len(shown)
    assert [state(manager, alert) for alert in muted] == ["suppressed"] * len(muted)

    until(lambda: len({str(one.labels) for one in told.messages}) >= len(shown), "everybody is told")
    assert {one.receiver for one in told.told("ClearwayPassageBlocked")} == {"pudong-duty"}
    assert {one.receiver for one in told.told("ClearwayAgentSilent")} == {"operations-on-call"}
    assert {one.receiver for one in told.told("ClearwayCameraBlind")} == {"operations"}
    assert not told.told("ClearwayCameraBlind", reason="silent", street="lujiazui")
    assert not told.told("ClearwayAgentClockOff", agent="box-1")


def test_a_site_that_is_down_mutes_its_agents_and_leaves_officers_and_causes(manager: Alertmanager) -> None:
    manager.post(DOWN)
    assert state(manager, DOWN) == "active"
    elsewhere = SILENT | {"site": "another"}
    filling = DISK | {"severity": "critical"}
    manager.post(DOWN, SILENT, BLIND | {"reason": "dark"}, BLOCKED, elsewhere, filling, INGEST)
    assert state(manager, SILENT) == "suppressed"
    assert state(manager, BLIND | {"reason": "dark"}) == "suppressed"
    assert [state(manager, alert) for alert in (BLOCKED, elsewhere, filling, INGEST)] == ["active"] * 4


def test_critical_mutes_the_warning_of_the_same_thing(manager: Alertmanager) -> None:
    manager.post(DISK | {"severity": "critical"})
    assert state(manager, DISK | {"severity": "critical"}) == "active"
    other = DISK | {"severity": "warning", "disk": "evidence"}
    manager.post(DISK | {"severity": "critical"}, DISK | {"severity": "warning"}, other)
    assert state(manager, DISK | {"severity": "warning"}) == "suppressed"
    assert state(manager, other) == "active"
