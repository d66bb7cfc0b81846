"""Every field that an agent can fill has a bound, and the bound is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from clearway.v1 import camera_pb2, enrollment_pb2, evidence_pb2, ingest_pb2, scene_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.bound import MAX_SECONDS, MAX_TEXT, Bytes, Moment, Number, Text, Whole, Word, _check_of, _quick
from aggregator.bounds import TABLE, BadMessageError, check
from aggregator.heartbeat_bounds import keep_what_fits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT_BY_AGENTS = (
    ingest_pb2.ConnectRequest,
    evidence_pb2.GetUploadOffsetRequest,
    evidence_pb2.UploadEvidenceRequest,
    enrollment_pb2.EnrollRequest,
    enrollment_pb2.RenewRequest,
)
ENVELOPES = {
    "clearway.v1.ConnectRequest",
    "clearway.v1.EventBatch",
    "clearway.v1.UploadEvidenceRequest",
    "google.protobuf.Timestamp",
}


def reachable(descriptor: Any, seen: set[str]) -> Iterator[Any]:
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    yield descriptor
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from reachable(field.message_type, seen)


def test_every_field_that_can_come_up_has_a_bound_in_the_table() -> None:
    seen: set[str] = set()
    found = [each for message in SENT_BY_AGENTS for each in reachable(message.DESCRIPTOR, seen)]
    table = {message.DESCRIPTOR.full_name: set(bounds) for message, bounds in TABLE.items()}
    expected = {each.full_name: {field.name for field in each.fields} for each in found}
    assert table == {name: fields for name, fields in expected.items() if name not in ENVELOPES}


def camera(**fields: Any) -> camera_pb2.CameraStatus:
    return camera_pb2.CameraStatus(camera_id="north", state=camera_pb2.CAMERA_STATE_SEEING, **fields)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (ingest_pb2.Hello(agent_id="no id!", epoch=bytes(16), next_seq=1), "agent_id 'no id!' is not an id"),
        (ingest_pb2.Hello(agent_id="a", epoch=bytes(3)), "epoch has 3 bytes, not 16"),
        (ingest_pb2.Hello(agent_id="a", epoch=bytes(16), lowest_unacked_seq=2**64 - 1), "lowest_unacked_seq"),
        (camera(zones=[{"zone_id": "z" * 129}]), "zones.zone_id has 129 characters, more than 128"),
        (camera(zones=[{"zone_id": "z"}] * 257), "zones has 257 items, more than 256"),
        (camera(state_seconds=[{"state": 1, "seconds": float("nan")}]), "state_seconds.seconds nan is not a number"),
        (camera(stays=[{"stay_id": "a\nb"}]), "stays.stay_id has a control character"),
        (camera(stays=[{"dwell": {"unknown_s": -1}}]), "stays.dwell.unknown_s -1.0 is negative"),
        (scene_pb2.ClearWidth(width_m=1e11), "width_m 100000000000.0 is not a number that can be"),
        (evidence_pb2.GetUploadOffsetRequest(sha256=b"1"), "sha256 has 1 bytes, not 32"),
        (enrollment_pb2.EnrollRequest(agent_id="a"), "token is missing"),
        (enrollment_pb2.RenewRequest(csr_der=bytes(9000)), "csr_der has 9000 bytes, not 0 to 8192"),
    ],
)
def test_a_value_out_of_its_bounds_is_named(message: Any, said: str) -> None:
    with pytest.raises(BadMessageError) as refused:
        check(message, NOW)
    assert said in str(refused.value)


def test_what_agents_say_is_within_the_bounds() -> None:
    check(
        camera(zones=[{"zone_id": "kerb", "open_incidents": 3}], stays=[{"stay_id": "1"}], frames_analysed=2**63 - 1),
        NOW,
    )
    check(ingest_pb2.Hello(agent_id="box-1", epoch=bytes(16), lowest_unacked_seq=1, next_seq=1), NOW)


def test_a_heartbeat_loses_what_is_out_of_bounds_and_keeps_the_rest() -> None:
    beat = ingest_pb2.Heartbeat(
        cameras=[camera(), camera(frames_broken=1, stays=[{"stay_id": "x" * 500}]), camera(zones=[{"zone_id": "z"}])],
        clock_offset_s=float("inf"),
    )
    beat.sent_at.FromDatetime(NOW + timedelta(days=4000))
    asked: list[tuple[str, str]] = []

    def admits(camera_id: str, zone_id: str) -> bool:
        asked.append((camera_id, zone_id))
        return not zone_id

    assert keep_what_fits(beat, NOW, admits) == 3
    assert list(beat.cameras) == [camera(), camera()]
    assert not beat.HasField("clock_offset_s")
    assert beat.HasField("sent_at"), "a clock that is far off is what the offset is there to show"
    assert ("north", "z") in asked


def test_a_heartbeat_of_a_great_many_cameras_is_cut_quickly() -> None:
    beat = ingest_pb2.Heartbeat(cameras=[camera_pb2.CameraStatus()] * 100_000)
    assert keep_what_fits(beat, NOW, lambda *_: True) == 100_000
    assert not beat.cameras


TIMES = [Timestamp(seconds=seconds, nanos=nanos) for seconds in (-1, 0, 2**31, 2**33) for nanos in (-1, 0, 10**9)]
TRIED: list[tuple[Any, list[Any]]] = [
    (Text(must=True), ["", "a", "x" * MAX_TEXT, "x" * (MAX_TEXT + 1), "a\n", "\x7f", "a\u2028", "路"]),
    (Text(), ["", "a", "x" * (MAX_TEXT + 1), "\x00"]),
    (Bytes(16, 32), [b"", b"x" * 15, b"x" * 16, b"x" * 32, b"x" * 33]),
    (Number(low=0.0), [-5e-324, -0.0, 0.0, MAX_SECONDS, MAX_SECONDS * 1.0001, math.nan, math.inf, -math.inf]),
    (Number(), [-MAX_SECONDS, -MAX_SECONDS * 1.0001, 1.5, math.nan, math.inf, -math.inf]),
    (Whole(low=1), [-1, 0, 1, 2**63 - 1, 2**63]),
    (Moment(must=True), TIMES),
    (Word(must=True), [-1, 0, 1, 2, 3]),
    (Word(), [-1, 0, 1, 2, 3]),
]


@pytest.mark.parametrize(("bound", "values"), TRIED)
def test_what_is_found_good_at_a_glance_passes_the_full_check_too(bound: Any, values: list[Any]) -> None:
    enum = SimpleNamespace(enum_type=SimpleNamespace(values_by_number={0: None, 1: None, 2: None}))
    full, glance = _check_of(enum, bound, {}), _quick(bound, "known")
    good = [value for value in values if eval(glance, {"v": value, "known": {0, 1, 2}, "now_s": NOW.timestamp()})]
    assert 0 < len(good) < len(values)
    for value in good:
        full(value, "field", NOW.timestamp())
