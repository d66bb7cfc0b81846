"""The events of a batch are read together as each is read alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from clearway.v1 import incident_pb2, ingest_pb2, scene_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from aggregator import entries as entries_module
from aggregator.entries import FEW, read_entries
from aggregator.wire import read_entry
from tests.aggregator.harness import camera_change, event, gap

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = ("", "x", "gate-1", "人民广场", "x" * 128, "x" * 129, "a\x00b", "a　b")
NUMBERS = (0.0, 1.5, -1.5, 1e9, 1e30, float("nan"), float("inf"), float("-inf"))
SECONDS = (0, 1, 1_760_000_000, 1_900_000_000, 2**62, -1)
NANOS = (0, 1, 999_999_999, 1_000_000_000, -1)
PARTS = [field for field in incident_pb2.IncidentEvent.DESCRIPTOR.fields if field.message_type is not None]


def alone(first: int, events: list[ingest_pb2.Event]) -> tuple[Any, ...]:
    return tuple(read_entry(first + place, each, NOW) for place, each in enumerate(events))


def fill(draw: Any, message: Any) -> None:
    """Set some fields of a message, to values within and out of their bounds."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or field.message_type is not None or draw(st.integers(0, 3)):
            continue
        kind = field.cpp_type
        if kind == field.CPPTYPE_STRING and field.type == field.TYPE_STRING:
            setattr(message, field.name, draw(st.sampled_from(TEXTS)))
        elif kind == field.CPPTYPE_DOUBLE:
            setattr(message, field.name, draw(st.sampled_from(NUMBERS)))
        elif kind == field.CPPTYPE_ENUM:
            setattr(message, field.name, draw(st.integers(-1, 12)))
        elif kind == field.CPPTYPE_BOOL:
            setattr(message, field.name, draw(st.booleans()))


@st.composite
def spoilt(draw: Any) -> ingest_pb2.Event:
    """An event of which a field or some are not as they should be."""
    message = event("a", draw(st.sampled_from(("OPENED", "UPDATED", "CLOSED"))))
    body = message.incident
    match draw(st.integers(0, 5)):
        case 0:
            fill(draw, body)
        case 1:
            part = draw(st.sampled_from(PARTS)).name
            body.evidence.add(sha256=b"1" * 31) if part == "evidence" else body.ClearField(part)
        case 2:
            stamp = draw(st.sampled_from((message.emitted_at, body.occurred_at, body.opened_at, body.stay_from)))
            stamp.seconds, stamp.nanos = draw(st.sampled_from(SECONDS)), draw(st.sampled_from(NANOS))
        case 3:
            fill(draw, draw(st.sampled_from((body.dwell, body.box, body.clear_width))))
        case 4:
            body.evidence.add(sha256=b"1" * 32, moment=draw(st.integers(0, 4)), media_type=draw(st.sampled_from(TEXTS)))
        case _:
            message.ClearField(draw(st.sampled_from(("emitted_at", "body"))))
    return message


@given(st.lists(spoilt(), min_size=1, max_size=3), st.integers(0, 3))
def test_whatever_is_wrong_with_an_event_the_batch_is_read_as_its_events_are(
    bad: list[ingest_pb2.Event], good: int
) -> None:
    events = [event(f"good-{number}") for number in range(good)] + bad
    assert read_entries(5, events, NOW) == alone(5, events)


@given(st.binary(max_size=200))
def test_noise_that_decodes_is_read_as_it_is_alone(noise: bytes) -> None:
    message = event("a")
    try:
        message.MergeFromString(noise)
    except DecodeError:
        return
    assert read_entries(1, [message], NOW) == alone(1, [message])


def test_one_bad_event_of_many_costs_itself_alone() -> None:
    events = [event(f"i-{number}") for number in range(3 * FEW + 1)]
    for place in (0, FEW + 3, 3 * FEW):
        events[place].incident.zone_id = ""
    assert read_entries(1, events, NOW) == alone(1, events)


def whole() -> ingest_pb2.Event:
    """An event that says everything that one can say."""
    message = event("a", "CLOSED", at_s=90.5)
    message.incident.clear_width.state = scene_pb2.MEASUREMENT_STATE_MEASURED
    message.incident.clear_width.width_m, message.incident.clear_width.uncertainty_m = 1.25, 0.5
    message.incident.evidence.add(sha256=b"1" * 32, moment=1, media_type="image/jpeg").captured_at.FromSeconds(5)
    return message


@pytest.mark.parametrize("events", [[], [event("a")], [whole(), event("b"), whole()]])
def test_good_events_are_read_all_together(events: list[ingest_pb2.Event], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = alone(7, events)

    def one_by_one(*_: Any) -> Any:
        raise AssertionError("was read alone")

    monkeypatch.setattr(entries_module, "read_entry", one_by_one)
    assert read_entries(7, events, NOW) == expected
    assert all(entry.body is not None for entry in expected)


def test_other_events_between_them_are_read_too() -> None:
    events = [event("a"), camera_change("north", "COVERED"), gap(3, 9), event("b", "CLOSED"), ingest_pb2.Event()]
    assert read_entries(1, events, NOW) == alone(1, events)
    assert [entry.body is not None for entry in alone(1, events)] == [True, True, True, True, False]
