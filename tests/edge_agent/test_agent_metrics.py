"""What the agent serves to Prometheus says what its snapshot says."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.capture.capture_status import CaptureStatus
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config_file import ConfigError
from edge_agent.detection.detections import ClassGroup
from edge_agent.health import troubles
from edge_agent.incident_event import IncidentPhase
from edge_agent.lifetime.box import BoxReading
from edge_agent.metrics import AgentCollector
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Scenario
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Dwell, Stay, StayState
from edge_agent.status import (
    AgentSnapshot,
    BuildInfo,
    CameraActivity,
    CameraStatus,
    IncidentCount,
    LifetimeStatus,
    LookCounts,
    RestartReason,
    SupervisorStatus,
    ZoneStatus,
)
from edge_agent.status_server import StatusServer
from edge_agent.turns import TurnCounts
from edge_agent.uplink.evidence_upload_status import EvidenceUploadStatus
from edge_agent.uplink.latency import LatencyHistogram
from edge_agent.uplink.state import UplinkState, UplinkStatus

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
        period_s=2.0,
        period_kept_s=2.5,
        last_frame_age_s=1.75,
        frames_late=6,
        frames_untimed=7,
        state_bytes=36000,
        capture=CaptureStatus(
            SourceKind.RTSP, decode="keyframes", fps_in=24.9, gop_s=2.0, reconnects=8, hardware=None, sub_stream=True
        ),
        looks=LookCounts(40, 20, 10),
        turns=TurnCounts(70, 4, 3.5, 21.0),
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
        certificate_not_after=NOW + timedelta(days=30),
        box=BoxReading(
            resident_bytes=210_000_000,
            cpu_s=99.5,
            threads=12,
            open_files=34,
            written_bytes=5_000_000,
            state_free_bytes=9_000_000_000,
            temperatures=(("cpu-thermal", 61.5),),
            throttled=(("under_voltage", False, True), ("throttled", True, True)),
        ),
        lifetime=LifetimeStatus(
            SupervisorStatus(1, (("gate", RestartReason.STUCK, 2), ("yard", RestartReason.STUCK, 3))),
            main_silent_s=0.5,
            memory_ceiling_bytes=600_000_000,
            written_bytes_a_day=40_000_000.0,
            write_budget_bytes=2_000_000_000,
            reload_successful=False,
            reloaded_at=NOW - timedelta(hours=1),
        ),
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
        ("clearway_agent_frames_total", "camera=gate", "result=late"): 6,
        ("clearway_agent_frames_total", "camera=gate", "result=untimed"): 7,
        ("clearway_agent_last_frame_age_seconds", "camera=gate"): 1.75,
        ("clearway_agent_camera_period_seconds", "camera=gate"): 2,
        ("clearway_agent_camera_period_kept_seconds", "camera=gate"): 2.5,
        ("clearway_agent_camera_state_written_bytes_total", "camera=gate"): 36000,
        ("clearway_agent_camera_input_frames_per_second", "camera=gate"): 24.9,
        ("clearway_agent_camera_decode_mode", "camera=gate", "mode=keyframes"): 1,
        ("clearway_agent_camera_decode_mode", "camera=gate", "mode=all"): 0,
        ("clearway_agent_camera_key_frame_distance_seconds", "camera=gate"): 2,
        ("clearway_agent_camera_reconnects_total", "camera=gate"): 8,
        ("clearway_agent_camera_hardware_decoding", "camera=gate"): 0,
        ("clearway_agent_camera_looks_total", "camera=gate", "look=close"): 40,
        ("clearway_agent_camera_looks_total", "camera=gate", "look=glance"): 20,
        ("clearway_agent_camera_looks_total", "camera=gate", "look=postponed"): 10,
        ("clearway_agent_detector_turns_total", "camera=gate"): 70,
        ("clearway_agent_detector_turns_missed_total", "camera=gate"): 4,
        ("clearway_agent_detector_wait_seconds_total", "camera=gate"): 3.5,
        ("clearway_agent_detector_turn_seconds_total", "camera=gate"): 21,
        ("clearway_agent_zone_enforced_seconds_total", "camera=gate", "zone=kerb"): 10,
        ("clearway_agent_zone_judged_seconds_total", "camera=gate", "zone=kerb"): 9,
        ("clearway_agent_zone_violation_seconds_total", "camera=gate", "zone=kerb"): 8,
        ("clearway_agent_cameras_in_state", "state=seeing"): 1,
        ("clearway_agent_cameras_in_state", "state=starting"): 1,
        ("clearway_agent_cameras_in_state", "state=dark"): 0,
        ("clearway_agent_healthy",): 1,
        ("clearway_agent_certificate_not_after_seconds",): NOW.timestamp() + 30 * 86400,
        ("clearway_agent_resident_memory_bytes",): 210_000_000,
        ("clearway_agent_memory_ceiling_bytes",): 600_000_000,
        ("clearway_agent_cpu_seconds_total",): 99.5,
        ("clearway_agent_threads",): 12,
        ("clearway_agent_open_files",): 34,
        ("clearway_agent_disk_written_bytes_total",): 5_000_000,
        ("clearway_agent_disk_write_budget_bytes",): 2_000_000_000,
        ("clearway_agent_state_disk_free_bytes",): 9_000_000_000,
        ("clearway_agent_box_temperature_celsius", "sensor=cpu-thermal"): 61.5,
        ("clearway_agent_box_throttled", "reason=under_voltage"): 0,
        ("clearway_agent_box_throttled", "reason=throttled"): 1,
        ("clearway_agent_box_throttled_since_boot", "reason=under_voltage"): 1,
        ("clearway_agent_stuck_threads",): 1,
        ("clearway_agent_camera_restarts_total", "camera=gate", "reason=stuck"): 2,
        ("clearway_agent_camera_restarts_total", "camera=yard", "reason=stuck"): 3,
        ("clearway_agent_config_reload_successful",): 0,
        ("clearway_agent_config_taken_timestamp_seconds",): NOW.timestamp() - 3600,
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
    assert samples["clearway_agent_camera_restarts_total", "reason=stuck"] == 5


def test_series_of_cameras_and_zones_are_capped() -> None:
    zones = tuple(ZoneStatus(f"z{number}", Scenario.PARKING, True, True, 1, 1, 0, 0) for number in range(60))
    cameras = tuple(
        CameraActivity(CameraStatus(f"c{number}", CameraState.SEEING, NOW, NOW, 1, 0, zones=zones))
        for number in range(150)
    )
    text, samples = scrape(taken=AgentSnapshot(NOW, BuildInfo("1", "m", "c"), cameras))
    shown = {label for key in samples for label in key if label.startswith("camera=")}
    assert len(shown) == 100
    assert samples["clearway_agent_cameras",] == 150
    assert "z49" in text
    assert "z50" not in text


def test_promtool_finds_nothing_wrong_with_the_names() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=scrape()[0], capture_output=True, text=True, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if line]
    assert (done.returncode, said) == (0, [])


def test_an_agent_without_queue_and_uplink_shows_the_rest() -> None:
    _, samples = scrape(taken=AgentSnapshot(NOW, BuildInfo("1", "m", "c")))
    assert {key for key in samples if key[0] != "clearway_agent_cameras_in_state"} == {
        ("clearway_agent_build_info", "config=c", "model=m", "version=1"),
        ("clearway_agent_cameras",),
        ("clearway_agent_evidence_bytes",),
        ("clearway_agent_healthy",),
    }


def test_the_same_snapshot_gives_the_same_text() -> None:
    assert scrape()[0] == scrape()[0]


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def test_metrics_health_and_status_are_served_until_closed() -> None:
    now = snapshot()
    server = StatusServer("127.0.0.1:0", lambda: now)
    try:
        code, kind, text = asked(server.port, "/metrics")
        assert code == 200
        assert kind.startswith("text/plain")
        assert "clearway_agent_queue_pending_events 4.0" in text
        code, kind, text = asked(server.port, "/healthz")
        assert (code, kind) == (200, "application/json; charset=utf-8")
        assert json.loads(text) == {
            "healthy": True,
            "troubles": [],
            "cameras": {"gate": "seeing", "yard": "starting"},
        }
        code, kind, text = asked(server.port, "/status")
        said = json.loads(text)
        assert said["cameras"]["gate"]["period_kept_s"] == 2.5
        assert said["cameras"]["gate"]["source"]["decode"] == "keyframes"
        assert said["cameras"]["gate"]["looks"] == {"close": 40, "glances": 20, "postponed": 10}
        assert said["cameras"]["gate"]["zones"]["deck"] == {
            "scenario": "passage",
            "enforced": True,
            "judged": True,
            "open_incidents": 1,
            "coverage": 0.9,
            "clear_width_m": 1.35,
        }
        assert said["cameras"]["yard"]["last_frame_age_s"] is None
        assert said["box"]["throttled_now"] == ["throttled"]
        assert asked(server.port, "/")[0] == 404
        assert asked(server.port, "/metrics", "POST")[0] == 405
        now = replace(now, queue=replace(now.queue, writable=False))
        code, _, text = asked(server.port, "/healthz")
        assert code == 503
        assert json.loads(text)["troubles"] == ["the disk does not take events"]
        assert asked(server.port, "/status")[0] == 200
    finally:
        server.close()
    with socket.socket() as free:
        free.settimeout(2)
        assert free.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    server = StatusServer("127.0.0.1:0", snapshot)
    try:
        with socket.create_connection(("127.0.0.1", server.port)):
            assert asked(server.port, "/healthz")[0] == 200
    finally:
        server.close()


@pytest.mark.parametrize(
    ("unwell", "says"),
    [
        ({"lifetime": {"main_silent_s": 31.0}}, "the main thread has given no sign of life for 31 s"),
        ({"lifetime": {"supervisor": SupervisorStatus(down=("yard",))}}, "camera yard failed or hangs"),
        ({"lifetime": {"memory_ceiling_bytes": 200_000_000}}, "memory is above its ceiling"),
        ({"queue": {"writable": False}}, "the disk does not take events"),
        ({"uplink": {"state": UplinkState.STOPPED}}, "the uplink is not running"),
    ],
)
def test_what_keeps_the_agent_from_its_work_is_unwell(unwell: dict[str, dict[str, Any]], says: str) -> None:
    now = snapshot()
    ((field, changes),) = unwell.items()
    (trouble,) = troubles(replace(now, **{field: replace(getattr(now, field), **changes)}))
    assert says in trouble
    assert (
        scrape(taken=replace(now, **{field: replace(getattr(now, field), **changes)}))[1]["clearway_agent_healthy",]
        == 0
    )


@pytest.mark.parametrize("state", list(CameraState))
def test_a_camera_in_trouble_and_an_aggregator_that_refuses_leave_the_agent_well(state: CameraState) -> None:
    now = snapshot()
    cameras = tuple(replace(each, status=replace(each.status, state=state)) for each in now.cameras)
    assert troubles(replace(now, cameras=cameras)) == ()


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
