"""What goes wrong with one camera stays with it, is stated, and is mended as far as a process can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from edge_agent.capture.decode_plan import DecodePlan
from edge_agent.capture.live import LiveSource
from edge_agent.capture.source import SourceError
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig
from edge_agent.lifetime.supervisor import HopelessError, Supervisor
from edge_agent.scene.camera_state import CameraState
from edge_agent.status import RestartReason
from edge_agent.stream_config import StreamConfig
from tests.edge_agent.scripted_camera import Box, Script, ScriptedSource, Scripts

STUCK_S = 20.0


@dataclass
class Clock:
    """A monotonic clock that stands until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(tmp_path: Path, clock: Clock) -> Box:
    return Box(tmp_path, clock)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    return Scripts(monkeypatch)


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What scripts hang on; they come back when the test ends at the latest."""
    event = threading.Event()
    yield event
    event.set()


def frames(count: int, first: float = 0.0) -> Script:
    """So many frames, a second apart, then the end."""

    def script(_: ScriptedSource) -> Iterator[float]:
        yield from (first + number for number in range(count))

    return script


def until(holds: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up, f"not in time: {what}"
        time.sleep(0.005)


def supervised(box: Box, *names: str | CameraConfig, max_stuck: int = 3, patient: bool = True) -> Supervisor:
    supervisor = Supervisor(
        box.runner,
        [box.camera(name) if isinstance(name, str) else name for name in names],
        stuck_after_s=STUCK_S,
        max_stuck_threads=max_stuck,
        patient=patient,
        clock=box.clock,
    )
    supervisor.start()
    return supervisor


class Fed:
    """A source that gives a frame whenever it is asked to, and otherwise waits."""

    def __init__(self) -> None:
        self._more = threading.Semaphore(0)
        self._over = threading.Event()

    def __call__(self, _: ScriptedSource) -> Iterator[float]:
        at_s = 0.0
        while True:
            self._more.acquire(timeout=60)
            if self._over.is_set():
                return
            yield at_s
            at_s += 1.0

    def give(self, count: int = 1) -> None:
        self._more.release(count)

    def end(self) -> None:
        self._over.set()
        self._more.release()


@pytest.fixture
def fed(scripts: Scripts) -> Iterator[Fed]:
    fed = Fed()
    yield fed
    fed.end()


def hanging_after(count: int, hang: threading.Event) -> Script:
    def script(_: ScriptedSource) -> Iterator[float]:
        yield from (float(number) for number in range(count))
        hang.wait(60)
        yield from (float(count + number) for number in range(5))

    return script


def test_a_camera_that_fails_is_started_again_after_longer_and_longer_waits(
    box: Box, scripts: Scripts, clock: Clock, fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.lifetime.supervisor.RESTART_LAST_S", 8.0)

    def broken(_: ScriptedSource) -> Iterator[float]:
        raise RuntimeError("the picture has four dimensions")
        yield 0.0

    scripts.by_camera = {"bad": broken, "good": fed}
    supervisor = supervised(box, "bad", box.camera("good", period_s=3600.0))
    good = supervisor.runners[1]
    waits = []
    for attempt in range(1, 6):
        until(lambda attempt=attempt: scripts.opened["bad"] == attempt, "opened again")
        until(supervisor.runners[0].ended.is_set, "it failed")
        supervisor.look()
        assert supervisor.status().down == ("bad",)
        began, failed = clock.now, supervisor.runners[0]
        while supervisor.runners[0] is failed:
            clock.now += 0.5
            supervisor.look()
        waits.append(clock.now - began)
        fed.give()
        until(lambda attempt=attempt: len(box.moments("good")) == attempt, "the good camera goes on")
    assert waits == [1, 2, 4, 8, 8]
    assert supervisor.runners[1] is good
    assert supervisor.status().restarts == (("bad", RestartReason.FAILED, 5),)
    assert supervisor.runners[0].activity().status.state is CameraState.NO_SIGNAL


def test_a_camera_that_hangs_in_its_source_is_left_behind_and_keeps_what_it_knew(
    box: Box, scripts: Scripts, clock: Clock, fed: Fed, hang: threading.Event
) -> None:
    scripts.by_camera = {"bad": hanging_after(50, hang), "good": fed}
    supervisor = supervised(box, "bad", "good")
    until(lambda: len(box.moments("bad")) == 50, "fifty frames")
    stuck = supervisor.runners[0]
    until(lambda: stuck.progress.place().step == "reading", "it reads on")
    kept = box.state_file("bad").read()
    assert kept is None or kept["last"]["media_time_s"] < 49
    clock.now += STUCK_S + 0.5
    supervisor.look()
    assert supervisor.status().stuck_threads == 0, "a source may be silent for its period, on top"
    clock.now += 1
    fed.give(3)
    until(lambda: len(box.moments("good")) == 3, "the good camera goes on")
    supervisor.look()
    assert stuck.activity().status.state is CameraState.NO_SIGNAL
    assert supervisor.status().stuck_threads == 1
    kept = box.state_file("bad").read()
    assert kept is not None
    assert kept["last"]["media_time_s"] == 49

    scripts.by_camera["bad"] = frames(60)
    clock.now += 1
    supervisor.look()
    following = supervisor.runners[0]
    assert following is not stuck
    until(following.ended.is_set, "the new thread played on")
    assert box.moments("bad") == [float(number) for number in range(60)]
    assert supervisor.status().restarts == (("bad", RestartReason.STUCK, 1),)

    kept = box.state_file("bad").path.read_bytes()
    hang.set()
    until(lambda: not stuck.thread.is_alive(), "the old thread came back and ended")
    assert box.moments("bad") == [float(number) for number in range(60)], "and nothing came of it"
    assert box.state_file("bad").path.read_bytes() == kept
    supervisor.look()
    assert supervisor.status().stuck_threads == 0


def test_too_many_threads_that_hang_are_hopeless(
    box: Box, scripts: Scripts, clock: Clock, hang: threading.Event
) -> None:
    scripts.by_camera = dict.fromkeys(("one", "two"), hanging_after(1, hang))
    supervisor = supervised(box, "one", "two", max_stuck=1)
    until(lambda: len(box.heard) == 2, "both began")
    until(lambda: all(r.progress.place().step == "reading" for r in supervisor.runners), "both hang")
    clock.now += STUCK_S + 2
    with pytest.raises(HopelessError, match="2 camera threads hang, and 1 are tolerated"):
        supervisor.look()


def test_a_hang_where_all_cameras_wait_is_hopeless_and_names_the_camera(
    box: Box, scripts: Scripts, clock: Clock, hang: threading.Event
) -> None:
    scripts.by_camera = {"one": frames(5)}
    box.model.hangs_on = hang
    supervisor = supervised(box, "one")
    until(lambda: supervisor.runners[0].progress.place().step == "analysing", "it looks")
    clock.now += STUCK_S
    supervisor.look()
    clock.now += 2
    with pytest.raises(HopelessError, match="camera one has been analysing one frame for 22 s"):
        supervisor.look()


def test_frames_that_come_slowly_without_end_are_no_hang(box: Box, scripts: Scripts, clock: Clock, fed: Fed) -> None:
    scripts.by_camera = {"slow": fed}
    supervisor = supervised(box, "slow")
    for number in range(20):
        until(lambda: supervisor.runners[0].progress.place().step == "reading", "it reads")
        clock.now += STUCK_S + 0.9
        supervisor.look()
        fed.give()
        until(lambda number=number: len(box.heard) == number + 1, "a frame")
    assert len(box.made) == 1


def test_a_source_that_cannot_be_read_is_no_failure_of_the_camera(
    box: Box, scripts: Scripts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.camera_runner.RETRY_FIRST_S", 0.001)
    monkeypatch.setattr("edge_agent.camera_runner.RETRY_LAST_S", 0.001)

    def away(_: ScriptedSource) -> Iterator[float]:
        raise SourceError("not there")
        yield 0.0

    scripts.by_camera = {"gone": away}
    supervisor = supervised(box, "gone")
    until(lambda: scripts.opened["gone"] > 20, "tried again")
    clock.now += 10 * STUCK_S
    supervisor.look()
    assert supervisor.status().down == ()
    assert len(box.made) == 1
    supervisor.stop()


def test_who_waits_for_the_end_of_recordings_is_told_of_a_hang(
    box: Box, scripts: Scripts, clock: Clock, hang: threading.Event
) -> None:
    scripts.by_camera = {"one": hanging_after(3, hang)}
    supervisor = supervised(box, "one", patient=False)
    runner = supervisor.runners[0]
    until(lambda: len(box.heard) == 3 and runner.progress.place().step == "reading", "it hangs")
    clock.now += STUCK_S + 2
    supervisor.look()
    assert runner.failed
    assert runner.ended.is_set()
    assert len(box.made) == 1


def test_stopping_does_not_wait_for_a_hang_for_ever_and_keeps_its_state(
    box: Box, scripts: Scripts, hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.lifetime.supervisor.STOP_S", 0.2)
    scripts.by_camera = {"bad": hanging_after(40, hang), "good": frames(3)}
    supervisor = supervised(box, "bad", "good")
    until(lambda: len(box.moments("bad")) == 40, "forty frames")
    until(lambda: supervisor.runners[0].progress.place().step == "reading", "it hangs")
    supervisor.stop()
    kept = box.state_file("bad").read()
    assert kept is not None
    assert kept["last"]["media_time_s"] == 39


def test_a_change_restarts_what_is_different_and_leaves_the_rest_alone(
    box: Box, scripts: Scripts, clock: Clock
) -> None:
    feeds = {name: Fed() for name in ("same", "other", "gone", "new")}
    scripts.by_camera = dict(feeds)
    supervisor = supervised(box, "same", "other", "gone")
    for feed in feeds.values():
        feed.give(40)
    until(lambda: len(box.heard) == 120, "forty frames of each")
    same, other, gone = supervisor.runners
    for name in ("other", "gone"):
        threading.Timer(0.2, feeds[name].end).start()
    later = Fed()
    scripts.by_camera["other"] = later
    until(lambda: other.progress.place().step == "reading", "it waits for a frame")
    supervisor.change([box.camera("other", period_s=2.0), box.camera("same"), box.camera("new")])
    assert gone.ended.is_set()
    assert [runner.camera.id for runner in supervisor.runners] == ["other", "same", "new"]
    assert supervisor.runners[1] is same
    assert same.thread.is_alive()
    assert supervisor.runners[0].camera.period_s == 2.0
    later.give(45)
    feeds["same"].give(2)
    until(lambda: len(box.moments("other")) == 45, "the changed camera goes on after the last frame it knew")
    until(lambda: len(box.moments("same")) == 42, "and the same one goes on")
    until(lambda: len(box.moments("new")) == 40, "and the new one began")
    assert supervisor.status().restarts == (("other", RestartReason.RELOADED, 1),)
    for feed in (*feeds.values(), later):
        feed.end()
    with suppress(HopelessError):
        supervisor.stop()


def test_a_live_camera_whose_reading_thread_hangs_is_left_behind_too(
    box: Box, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    def connect(*_: object) -> NoReturn:
        hang.wait(60)
        raise SourceError("gone")

    def live(camera: CameraConfig, *_: object) -> LiveSource:
        return LiveSource(SourceKind.RTSP, connect, camera.period_s, DecodePlan("auto", camera.period_s))

    monkeypatch.setattr("edge_agent.camera_runner.open_source", live)
    box.clock = time.monotonic
    quick = StreamConfig(open_timeout_s=0.5, read_timeout_s=0.5)
    camera = box.camera("live", source="rtsp://camera.example/1", period_s=0.1, stream=quick)
    supervisor = Supervisor(box.runner, [camera], stuck_after_s=1.0, max_stuck_threads=3)
    supervisor.start()
    first = supervisor.runners[0]

    def stuck() -> int:
        supervisor.look()
        return supervisor.status().stuck_threads

    began = time.monotonic()
    until(lambda: stuck() == 1, "it is left behind")
    assert time.monotonic() - began > 2.0, "not before its own time-outs have passed"
    until(first.ended.is_set, "the thread that looks has ended")
    assert first.reader.is_alive()
    assert stuck() == 1, "the one that reads hangs on"
    hang.set()
    until(lambda: not first.reader.is_alive(), "it came back")
    supervisor.stop()
