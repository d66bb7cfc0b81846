"""Room for one picture: the newest."""

from __future__ import annotations

from threading import Condition

from edge_agent.capture.shot import Shot


class Newest:
    """One thread puts, another takes. A picture that was not taken gives way to the next; nothing waits in a row."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._shot: Shot | None = None

    def put(self, shot: Shot) -> bool:
        """Leave a picture. False if one was there that nobody had taken."""
        with self._changed:
            was_taken = self._shot is None
            self._shot = shot
            self._changed.notify()
            return was_taken

    def take(self) -> Shot | None:
        """The picture, if there is one."""
        with self._changed:
            shot, self._shot = self._shot, None
            return shot

    def wait(self, timeout_s: float) -> bool:
        """True as soon as there is a picture, False if none comes."""
        with self._changed:
            return self._changed.wait_for(lambda: self._shot is not None, timeout_s)
