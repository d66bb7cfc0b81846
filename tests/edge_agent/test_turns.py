"""Cameras take turns with the detector: who is due first goes first, and nobody waits for ever."""

from __future__ import annotations

import threading
import time

import pytest

from edge_agent.turns import Turns, share_out


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def queue_up(turns: Turns, asks: list[tuple[str, float]]) -> list[str]:
    """The order in which cameras get their turn that ask, one after another, while the only one is taken."""
    order: list[str] = []
    release = threading.Event()
    taken = threading.Event()

    def hold() -> None:
        with turns.turn("holder", 1.0):
            taken.set()
            release.wait(10)

    def ask(camera: str, within_s: float) -> None:
        with turns.turn(camera, within_s):
            order.append(camera)

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    assert taken.wait(10)
    for number, (camera, within_s) in enumerate(asks, start=1):
        threads.append(threading.Thread(target=ask, args=(camera, within_s)))
        threads[-1].start()
        give_up = time.monotonic() + 10
        while turns.waiting < number and time.monotonic() < give_up:
            time.sleep(0.001)
    release.set()
    for thread in threads:
        thread.join(10)
    return order


def test_the_frame_that_is_due_first_goes_first() -> None:
    order = queue_up(Turns(clock=Clock()), [("hourly", 3600.0), ("slow", 10.0), ("fast", 1.0), ("usual", 2.0)])
    assert order == ["fast", "usual", "slow", "hourly"]


def test_of_two_that_are_due_at_once_the_one_that_asked_first_goes_first() -> None:
    assert queue_up(Turns(clock=Clock()), [("one", 2.0), ("two", 2.0), ("three", 2.0)]) == ["one", "two", "three"]


def test_a_slow_camera_is_not_starved_by_fast_ones() -> None:
    """Fast cameras that always ask again cannot keep a slow one waiting beyond its own period."""
    clock = Clock()
    turns = Turns(clock=clock)
    slow_done = threading.Event()
    served_s: list[float] = []
    began = threading.Barrier(4)

    def fast() -> None:
        began.wait(10)
        while not slow_done.is_set():
            with turns.turn("fast", 1.0):
                clock.now_s += 0.1  # every frame takes this long
                time.sleep(0.001)

    def slow() -> None:
        began.wait(10)
        with turns.turn("slow", 5.0):
            served_s.append(clock.now_s)
        slow_done.set()

    threads = [threading.Thread(target=fast) for _ in range(3)] + [threading.Thread(target=slow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert slow_done.is_set()
    assert served_s[0] <= 5.0 + 3 * 0.1 + 0.2  # its deadline, what was due before it, and what was at work


def test_turns_that_come_after_the_deadline_are_counted_for_their_camera() -> None:
    clock = Clock()
    turns = Turns(clock=clock)
    for took_s in (0.5, 2.5, 0.5):
        with turns.turn("gate", 2.0):
            clock.now_s += took_s
    counts = turns.counts("gate")
    assert (counts.taken, counts.missed, counts.used_s) == (3, 1, pytest.approx(3.5))
    assert turns.counts("other").taken == 0


def test_as_many_cameras_are_at_work_as_the_box_carries_and_no_more() -> None:
    turns = Turns(2)
    at_work, most, lock = 0, 0, threading.Lock()

    def work(camera: str) -> None:
        nonlocal at_work, most
        for _ in range(5):
            with turns.turn(camera, 1.0):
                with lock:
                    at_work += 1
                    most = max(most, at_work)
                time.sleep(0.005)
                with lock:
                    at_work -= 1

    threads = [threading.Thread(target=work, args=(f"camera-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 2
    assert turns.waiting == 0
    assert sum(turns.counts(f"camera-{number}").taken for number in range(6)) == 30


def test_a_turn_that_fails_is_passed_on() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError), turns.turn("broken", 1.0):
        raise RuntimeError("the model broke")
    with turns.turn("other", 1.0):
        pass
    assert turns.counts("broken").taken == 1


@pytest.mark.parametrize(
    ("cameras", "threads", "at_once", "each"),
    [
        (1, 2, 1, 2),
        (1, 4, 1, 4),
        (2, 4, 2, 2),
        (24, 2, 2, 1),
        (24, 4, 4, 1),
        (3, 4, 3, 1),
        (24, 1, 1, 1),
        (9, 16, 4, 4),
    ],
)
def test_a_box_with_many_cameras_analyses_several_frames_with_few_threads_each(
    cameras: int, threads: int, at_once: int, each: int
) -> None:
    share = share_out(cameras, threads)
    assert (share.at_once, share.threads) == (at_once, each)
