"""Batches of a stream that wait for their commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aggregator.in_flight import InFlight, Sent
from aggregator.ingest import Failed
from aggregator.records import Outcome, Stored

Run = Callable[[Coroutine[Any, Any, None]], None]


class Scene:
    """Acks that were sent, and what went wrong."""

    def __init__(self, window: int = 400, window_bytes: int = 4000) -> None:
        self.acked: list[int] = []
        self.wrong: list[Exception] = []
        self.in_flight = InFlight(window, window_bytes, self._answer, self.wrong.append)

    async def _answer(self, _sent: Sent, outcome: Outcome | Failed) -> None:
        assert isinstance(outcome, Stored)
        if outcome.committed_seq < 0:
            raise ValueError("nobody is there")
        self.acked.append(outcome.committed_seq)

    def put(self, events: int = 200, size_bytes: int = 1000) -> asyncio.Future[Outcome | Failed]:
        future: asyncio.Future[Outcome | Failed] = asyncio.get_running_loop().create_future()
        self.in_flight.put(Sent(future, 0.0, events, size_bytes))
        return future

    async def has_room(self, events: int = 200, size_bytes: int = 1000) -> bool:
        try:
            await asyncio.wait_for(self.in_flight.room_for(events, size_bytes), 0.02)
        except TimeoutError:
            return False
        return True


def committed(through: int) -> Stored:
    return Stored(through, (), 1, 0)


def test_acks_go_in_the_order_in_which_batches_came(run: Run) -> None:
    async def test() -> None:
        scene = Scene()
        first, second = scene.put(), scene.put()
        second.set_result(committed(2))
        await asyncio.sleep(0.01)
        assert scene.acked == []
        first.set_result(committed(1))
        await scene.in_flight.none_left()
        assert scene.acked == [1, 2]

    run(test())


def test_more_than_the_window_waits_for_an_ack(run: Run) -> None:
    async def test() -> None:
        scene = Scene(window=400, window_bytes=4000)
        first = scene.put()
        assert await scene.has_room(200)
        assert not await scene.has_room(201), "events"
        assert not await scene.has_room(1, 3001), "bytes"
        waiting = asyncio.create_task(scene.in_flight.room_for(400, 10))
        scene.put(100, 100)
        first.set_result(committed(1))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "a hundred are in flight still"
        assert await scene.has_room(300)
        waiting.cancel()

    run(test())


def test_one_message_may_be_larger_than_the_window(run: Run) -> None:
    async def test() -> None:
        assert await Scene(window=10, window_bytes=10).has_room(1000, 1000)

    run(test())


def test_acks_go_on_after_a_pause_in_which_nothing_was_in_flight(run: Run) -> None:
    async def test() -> None:
        scene = Scene()
        for number in range(1, 4):
            scene.put().set_result(committed(number))
            await scene.in_flight.none_left()
        assert scene.acked == [1, 2, 3]

    run(test())


def test_an_ack_that_cannot_be_sent_is_told_and_none_follows(run: Run) -> None:
    async def test() -> None:
        scene = Scene()
        first, second = scene.put(), scene.put()
        first.set_result(committed(-1))
        second.set_result(committed(2))
        await asyncio.sleep(0.01)
        assert [str(error) for error in scene.wrong] == ["nobody is there"]
        assert scene.acked == []
        assert not await scene.has_room(201), "what was not acked stays in flight"

    run(test())


def test_a_stream_that_is_closed_acks_no_more(run: Run) -> None:
    async def test() -> None:
        scene = Scene()
        first = scene.put()
        await asyncio.sleep(0)
        scene.in_flight.close()
        await asyncio.sleep(0.01)
        assert first.cancelled()
        assert (scene.acked, scene.wrong) == ([], [])

    run(test())
