"""The first rival: batches as JSON over HTTP, taken by uvicorn; 200 OK means durable."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from events import BATCH, json_batches
from rival_store import RivalStore

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class App:
    """``POST /events``."""

    def __init__(self, store: RivalStore) -> None:
        self._store = store

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        committed = await self._store.take(json.loads(body))
        answer = json.dumps({"committed_through_seq": committed}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def serve(port: int, store_file: Path) -> None:
    """Serve until terminated."""
    store = RivalStore(store_file)
    async with store.ingest:
        app: Any = App(store)
        await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off")).serve()
    store.close()


async def client(session: aiohttp.ClientSession, url: str, number: int, bodies: list[bytes]) -> None:
    """One agent: one request after another, as HTTP has it."""
    for place, body in enumerate(bodies):
        async with session.post(url, data=body) as answer:
            answer.raise_for_status()
            if (await answer.json())["committed_through_seq"] != (place + 1) * BATCH:
                raise RuntimeError(f"agent {number}: not everything was stored")


async def load(port: int, streams: int, batches: int) -> None:
    """Send everything, and say how long it took until all was durable."""
    bodies = [json_batches(number, batches) for number in range(streams)]
    url = f"http://127.0.0.1:{port}/events"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=streams)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session, url, number, each) for number, each in enumerate(bodies)))
        took_s = time.perf_counter() - began
    print(json.dumps({"events": streams * batches * BATCH, "took_s": took_s}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("serve", "load"))
    parser.add_argument("port", type=int)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--batches", type=int, default=20)
    given = parser.parse_args()
    asyncio.run(
        serve(given.port, given.store) if given.what == "serve" else load(given.port, given.streams, given.batches)
    )
