"""Whose frame is next: cameras take turns with the detector, by deadline.

A frame should be done by the moment at which its camera's next one is due, so the frame whose deadline comes first goes
first (earliest deadline first: Liu and Layland 1973). A deadline never moves while its camera waits, and every later
request has a later one of its own, so nobody waits for ever: a camera's wait is bounded by its own period plus the
frames that were due before. Which frame is analysed is decided when the turn comes, so that it is the newest.

When the box carries less than is asked of it, every camera's period grows by about the same time; what was missed is
counted for each camera.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_AT_ONCE = 4
"""Frames at work at the same time: a small box has no more cores, and each holds a picture in memory."""


@dataclass(frozen=True, slots=True)
class Share:
    """How a box is shared out: frames analysed at the same time, and the threads that one run of the model may use."""

    at_once: int
    threads: int


def share_out(cameras: int, threads: int | None = None) -> Share:
    """How to use ``threads`` cores (None: all that this process may use) for so many cameras.

    Several frames with a thread each do more in the same time than one frame with several threads: only the model runs
    on several, and they wait for each other after every layer (measured: docs/performance.md).
    """
    cores = threads or min(MOST_AT_ONCE, len(os.sched_getaffinity(0)))
    at_once = max(1, min(cores, cameras, MOST_AT_ONCE))
    return Share(at_once, max(1, cores // at_once))


@dataclass(frozen=True, slots=True)
class TurnCounts:
    """What became of one camera's requests: turns it got, those of them that came after their deadline, seconds it
    waited for them and seconds it used."""

    taken: int = 0
    missed: int = 0
    waited_s: float = 0.0
    used_s: float = 0.0


@dataclass(slots=True)
class _Tally:
    taken: int = 0
    missed: int = 0
    waited_s: float = 0.0
    used_s: float = 0.0


class Turns:
    """A lock that ``at_once`` cameras hold at a time, given in the order of deadlines. ``clock`` is monotonic."""

    def __init__(self, at_once: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        if at_once < 1:
            raise ValueError(f"at_once is {at_once}: at least one camera must be able to go on")
        self.at_once = at_once
        self._clock = clock
        self._lock = threading.Lock()
        self._free = at_once
        self._asked = 0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._tallies: dict[str, _Tally] = {}

    @contextmanager
    def turn(self, camera: str, within_s: float) -> Iterator[None]:
        """Wait for a turn, hold it. Its deadline is ``within_s`` from now: the camera's sampling period."""
        asked_s = self._clock()
        deadline_s = asked_s + within_s
        self._wait(deadline_s)
        began_s = self._clock()
        try:
            yield
        finally:
            ended_s = self._clock()
            with self._lock:
                tally = self._tallies.setdefault(camera, _Tally())
                tally.taken += 1
                tally.missed += ended_s > deadline_s
                tally.waited_s += began_s - asked_s
                tally.used_s += ended_s - began_s
                self._pass_on()

    def counts(self, camera: str) -> TurnCounts:
        """What became of a camera's requests so far."""
        with self._lock:
            tally = self._tallies.get(camera, _Tally())
            return TurnCounts(tally.taken, tally.missed, tally.waited_s, tally.used_s)

    @property
    def waiting(self) -> int:
        """Cameras that wait now."""
        with self._lock:
            return len(self._waiting)

    def _wait(self, deadline_s: float) -> None:
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            self._asked += 1
            mine = threading.Event()
            heapq.heappush(self._waiting, (deadline_s, self._asked, mine))
        mine.wait()

    def _pass_on(self) -> None:
        """Give a turn that has ended to whoever is due first. The lock is held."""
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._free += 1
