"""A limit on bytes per second."""

from __future__ import annotations

import time
from collections.abc import Callable


class Bandwidth:
    """Says how long to wait before sending, so that no more than ``bytes_per_s`` go out on average.

    Time that was not used is not saved up: after a pause there is no burst. ``clock`` gives seconds that only grow.
    """

    def __init__(self, bytes_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._free_at_s = float("-inf")

    def wait_s(self, size: int) -> float:
        """Seconds to wait before ``size`` bytes may go; they count as sent."""
        now_s = self._clock()
        start_s = max(now_s, self._free_at_s)
        self._free_at_s = start_s + size / self._bytes_per_s
        return start_s - now_s
