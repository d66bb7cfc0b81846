"""Waiting longer after each failure, and never in step with others."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015).

    ``uniform(a, b)`` draws a number between a and b.
    """

    def __init__(self, first_s: float, max_s: float, uniform: Callable[[float, float], float]) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._uniform = uniform
        self._upper_s = first_s

    def next_s(self) -> float:
        """Seconds to wait now; the upper end of the next wait is twice as high."""
        upper_s = self._upper_s
        self._upper_s = min(self._max_s, 2 * upper_s)
        return self._uniform(0.0, min(self._max_s, upper_s))

    def reset(self) -> None:
        """It went well: start small again."""
        self._upper_s = self._first_s
