"""A TCP proxy on this machine that does to a link what networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """How the link is now.

    ``delay_s`` is one way, ``bytes_per_s`` bounds each direction of each connection. ``passes_up`` and ``passes_down``
    are false while bytes vanish on their way, as when a NAT has forgotten a connection: both ends see it open.
    ``accepts`` is false while new connections are ended at once.
    """

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    passes_up: bool = True
    passes_down: bool = True
    accepts: bool = True


GOOD = Link()
HALF_OPEN = Link(passes_up=False, passes_down=False)
ACKS_LOST = Link(passes_down=False)
DELAYED = Link(delay_s=0.15)
TRICKLING = Link(bytes_per_s=2_000)
DOWN = Link(accepts=False)


class Proxy:
    """Set ``link`` at any time; it holds for connections that are open, too."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.link = GOOD
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Reset every connection."""

        async def reset() -> None:
            for writer in tuple(self._open):
                with suppress(OSError):
                    connection = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

        self._call(reset())

    def close(self) -> None:
        """End everything."""
        self.cut()

        async def end() -> None:
            self._server.close()
            running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.link.accepts:
            writer.transport.abort()
            return
        try:
            above = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._open |= {writer, above[1]}
        try:
            await asyncio.gather(self._pump(reader, above[1], up=True), self._pump(above[0], writer, up=False))
        finally:
            for each in (writer, above[1]):
                self._open.discard(each)
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while True:
            try:
                data = await reader.read(_READ_BYTES)
            except OSError:
                data = b""
            link = self.link
            if not data:
                writer.transport.abort()
                return
            if not (link.passes_up if up else link.passes_down):
                continue
            if link.delay_s:
                await asyncio.sleep(link.delay_s)
            try:
                await self._send(writer, data, link.bytes_per_s)
            except OSError:
                return

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, bytes_per_s: float | None) -> None:
        while data:
            piece = data if bytes_per_s is None else data[: max(1, int(bytes_per_s / 20))]
            writer.write(piece)
            await writer.drain()
            data = data[len(piece) :]
            if data and bytes_per_s is not None:
                await asyncio.sleep(len(piece) / bytes_per_s)
                bytes_per_s = self.link.bytes_per_s


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    """A proxy before ``target`` until the block ends."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
