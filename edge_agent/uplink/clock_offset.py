"""How far this machine's clock is from the aggregator's, also after it was set."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime


class ClockOffset:
    """The agent's clock minus the aggregator's: measured once, and carried on by a clock that nobody can set.

    ``clock`` gives the agent's time, ``elapsed_s`` seconds that only grow. The aggregator's clock is taken to go on
    evenly until it is asked again.
    """

    def __init__(self, clock: Callable[[], datetime], elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._asked_s = elapsed_s()
        self._measured: tuple[datetime, float] | None = None

    def ask(self) -> None:
        """The question leaves now."""
        self._asked_s = self._elapsed_s()

    def answered(self, server_time: datetime) -> None:
        """The answer came; the aggregator wrote it half way between, as nearly as can be known."""
        now_s = self._elapsed_s()
        self._measured = server_time, (self._asked_s + now_s) / 2

    def now_s(self) -> float | None:
        """The offset in seconds as the clock stands now; None if it was never measured."""
        if self._measured is None:
            return None
        server_time, written_s = self._measured
        return (self._clock() - server_time).total_seconds() - (self._elapsed_s() - written_s)
