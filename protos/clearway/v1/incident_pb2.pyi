import datetime

from clearway.v1 import scene_pb2 as _scene_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IncidentPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INCIDENT_PHASE_UNSPECIFIED: _ClassVar[IncidentPhase]
    INCIDENT_PHASE_OPENED: _ClassVar[IncidentPhase]
    INCIDENT_PHASE_UPDATED: _ClassVar[IncidentPhase]
    INCIDENT_PHASE_CLOSED: _ClassVar[IncidentPhase]

class CloseReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOSE_REASON_UNSPECIFIED: _ClassVar[CloseReason]
    CLOSE_REASON_LEFT: _ClassVar[CloseReason]
    CLOSE_REASON_CLEARED: _ClassVar[CloseReason]
    CLOSE_REASON_SCHEDULE_ENDED: _ClassVar[CloseReason]
    CLOSE_REASON_CAMERA_BLIND_TOO_LONG: _ClassVar[CloseReason]
    CLOSE_REASON_SUPERSEDED: _ClassVar[CloseReason]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_MINOR: _ClassVar[Severity]
    SEVERITY_MAJOR: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]

class EvidenceMoment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVIDENCE_MOMENT_UNSPECIFIED: _ClassVar[EvidenceMoment]
    EVIDENCE_MOMENT_ARRIVAL: _ClassVar[EvidenceMoment]
    EVIDENCE_MOMENT_LIMIT: _ClassVar[EvidenceMoment]
    EVIDENCE_MOMENT_DEPARTURE: _ClassVar[EvidenceMoment]
INCIDENT_PHASE_UNSPECIFIED: IncidentPhase
INCIDENT_PHASE_OPENED: IncidentPhase
INCIDENT_PHASE_UPDATED: IncidentPhase
INCIDENT_PHASE_CLOSED: IncidentPhase
CLOSE_REASON_UNSPECIFIED: CloseReason
CLOSE_REASON_LEFT: CloseReason
CLOSE_REASON_CLEARED: CloseReason
CLOSE_REASON_SCHEDULE_ENDED: CloseReason
CLOSE_REASON_CAMERA_BLIND_TOO_LONG: CloseReason
CLOSE_REASON_SUPERSEDED: CloseReason
SEVERITY_UNSPECIFIED: Severity
SEVERITY_MINOR: Severity
SEVERITY_MAJOR: Severity
SEVERITY_CRITICAL: Severity
EVIDENCE_MOMENT_UNSPECIFIED: EvidenceMoment
EVIDENCE_MOMENT_ARRIVAL: EvidenceMoment
EVIDENCE_MOMENT_LIMIT: EvidenceMoment
EVIDENCE_MOMENT_DEPARTURE: EvidenceMoment

class EvidenceReference(_message.Message):
    __slots__ = ("sha256", "moment", "media_type", "size_bytes", "captured_at", "media_time_s", "people_masked")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TIME_S_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_MASKED_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    moment: EvidenceMoment
    media_type: str
    size_bytes: int
    captured_at: _timestamp_pb2.Timestamp
    media_time_s: float
    people_masked: bool
    def __init__(self, sha256: _Optional[bytes] = ..., moment: _Optional[_Union[EvidenceMoment, str]] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., captured_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media_time_s: _Optional[float] = ..., people_masked: bool = ...) -> None: ...

class IncidentEvent(_message.Message):
    __slots__ = ("incident_id", "phase", "camera_id", "zone_id", "scenario", "kind", "stay_id", "class_group", "class_name", "occurred_at", "media_time_s", "opened_at", "stay_from", "stay_from_s", "open_start", "dwell", "limit_s", "box", "clear_width", "severity", "close_reason", "evidence", "model_version", "config_version")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STAY_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_GROUP_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TIME_S_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    STAY_FROM_FIELD_NUMBER: _ClassVar[int]
    STAY_FROM_S_FIELD_NUMBER: _ClassVar[int]
    OPEN_START_FIELD_NUMBER: _ClassVar[int]
    DWELL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_S_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    CLEAR_WIDTH_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CLOSE_REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    phase: IncidentPhase
    camera_id: str
    zone_id: str
    scenario: _scene_pb2.Scenario
    kind: _scene_pb2.FindingKind
    stay_id: str
    class_group: _scene_pb2.ClassGroup
    class_name: str
    occurred_at: _timestamp_pb2.Timestamp
    media_time_s: float
    opened_at: _timestamp_pb2.Timestamp
    stay_from: _timestamp_pb2.Timestamp
    stay_from_s: float
    open_start: bool
    dwell: _scene_pb2.Dwell
    limit_s: float
    box: _scene_pb2.Box
    clear_width: _scene_pb2.ClearWidth
    severity: Severity
    close_reason: CloseReason
    evidence: _containers.RepeatedCompositeFieldContainer[EvidenceReference]
    model_version: str
    config_version: str
    def __init__(self, incident_id: _Optional[str] = ..., phase: _Optional[_Union[IncidentPhase, str]] = ..., camera_id: _Optional[str] = ..., zone_id: _Optional[str] = ..., scenario: _Optional[_Union[_scene_pb2.Scenario, str]] = ..., kind: _Optional[_Union[_scene_pb2.FindingKind, str]] = ..., stay_id: _Optional[str] = ..., class_group: _Optional[_Union[_scene_pb2.ClassGroup, str]] = ..., class_name: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media_time_s: _Optional[float] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stay_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stay_from_s: _Optional[float] = ..., open_start: bool = ..., dwell: _Optional[_Union[_scene_pb2.Dwell, _Mapping]] = ..., limit_s: _Optional[float] = ..., box: _Optional[_Union[_scene_pb2.Box, _Mapping]] = ..., clear_width: _Optional[_Union[_scene_pb2.ClearWidth, _Mapping]] = ..., severity: _Optional[_Union[Severity, str]] = ..., close_reason: _Optional[_Union[CloseReason, str]] = ..., evidence: _Optional[_Iterable[_Union[EvidenceReference, _Mapping]]] = ..., model_version: _Optional[str] = ..., config_version: _Optional[str] = ...) -> None: ...
