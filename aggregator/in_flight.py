"""The batches of one stream that wait for their commit, acked in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aggregator.ingest import Failed
from aggregator.records import Outcome


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch on its way to the store. ``read_at_s`` is by ``time.perf_counter``."""

    future: asyncio.Future[Outcome | Failed]
    read_at_s: float
    events: int
    size_bytes: int


class InFlight:
    """At most ``window`` events and ``window_bytes`` at one time; one message always may.

    ``answer`` is called for each batch once its outcome is known. What it raises goes to ``failed``, and ends the acks.
    There is a task for them only while something is in flight: of thousands of agents, few have anything to say.
    """

    __slots__ = ("_answer", "_bytes", "_events", "_failed", "_moved", "_sent", "_task", "_window", "_window_bytes")

    def __init__(
        self,
        window: int,
        window_bytes: int,
        answer: Callable[[Sent, Outcome | Failed], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._window = window
        self._window_bytes = window_bytes
        self._answer = answer
        self._failed = failed
        self._events = 0
        self._bytes = 0
        self._sent: deque[Sent] | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved: asyncio.Future[None] | None = None

    async def room_for(self, events: int, size_bytes: int) -> None:
        """Wait until so much more may be in flight."""
        while self._bytes and (self._events + events > self._window or self._bytes + size_bytes > self._window_bytes):
            await self._next_move()

    def put(self, sent: Sent) -> None:
        """A batch is on its way."""
        self._events += sent.events
        self._bytes += sent.size_bytes
        if self._sent is None:
            self._sent = deque()
        self._sent.append(sent)
        if self._task is None:
            self._task = asyncio.create_task(self._acknowledge(self._sent))

    async def none_left(self) -> None:
        """Wait until everything is acked. For ever if that failed: whoever hears of it ends the stream."""
        while self._sent is not None:
            await self._next_move()

    def close(self) -> None:
        """Ack no more, and let go of the stream, which holds this."""
        if self._task is not None:
            self._task.cancel()
        del self._answer, self._failed

    async def _acknowledge(self, sent: deque[Sent]) -> None:
        try:
            while sent:
                first = sent[0]
                await self._answer(first, await first.future)
                sent.popleft()
                self._events -= first.events
                self._bytes -= first.size_bytes
                if sent:
                    self._tell()
            self._sent = self._task = None
            self._tell()
        except Exception as error:  # noqa: BLE001 - the stream's own task raises it
            self._failed(error)

    async def _next_move(self) -> None:
        if self._moved is None or self._moved.done():
            self._moved = asyncio.get_running_loop().create_future()
        await self._moved

    def _tell(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        self._moved = None
