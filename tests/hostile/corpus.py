"""Real messages of every kind that an agent sends, to be mutated."""

from __future__ import annotations

from clearway.v1 import camera_pb2, enrollment_pb2, evidence_pb2, incident_pb2, ingest_pb2, scene_pb2

from edge_agent.identity.identity import new_key
from tests.aggregator.harness import OPENED_AT_S, camera_change, event, gap

EPOCH = b"0123456789abcdef"
STILL = b"\xff\xd8\xff\xe0" + bytes(2000)


def hello(agent_id: str, epoch: bytes = EPOCH) -> ingest_pb2.ConnectRequest:
    """The first message of a stream."""
    versions = ingest_pb2.AgentVersions(agent="1.0", model="nanodet-g-416@1", config="abc", platform="Linux")
    said = ingest_pb2.Hello(agent_id=agent_id, epoch=epoch, lowest_unacked_seq=1, next_seq=2**40, versions=versions)
    said.sent_at.FromSeconds(OPENED_AT_S)
    return ingest_pb2.ConnectRequest(hello=said)


def whole_event() -> ingest_pb2.Event:
    """An event in which every field is set."""
    message = event("a", "CLOSED", at_s=90)
    body = message.incident
    body.stay_from.FromSeconds(OPENED_AT_S)
    body.box.CopyFrom(scene_pb2.Box(x1=1, y1=2, x2=30, y2=40))
    body.clear_width.CopyFrom(
        scene_pb2.ClearWidth(state=scene_pb2.MEASUREMENT_STATE_MEASURED, width_m=1.1, uncertainty_m=0.1, media_time_s=3)
    )
    body.evidence.add(
        sha256=bytes(range(32)), moment=incident_pb2.EVIDENCE_MOMENT_LIMIT, media_type="image/jpeg", size_bytes=400_000
    ).captured_at.FromSeconds(OPENED_AT_S)
    body.model_version, body.config_version = "nanodet-g-416@1", "abc"
    return message


def batch(first_seq: int, *events: ingest_pb2.Event) -> ingest_pb2.ConnectRequest:
    """Events with a first sequence."""
    return ingest_pb2.ConnectRequest(batch=ingest_pb2.EventBatch(first_seq=first_seq, events=events))


def heartbeat() -> ingest_pb2.ConnectRequest:
    """How an agent with two cameras is."""
    said = ingest_pb2.Heartbeat(queue=ingest_pb2.QueueStatus(pending_events=3, size_bytes=4096), clock_offset_s=0.1)
    said.sent_at.FromSeconds(OPENED_AT_S)
    for name in ("north", "south"):
        camera = said.cameras.add(camera_id=name, state=camera_pb2.CAMERA_STATE_SEEING, frames_analysed=1000)
        camera.state_since.FromSeconds(OPENED_AT_S)
        camera.state_seconds.add(state=camera_pb2.CAMERA_STATE_SEEING, seconds=12.5)
        camera.stays.add(
            stay_id="stay-1",
            class_group=scene_pb2.CLASS_GROUP_VEHICLE,
            class_name="car",
            box=scene_pb2.Box(x2=3, y2=4),
            state=scene_pb2.STAY_STATE_OBSERVED,
            dwell=scene_pb2.Dwell(observed_s=4),
        )
        zone = camera.zones.add(zone_id="kerb", scenario=scene_pb2.SCENARIO_PARKING, enforced=True, judged_seconds=5)
        zone.clear_width.state = scene_pb2.MEASUREMENT_STATE_UNKNOWN
        zone.findings.add(zone_id="kerb", scenario=scene_pb2.SCENARIO_PARKING, kind=scene_pb2.FINDING_KIND_PARKED)
    return ingest_pb2.ConnectRequest(heartbeat=said)


def on_a_stream(first_seq: int) -> list[bytes]:
    """What follows Hello."""
    messages = (
        batch(first_seq, event("a"), event("b", "UPDATED", at_s=5)),
        batch(first_seq, whole_event()),
        batch(first_seq, camera_change("north", "DARK"), gap(3, 9)),
        heartbeat(),
    )
    return [message.SerializeToString() for message in messages]


def uploads() -> list[bytes]:
    """What opens an upload, and a chunk."""
    opening = evidence_pb2.EvidenceUpload(
        sha256=bytes(range(32)), size_bytes=len(STILL), media_type="image/jpeg", incident_id="incident-1"
    )
    return [
        evidence_pb2.UploadEvidenceRequest(open=opening).SerializeToString(),
        evidence_pb2.UploadEvidenceRequest(chunk=STILL).SerializeToString(),
    ]


def questions() -> list[bytes]:
    """Asks how much of a still is there."""
    return [evidence_pb2.GetUploadOffsetRequest(sha256=bytes(range(32))).SerializeToString()]


def enrolments() -> list[bytes]:
    """Asks for a certificate with a token that was never given."""
    _, csr = new_key("box-1")
    return [enrollment_pb2.EnrollRequest(token="t" * 43, agent_id="box-1", csr_der=csr).SerializeToString()]


def renewals() -> list[bytes]:
    """Asks for the next certificate."""
    _, csr = new_key("fuzz-0")
    return [enrollment_pb2.RenewRequest(csr_der=csr).SerializeToString()]
