"""What Prometheus scrapes, and that it agrees with the store."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from clearway.v1 import camera_pb2, ingest_pb2, scene_pb2
from sqlalchemy.engine import URL

from aggregator.config import MetricsConfig
from aggregator.service import Service
from tests.aggregator.harness import (
    OPENED_AT_S,
    Agent,
    Samples,
    camera_change,
    config_for,
    event,
    gap,
    rows,
    samples,
    scrape,
    serving,
    total,
)

Run = Callable[[Any], None]


def heartbeat() -> ingest_pb2.Heartbeat:
    message = ingest_pb2.Heartbeat(clock_offset_s=-1.5)
    message.queue.pending_events = 12
    message.queue.size_bytes = 4096
    message.queue.shed_events = 3
    message.queue.dead_letters = 2
    message.queue.oldest_emitted_at.FromSeconds(OPENED_AT_S)
    bridge = message.cameras.add(camera_id="bridge", state=camera_pb2.CAMERA_STATE_COVERED)
    bridge.state_seconds.add(state=camera_pb2.CAMERA_STATE_SEEING, seconds=90)
    bridge.state_seconds.add(state=camera_pb2.CAMERA_STATE_COVERED, seconds=30)
    wide = bridge.zones.add(zone_id="deck")
    wide.clear_width.state = scene_pb2.MEASUREMENT_STATE_MEASURED
    wide.clear_width.width_m = 1.4
    dark = bridge.zones.add(zone_id="ramp")
    dark.clear_width.state = scene_pb2.MEASUREMENT_STATE_UNKNOWN
    return message


async def say_much(service: Service, agent: Agent) -> None:
    await agent.hello()
    await agent.batch(
        1,
        event("a"),
        event("b"),
        event("c", camera="south"),
        event("a", "CLOSED", at_s=90),
        event("", "OPENED"),
        camera_change("north", "DARK"),
        gap(0, 0),
    )
    await agent.batch(1, event("a"))
    await agent.heartbeat(heartbeat())
    await agent.ack_through(7)
    await agent.ack_through(7)
    await agent.batch(8)  # answered after the heartbeat was read
    await agent.ack_through(7)
    await service.refresh()


def test_metrics_agree_with_the_store_before_and_after_a_restart(run: Run, sqlite_url: URL) -> None:
    def check(found: Samples) -> None:
        assert total(found, "clearway_incidents_open") == 2
        assert total(found, "clearway_incidents_open", camera="south", zone="kerb", class_group="vehicle") == 1
        assert total(found, "clearway_incidents_opened_total", agent="bridge-1", kind="parked") == 3
        assert total(found, "clearway_incidents_closed_total", reason="left", scenario="parking") == 1
        assert total(found, "clearway_incident_duration_seconds_bucket", le="60.0") == 0
        assert total(found, "clearway_incident_duration_seconds_bucket", le="300.0") == 1
        assert total(found, "clearway_incident_duration_seconds_sum") == 90
        assert total(found, "clearway_incident_duration_seconds_count") == 1
        assert total(found, "clearway_ingest_events_total", agent="bridge-1") == 6
        assert total(found, "clearway_ingest_rejected_events_total", agent="bridge-1") == 1
        assert total(found, "clearway_ingest_duplicate_events_total", agent="bridge-1") == 1
        assert total(found, "clearway_ingest_lost_events", reason="dropped_oldest") == 1
        assert total(found, "clearway_camera_state", camera="north", state="dark") == 1
        assert total(found, "clearway_camera_state", camera="north") == 1
        assert total(found, "clearway_camera_state", camera="bridge", state="covered") == 1
        assert total(found, "clearway_cameras", state="dark") == 1
        assert total(found, "clearway_camera_state_seconds_total", camera="bridge", state="covered") == 30
        assert total(found, "clearway_passage_clear_width_meters", zone="deck") == pytest.approx(1.4)
        assert total(found, "clearway_passage_measured", zone="deck") == 1
        assert total(found, "clearway_passage_measured", zone="ramp") == 0
        assert total(found, "clearway_agent_queue_events") == 12
        assert total(found, "clearway_agent_queue_shed_events_total") == 3
        assert total(found, "clearway_agent_queue_dead_letters") == 2
        assert total(found, "clearway_agent_queue_oldest_age_seconds") > 0
        assert total(found, "clearway_agent_clock_offset_seconds") == -1.5
        assert total(found, "clearway_agent_last_seen_timestamp_seconds") > OPENED_AT_S
        assert total(found, "clearway_store_size_bytes") > 0
        assert total(found, "clearway_build_info") == 1
        assert not [name for name, _ in found if name.endswith("_created")]
        assert not [
            name
            for name, labels in found
            if name == "clearway_passage_clear_width_meters" and ("zone", "ramp") in labels
        ]

    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await say_much(service, agent)
            found = samples(scrape(service.metrics_address))
            check(found)
            assert total(found, "clearway_agents_connected") == 1
            assert total(found, "clearway_ingest_ack_latency_seconds_count") == 3
            assert total(found, "clearway_ingest_commit_seconds_count") >= 1
        async with serving(config_for(sqlite_url)) as service:
            found = samples(scrape(service.metrics_address))
            check(found)
            assert total(found, "clearway_agents_connected") == 0
            assert total(found, "clearway_agent_connected", agent="bridge-1") == 0
        assert rows(sqlite_url, "SELECT count(*) FROM incidents WHERE closed_at IS NULL") == [(2,)]

    run(scene())


@pytest.mark.parametrize(
    ("metrics", "own", "folded"),
    [
        (MetricsConfig(listen="127.0.0.1:0", per_camera=False), set(), 3),
        (MetricsConfig(listen="127.0.0.1:0", max_cameras=1), {"bridge"}, 2),
    ],
)
def test_series_per_camera_are_capped_and_the_street_has_everything(
    run: Run, sqlite_url: URL, metrics: MetricsConfig, own: set[str], folded: int
) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url, metrics=metrics)) as service, Agent(service.address) as agent:
            await say_much(service, agent)
            found = samples(scrape(service.metrics_address))
        cameras = {value for _, labels in found for name, value in labels if name == "camera"}
        assert cameras == own
        assert total(found, "clearway_street_incidents_open", street="unplaced", scenario="parking", kind="parked") == 2
        assert total(found, "clearway_street_incidents_opened_total", district="unplaced") == 3
        assert total(found, "clearway_street_incidents_closed_total", reason="left") == 1
        assert total(found, "clearway_street_cameras", state="dark") == 1
        assert total(found, "clearway_street_cameras") == 3
        assert total(found, "clearway_metrics_folded_cameras") == folded

    run(scene())


def test_refusals_are_counted_by_reason(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url, agents=["bridge-2"])) as service:
            async with Agent(service.address, "stranger") as stranger:
                await stranger.say_hello()
                await stranger.refusal()
            await service.refresh()
            found = samples(scrape(service.metrics_address))
        assert total(found, "clearway_streams_refused_total", reason="unknown_agent") == 1
        assert total(found, "clearway_agents_refused") == 1
        assert "stranger" not in str(found)

    run(scene())


def test_prometheus_finds_nothing_to_improve(run: Run, sqlite_url: URL) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")

    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, Agent(service.address) as agent:
            await say_much(service, agent)
            text = scrape(service.metrics_address)
        told = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, timeout=20)
        assert (told.returncode, told.stdout, told.stderr) == (0, "", "")

    run(scene())
