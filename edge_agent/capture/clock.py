"""From a stream's timestamps to media time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

from edge_agent.capture.capture_status import CaptureCounts

Picture = TypeVar("Picture")

_FORWARD_LEAP_S = 10
"""A step of more than this may be a gap or one damaged timestamp; the frame after it tells which."""
_BACKWARD_LEAP_S = 1
"""Frames out of order are milliseconds apart; a step further back is a damaged timestamp or a clock that restarted."""


class MediaClock:
    """Turns timestamps into media time that starts at 0 with the first frame and never runs back.

    A frame without a timestamp, or with one that contradicts its neighbours, is left out and counted: its moment is
    not known. A clock that starts anew goes on one frame interval after the last frame.
    """

    def __init__(self, time_base: Fraction, counts: CaptureCounts) -> None:
        self._time_base = time_base
        self._counts = counts
        self._forward = int(_FORWARD_LEAP_S / time_base)
        self._backward = int(_BACKWARD_LEAP_S / time_base)
        self._origin: int | None = None
        self._last = 0
        self._interval = 1

    def media_time(self, timestamp: int) -> Fraction | None:
        """Media time of a timestamp, seconds; None before the first frame."""
        return None if self._origin is None else (timestamp - self._origin) * self._time_base

    def timed(self, pictures: Iterable[tuple[int | None, Picture]]) -> Iterator[tuple[Fraction, Picture]]:
        """Each picture with its media time. Holds one picture back, to judge a leap by the one that follows."""
        held: tuple[int, Picture] | None = None
        for timestamp, picture in pictures:
            if timestamp is None:
                self._counts.timestamps_missing += 1
                continue
            if held is not None:
                if self._leaps(held[0]) and not self._leaps(timestamp):
                    self._counts.timestamps_wrong += 1
                else:
                    yield from self._admit(*held)
            held = timestamp, picture
        if held is not None:
            yield from self._admit(*held)

    def _leaps(self, timestamp: int) -> bool:
        if self._origin is None:
            return False
        return not -self._backward <= timestamp - self._last <= self._forward

    def _admit(self, timestamp: int, picture: Picture) -> Iterator[tuple[Fraction, Picture]]:
        if self._origin is None:
            self._origin = timestamp
        elif timestamp < self._last - self._backward:
            self._counts.clock_restarts += 1
            self._origin -= self._last + self._interval - timestamp
        elif timestamp <= self._last:
            self._counts.timestamps_wrong += 1
            return
        else:
            self._interval = min(timestamp - self._last, self._forward)
        self._last = timestamp
        yield (timestamp - self._origin) * self._time_base, picture
