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

class CameraState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMERA_STATE_UNSPECIFIED: _ClassVar[CameraState]
    CAMERA_STATE_SEEING: _ClassVar[CameraState]
    CAMERA_STATE_STARTING: _ClassVar[CameraState]
    CAMERA_STATE_DARK: _ClassVar[CameraState]
    CAMERA_STATE_OVER_EXPOSED: _ClassVar[CameraState]
    CAMERA_STATE_BLURRED: _ClassVar[CameraState]
    CAMERA_STATE_COVERED: _ClassVar[CameraState]
    CAMERA_STATE_FROZEN: _ClassVar[CameraState]
    CAMERA_STATE_MOVED: _ClassVar[CameraState]
    CAMERA_STATE_NO_SIGNAL: _ClassVar[CameraState]
    CAMERA_STATE_ENDED: _ClassVar[CameraState]
CAMERA_STATE_UNSPECIFIED: CameraState
CAMERA_STATE_SEEING: CameraState
CAMERA_STATE_STARTING: CameraState
CAMERA_STATE_DARK: CameraState
CAMERA_STATE_OVER_EXPOSED: CameraState
CAMERA_STATE_BLURRED: CameraState
CAMERA_STATE_COVERED: CameraState
CAMERA_STATE_FROZEN: CameraState
CAMERA_STATE_MOVED: CameraState
CAMERA_STATE_NO_SIGNAL: CameraState
CAMERA_STATE_ENDED: CameraState

class CameraStateSeconds(_message.Message):
    __slots__ = ("state", "seconds")
    STATE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    state: CameraState
    seconds: float
    def __init__(self, state: _Optional[_Union[CameraState, str]] = ..., seconds: _Optional[float] = ...) -> None: ...

class CameraStateChange(_message.Message):
    __slots__ = ("camera_id", "from_state", "to_state", "occurred_at", "media_time_s", "shift_x_px", "shift_y_px")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_STATE_FIELD_NUMBER: _ClassVar[int]
    TO_STATE_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TIME_S_FIELD_NUMBER: _ClassVar[int]
    SHIFT_X_PX_FIELD_NUMBER: _ClassVar[int]
    SHIFT_Y_PX_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    from_state: CameraState
    to_state: CameraState
    occurred_at: _timestamp_pb2.Timestamp
    media_time_s: float
    shift_x_px: float
    shift_y_px: float
    def __init__(self, camera_id: _Optional[str] = ..., from_state: _Optional[_Union[CameraState, str]] = ..., to_state: _Optional[_Union[CameraState, str]] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media_time_s: _Optional[float] = ..., shift_x_px: _Optional[float] = ..., shift_y_px: _Optional[float] = ...) -> None: ...

class ZoneStatus(_message.Message):
    __slots__ = ("zone_id", "scenario", "enforced", "judged", "enforced_seconds", "judged_seconds", "violation_seconds", "open_incidents", "clear_width", "findings", "blocked_below_m", "narrowed_below_m")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    ENFORCED_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    ENFORCED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    JUDGED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VIOLATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OPEN_INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    CLEAR_WIDTH_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_BELOW_M_FIELD_NUMBER: _ClassVar[int]
    NARROWED_BELOW_M_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    scenario: _scene_pb2.Scenario
    enforced: bool
    judged: bool
    enforced_seconds: float
    judged_seconds: float
    violation_seconds: float
    open_incidents: int
    clear_width: _scene_pb2.ClearWidth
    findings: _containers.RepeatedCompositeFieldContainer[_scene_pb2.Finding]
    blocked_below_m: float
    narrowed_below_m: float
    def __init__(self, zone_id: _Optional[str] = ..., scenario: _Optional[_Union[_scene_pb2.Scenario, str]] = ..., enforced: bool = ..., judged: bool = ..., enforced_seconds: _Optional[float] = ..., judged_seconds: _Optional[float] = ..., violation_seconds: _Optional[float] = ..., open_incidents: _Optional[int] = ..., clear_width: _Optional[_Union[_scene_pb2.ClearWidth, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_scene_pb2.Finding, _Mapping]]] = ..., blocked_below_m: _Optional[float] = ..., narrowed_below_m: _Optional[float] = ...) -> None: ...

class CameraStatus(_message.Message):
    __slots__ = ("camera_id", "state", "state_since", "last_frame_at", "frames_analysed", "frames_broken", "state_seconds", "stays", "zones")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_SINCE_FIELD_NUMBER: _ClassVar[int]
    LAST_FRAME_AT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_ANALYSED_FIELD_NUMBER: _ClassVar[int]
    FRAMES_BROKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STAYS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    state: CameraState
    state_since: _timestamp_pb2.Timestamp
    last_frame_at: _timestamp_pb2.Timestamp
    frames_analysed: int
    frames_broken: int
    state_seconds: _containers.RepeatedCompositeFieldContainer[CameraStateSeconds]
    stays: _containers.RepeatedCompositeFieldContainer[_scene_pb2.Stay]
    zones: _containers.RepeatedCompositeFieldContainer[ZoneStatus]
    def __init__(self, camera_id: _Optional[str] = ..., state: _Optional[_Union[CameraState, str]] = ..., state_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_frame_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., frames_analysed: _Optional[int] = ..., frames_broken: _Optional[int] = ..., state_seconds: _Optional[_Iterable[_Union[CameraStateSeconds, _Mapping]]] = ..., stays: _Optional[_Iterable[_Union[_scene_pb2.Stay, _Mapping]]] = ..., zones: _Optional[_Iterable[_Union[ZoneStatus, _Mapping]]] = ...) -> None: ...
