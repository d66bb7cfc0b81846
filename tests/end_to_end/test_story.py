"""A bridge is blocked, somebody is told, it is cleared, the street's score has moved; then its agent dies.

Agent, aggregator, Prometheus and Alertmanager are the real ones with the committed rules and routes. Everything goes
quicker: recordings at ``SPEED``, what rules wait for at a minute a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.running import ROOT, Folder, Process, metrics_of, until
from tests.end_to_end.watching import (
    Alertmanager,
    Message,
    Prometheus,
    Webhook,
    alertmanager,
    prometheus,
    webhook,
)

SPEED = 4
BRIDGE = {"district": "310115", "street": "lujiazui"}
STREET = 'street="lujiazui"'
SCORE = f"clearway:street_index:score_1d{{{STREET}}}"
COVERAGE = f"clearway:street_coverage:ratio_1d{{{STREET}}}"
LIMIT_S = 4
"""Of a blocked passage: short, so that it is blocked for as long as the recording has."""
SURE_S = 6
"""By how much what was seen may differ from the truth: a second to sample, some to be sure that something is gone."""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that runs."""

    folder: Folder
    agent: Process
    prometheus: Prometheus
    manager: Alertmanager
    told: Webhook

    def wait(self, *alert: str, **labels: str) -> Message:
        """What the webhook is told first of an alert, and its status if it is another than firing."""
        return until(lambda: self.told.told(*alert, **labels), f"the webhook is told of {alert} {labels}")[0]

    def muted(self, **place: str) -> bool:
        """True once Alertmanager has the blindness of silent cameras of a street, and keeps it to itself."""
        return self.manager.states("ClearwayCameraBlind", reason="silent", **place) == ["suppressed"]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with ExitStack() as stack:
        folder = Folder(tmp_path)
        stack.callback(folder.close)
        told = stack.enter_context(webhook())
        manager = stack.enter_context(alertmanager(tmp_path, told))
        folder.serve(places=str(ROOT / "config/places.yaml"), stream={"heartbeat_s": 1})
        aggregator = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))["metrics"]
        folder.configure_agent(*cameras(), id="demo", site={"time_zone": "Asia/Shanghai"})
        agent = folder.run_agent("--speed", str(SPEED))
        targets = {"clearway-aggregator": aggregator, "clearway-agent": metrics_of(agent)}
        server = stack.enter_context(prometheus(tmp_path, targets, manager.address, minutes_in_a_second=1, day_s=SPEED))
        yield Story(folder, agent, server, manager, told)


def cameras() -> list[dict[str, Any]]:
    """The demo's, the bridge with a limit of its own, and nothing but blocked."""
    demo = yaml.safe_load((ROOT / "config/demo/agent.yaml").read_text(encoding="utf-8"))
    for camera in demo["cameras"]:
        camera["source"] = str(ROOT / "config/demo" / camera["source"])
    demo["cameras"][1]["zones"][0]["dwell_limit_s"] = {"blocked": LIMIT_S, "narrowed": 3600}
    return list(demo["cameras"])


@dataclass(frozen=True, slots=True)
class Truth:
    """When the box and the goods leave less than a person needs, by the recording's truth."""

    start: datetime
    from_s: float
    to_s: float

    def after_s(self, moment: str) -> float:
        """Seconds into the recording of a moment in the store, which is in UTC."""
        return (datetime.fromisoformat(moment).replace(tzinfo=UTC) - self.start).total_seconds()


def truth() -> Truth:
    """Of the bridge's recording."""
    said = json.loads((ROOT / "config/demo/B1_footbridge_narrowing.truth.json").read_text(encoding="utf-8"))
    box = next(event for event in said["events"] if event["object"] == "box")
    return Truth(datetime.fromisoformat(said["start_time"]), box["from_s"], box["to_s"])


def score(judged_s: float, blocked_s: float) -> float:
    """By the formula of docs/street-index.md: one scenario, one incident, cleared within the first bucket, a minute."""
    prompt = 1 - (1 - 2 ** (-30 / 3600)) * 1 / 6
    return 100 * (0.7 * (1 - blocked_s / judged_s) + 0.3 * prompt)


def test_a_blocked_bridge_is_told_cleared_and_scored_and_a_dead_agent_has_no_score(story: Story) -> None:
    server = story.prometheus

    blocked = story.wait("ClearwayPassageBlocked", **BRIDGE)
    assert blocked.receiver == "pudong-duty"
    assert (blocked.labels["severity"], blocked.labels["site"]) == ("critical", "example")
    assert "docs" not in blocked.labels
    assert "陆家嘴街道" in blocked.annotations["description"]
    assert blocked.annotations["runbook_url"].endswith("/runbooks.md#clearwaypassageblocked")
    before = server.values(f"max_over_time({SCORE}[1h])")
    assert len(before) == 1
    assert before[0] > 99  # nothing had happened

    cleared = story.wait("ClearwayPassageBlocked", "resolved", **BRIDGE)
    assert cleared.receiver == "pudong-duty"
    true = truth()
    [(opened_at, closed_at)] = story.folder.store.rows(
        "SELECT opened_at, closed_at FROM incidents WHERE kind = 'blocked'"
    )
    assert -1 <= true.after_s(opened_at) - true.from_s - LIMIT_S <= SURE_S
    assert -1 <= true.after_s(closed_at) - true.to_s <= SURE_S

    truly_s = true.to_s - true.from_s - LIMIT_S
    scores = until(lambda: server.values(f"{SCORE} < 99"), "the score has moved")
    judged_s = server.values(f"clearway:street_judged:seconds_1d{{{STREET}}}")[0]
    assert judged_s > 45  # it plays fast, and its last seconds may not be scraped yet
    assert score(judged_s, truly_s + SURE_S) - 1 <= scores[0] <= score(judged_s, truly_s - SURE_S) + 1
    assert server.values(COVERAGE)[0] > 0.9
    assert story.manager.states("ClearwayAgentSilent") == []

    story.agent.kill()
    for district, street in (("310101", "nanjing-east"), ("310115", "lujiazui")):
        silent = story.wait("ClearwayAgentSilent", agent="demo", district=district, street=street)
        assert silent.receiver == "operations-on-call"
        until(
            partial(story.muted, district=district, street=street), f"the blindness of the camera in {street} is muted"
        )
    until(lambda: not server.values(SCORE), "the street of the dead agent has no score")
    assert server.values(COVERAGE)[0] < 0.5
    # what it saw is still counted (`increase` guesses what lies between two scrapes, so only about): the score is not
    # gone for want of a day, but because nobody sees the street now
    assert server.values(f"clearway:street_judged:seconds_1d{{{STREET}}}")[0] > judged_s - SURE_S
    assert not story.told.told("ClearwayCameraBlind", reason="silent")
    assert story.manager.states("ClearwayAgentSilent", agent="demo", street="lujiazui") == ["active"]
