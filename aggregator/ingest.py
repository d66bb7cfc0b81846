"""Group commit: batches of many streams share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog

from aggregator.config import CommitConfig
from aggregator.records import Batch, Opened, Opening, Outcome, QueueBehind
from aggregator.store.errors import StoreError, StoreUnavailableError

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """A transaction failed, and nothing of it is stored. Trying again may help."""

    error: StoreError


Waiting = tuple[Batch, asyncio.Future["Outcome | Failed"]]
WaitingHello = tuple[Opening, asyncio.Future[Opened | QueueBehind]]

MAX_HELLOS = 256
"""Streams that one transaction registers: thousands come at once after an outage, and batches wait behind it."""


class CommitsToStore(Protocol):
    """What group commit needs of a store."""

    def commit(self, taken: list[Batch]) -> list[Outcome]:
        """Store batches in one transaction."""
        ...

    def open_streams(self, hellos: list[Opening]) -> dict[str, Opened | QueueBehind]:
        """Register streams of different agents in one transaction."""
        ...


class WatchesCommits(Protocol):
    """Hears of each transaction."""

    def committed(self, seconds: float, batches: int) -> None:
        """A transaction of so many batches took this long."""
        ...

    def commit_failed(self) -> None:
        """A transaction failed."""
        ...


class Ingest:
    """One queue for all streams, one thread that writes.

    The thread takes every write of the process, in the order in which they were asked for.
    """

    def __init__(self, store: CommitsToStore, limits: CommitConfig, watch: WatchesCommits) -> None:
        self._store = store
        self._limits = limits
        self._watch = watch
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._task: asyncio.Task[None] | None = None
        self._hellos: list[WaitingHello] = []
        self._opening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ingest:
        self._task = asyncio.create_task(self._work(), name="group-commit")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commit what is queued, then stop."""
        if self._opening is not None:
            await self._opening
        await self._queue.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True)

    def put(self, batch: Batch) -> asyncio.Future[Outcome | Failed]:
        """Queue a batch. The future is resolved once its transaction was committed, or failed; it never raises."""
        future: asyncio.Future[Outcome | Failed] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((batch, future))
        return future

    async def open(self, hello: Opening) -> Opened | QueueBehind:
        """Register a stream. Those that come while a transaction runs share the next. Raises ``StoreError``."""
        future: asyncio.Future[Opened | QueueBehind] = asyncio.get_running_loop().create_future()
        self._hellos.append((hello, future))
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_all(), name="group-hello")
        return await future

    async def write(self, work: Callable[[], T]) -> T:
        """Run another write of the store in the writing thread. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _open_all(self) -> None:
        try:
            while self._hellos:
                group: dict[str, WaitingHello] = {}
                for waiting in self._hellos:
                    if len(group) < MAX_HELLOS:
                        group.setdefault(waiting[0].agent_id, waiting)
                taken = list(group.values())
                self._hellos = [waiting for waiting in self._hellos if group.get(waiting[0].agent_id) is not waiting]
                await self._open(taken)
        finally:
            self._opening = None

    async def _open(self, group: list[WaitingHello]) -> None:
        try:
            opened = await self.write(partial(self._store.open_streams, [hello for hello, _ in group]))
        except StoreUnavailableError as error:
            _fail(group, error)
        except Exception as error:  # one agent's Hello must not keep the others out
            log.exception("streams were not registered", streams=len(group))
            if len(group) == 1:
                _fail(group, error if isinstance(error, StoreError) else StoreError(f"{type(error).__name__}: {error}"))
            else:
                for waiting in group:
                    await self._open([waiting])
        else:
            for hello, future in group:
                if not future.done():  # its agent has gone
                    future.set_result(opened[hello.agent_id])

    async def _work(self) -> None:
        while True:
            group = await self._gather()
            try:
                await self._commit(group)
            finally:
                for _ in group:
                    self._queue.task_done()

    async def _gather(self) -> list[Waiting]:
        group = [await self._queue.get()]
        events = len(group[0][0].entries)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.max_delay_ms / 1000
        while events < self._limits.max_events:
            try:
                async with asyncio.timeout_at(until):
                    item = await self._queue.get()
            except TimeoutError:
                if self._queue.empty():
                    break
                item = self._queue.get_nowait()
            group.append(item)
            events += len(item[0].entries)
        return group

    async def _commit(self, group: list[Waiting]) -> None:
        try:
            results = await self._transaction([batch for batch, _ in group])
        except StoreUnavailableError as error:
            self._watch.commit_failed()
            log.error("commit failed", batches=len(group), error=str(error))
            _resolve(group, [Failed(error)] * len(group))
        except Exception as error:  # one broken batch must not end the writer, nor keep the others out for ever
            self._watch.commit_failed()
            log.exception("commit failed unexpectedly", batches=len(group))
            if len(group) == 1:
                _resolve(group, [Failed(StoreError(f"{type(error).__name__}: {error}"))])
            else:
                for waiting in group:
                    await self._commit([waiting])
        else:
            _resolve(group, results)

    async def _transaction(self, batches: list[Batch]) -> list[Outcome]:
        began = time.perf_counter()
        results = await self.write(partial(self._store.commit, batches))
        self._watch.committed(time.perf_counter() - began, len(batches))
        return results


def _resolve(group: Sequence[Waiting], results: Sequence[Outcome | Failed]) -> None:
    for (_, future), result in zip(group, results, strict=True):
        if not future.done():  # a stream that is gone has cancelled it
            future.set_result(result)


def _fail(group: Sequence[WaitingHello], error: StoreError) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
