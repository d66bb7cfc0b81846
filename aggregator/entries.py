"""The events of a batch, from protobuf to values: the good ones all together, the others one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count, repeat
from typing import Any

from clearway.v1 import incident_pb2, scene_pb2

from aggregator.bound import EPOCH, BadMessageError
from aggregator.bounds import MAX_EVENT_BYTES, columns
from aggregator.columns import Columns
from aggregator.records import Entry, Evidence, IncidentEvent
from aggregator.wire import clear_width, picture, read_entry
from aggregator.words import CLASS_GROUPS, CLOSE_REASONS, KINDS, PHASES, SCENARIOS, SEVERITIES

FEW = 25
"""Events that are read together where one of a batch needs a closer look, so that it costs few others their haste."""
_CLOSED = incident_pb2.INCIDENT_PHASE_CLOSED
_NO_BOX = (0.0, 0.0, 0.0, 0.0)
_MEASURED = scene_pb2.MEASUREMENT_STATE_MEASURED


def read_entries(first_seq: int, events: Sequence[Any], now: datetime) -> tuple[Entry, ...]:
    """All events of a batch, as :func:`aggregator.wire.read_entry` reads each."""
    together = _together(first_seq, events, now)
    if together is not None:
        return together
    found: list[Entry] = []
    for start in range(0, len(events), FEW):
        few = events[start : start + FEW]
        alone = (read_entry(first_seq + start + place, event, now) for place, event in enumerate(few))
        found += _together(first_seq + start, few, now) or alone
    return tuple(found)


def _together(first_seq: int, events: Sequence[Any], now: datetime) -> tuple[Entry, ...] | None:
    """None if one of them needs a closer look."""
    payloads = [event.SerializeToString() for event in events]
    if not payloads or max(map(len, payloads)) > MAX_EVENT_BYTES:
        return None
    read = _incidents(events, now)
    return None if read is None else tuple(map(Entry, count(first_seq), payloads, repeat(now), *read))


def _incidents(events: Sequence[Any], now: datetime) -> tuple[list[datetime | None], Iterable[IncidentEvent]] | None:
    """When each was emitted, and what it says; None unless all are events of incidents and beyond doubt."""
    found = columns(events, now)
    if found is None:
        return None
    said: Columns = found["incident"]
    phases, reasons, dwell = said["phase"], said["close_reason"], said["dwell"]
    if any(phase == _CLOSED and not reason for phase, reason in zip(phases, reasons, strict=True)):
        return None
    if any(stay_id and not group for stay_id, group in zip(said["stay_id"], said["class_group"], strict=True)):
        return None
    messages = [event.incident for event in events]
    boxes = _boxes(messages, said["box"])
    if boxes is None:
        return None
    try:
        widths = _widths(messages, said["clear_width"]["state"])
    except BadMessageError:
        return None
    bodies = zip(
        said["incident_id"],
        map(PHASES.__getitem__, phases),
        said["camera_id"],
        said["zone_id"],
        map(SCENARIOS.__getitem__, said["scenario"]),
        map(KINDS.__getitem__, said["kind"]),
        map(CLASS_GROUPS.__getitem__, said["class_group"]),
        said["class_name"],
        said["stay_id"],
        _moments(said["occurred_at"]),
        _moments(said["opened_at"]),
        _moments_if_said(messages, "stay_from", said["stay_from"]),
        said["open_start"],
        dwell["observed_s"],
        dwell["occluded_s"],
        dwell["unknown_s"],
        said["limit_s"],
        boxes,
        *widths,
        map(SEVERITIES.__getitem__, said["severity"]),
        [CLOSE_REASONS[reason] if phase == _CLOSED else None for phase, reason in zip(phases, reasons, strict=True)],
        _pictures(messages, said["evidence"]),
        said["model_version"],
        said["config_version"],
        strict=False,
    )
    return _moments_if_said(events, "emitted_at", found["emitted_at"]), map(IncidentEvent._make, bodies)


def _moments(stamps: Columns) -> list[datetime]:
    return [
        EPOCH + timedelta(0, seconds, nanos // 1000)
        for seconds, nanos in zip(stamps["seconds"], stamps["nanos"], strict=True)
    ]


def _moments_if_said(messages: Sequence[Any], name: str, stamps: Columns) -> list[datetime | None]:
    return [
        EPOCH + timedelta(0, seconds, nanos // 1000) if seconds or message.HasField(name) else None
        for message, seconds, nanos in zip(messages, stamps["seconds"], stamps["nanos"], strict=True)
    ]


def _boxes(messages: Sequence[Any], box: Columns) -> list[tuple[float, float, float, float] | None] | None:
    """None if one has its corners swapped."""
    corners = list(zip(box["x1"], box["y1"], box["x2"], box["y2"], strict=True))
    if any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in corners):
        return None
    return [
        each if each != _NO_BOX or message.HasField("box") else None
        for message, each in zip(messages, corners, strict=True)
    ]


def _pictures(messages: Sequence[Any], of_any: Columns | None) -> Iterable[tuple[Evidence, ...]]:
    return [tuple(map(picture, message.evidence)) for message in messages] if of_any else repeat(())


def _widths(messages: Sequence[Any], states: Sequence[int]) -> tuple[Iterable[float | None], Iterable[float | None]]:
    """Clear widths and their uncertainties. Raises ``BadMessageError``."""
    if _MEASURED not in states:
        return repeat(None), repeat(None)
    widths, uncertainties = zip(*map(clear_width, messages), strict=True)
    return widths, uncertainties
