"""Where a camera's thread is and since when: what tells a slow thread from one that hangs, and how it is left behind.

A thread cannot be ended from outside. One that hangs while it waits for its camera holds nothing that others need: it
may be abandoned, and whatever it does if it ever comes back stays without effect. One that hangs elsewhere may not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What a camera's thread is doing."""

    STARTING = "starting"
    READING = "reading"
    """Opens its source or waits for its next frame: outside code, which may hang."""
    WAITING = "waiting"
    """Waits of its own accord: for a frame to be due, for its turn, before another attempt."""
    ANALYSING = "analysing"
    """Takes a frame through the pipeline."""
    KEEPING = "keeping"
    """Writes what a frame gave to the disk."""
    ENDED = "ended"


class AbandonedError(Exception):
    """Raised in a thread that was left behind, so that it ends without touching anything."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and for how many seconds the thread has been in it without a sign of life."""

    step: Step
    silent_s: float


class Progress:
    """One thread enters steps; another looks, and may abandon it between two of them. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._step = Step.STARTING
        self._since_s = clock()
        self._abandoned = False

    def enter(self, step: Step, silent_s: float = 0.0) -> None:
        """The thread is in this step, also if it was before; ``silent_s`` if what it waits for hangs for so long.

        Raises ``AbandonedError`` if it was left behind.
        """
        with self._lock:
            if self._abandoned:
                raise AbandonedError
            self._step, self._since_s = step, self._clock() - silent_s

    def place(self) -> Place:
        """Where the thread is."""
        with self._lock:
            return Place(self._step, self._clock() - self._since_s)

    def abandon(self) -> bool:
        """Leave the thread behind if it reads: it can do nothing from now on. False if it is in another step."""
        with self._lock:
            if self._step is Step.READING:
                self._abandoned = True
            return self._abandoned

    @property
    def abandoned(self) -> bool:
        """True once the thread was left behind."""
        with self._lock:
            return self._abandoned
