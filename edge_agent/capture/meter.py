"""How fast pictures arrive."""

from __future__ import annotations

from collections import deque

_SPAN_S = 10.0


class RateMeter:
    """Pictures a second over the last ten seconds. Not for more than one thread that counts."""

    def __init__(self) -> None:
        self._arrived_s: deque[float] = deque(maxlen=_MOST)

    def count(self, arrived_s: float) -> None:
        """One that was taken at this many monotonic seconds."""
        self._arrived_s.append(arrived_s)

    def rate(self, now_s: float) -> float:
        """Pictures a second. A second's worth of the beginning is enough."""
        recent = [at_s for at_s in tuple(self._arrived_s) if now_s - at_s <= _SPAN_S]
        if len(recent) < 2:
            return len(recent) / _SPAN_S
        return (len(recent) - 1) / max(now_s - recent[0], _LEAST_SPAN_S)


_MOST = 64 * int(_SPAN_S)
_LEAST_SPAN_S = 1.0
