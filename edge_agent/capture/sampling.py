"""Which frames are due."""

from __future__ import annotations

from fractions import Fraction


class Sampling:
    """Chooses at most one frame in each period: the first at or after each due time 0, p, 2p, 3p ...

    The due times stand on a grid that starts at media time 0, so that a late frame does not delay those after it.
    Times are exact fractions of a second: 0.1 s ten times is 1 s.
    """

    def __init__(self, period_s: float) -> None:
        self.period = Fraction(str(period_s))
        self._due = Fraction(0)

    def take(self, media_time: Fraction) -> bool:
        """True if the frame at ``media_time``, seconds, is to be analysed. Call once for each frame, in order."""
        if media_time < self._due:
            return False
        self._due = (media_time // self.period + 1) * self.period
        return True

    def is_due(self, media_time: Fraction) -> bool:
        """True if ``take`` would take a frame at ``media_time``."""
        return media_time >= self._due

    def may_become_due(self, media_time: Fraction, interval: Fraction) -> bool:
        """True if a frame at ``media_time`` may be the first after a due time, given the time between two frames."""
        return media_time % self.period < interval * _SLACK or media_time < 0


_SLACK = Fraction(3, 2)
"""Half a frame more than the stated interval: containers round timestamps, and cameras jitter."""
