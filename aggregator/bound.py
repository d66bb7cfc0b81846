"""The kinds of bounds that a field of a message may have, and what checks them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

MAX_TEXT = 128
MAX_SEQ = 2**63 - 1
MAX_UINT64 = 2**64 - 1
MAX_PARTS = 256
MAX_SECONDS = 1e10
"""Three centuries: longer than any stay, and far from where floating point loses the millisecond."""
MAX_AHEAD = timedelta(days=366)
"""A camera's clock may be wrong, and both its time and ours are kept; more than a year ahead it is no clock."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD_S = int(MAX_AHEAD.total_seconds())
MAX_NANOS = 999_999_999
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Check = Callable[[Any, str, float], None]
"""Takes a value, what to call it, and the time now in seconds since 1970; raises ``BadMessageError``."""


class BadMessageError(Exception):
    """What is wrong, for a person."""


@dataclass(frozen=True, slots=True)
class Text:
    """At most so many characters, none of them a control character."""

    most: int = MAX_TEXT
    must: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """Text that is only shown, cut to its bound where it is read: nothing is refused for it."""


@dataclass(frozen=True, slots=True)
class AgentId:
    """The name of an agent."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Between so many and so many bytes."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number in a range."""

    low: float = -MAX_SECONDS
    high: float = MAX_SECONDS


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    low: int = 0
    high: int = MAX_SEQ


@dataclass(frozen=True, slots=True)
class Moment:
    """A time between 1970 and a year from now."""

    must: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A value of an enum that is known here; not its zero if it must be said."""

    must: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false: any value will do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A message with bounds of its own."""


@dataclass(frozen=True, slots=True)
class Parts:
    """At most so many messages with bounds of their own."""

    most: int


Bound = Text | Shown | AgentId | Bytes | Number | Whole | Moment | Word | Flag | Part | Parts


def is_time(stamp: Timestamp, now_s: float) -> bool:
    """True for a time between 1970 and a year from now."""
    return 0 <= stamp.seconds <= now_s + AHEAD_S and 0 <= stamp.nanos <= MAX_NANOS


def moment(stamp: Timestamp) -> datetime:
    """A time that was found to be one."""
    return EPOCH + timedelta(0, stamp.seconds, stamp.nanos // 1000)


def shown(value: str) -> str:
    """Text that is only shown."""
    return _CONTROL.sub(" ", value)[:MAX_TEXT]


def _text(bound: Text) -> Check:
    most, must = bound.most, bound.must

    def run(value: str, name: str, _now_s: float) -> None:
        if len(value) > most:
            raise BadMessageError(f"{name} has {len(value)} characters, more than {most}")
        if not value.isprintable() and _CONTROL.search(value):
            raise BadMessageError(f"{name} has a control character")
        if must and not value:
            raise BadMessageError(f"{name} is missing")

    return run


def _agent_id(value: str, name: str, _now_s: float) -> None:
    if not _IDENTIFIER.fullmatch(value):
        raise BadMessageError(f"{name} {value[:MAX_TEXT]!r} is not an id: letters, digits, '.', '_', '-'")


def _bytes(bound: Bytes) -> Check:
    least, most = bound.least, bound.most
    wanted = str(least) if least == most else f"{least} to {most}"

    def run(value: bytes, name: str, _now_s: float) -> None:
        if not least <= len(value) <= most:
            raise BadMessageError(f"{name} has {len(value)} bytes, not {wanted}")

    return run


def _number(bound: Number) -> Check:
    low, high = bound.low, bound.high

    def run(value: float, name: str, _now_s: float) -> None:
        if low <= value <= high:
            return
        if math.isfinite(value) and low == 0.0 and -MAX_SECONDS <= value < 0:
            raise BadMessageError(f"{name} {value} is negative")
        raise BadMessageError(f"{name} {value} is not a number that can be")

    return run


def _whole(bound: Whole) -> Check:
    low, high = bound.low, bound.high

    def run(value: int, name: str, _now_s: float) -> None:
        if not low <= value <= high:
            raise BadMessageError(f"{name} {value} is absurd: {low} to {high}")

    return run


def _moment(value: Timestamp, name: str, now_s: float) -> None:
    if not is_time(value, now_s):
        raise BadMessageError(f"{name} ({value.seconds} s, {value.nanos} ns) is no time that can be")


def _word(bound: Word, known: frozenset[int]) -> Check:
    must = bound.must

    def run(value: int, name: str, _now_s: float) -> None:
        if value not in known:
            raise BadMessageError(f"{name} {value} is not known here")
        if must and value == 0:
            raise BadMessageError(f"{name} is missing")

    return run


def _any(_value: Any, _name: str, _now_s: float) -> None:
    """Nothing to check."""


def _check_of(field: Any, bound: Bound, checks: dict[str, Check]) -> Check:
    """What checks one value of a field."""
    match bound:
        case Text():
            return _text(bound)
        case AgentId():
            return _agent_id
        case Bytes():
            return _bytes(bound)
        case Number():
            return _number(bound)
        case Whole():
            return _whole(bound)
        case Moment():
            return _moment
        case Word():
            return _word(bound, frozenset(field.enum_type.values_by_number))
        case Part() | Parts():
            inside = field.message_type
            if inside.full_name not in checks:
                checks[inside.full_name] = compiled(inside, {}, checks)
            return lambda value, name, now_s: checks[inside.full_name](value, name + ".", now_s)
    return _any


def _quick(bound: Bound, known: str) -> str:
    """An expression that is true only of values ``v`` of which the bound's check has nothing to say; "" if it has none.

    ``known`` is what the set of an enum's values is called in it.
    """
    match bound:
        case Text(most, must):
            return f"{'0 < ' if must else ''}len(v) <= {most} and v.isprintable()"
        case Bytes(low, high):
            return f"{low} <= len(v) <= {high}"
        case Number(low, high) | Whole(low, high):
            return f"{low!r} <= v <= {high!r}"
        case Moment():
            return f"0 <= v.seconds <= now_s + {AHEAD_S} and 0 <= v.nanos <= {MAX_NANOS}"
        case Word(must):
            return f"{'v and ' if must else ''}v in {known}"
    return ""


def default(field: Any) -> Bound:
    """The bound of a field that was given none."""
    if field.type == field.TYPE_MESSAGE:
        if field.message_type.full_name == "google.protobuf.Timestamp":
            return Moment()
        return Parts(MAX_PARTS) if field.is_repeated else Part()
    if field.type == field.TYPE_ENUM:
        return Word()
    if field.type == field.TYPE_STRING:
        return Text()
    if field.type == field.TYPE_BYTES:
        return Bytes(0, MAX_TEXT)
    return Number() if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT) else Whole(high=MAX_UINT64)


def compiled(descriptor: Any, bounds: dict[str, Bound], checks: dict[str, Check]) -> Check:
    """One function for all fields of a message; ``checks`` will have those of the messages in it, by full name.

    It is written out as source, field by field: every event and every heartbeat goes through it, and a loop over the
    fields takes twice as long.
    """
    known: dict[str, Any] = {"BadMessageError": BadMessageError}
    single: list[str] = []
    if_there: list[str] = []
    many: list[str] = []
    for place, field in enumerate(descriptor.fields):
        bound = bounds.get(field.name) or default(field)
        run = _check_of(field, bound, checks)
        if run is _any:
            continue
        check, name, value = f"check_{place}", f"name + {field.name!r}", f"message.{field.name}"
        known[check] = run
        if isinstance(bound, Word):
            known[f"known_{place}"] = frozenset(field.enum_type.values_by_number)
        quick = _quick(bound, f"known_{place}")
        lines = [f"v = {value}", f"if not ({quick}):", f"    {check}(v, {name}, now_s)"]
        if not quick:
            lines = [f"{check}({value}, {name}, now_s)"]
        if isinstance(bound, Parts):
            many += [
                f"items = {value}",
                f"if len(items) > {bound.most}:",
                f"    raise BadMessageError(f'{{name}}{field.name} has {{len(items)}} items, more than {bound.most}')",
                "for item in items:",
                f"    {check}(item, {name}, now_s)",
            ]
        elif field.has_presence:
            if_there += [f"if message.HasField({field.name!r}):", *(f"    {line}" for line in lines)]
            if isinstance(bound, Moment) and bound.must:
                if_there += ["else:", f"    raise BadMessageError(name + '{field.name} is missing')"]
        else:
            single += lines
    body = [*single, *if_there, *many] or ["pass"]
    exec("\n    ".join(["def check_message(message, name, now_s):", *body]), known)
    return cast(Check, known["check_message"])
