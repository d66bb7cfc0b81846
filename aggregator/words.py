"""The words of the protocol's enums, by number."""

from __future__ import annotations

from typing import Final

from clearway.v1 import camera_pb2, incident_pb2, ingest_pb2, scene_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from aggregator.records import Phase


def _words(enum: EnumTypeWrapper, prefix: str) -> dict[int, str]:
    return {number: name.removeprefix(prefix).lower() for name, number in enum.items()}


PHASES: Final = {
    number: Phase(word) for number, word in _words(incident_pb2.IncidentPhase, "INCIDENT_PHASE_").items() if number
}
CLOSE_REASONS: Final = _words(incident_pb2.CloseReason, "CLOSE_REASON_")
SEVERITIES: Final = _words(incident_pb2.Severity, "SEVERITY_")
EVIDENCE_MOMENTS: Final = _words(incident_pb2.EvidenceMoment, "EVIDENCE_MOMENT_")
SCENARIOS: Final = _words(scene_pb2.Scenario, "SCENARIO_")
KINDS: Final = _words(scene_pb2.FindingKind, "FINDING_KIND_")
CLASS_GROUPS: Final = _words(scene_pb2.ClassGroup, "CLASS_GROUP_")
CAMERA_STATES: Final = _words(camera_pb2.CameraState, "CAMERA_STATE_")
GAP_REASONS: Final = _words(ingest_pb2.GapReason, "GAP_REASON_")
