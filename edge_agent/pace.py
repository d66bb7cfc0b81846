"""The speed at which a recording is played."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from edge_agent.capture.frame import Frame


@dataclass(slots=True)
class Pace:
    """Holds a recording back to ``speed`` times real time; None lets it run."""

    speed: float | None
    _began: float | None = None
    _first_s: float = 0.0

    def wait(self, frame: Frame, stop: threading.Event) -> None:
        """Return when the frame is due, or when told to stop."""
        if self.speed is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began, self._first_s = now, frame.media_time_s
        due = self._began + (frame.media_time_s - self._first_s) / self.speed
        if due > now:
            stop.wait(due - now)
