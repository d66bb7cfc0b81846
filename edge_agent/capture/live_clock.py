"""From a live stream's timestamps and their arrival to media time."""

from __future__ import annotations

from edge_agent.capture.capture_status import CaptureCounts

_EARLY_S = 1.0
"""A picture cannot arrive before it was taken: one that is this much ahead of all before it has a clock that leapt."""
_LATE_S = 10.0
"""A backlog comes late by less than the read time-out; a picture this late has a clock that fell back or wrapped."""
_WINDOW_S = 30.0
"""Clocks of cameras go wrong by some 50 parts in a million: 2 ms in this time. Its least delay is the true one."""


class LiveClock:
    """Puts the timestamps of a stream, which restart, wrap and leap, on this machine's monotonic clock.

    The camera's clock says how far pictures are apart, their arrival when they come: a picture that arrives with the
    least delay fixes the one to the other (cf. the clock filter of NTP, RFC 5905, section 10). Media time starts at 0
    with the first picture of the source, or with the first word that there is none, counts outages, and always grows.
    """

    def __init__(self, counts: CaptureCounts) -> None:
        self._counts = counts
        self._offset_s: float | None = None
        self._window_from_s = 0.0
        self._window_least_s = float("inf")
        self._origin_s: float | None = None
        self._last_s = float("-inf")
        self.leaps = 0
        """How often timestamps have had nothing to do with those before."""

    def restart(self) -> None:
        """A new connection: its timestamps have nothing to do with those before."""
        self._offset_s = None
        self.leaps += 1

    def taken_s(self, stream_s: float | None, arrived_s: float) -> float:
        """When a picture was taken, as far as its arrival tells: monotonic seconds of this machine."""
        if stream_s is None:
            return arrived_s
        offset_s = arrived_s - stream_s
        if self._offset_s is None:
            self._fix(offset_s, arrived_s)
        elif not -_EARLY_S < offset_s - self._offset_s < _LATE_S:
            self._counts.clock_restarts += 1
            self.leaps += 1
            self._fix(offset_s, arrived_s)
        else:
            self._offset_s = min(self._offset_s, offset_s)
            self._window_least_s = min(self._window_least_s, offset_s)
            if arrived_s - self._window_from_s >= _WINDOW_S:
                self._fix(self._window_least_s, arrived_s)
        return stream_s + (self._offset_s if self._offset_s is not None else offset_s)

    def _fix(self, offset_s: float, arrived_s: float) -> None:
        self._offset_s = offset_s
        self._window_from_s, self._window_least_s = arrived_s, float("inf")

    def media_time_s(self, taken_s: float) -> float:
        """Media time of a moment that ``taken_s`` gave; always later than the one before. Call it once for each."""
        if self._origin_s is None:
            self._origin_s = taken_s
        self._last_s = max(taken_s - self._origin_s, self._last_s + _LEAST_STEP_S)
        return self._last_s

    def media_time_now_s(self, now_s: float) -> float:
        """Media time now, for saying that nothing came: not before the last picture's, and the next one is later."""
        if self._origin_s is None:
            self._origin_s = now_s
        self._last_s = max(now_s - self._origin_s, self._last_s)
        return self._last_s


_LEAST_STEP_S = 0.001
"""Two pictures are never at the same time, whatever their timestamps say."""
