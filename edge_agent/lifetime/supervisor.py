"""Keeps every camera at work, and keeps what goes wrong with one of them from the others.

What a camera's thread may do, and what is done about it (docs/decisions/012):

- it fails with an error: its camera is started again, after waits that double;
- it hangs in its source: the thread is left behind and the camera is started again with a new one, up to a number of
  threads that hang at the same time;
- it hangs elsewhere, where it holds what all cameras need, or too many hang: the process must be started anew.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from edge_agent.camera_runner import CameraRunner
from edge_agent.config import CameraConfig
from edge_agent.lifetime.progress import Step
from edge_agent.status import RestartReason, SupervisorStatus

RESTART_FIRST_S = 1.0
RESTART_LAST_S = 300.0
"""Waits before a camera that failed or hung is started again, doubling: a fault that stays costs little."""
STABLE_S = 600.0
"""After so long at work the next wait is short again."""
STOP_S = 15.0
"""Longest that a camera which is to stop may take to finish its frame."""

_log = structlog.get_logger("supervisor")


class HopelessError(Exception):
    """Only a new process can go on; the message says why."""


@dataclass(slots=True, eq=False)
class _Watched:
    runner: CameraRunner
    began_s: float = 0.0
    wait_s: float = RESTART_FIRST_S
    restart_at_s: float | None = None


class Supervisor:
    """The cameras of an agent. ``start``, ``look``, ``change`` and ``stop`` are called by one thread.

    ``make`` gives a runner that has not been started. Without ``patient`` nothing is started again: who waits for the
    end of recordings wants to know. ``clock`` is monotonic.
    """

    def __init__(
        self,
        make: Callable[[CameraConfig], CameraRunner],
        cameras: Iterable[CameraConfig],
        *,
        stuck_after_s: float,
        max_stuck_threads: int,
        patient: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._patient = patient
        self._clock = clock
        self.stuck_after_s = stuck_after_s
        self.max_stuck_threads = max_stuck_threads
        self._lock = threading.Lock()
        self._watched = {camera.id: _Watched(make(camera)) for camera in cameras}
        self._stuck: list[threading.Thread] = []
        self._restarts: Counter[tuple[str, RestartReason]] = Counter()

    @property
    def runners(self) -> tuple[CameraRunner, ...]:
        """The cameras as they are now, in the order of the configuration. Any thread may ask."""
        with self._lock:
            return tuple(watched.runner for watched in self._watched.values())

    def status(self) -> SupervisorStatus:
        """What was done so far. Any thread may ask."""
        with self._lock:
            return SupervisorStatus(
                sum(thread.is_alive() for thread in self._stuck),
                tuple((camera, reason, count) for (camera, reason), count in self._restarts.items()),
                tuple(camera for camera, watched in self._watched.items() if watched.restart_at_s is not None),
            )

    def start(self) -> None:
        """Begin with every camera."""
        for watched in self._watched.values():
            self._begin(watched)

    def look(self) -> None:
        """See to every camera. Raises ``HopelessError``."""
        for watched in self._watched.values():
            self._see_to(watched)
        with self._lock:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            stuck = len(self._stuck)
        if stuck > self.max_stuck_threads:
            raise HopelessError(f"{stuck} camera threads hang, and {self.max_stuck_threads} are tolerated")

    def change(self, cameras: Iterable[CameraConfig], *, all_again: bool = False) -> None:
        """Go on with these: what is new begins, what is gone ends, what is different is started again.

        A camera that is as it was goes on untouched, unless ``all_again``. Raises ``HopelessError`` if one that is to
        end hangs.
        """
        wanted = {camera.id: camera for camera in cameras}
        leaving = [w for name, w in self._watched.items() if all_again or wanted.get(name) != w.runner.camera]
        self._end([watched.runner for watched in leaving])
        for watched in leaving:
            if not _gone(watched.runner) and not self._leave_behind(watched.runner):
                raise HopelessError(_hangs(watched.runner))
        following: dict[str, _Watched] = {}
        begin = []
        for name, camera in wanted.items():
            before = self._watched.get(name)
            if before is not None and before not in leaving:
                following[name] = before
                continue
            following[name] = _Watched(self._make(camera))
            begin.append(following[name])
            if before is not None:
                following[name].runner.follow(before.runner)
                self._restarts[name, RestartReason.RELOADED] += 1
        with self._lock:
            self._watched = following
        for watched in begin:
            self._begin(watched)

    def stop(self) -> None:
        """Let every camera finish its frame and keep its state; one that hangs is left where it is."""
        self._end(self.runners)
        for runner in self.runners:
            if not _gone(runner) and not self._leave_behind(runner):
                _log.error("camera_not_stopped", camera=runner.camera.id, why=_hangs(runner))

    def _end(self, runners: Iterable[CameraRunner]) -> None:
        running = [runner for runner in runners if runner.thread.ident is not None and not _gone(runner)]
        for runner in running:
            runner.stop()
        give_up = time.monotonic() + STOP_S
        for runner in running:
            runner.ended.wait(max(give_up - time.monotonic(), 0.0))

    def _begin(self, watched: _Watched) -> None:
        watched.began_s, watched.restart_at_s = self._clock(), None
        watched.runner.start()

    def _see_to(self, watched: _Watched) -> None:
        runner, now = watched.runner, self._clock()
        if watched.restart_at_s is not None:
            if now >= watched.restart_at_s:
                self._start_again(watched)
            return
        if runner.ended.is_set():
            if runner.failed and self._patient:
                self._down(watched, RestartReason.FAILED)
            return
        place = runner.progress.place()
        if place.silent_s <= self.stuck_after_s + runner.camera.period_s:
            return
        if place.step is Step.READING and self._leave_behind(runner):
            if self._patient:
                self._down(watched, RestartReason.STUCK)
            else:
                runner.failed = True
                runner.ended.set()
        elif place.step in (Step.ANALYSING, Step.KEEPING):
            raise HopelessError(_hangs(runner))

    def _leave_behind(self, runner: CameraRunner) -> bool:
        place = runner.progress.place()
        if not runner.abandon():
            return False
        with self._lock:
            self._stuck.append(runner.reader)
        _log.error(
            "camera_stuck",
            camera=runner.camera.id,
            silent_s=round(place.silent_s, 1),
            consequence="its thread is left behind",
        )
        return True

    def _down(self, watched: _Watched, reason: RestartReason) -> None:
        now = self._clock()
        if now - watched.began_s >= STABLE_S:
            watched.wait_s = RESTART_FIRST_S
        watched.restart_at_s = now + watched.wait_s
        self._restarts[watched.runner.camera.id, reason] += 1
        _log.warning(
            "camera_starts_again", camera=watched.runner.camera.id, reason=reason.value, in_s=round(watched.wait_s, 1)
        )
        watched.wait_s = min(2 * watched.wait_s, RESTART_LAST_S)

    def _start_again(self, watched: _Watched) -> None:
        runner = self._make(watched.runner.camera)
        runner.follow(watched.runner)
        with self._lock:
            watched.runner = runner
        self._begin(watched)


def _gone(runner: CameraRunner) -> bool:
    return runner.ended.is_set() or runner.progress.abandoned or runner.thread.ident is None


def _hangs(runner: CameraRunner) -> str:
    place = runner.progress.place()
    return f"camera {runner.camera.id} has been {place.step.value} one frame for {place.silent_s:.0f} s"
