"""Many messages of one kind, checked and read a field at a time.

Python spends most of its time between one value and the next, so a field of two hundred events is read and compared in
a few calls, where one event after the other takes some sixty each. Only good batches go this way: what is wrong, and
with which event, :mod:`aggregator.bound` says of each alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from math import isfinite
from operator import attrgetter
from typing import Any

from aggregator.bound import (
    AHEAD_S,
    MAX_NANOS,
    AgentId,
    Bound,
    Bytes,
    Flag,
    Moment,
    Number,
    Part,
    Parts,
    Shown,
    Text,
    Whole,
    Word,
    default,
)

Columns = dict[str, Any]
"""By field, the values of all messages in their order: a tuple, or the ``Columns`` of the messages in it. A part that a
message leaves out is read as one of which nothing is said; repeated parts are not told apart by message."""

Reader = Callable[[Sequence[Any], float], Columns | None]
"""Takes messages, at least one, and the time now in seconds since 1970. None if some value may be out of its bounds."""

_Test = Callable[[Sequence[Any], float], Any]
"""Takes the values of one field. Gives them, or their columns, if every one is within its bound, else None."""

_SECONDS_AND_NANOS = attrgetter("seconds", "nanos")


def reader(
    descriptor: Any, bounds: dict[str, Bound], readers: dict[str, Reader], only: Collection[str] | None = None
) -> Reader:
    """One function for all fields of a message, or ``only`` some; ``readers`` will have those of the messages in it, by
    full name.

    It may say None of what is within its bounds: of a time that must be said and is that of 1970 to the second, which
    this way cannot be told from one that is missing.
    """
    fields = [field for field in descriptor.fields if only is None or field.name in only]
    names = [field.name for field in fields]
    tests = [_test(field, bounds.get(field.name) or default(field), readers) for field in fields]
    if len(names) == 1:  # attrgetter then gives a value and not a tuple
        names, tests = names * 2, tests * 2
    get = attrgetter(*names)

    def read(messages: Sequence[Any], now_s: float) -> Columns | None:
        columns: Columns = {}
        for name, test, values in zip(names, tests, zip(*map(get, messages), strict=True), strict=True):
            found = test(values, now_s)
            if found is None:
                return None
            columns[name] = found
        return columns

    return read


def _test(field: Any, bound: Bound, readers: dict[str, Reader]) -> _Test:
    match bound:
        case Text(most, must):
            return _if(
                lambda values, _: (
                    max(map(len, values)) <= most and "".join(values).isprintable() and not (must and "" in values)
                )
            )
        case Bytes(least, most):
            return _if(lambda values, _: least <= min(map(len, values)) and max(map(len, values)) <= most)
        case Number(low, high):
            # A number that is none makes their sum none, and may hide from comparisons.
            return _if(lambda values, _: isfinite(sum(values)) and low <= min(values) and max(values) <= high)
        case Whole(low, high):
            return _if(lambda values, _: low <= min(values) and max(values) <= high)
        case Moment(must):
            return _moments(1 if must else 0)
        case Word(must):
            known = frozenset(field.enum_type.values_by_number) - ({0} if must else set())
            return _if(lambda values, _: known.issuperset(values))
        case Part() | Parts():
            inside = field.message_type
            if inside.full_name not in readers:
                readers[inside.full_name] = reader(inside, {}, readers)
            if isinstance(bound, Parts):
                return _parts(inside.full_name, readers, bound.most)
            return lambda values, now_s: readers[inside.full_name](values, now_s)
        case Flag() | Shown():
            return lambda values, _: values
        case AgentId():
            return lambda *_: None  # nothing that comes in batches has such a field


def _if(good: Callable[[Sequence[Any], float], bool]) -> _Test:
    return lambda values, now_s: values if good(values, now_s) else None


def _moments(least: int) -> _Test:
    """Their columns are ``seconds`` and ``nanos``."""

    def test(values: Sequence[Any], now_s: float) -> Columns | None:
        seconds, nanos = zip(*map(_SECONDS_AND_NANOS, values), strict=True)
        if least <= min(seconds) and max(seconds) <= now_s + AHEAD_S and min(nanos) >= 0 and max(nanos) <= MAX_NANOS:
            return {"seconds": seconds, "nanos": nanos}
        return None

    return test


def _parts(name: str, readers: dict[str, Reader], most: int) -> _Test:
    """The columns of all messages in a repeated field, empty if there are none."""

    def test(values: Sequence[Any], now_s: float) -> Columns | None:
        if max(map(len, values)) > most:
            return None
        found = tuple(chain.from_iterable(values))
        return readers[name](found, now_s) if found else {}

    return test
