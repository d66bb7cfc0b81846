"""Either program is killed in the middle: each incident is in the store once, and the metrics agree with the store."""

from __future__ import annotations

from typing import Any

from tests.end_to_end.running import DOUBLE, KERB, Folder, Process, until


def told(agent: Process, phase: str) -> list[tuple[str, str]]:
    """The incidents that an agent says it opened or closed: zone, and the beginning of the id."""
    return sorted((line["zone"], line["incident"]) for line in agent.said(f"incident_{phase}"))


def stored(folder: Folder, phase: str) -> list[tuple[str, str]]:
    """The events of one phase in the store."""
    query = f"""SELECT i.zone_id, substr(e.incident_id, 1, 8) FROM incident_events e JOIN incidents i
        ON i.agent_id = e.agent_id AND i.incident_id = e.incident_id WHERE e.phase = '{phase}'"""
    return sorted(folder.store.rows(query))


def test_an_aggregator_that_is_killed_and_restarted_has_every_incident_once(folder: Folder) -> None:
    folder.configure_agent(KERB, DOUBLE)
    aggregator = folder.serve()
    agent = folder.run_agent("--speed", "max", "--until-end")
    until(lambda: folder.store.count("incidents"), "the first incident is stored", agent, aggregator)

    aggregator.kill()
    known_before = folder.store.count("incident_events")
    said_before = len(told(agent, "opened")) + len(told(agent, "closed"))
    until(
        lambda: len(told(agent, "opened")) + len(told(agent, "closed")) > said_before,
        "the agent has more to say while nobody listens",
        agent,
    )
    assert folder.store.count("incident_events") == known_before
    aggregator = folder.serve()

    assert agent.wait() == 0
    assert [line["queued_events"] for line in agent.said("agent_stopped")] == [0]
    assert stored(folder, "opened") == told(agent, "opened")
    assert stored(folder, "closed") == told(agent, "closed")
    assert {zone for (zone,) in folder.store.rows("SELECT zone_id FROM incidents")} == {
        "no-parking",
        "no-stopping-lane",
    }
    assert agent.said("uplink_interrupted")

    sums = until(lambda: agreeing(folder), "the metrics agree with the store", aggregator, timeout_s=10)
    assert sums["clearway_agent_connected"] == 0


def test_an_agent_whose_recordings_have_ended_waits_for_an_aggregator_that_is_away(
    folder: Folder, short_kerb: dict[str, Any]
) -> None:
    folder.configure_agent(short_kerb)
    agent = folder.run_agent("--speed", "max", "--until-end")
    until(lambda: agent.said("recording_ended"), "the recording has ended", agent)
    until(lambda: agent.said("uplink_interrupted"), "nobody listens", agent)
    folder.serve()

    assert agent.wait() == 0
    assert [line["queued_events"] for line in agent.said("agent_stopped")] == [0]
    assert folder.store.rows("SELECT close_reason FROM incidents") == [("left",)]


def agreeing(folder: Folder) -> dict[str, float] | None:
    """The aggregator's metrics, once they say what the store says."""
    sums = folder.scrape_aggregator()
    events = sum(folder.store.count(table) for table in ("incident_events", "camera_state_changes"))
    expected = {
        "clearway_incidents_opened_total": folder.store.count("incidents"),
        "clearway_incidents_closed_total": folder.store.count("incidents", "closed_at IS NOT NULL"),
        "clearway_incidents_open": folder.store.count("incidents", "closed_at IS NULL"),
        "clearway_ingest_events_total": events,
        "clearway_ingest_lost_events": 0,
        "clearway_agent_connected": 0,
    }
    return sums if all(sums.get(name, 0.0) == value for name, value in expected.items()) else None


def test_an_agent_that_is_killed_goes_on_with_the_same_incident(folder: Folder) -> None:
    folder.configure_agent(KERB)
    aggregator = folder.serve()
    first = folder.run_agent("--speed", "20", "--until-end")
    until(lambda: folder.store.count("incidents"), "the incident is open", first, aggregator)
    first.kill()
    assert folder.store.count("incidents", "closed_at IS NULL") == 1

    second = folder.run_agent("--speed", "max", "--until-end")
    assert second.wait() == 0
    assert second.said("recording_resumed")
    rows = folder.store.rows("SELECT phase, close_reason, dwell_observed_s + dwell_occluded_s FROM incidents")
    assert [row[:2] for row in rows] == [("closed", "left")]
    assert 48 < rows[0][2] < 60
    assert len(stored(folder, "opened")) == len(stored(folder, "closed")) == 1
