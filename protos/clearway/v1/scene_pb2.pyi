from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClassGroup(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASS_GROUP_UNSPECIFIED: _ClassVar[ClassGroup]
    CLASS_GROUP_VEHICLE: _ClassVar[ClassGroup]
    CLASS_GROUP_CYCLE: _ClassVar[ClassGroup]
    CLASS_GROUP_PERSON: _ClassVar[ClassGroup]
    CLASS_GROUP_OBJECT: _ClassVar[ClassGroup]

class Scenario(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCENARIO_UNSPECIFIED: _ClassVar[Scenario]
    SCENARIO_PARKING: _ClassVar[Scenario]
    SCENARIO_PASSAGE: _ClassVar[Scenario]

class FindingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_KIND_UNSPECIFIED: _ClassVar[FindingKind]
    FINDING_KIND_PARKED: _ClassVar[FindingKind]
    FINDING_KIND_BLOCKED: _ClassVar[FindingKind]
    FINDING_KIND_NARROWED: _ClassVar[FindingKind]
    FINDING_KIND_CROWDED: _ClassVar[FindingKind]

class StayState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAY_STATE_UNSPECIFIED: _ClassVar[StayState]
    STAY_STATE_OBSERVED: _ClassVar[StayState]
    STAY_STATE_OCCLUDED: _ClassVar[StayState]
    STAY_STATE_ABSENT: _ClassVar[StayState]
    STAY_STATE_UNKNOWN: _ClassVar[StayState]

class MeasurementState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEASUREMENT_STATE_UNSPECIFIED: _ClassVar[MeasurementState]
    MEASUREMENT_STATE_MEASURED: _ClassVar[MeasurementState]
    MEASUREMENT_STATE_UNKNOWN: _ClassVar[MeasurementState]
CLASS_GROUP_UNSPECIFIED: ClassGroup
CLASS_GROUP_VEHICLE: ClassGroup
CLASS_GROUP_CYCLE: ClassGroup
CLASS_GROUP_PERSON: ClassGroup
CLASS_GROUP_OBJECT: ClassGroup
SCENARIO_UNSPECIFIED: Scenario
SCENARIO_PARKING: Scenario
SCENARIO_PASSAGE: Scenario
FINDING_KIND_UNSPECIFIED: FindingKind
FINDING_KIND_PARKED: FindingKind
FINDING_KIND_BLOCKED: FindingKind
FINDING_KIND_NARROWED: FindingKind
FINDING_KIND_CROWDED: FindingKind
STAY_STATE_UNSPECIFIED: StayState
STAY_STATE_OBSERVED: StayState
STAY_STATE_OCCLUDED: StayState
STAY_STATE_ABSENT: StayState
STAY_STATE_UNKNOWN: StayState
MEASUREMENT_STATE_UNSPECIFIED: MeasurementState
MEASUREMENT_STATE_MEASURED: MeasurementState
MEASUREMENT_STATE_UNKNOWN: MeasurementState

class Box(_message.Message):
    __slots__ = ("x1", "y1", "x2", "y2")
    X1_FIELD_NUMBER: _ClassVar[int]
    Y1_FIELD_NUMBER: _ClassVar[int]
    X2_FIELD_NUMBER: _ClassVar[int]
    Y2_FIELD_NUMBER: _ClassVar[int]
    x1: float
    y1: float
    x2: float
    y2: float
    def __init__(self, x1: _Optional[float] = ..., y1: _Optional[float] = ..., x2: _Optional[float] = ..., y2: _Optional[float] = ...) -> None: ...

class Dwell(_message.Message):
    __slots__ = ("observed_s", "occluded_s", "unknown_s")
    OBSERVED_S_FIELD_NUMBER: _ClassVar[int]
    OCCLUDED_S_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_S_FIELD_NUMBER: _ClassVar[int]
    observed_s: float
    occluded_s: float
    unknown_s: float
    def __init__(self, observed_s: _Optional[float] = ..., occluded_s: _Optional[float] = ..., unknown_s: _Optional[float] = ...) -> None: ...

class Stay(_message.Message):
    __slots__ = ("stay_id", "class_group", "class_name", "box", "state", "from_media_time_s", "open_start", "dwell")
    STAY_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_GROUP_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FROM_MEDIA_TIME_S_FIELD_NUMBER: _ClassVar[int]
    OPEN_START_FIELD_NUMBER: _ClassVar[int]
    DWELL_FIELD_NUMBER: _ClassVar[int]
    stay_id: str
    class_group: ClassGroup
    class_name: str
    box: Box
    state: StayState
    from_media_time_s: float
    open_start: bool
    dwell: Dwell
    def __init__(self, stay_id: _Optional[str] = ..., class_group: _Optional[_Union[ClassGroup, str]] = ..., class_name: _Optional[str] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., state: _Optional[_Union[StayState, str]] = ..., from_media_time_s: _Optional[float] = ..., open_start: bool = ..., dwell: _Optional[_Union[Dwell, _Mapping]] = ...) -> None: ...

class ClearWidth(_message.Message):
    __slots__ = ("state", "width_m", "uncertainty_m", "media_time_s")
    STATE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_M_FIELD_NUMBER: _ClassVar[int]
    UNCERTAINTY_M_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TIME_S_FIELD_NUMBER: _ClassVar[int]
    state: MeasurementState
    width_m: float
    uncertainty_m: float
    media_time_s: float
    def __init__(self, state: _Optional[_Union[MeasurementState, str]] = ..., width_m: _Optional[float] = ..., uncertainty_m: _Optional[float] = ..., media_time_s: _Optional[float] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("zone_id", "scenario", "kind", "stay_id", "violation", "limit_s", "counted_s")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STAY_ID_FIELD_NUMBER: _ClassVar[int]
    VIOLATION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_S_FIELD_NUMBER: _ClassVar[int]
    COUNTED_S_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    scenario: Scenario
    kind: FindingKind
    stay_id: str
    violation: bool
    limit_s: float
    counted_s: float
    def __init__(self, zone_id: _Optional[str] = ..., scenario: _Optional[_Union[Scenario, str]] = ..., kind: _Optional[_Union[FindingKind, str]] = ..., stay_id: _Optional[str] = ..., violation: bool = ..., limit_s: _Optional[float] = ..., counted_s: _Optional[float] = ...) -> None: ...
