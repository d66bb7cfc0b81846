"""The events that every contestant carries: the same facts as a protobuf message and as JSON."""

from __future__ import annotations

import json
from typing import Any

from clearway.v1 import incident_pb2, ingest_pb2, scene_pb2

BATCH = 200
PHASES = ("OPENED", "UPDATED", "UPDATED", "CLOSED")
"""A life of an incident: of four events one opens and one closes."""
BEGAN_S = 1_760_000_000


def facts(agent: int, number: int) -> dict[str, Any]:
    """What event ``number`` (from 0) of an agent says."""
    return {
        "incident_id": f"{agent:04d}-{number // len(PHASES):012d}",
        "phase": PHASES[number % len(PHASES)],
        "camera_id": f"camera-{number % 4}",
        "zone_id": "kerb",
        "stay_id": f"stay-{number // len(PHASES)}",
        "class_name": "car",
        "opened_at_s": BEGAN_S + number // len(PHASES),
        "occurred_at_s": BEGAN_S + number // len(PHASES) + 20 * (number % len(PHASES)),
        "dwell_observed_s": 300.0 + 20 * (number % len(PHASES)),
        "limit_s": 300.0,
        "box": [412.0, 233.5, 590.25, 361.0],
        "model_version": "nanodet-g-416@0a1b2c3d4e5f",
        "config_version": "0123456789abcdef",
    }


def event(agent: int, number: int) -> ingest_pb2.Event:
    """The same as the message that an agent sends."""
    said = facts(agent, number)
    message = ingest_pb2.Event()
    message.emitted_at.FromSeconds(said["occurred_at_s"])
    body = message.incident
    body.incident_id, body.camera_id, body.zone_id = said["incident_id"], said["camera_id"], said["zone_id"]
    body.phase = incident_pb2.IncidentPhase.Value(f"INCIDENT_PHASE_{said['phase']}")
    body.scenario, body.kind = scene_pb2.SCENARIO_PARKING, scene_pb2.FINDING_KIND_PARKED
    body.stay_id, body.class_group, body.class_name = said["stay_id"], scene_pb2.CLASS_GROUP_VEHICLE, said["class_name"]
    body.opened_at.FromSeconds(said["opened_at_s"])
    body.occurred_at.FromSeconds(said["occurred_at_s"])
    body.dwell.observed_s, body.limit_s = said["dwell_observed_s"], said["limit_s"]
    body.severity = incident_pb2.SEVERITY_MAJOR
    body.box.x1, body.box.y1, body.box.x2, body.box.y2 = said["box"]
    body.model_version, body.config_version = said["model_version"], said["config_version"]
    if said["phase"] == "CLOSED":
        body.close_reason = incident_pb2.CLOSE_REASON_LEFT
    return message


def batch(agent: int, first_seq: int, count: int = BATCH) -> bytes:
    """A serialised ``ConnectRequest`` with events from sequence ``first_seq`` (from 1) on."""
    request = ingest_pb2.ConnectRequest()
    request.batch.first_seq = first_seq
    request.batch.events.extend(event(agent, first_seq - 1 + place) for place in range(count))
    return bytes(request.SerializeToString())


def json_batches(agent: int, count: int) -> list[bytes]:
    """An agent's first batches as the rivals carry them."""
    return [
        json.dumps(
            {
                "agent": f"load-{agent}",
                "first_seq": place * BATCH + 1,
                "events": [facts(agent, place * BATCH + each) for each in range(BATCH)],
            }
        ).encode()
        for place in range(count)
    ]
