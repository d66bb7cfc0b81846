"""The second rival: batches as JSON over MQTT by mosquitto, QoS 1, and a subscriber that stores them.

The broker's PUBACK says only that the broker has the batch; durable it is when the subscriber has stored it, so the
clock stops there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import aiomqtt
from events import BATCH, json_batches
from rival_store import RivalStore


async def store_all(port: int, store_file: Path, expected: int) -> None:
    """Take batches until ``expected`` events are durable; says when it is ready and when it is done."""
    store = RivalStore(store_file)
    done = 0
    async with store.ingest, aiomqtt.Client("127.0.0.1", port, identifier="store", clean_session=False) as broker:
        await broker.subscribe("agents/+/events", qos=1)
        print(json.dumps({"ready": True}), flush=True)
        working: set[asyncio.Task[int]] = set()
        async for message in broker.messages:
            said = json.loads(message.payload)
            working.add(asyncio.create_task(store.take(said)))
            done += len(said["events"])
            if done >= expected:
                break
        await asyncio.gather(*working)
        print(json.dumps({"durable_at": time.time()}), flush=True)
    store.close()


async def client(port: int, number: int, bodies: list[bytes]) -> None:
    """One agent."""
    async with aiomqtt.Client("127.0.0.1", port, identifier=f"load-{number}") as broker:
        for body in bodies:
            await broker.publish(f"agents/load-{number}/events", body, qos=1)


async def load(port: int, streams: int, batches: int) -> None:
    """Publish everything; says when it began."""
    bodies = [json_batches(number, batches) for number in range(streams)]
    print(json.dumps({"events": streams * batches * BATCH, "began_at": time.time()}), flush=True)
    await asyncio.gather(*(client(port, number, each) for number, each in enumerate(bodies)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("store", "load"))
    parser.add_argument("port", type=int)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--batches", type=int, default=20)
    given = parser.parse_args()
    if given.what == "store":
        asyncio.run(store_all(given.port, given.store, given.streams * given.batches * BATCH))
    else:
        asyncio.run(load(given.port, given.streams, given.batches))
