"""Which pictures of a live stream are due."""

from __future__ import annotations


class LiveSampling:
    """Chooses about one picture in each period, and bears jitter: one that is a little early is taken.

    Key frames come at their own distance, often just that of the period. On a grid, one that is a millisecond early
    would not be due and the next be a whole period late; so a picture within ``slack_s`` of its due time moves the
    grid to itself. A later one leaves the grid where it is, so that pictures of another distance keep the period on
    average. Times are seconds on the stream's clock.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.slack_s = _SLACK * period_s
        self.due_s: float | None = None

    def is_due(self, at_s: float) -> bool:
        """True if ``take`` would take a picture of this time."""
        return self.due_s is None or at_s >= self.due_s - self.slack_s

    def take(self, at_s: float) -> bool:
        """True if the picture is to be analysed. Call it once for each picture, in order."""
        if not self.is_due(at_s):
            return False
        late_s = 0.0 if self.due_s is None else at_s - self.due_s
        if self.due_s is None or late_s <= self.slack_s:
            self.due_s = at_s + self.period_s
        else:
            self.due_s += (late_s // self.period_s + 1) * self.period_s
        return True


_SLACK = 0.1
"""Of a period. Cameras' frame intervals vary by some per cent; a tenth more or less changes no dwell."""
