"""Months on one box: what is looked at while the agent runs, and when it must end to be started anew.

``look`` is called by the main thread every second. It feeds the service manager's watchdog only after it has found
that cameras, queue and uplink make progress and that memory is within bounds; whatever it finds hopeless ends the
process in order, and a main thread that hangs is ended by the watchdog.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from edge_agent.config import LifetimeConfig
from edge_agent.lifetime.box import memory_ceiling_bytes, resident_bytes, written_bytes
from edge_agent.lifetime.service_manager import ServiceManager
from edge_agent.lifetime.supervisor import HopelessError, Supervisor

UPLINK_SILENT_S = 150.0
"""Longest without a sign of life from the uplink: it looks every 30 s, and closing a connection may take a minute."""
QUEUE_SILENT_S = 120.0
"""Longest without an answer of the queue: a worn SD card stalls for ten seconds and more."""
PROBE_S = 5.0
MEMORY_EVERY_S = 5.0
MEMORY_SAMPLES = 3
"""So many samples in a row must be above the ceiling: a moment's peak does no harm."""
SAY_EVERY_S = 10.0
FEEDS = 4
"""How often the watchdog is fed within the time that it waits."""
WEAR_EVERY_S = 60.0
WEAR_WINDOW_S = 3600.0
WEAR_LEAST_S = 600.0
"""The bytes written a day are reckoned from the last hour, and from ten minutes at least: a start writes more."""
DAY_S = 86400.0

_log = structlog.get_logger("lifetime")


class Pulse:
    """Calls ``touch`` every few seconds in a thread of its own: when it last came back tells whether it hangs."""

    def __init__(self, name: str, touch: Callable[[], object], every_s: float = PROBE_S) -> None:
        self._touch = touch
        self._every_s = every_s
        self._stop = threading.Event()
        self._beat_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._beat_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Touch no more, and wait for the last touch unless it hangs."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def silent_s(self) -> float:
        """Seconds since the last touch came back."""
        return time.monotonic() - self._beat_s

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._touch()
            self._beat_s = time.monotonic()


@dataclass(frozen=True, slots=True)
class Vital:
    """A part of the agent that must give a sign of life at least every ``limit_s``."""

    name: str
    limit_s: float
    silent_s: Callable[[], float]


class DiskWear:
    """Bytes written a day, reckoned from the last hour. ``clock`` is monotonic."""

    def __init__(self, written: Callable[[], int | None], clock: Callable[[], float]) -> None:
        self._written = written
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._said_at_s: float | None = None

    def sample(self, budget_bytes: int) -> None:
        """Look at the count, and say once a day if it is above the budget."""
        now, count = self._clock(), self._written()
        if count is None or (self._samples and now - self._samples[-1][0] < WEAR_EVERY_S):
            return
        self._samples.append((now, count))
        while now - self._samples[0][0] > WEAR_WINDOW_S:
            self._samples.popleft()
        a_day = self.bytes_a_day
        if a_day is not None and a_day > budget_bytes and (self._said_at_s is None or now - self._said_at_s >= DAY_S):
            self._said_at_s = now
            _log.warning("disk_writes_above_budget", bytes_a_day=round(a_day), budget_bytes=budget_bytes)

    @property
    def bytes_a_day(self) -> float | None:
        """None until there is enough to reckon from."""
        if not self._samples or self._samples[-1][0] - self._samples[0][0] < WEAR_LEAST_S:
            return None
        (from_s, first), (until_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (until_s - from_s) * DAY_S


class Lifetime:
    """Looks after one running agent. ``resident``, ``written`` and ``clock`` are the box's own unless given."""

    def __init__(
        self,
        rules: LifetimeConfig,
        supervisor: Supervisor,
        vitals: tuple[Vital, ...],
        manager: ServiceManager,
        summary: Callable[[], str],
        *,
        resident: Callable[[], int | None] = resident_bytes,
        written: Callable[[], int | None] = written_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisor = supervisor
        self._vitals = vitals
        self._manager = manager
        self._summary = summary
        self._resident = resident
        self._clock = clock
        self.wear = DiskWear(written, clock)
        self.ceiling_bytes: int | None = None
        self.use(rules)
        self._looked_s = clock()
        self._memory_s = self._fed_s = self._said_s = float("-inf")
        self._above = 0

    def use(self, rules: LifetimeConfig) -> None:
        """Go by these rules from now on."""
        self._rules = rules
        self.ceiling_bytes = rules.max_memory_bytes or memory_ceiling_bytes()
        self._supervisor.stuck_after_s = rules.stuck_after_s
        self._supervisor.max_stuck_threads = rules.max_stuck_threads

    def silent_s(self) -> float:
        """Seconds since the last look came to its end. Any thread may ask."""
        return self._clock() - self._looked_s

    def look(self) -> None:
        """See to everything once. Raises ``HopelessError`` when only a new process can go on."""
        self._supervisor.look()
        for vital in self._vitals:
            silent_s = vital.silent_s()
            if silent_s > vital.limit_s:
                raise HopelessError(f"the {vital.name} has given no sign of life for {silent_s:.0f} s")
        self._look_at_memory()
        self.wear.sample(self._rules.max_written_bytes_per_day)
        self._looked_s = now = self._clock()
        watchdog_s = self._manager.watchdog_s
        if watchdog_s is not None and now - self._fed_s >= watchdog_s / FEEDS:
            self._manager.feed(self._summary())
            self._fed_s = self._said_s = now
        elif now - self._said_s >= SAY_EVERY_S:
            self._manager.say(self._summary())
            self._said_s = now

    def _look_at_memory(self) -> None:
        now = self._clock()
        if self.ceiling_bytes is None or now - self._memory_s < MEMORY_EVERY_S:
            return
        self._memory_s = now
        held = self._resident()
        self._above = self._above + 1 if held is not None and held > self.ceiling_bytes else 0
        if self._above >= MEMORY_SAMPLES:
            raise HopelessError(
                f"the agent holds {held} bytes of memory, and lifetime.max_memory_bytes allows {self.ceiling_bytes}"
            )


def end_for_sure(after_s: float, exit_code: int) -> None:
    """End the process after so many seconds even if threads hang where nothing in Python can reach them."""

    def end() -> None:
        _log.error("agent_ended_hard", after_s=after_s)
        end_now(exit_code)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()


def end_now(exit_code: int) -> NoReturn:
    """End the process without waiting for threads that hang: the interpreter's own end might wait for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
