"""What the agent serves to Prometheus says what its snapshot says."""

from __future__ import annotations

import socket
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.config_file import ConfigError
from edge_agent.detection.detections import ClassGroup
from edge_agent.evidence_upload_status import EvidenceUploadStatus
from edge_agent.incident_event import IncidentPhase
from edge_agent.latency import LatencyHistogram
from edge_agent.metrics import AgentCollector
from edge_agent.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Scenario
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Dwell, Stay, StayState
from edge_agent.status import AgentSnapshot, BuildInfo, CameraActivity, CameraStatus, IncidentCount, ZoneStatus
from edge_agent.status_server import StatusServer
from edge_agent.uplink_state import UplinkState, UplinkStatus

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def stay(number: int, state: StayState) -> Stay:
    box = (0.0, 0.0, 9.0, 9.0)
    return Stay(f"s{number}", ClassGroup.VEHICLE, "car", box, state, True, 0.0, False, 0.0, Dwell())


def snapshot() -> AgentSnapshot:
    deck = ZoneStatus("deck", Scenario.PASSAGE, True, True, 10, 9, 8, 1, ClearWidth(1.35, 0.05, 4.0))
    ramp = ZoneStatus("ramp", Scenario.PASSAGE, True, False, 10, 9, 8, 0, ClearWidth(None, None, 4.0))
    kerb = ZoneStatus("kerb", Scenario.PARKING, True, True, 10, 9, 8, 2)
    gate = CameraActivity(
        CameraStatus(
            "gate",
            CameraState.SEEING,
            NOW,
            NOW - timedelta(seconds=3),
            70,
            3,
            ((CameraState.SEEING, 60.5), (CameraState.DARK, 4.5)),
            (stay(1, StayState.OBSERVED), stay(2, StayState.OBSERVED), stay(3, StayState.OCCLUDED)),
            (deck, ramp, kerb),
        ),
        frames_skipped=11,
        inferences=140,
        inference_s=12.25,
        incidents=(IncidentCount("kerb", Scenario.PARKING, IncidentPhase.OPENED, 5),),
    )
    yard = CameraActivity(CameraStatus("yard", CameraState.STARTING, NOW, None, 0, 0))
    latency = LatencyHistogram()
    for wait_s in (0.003, 0.02, 0.02, 99.0):
        latency.observe(wait_s)
    return AgentSnapshot(
        NOW,
        BuildInfo("1.2.3", "nanodet-g-416", "abcdef"),
        (gate, yard),
        QueueStatus(bytes(16), 5, 9, 8192, 4096, 1 << 20, NOW - timedelta(seconds=90), 1, 2, 3, 4, 5),
        UplinkStatus(UplinkState.REFUSED, NOW, 7, 1, 2, -0.25, latency.snapshot(), "an error with secret text"),
        evidence_bytes=123456,
        evidence_upload=EvidenceUploadStatus(2, 3, 4, 5, 6),
    )


def scrape(per_camera: bool = True, taken: AgentSnapshot | None = None) -> tuple[str, dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    registry.register(AgentCollector(lambda: taken or snapshot(), per_camera=per_camera))
    text = generate_latest(registry).decode()
    samples = {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return text, samples


def test_every_number_of_a_snapshot_is_shown() -> None:
    _, samples = scrape()
    expected = {
        ("clearway_agent_build_info", "config=abcdef", "model=nanodet-g-416", "version=1.2.3"): 1,
        ("clearway_agent_cameras",): 2,
        ("clearway_agent_camera_state", "camera=gate", "state=seeing"): 1,
        ("clearway_agent_camera_state", "camera=gate", "state=dark"): 0,
        ("clearway_agent_camera_state", "camera=yard", "state=starting"): 1,
        ("clearway_agent_camera_state_seconds_total", "camera=gate", "state=dark"): 4.5,
        ("clearway_agent_frames_total", "camera=gate", "result=analysed"): 70,
        ("clearway_agent_frames_total", "camera=gate", "result=skipped"): 11,
        ("clearway_agent_frames_total", "camera=gate", "result=broken"): 3,
        ("clearway_agent_last_frame_timestamp_seconds", "camera=gate"): NOW.timestamp() - 3,
        ("clearway_agent_inference_seconds_total", "camera=gate"): 12.25,
        ("clearway_agent_inferences_total", "camera=gate"): 140,
        ("clearway_agent_stays", "camera=gate", "state=observed"): 2,
        ("clearway_agent_stays", "camera=gate", "state=occluded"): 1,
        ("clearway_agent_stays", "camera=gate", "state=unknown"): 0,
        ("clearway_agent_incidents_open", "camera=gate", "zone=kerb"): 2,
        ("clearway_agent_incidents_total", "camera=gate", "phase=opened", "scenario=parking", "zone=kerb"): 5,
        ("clearway_agent_incidents_total", "camera=gate", "phase=closed", "scenario=parking", "zone=kerb"): 0,
        ("clearway_agent_incidents_total", "camera=gate", "phase=opened", "scenario=passage", "zone=deck"): 0,
        ("clearway_agent_passage_clear_width_meters", "camera=gate", "zone=deck"): 1.35,
        ("clearway_agent_passage_clear_width_state", "camera=gate", "state=measured", "zone=deck"): 1,
        ("clearway_agent_passage_clear_width_state", "camera=gate", "state=unknown", "zone=ramp"): 1,
        ("clearway_agent_queue_pending_events",): 4,
        ("clearway_agent_queue_bytes",): 8192,
        ("clearway_agent_queue_quota_bytes",): 1 << 20,
        ("clearway_agent_queue_oldest_age_seconds",): 90,
        ("clearway_agent_queue_writable",): 1,
        ("clearway_agent_queue_shed_events_total", "reason=dropped_oldest"): 1,
        ("clearway_agent_queue_shed_events_total", "reason=rejected_new"): 2,
        ("clearway_agent_queue_shed_events_total", "reason=queue_damaged"): 3,
        ("clearway_agent_dead_letters_total",): 4,
        ("clearway_agent_queue_quarantined_files_total",): 5,
        ("clearway_agent_uplink_state", "state=refused"): 1,
        ("clearway_agent_uplink_state", "state=connected"): 0,
        ("clearway_agent_uplink_reconnects_total",): 7,
        ("clearway_agent_uplink_failures_total",): 1,
        ("clearway_agent_ack_latency_seconds_count",): 4,
        ("clearway_agent_ack_latency_seconds_bucket", "le=0.005"): 1,
        ("clearway_agent_ack_latency_seconds_bucket", "le=0.025"): 3,
        ("clearway_agent_ack_latency_seconds_bucket", "le=30.0"): 3,
        ("clearway_agent_ack_latency_seconds_bucket", "le=+Inf"): 4,
        ("clearway_agent_clock_offset_seconds",): -0.25,
        ("clearway_agent_evidence_bytes",): 123456,
        ("clearway_agent_evidence_pending_files",): 2,
        ("clearway_agent_evidence_uploaded_files_total",): 3,
        ("clearway_agent_evidence_upload_failures_total",): 4,
        ("clearway_agent_evidence_given_up_files_total",): 5,
        ("clearway_agent_evidence_sent_bytes_total",): 6,
    }
    assert {key: samples.get(key) for key in expected} == expected


def test_what_is_unknown_is_absent_and_not_zero() -> None:
    _, samples = scrape()
    assert ("clearway_agent_passage_clear_width_meters", "camera=gate", "zone=ramp") not in samples
    assert ("clearway_agent_last_frame_timestamp_seconds", "camera=yard") not in samples
    assert not any(key[0].startswith("clearway_agent_passage") and "zone=kerb" in key for key in samples)


def test_every_name_has_the_prefix_and_no_text_of_errors_and_no_creation_times_are_shown() -> None:
    text, samples = scrape()
    assert all(key[0].startswith("clearway_agent_") for key in samples)
    assert "secret" not in text
    assert "_created" not in text


def test_per_camera_series_can_be_switched_off() -> None:
    _, samples = scrape(per_camera=False)
    assert not any(label.startswith("camera=") for key in samples for label in key)
    assert samples["clearway_agent_cameras",] == 2
    assert samples["clearway_agent_queue_pending_events",] == 4


def test_an_agent_without_queue_and_uplink_shows_the_rest() -> None:
    _, samples = scrape(taken=AgentSnapshot(NOW, BuildInfo("1", "m", "c")))
    assert set(samples) == {
        ("clearway_agent_build_info", "config=c", "model=m", "version=1"),
        ("clearway_agent_cameras",),
        ("clearway_agent_evidence_bytes",),
    }


def test_the_same_snapshot_gives_the_same_text() -> None:
    assert scrape()[0] == scrape()[0]


def test_metrics_are_served_until_closed() -> None:
    server = StatusServer("127.0.0.1:0", snapshot)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as response:
            assert b"clearway_agent_queue_pending_events 4.0" in response.read()
    finally:
        server.close()
    with socket.socket() as free:
        free.settimeout(2)
        assert free.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"metrics\.listen: 127\.0\.0\.1:{port} is in use: stop what listens"):
            StatusServer(f"127.0.0.1:{port}", snapshot)


@pytest.mark.parametrize("listen", ["203.0.113.7:9101", "127.0.0.1:99999"])
def test_an_address_that_cannot_be_listened_on_is_one_clear_error(listen: str) -> None:
    with pytest.raises(ConfigError, match=rf"metrics\.listen: {listen} "):
        StatusServer(listen, snapshot)
