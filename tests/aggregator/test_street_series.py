"""What a street's and an agent's series say when agents fall silent, are retired, or are served by another replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clearway.v1 import camera_pb2, ingest_pb2, scene_pb2
from prometheus_client import generate_latest
from sqlalchemy.engine import URL

from aggregator.config import MetricsConfig, StreamConfig
from aggregator.fleet import Fleet
from aggregator.metrics import Metrics
from aggregator.overview import Overview
from aggregator.places import Place, Places, Street
from aggregator.places_file import PlacesState
from aggregator.records import Opening
from aggregator.store.store import Store
from aggregator.store.tallies import StreetKey
from tests.aggregator.harness import EPOCH, Agent, Process, Samples, config_for, event, samples, scrape, serving, total

Run = Callable[[Any], None]
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
BRIDGE = Place("c", "d", "bridge-street", "", 31.2, 121.5)
PLACES = Places(
    {("box-1", "bridge"): BRIDGE, ("box-2", "gate"): replace(BRIDGE, street="gate-street")},
    {StreetKey("d", "bridge-street"): Street("c", "上海市", "黄浦区", "桥街道")},
)


def beat(seconds: float, width_m: float | None = 1.4) -> ingest_pb2.Heartbeat:
    message = ingest_pb2.Heartbeat()
    bridge = message.cameras.add(camera_id="bridge", state=camera_pb2.CAMERA_STATE_SEEING)
    bridge.state_seconds.add(state=camera_pb2.CAMERA_STATE_SEEING, seconds=seconds)
    deck = bridge.zones.add(zone_id="deck", scenario=scene_pb2.SCENARIO_PASSAGE, enforced=True, judged=True)
    deck.enforced_seconds = deck.judged_seconds = seconds
    deck.violation_seconds = seconds / 2
    deck.findings.add(kind=scene_pb2.FINDING_KIND_BLOCKED, violation=True)
    deck.clear_width.state = scene_pb2.MEASUREMENT_STATE_MEASURED if width_m else scene_pb2.MEASUREMENT_STATE_UNKNOWN
    if width_m:
        deck.clear_width.width_m = width_m
    return message


class Watched:
    """A store and a fleet of one process, looked at when a test says so."""

    def __init__(self, store: Store) -> None:
        self.store, self.fleet, self.places = store, Fleet(), PLACES
        self.metrics = Metrics(MetricsConfig())
        store.street_of = lambda agent, camera: self.places.street_of(agent, camera)

    def hear(self, message: ingest_pb2.Heartbeat, at: datetime, agent: str = "box-1") -> None:
        self.store.open_stream(Opening(agent, EPOCH, 1, 1, "0.1.0", "nanodet@4b13", "37be", "Linux"))
        self.fleet.heartbeat(agent, message, at)
        notes = self.fleet.take_notes()
        self.store.note(notes)
        self.fleet.kept(notes)

    def look(self, at: datetime) -> Samples:
        """What is served when it is ``at``."""
        snapshot = self.store.snapshot()
        facts = {agent: one._replace(last_seen_at=NOW) for agent, one in snapshot.agents.items()}
        expected = frozenset({"box-3"})
        state = PlacesState(self.places, NOW)
        self.metrics.show(Overview(replace(snapshot, agents=facts), self.fleet.now(), at, state, expected, 30))
        return samples(generate_latest(self.metrics.registry).decode())


def test_a_silent_agents_cameras_are_silent_and_judge_nothing_whatever_they_said_last(store: Store) -> None:
    watched = Watched(store)
    watched.hear(beat(100), NOW)
    heard = watched.look(NOW + timedelta(seconds=29))
    silent = watched.look(NOW + timedelta(seconds=31))
    for found, state, there in ((heard, "seeing", 1), (silent, "silent", 0)):
        assert total(found, "clearway_street_cameras", street="bridge-street", state=state) == 1
        assert total(found, "clearway_camera_state", agent="box-1", camera="bridge", state=state) == 1
        assert total(found, "clearway_camera_state", agent="box-1", camera="bridge") == 1
        assert total(found, "clearway_agent_state", agent="box-1", state="connected") == there
        assert total(found, "clearway_agents", state="silent") == 1 - there
        assert total(found, "clearway_street_zones_enforced", street="bridge-street") == 1
        assert total(found, "clearway_street_zones_judged", street="bridge-street") == there
        assert total(found, "clearway_zone_judged", zone="deck") == there
        assert total(found, "clearway_street_passages", state="measured") == there
        assert total(found, "clearway_street_narrowest_clear_width_meters") == 1.4 * there
        assert total(found, "clearway_passage_measured", zone="deck") == there
    names = {name for name, _ in silent}
    assert not names & {"clearway_passage_clear_width_meters", "clearway_street_narrowest_clear_width_meters"}


def test_agents_that_never_came_are_said_and_their_cameras_are_unheard(store: Store) -> None:
    watched = Watched(store)
    watched.hear(beat(1), NOW)
    found = watched.look(NOW)
    assert {dict(labels)["agent"] for (name, labels), value in found.items() if "never" in str(labels) and value
            and name == "clearway_agent_state"} == {"box-2", "box-3"}  # fmt: skip
    assert total(found, "clearway_street_cameras", street="gate-street", state="unheard") == 1
    assert total(found, "clearway_street_agents", street="gate-street", state="never") == 1
    assert total(found, "clearway_agent_info", agent="box-1", model="nanodet@4b13", config="37be") == 1
    assert total(found, "clearway_agent_street_info", agent="box-1", street="bridge-street") == 1
    assert total(found, "clearway_street_info", street="bridge-street", street_name="桥街道", city_name="上海市") == 1


def test_a_retired_agents_series_end_its_streets_sums_stay_and_it_may_come_back(store: Store) -> None:
    watched = Watched(store)
    watched.hear(beat(100), NOW)
    watched.hear(beat(160), NOW)
    assert store.retire("box-1")
    assert not store.retire("box-1")
    found = watched.look(NOW)
    assert total(found, "clearway_agent_state", agent="box-1", state="never") == 1  # the places file still has it
    assert not [name for name, labels in found if name == "clearway_agent_last_seen_timestamp_seconds"]
    assert total(found, "clearway_street_cameras", street="bridge-street", state="unheard") == 1
    assert total(found, "clearway_street_judged_seconds_total", street="bridge-street") == 60
    watched.hear(beat(170), NOW)
    found = watched.look(NOW)
    assert total(found, "clearway_agent_state", agent="box-1", state="connected") == 1
    assert total(found, "clearway_street_judged_seconds_total", street="bridge-street") == 70


def test_a_camera_that_moves_takes_what_is_now_with_it_and_leaves_what_it_counted(store: Store) -> None:
    watched = Watched(store)
    watched.hear(beat(100), NOW)
    watched.hear(beat(160), NOW)
    moved = {**PLACES.cameras, ("box-1", "bridge"): replace(BRIDGE, street="gate-street")}
    watched.places = Places(moved, PLACES.streets)
    watched.hear(beat(180), NOW)
    found = watched.look(NOW)
    for street, judged, blocked, cameras in (("bridge-street", 60, 30, 0), ("gate-street", 20, 10, 2)):
        assert total(found, "clearway_street_judged_seconds_total", street=street) == judged
        assert total(found, "clearway_street_violation_seconds_total", street=street, kind="blocked") == blocked
        assert total(found, "clearway_street_cameras", street=street) == cameras
    assert total(found, "clearway_zone_violation_seconds_total", zone="deck", kind="blocked") == 40


def test_counters_begin_at_zero_with_the_first_heartbeat_that_names_a_zone(store: Store) -> None:
    watched = Watched(store)
    watched.hear(beat(1e6), NOW)
    found = watched.look(NOW)
    street = {"district": "d", "street": "bridge-street"}
    for kind in ("blocked", "narrowed", "crowded"):
        of_kind = frozenset((street | {"scenario": "passage", "kind": kind}).items())
        for name in (
            "incidents_opened_total",
            "incidents_open",
            "violation_seconds_total",
            "time_to_clear_seconds_count",
        ):
            assert found[f"clearway_street_{name}", of_kind] == 0
    of_scenario = frozenset((street | {"scenario": "passage"}).items())
    assert found["clearway_street_enforced_seconds_total", of_scenario] == 0
    assert found["clearway_street_camera_state_seconds_total", frozenset((street | {"state": "seeing"}).items())] == 0


def test_cameras_that_have_series_keep_them_when_others_come(store: Store) -> None:
    watched = Watched(store)
    watched.places = Places()
    watched.metrics = Metrics(MetricsConfig(max_cameras=1))
    watched.hear(beat(1), NOW, agent="box-5")
    first = watched.look(NOW)
    watched.hear(beat(1), NOW, agent="box-4")
    second = watched.look(NOW)
    for found in (first, second):
        assert total(found, "clearway_camera_info", agent="box-5", street="unplaced") == 1
        assert total(found, "clearway_camera_info") == 1
    assert total(second, "clearway_metrics_folded_cameras") == 1
    assert total(second, "clearway_unplaced_cameras") == 2


def test_two_replicas_show_the_same_and_count_once(run: Run, any_url: URL) -> None:
    async def scene() -> None:
        with Store(any_url) as store:
            store.migrate()
        config = config_for(any_url, stream=StreamConfig(heartbeat_s=3600, drain_s=0.1))
        async with serving(config) as one, serving(config) as two:
            async with Agent(one.address, "box-1") as agent:
                await agent.hello()
                await agent.heartbeat(beat(100))
                await agent.batch(1, event("a"))
                await agent.ack_through(1)
                await one.refresh()
                await agent.heartbeat(beat(130))
                await agent.batch(2, event("b"))
                await agent.ack_through(2)
                await one.refresh()
            async with Agent(two.address, "box-1") as agent:
                await agent.hello()
                await agent.heartbeat(beat(190, width_m=1.1))
                await agent.batch(3, event("a", "CLOSED", at_s=60))
                await agent.ack_through(3)
                await two.refresh()
                await one.refresh()
                seen = [samples(scrape(replica.metrics_address)) for replica in (one, two)]
        for found in seen:
            assert total(found, "clearway_street_judged_seconds_total", street="unplaced") == 90
            assert total(found, "clearway_street_incidents_opened_total", street="unplaced") == 2
            assert total(found, "clearway_street_incidents_open", street="unplaced", kind="parked") == 1
            assert total(found, "clearway_zone_judged_seconds_total", zone="deck") == 190
            assert total(found, "clearway_passage_clear_width_meters", zone="deck") == 1.1
            assert total(found, "clearway_agent_state", agent="box-1", state="connected") == 1

    run(scene())


def test_nothing_that_was_shown_falls_when_the_aggregator_is_killed(run: Run, process: Process, tmp_path: Path) -> None:
    """What was scraped before the kill is there after it, for streets and for single cameras."""

    def counters(found: Samples) -> Samples:
        kept = ("clearway_street_", "clearway_zone_", "clearway_camera_state_seconds", "clearway_incidents_")
        return {key: value for key, value in found.items() if key[0].endswith("_total") and key[0].startswith(kept)}

    async def scene() -> None:
        async with Agent(process.address, "box-1") as agent:
            await agent.hello()
            await agent.batch(1, event("a"), event("b"), event("a", "CLOSED", at_s=60))
            for seconds in range(100, 700, 30):
                await agent.heartbeat(beat(seconds))
                await agent.batch(4)
                await agent.ack_through(3)
            for _ in range(100):  # until a refresh has come
                before = counters(samples(scrape(process.metrics)))
                if total(before, "clearway_street_incidents_opened_total") == 2:
                    break
                await asyncio.sleep(0.1)
            process.kill()
            process.start()
            after = counters(samples(scrape(process.metrics)))
            assert total(before, "clearway_street_incidents_opened_total") == 2
            assert before.keys() <= after.keys()
            assert {key: (value, after[key]) for key, value in before.items() if after[key] < value} == {}

    run(scene())
