"""Which pictures of a live stream are due."""

from __future__ import annotations


class LiveSampling:
    """Chooses about one picture in each period, and bears jitter: one that is a little early is taken.

    Key frames come at their own distance, often just that of the period. On a grid, one that is a millisecond early
    would not be due and the next be a whole period late; so a picture within the slack of its due time moves the grid
    to itself. A later one leaves the grid where it is, so that pictures of another distance keep the period on average.
    The slack is a tenth of the period, and no more than half of ``spacing_s``, by which the pictures that could be
    taken are apart. Times are seconds on the stream's clock.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.due_s: float | None = None

    def restart(self) -> None:
        """The stream's clock is another: its next picture is due."""
        self.due_s = None

    def slack_s(self, spacing_s: float) -> float:
        """How much earlier than due a picture may be."""
        return min(_SLACK * self.period_s, spacing_s / 2)

    def is_due(self, at_s: float, spacing_s: float) -> bool:
        """True if ``take`` would take a picture of this time."""
        return self.due_s is None or at_s >= self.due_s - self.slack_s(spacing_s)

    def take(self, at_s: float, spacing_s: float) -> bool:
        """True if the picture is to be analysed. Call it once for each picture, in order."""
        if not self.is_due(at_s, spacing_s):
            return False
        late_s = 0.0 if self.due_s is None else at_s - self.due_s
        if self.due_s is None or late_s <= self.slack_s(spacing_s):
            self.due_s = at_s + self.period_s
        else:
            self.due_s += (late_s // self.period_s + 1) * self.period_s
        return True


_SLACK = 0.1
"""Of a period. Cameras' frame intervals vary by some per cent; a tenth more or less changes no dwell."""
