import datetime

from clearway.v1 import camera_pb2 as _camera_pb2
from clearway.v1 import incident_pb2 as _incident_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_DROPPED_OLDEST: _ClassVar[GapReason]
    GAP_REASON_REJECTED_NEW: _ClassVar[GapReason]
    GAP_REASON_QUEUE_DAMAGED: _ClassVar[GapReason]
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_DROPPED_OLDEST: GapReason
GAP_REASON_REJECTED_NEW: GapReason
GAP_REASON_QUEUE_DAMAGED: GapReason

class ConnectRequest(_message.Message):
    __slots__ = ("hello", "batch", "heartbeat")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    batch: EventBatch
    heartbeat: Heartbeat
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., batch: _Optional[_Union[EventBatch, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class ConnectResponse(_message.Message):
    __slots__ = ("welcome", "ack", "throttle", "drain", "config_update")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    THROTTLE_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    CONFIG_UPDATE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: Ack
    throttle: Throttle
    drain: Drain
    config_update: ConfigUpdate
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., throttle: _Optional[_Union[Throttle, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., config_update: _Optional[_Union[ConfigUpdate, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("agent_id", "epoch", "lowest_unacked_seq", "next_seq", "versions", "sent_at")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LOWEST_UNACKED_SEQ_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    epoch: bytes
    lowest_unacked_seq: int
    next_seq: int
    versions: AgentVersions
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, agent_id: _Optional[str] = ..., epoch: _Optional[bytes] = ..., lowest_unacked_seq: _Optional[int] = ..., next_seq: _Optional[int] = ..., versions: _Optional[_Union[AgentVersions, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AgentVersions(_message.Message):
    __slots__ = ("agent", "model", "config", "platform")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    agent: str
    model: str
    config: str
    platform: str
    def __init__(self, agent: _Optional[str] = ..., model: _Optional[str] = ..., config: _Optional[str] = ..., platform: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("committed_seq", "window", "max_batch", "heartbeat_interval", "server_time")
    COMMITTED_SEQ_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    committed_seq: int
    window: int
    max_batch: int
    heartbeat_interval: _duration_pb2.Duration
    server_time: _timestamp_pb2.Timestamp
    def __init__(self, committed_seq: _Optional[int] = ..., window: _Optional[int] = ..., max_batch: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("emitted_at", "incident", "camera_state", "gap")
    EMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_STATE_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    emitted_at: _timestamp_pb2.Timestamp
    incident: _incident_pb2.IncidentEvent
    camera_state: _camera_pb2.CameraStateChange
    gap: GapRecord
    def __init__(self, emitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., incident: _Optional[_Union[_incident_pb2.IncidentEvent, _Mapping]] = ..., camera_state: _Optional[_Union[_camera_pb2.CameraStateChange, _Mapping]] = ..., gap: _Optional[_Union[GapRecord, _Mapping]] = ...) -> None: ...

class GapRecord(_message.Message):
    __slots__ = ("reason", "events_lost", "first_lost_seq", "last_lost_seq", "lost_from", "lost_to")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVENTS_LOST_FIELD_NUMBER: _ClassVar[int]
    FIRST_LOST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LAST_LOST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LOST_FROM_FIELD_NUMBER: _ClassVar[int]
    LOST_TO_FIELD_NUMBER: _ClassVar[int]
    reason: GapReason
    events_lost: int
    first_lost_seq: int
    last_lost_seq: int
    lost_from: _timestamp_pb2.Timestamp
    lost_to: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[_Union[GapReason, str]] = ..., events_lost: _Optional[int] = ..., first_lost_seq: _Optional[int] = ..., last_lost_seq: _Optional[int] = ..., lost_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("first_seq", "events")
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    first_seq: int
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, first_seq: _Optional[int] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("seq", "reason")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    reason: str
    def __init__(self, seq: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("committed_through_seq", "rejected")
    COMMITTED_THROUGH_SEQ_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    committed_through_seq: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    def __init__(self, committed_through_seq: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ...) -> None: ...

class Throttle(_message.Message):
    __slots__ = ("pause", "reason")
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pause: _duration_pb2.Duration
    reason: str
    def __init__(self, pause: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reconnect_after",)
    RECONNECT_AFTER_FIELD_NUMBER: _ClassVar[int]
    reconnect_after: _duration_pb2.Duration
    def __init__(self, reconnect_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConfigUpdate(_message.Message):
    __slots__ = ("version", "yaml")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    YAML_FIELD_NUMBER: _ClassVar[int]
    version: str
    yaml: bytes
    def __init__(self, version: _Optional[str] = ..., yaml: _Optional[bytes] = ...) -> None: ...

class QueueStatus(_message.Message):
    __slots__ = ("pending_events", "size_bytes", "oldest_emitted_at", "shed_events", "dead_letters", "quarantined_files")
    PENDING_EVENTS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_EMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    SHED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FILES_FIELD_NUMBER: _ClassVar[int]
    pending_events: int
    size_bytes: int
    oldest_emitted_at: _timestamp_pb2.Timestamp
    shed_events: int
    dead_letters: int
    quarantined_files: int
    def __init__(self, pending_events: _Optional[int] = ..., size_bytes: _Optional[int] = ..., oldest_emitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., shed_events: _Optional[int] = ..., dead_letters: _Optional[int] = ..., quarantined_files: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sent_at", "cameras", "queue", "clock_offset_s", "certificate_not_after")
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_S_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    sent_at: _timestamp_pb2.Timestamp
    cameras: _containers.RepeatedCompositeFieldContainer[_camera_pb2.CameraStatus]
    queue: QueueStatus
    clock_offset_s: float
    certificate_not_after: _timestamp_pb2.Timestamp
    def __init__(self, sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cameras: _Optional[_Iterable[_Union[_camera_pb2.CameraStatus, _Mapping]]] = ..., queue: _Optional[_Union[QueueStatus, _Mapping]] = ..., clock_offset_s: _Optional[float] = ..., certificate_not_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
