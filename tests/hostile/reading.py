"""What the aggregator does with a message before anything is stored, and what must hold of whatever it lets pass."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.bound import BadMessageError
from aggregator.decoding import Undecodable
from aggregator.entries import read_entries
from aggregator.heartbeat import read_heartbeat
from aggregator.heartbeat_bounds import keep_what_fits
from aggregator.records import Entry
from aggregator.wire import read_entry, read_opening

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOST = 4
"""Events of a batch that are read: a field that was repeated hundreds of times says no more than a few times do."""
_NEXT_YEAR = NOW + timedelta(days=400)
_NOT_OURS = {"payload", "reject_reason", "clock_offset_s"}
"""Kept as it came, within its own bound; said by us; any finite number."""


def read(message: Any, first_seq: int) -> tuple[str, list[Entry]]:
    """What became of a message of a stream, and the entries in it. Whatever it raises is a fault."""
    if isinstance(message, Undecodable):
        return "undecodable", []
    kind = message.WhichOneof("message")
    if kind == "hello":
        try:
            assert_bounded(read_opening(message.hello, NOW))
        except BadMessageError:
            return "hello refused", []
        return "hello read", []
    if kind == "heartbeat":
        keep_what_fits(message.heartbeat, NOW, lambda *_: True)
        assert_bounded(read_heartbeat(message.heartbeat, NOW))
        return "heartbeat read", []
    if kind == "batch":
        events = message.batch.events[:MOST]
        entries = list(read_entries(first_seq, events, NOW))
        assert entries == [read_entry(first_seq + place, event, NOW) for place, event in enumerate(events)]
        for entry in entries:
            assert (entry.body is None) == bool(entry.reject_reason)
            assert_bounded(entry.body)
        return "batch read", entries
    return "of no known kind", []


def assert_bounded(value: Any, name: str = "") -> None:
    """Every text is short, every number finite, every time one that can be, every list bounded, all the way down."""
    if is_dataclass(value):
        for each in fields(value):
            if each.name not in _NOT_OURS:
                assert_bounded(getattr(value, each.name), each.name)
    elif isinstance(value, (str, bytes)):
        assert len(value) <= 128, name
    elif isinstance(value, float):
        assert math.isfinite(value), name
    elif isinstance(value, datetime) and name != "certificate_not_after" and name != "sent_at":
        assert datetime(1970, 1, 1, tzinfo=UTC) <= value <= _NEXT_YEAR, name
    elif isinstance(value, (tuple, list, frozenset, set)):
        assert len(value) <= 1024, name
        for item in value:
            assert_bounded(item, name)
    elif isinstance(value, dict):
        assert len(value) <= 256, name
