"""Thousands of agents with certificates, each with its own connection, that only say that they live.

Reads commands from standard input, one a line: ``reconnect`` drops every connection and makes all again at once;
``quit`` ends. Answers each, and the first connecting, with one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import grpc
from clearway.v1 import camera_pb2, ingest_pb2, scene_pb2

from edge_agent.uplink.backoff import Backoff

METHOD = "/clearway.v1.IngestService/Connect"
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.ssl_target_name_override", "localhost"),
    ("grpc.initial_reconnect_backoff_ms", 500),
)


def heartbeat(number: int) -> bytes:
    """What a box with two cameras says of itself."""
    request = ingest_pb2.ConnectRequest()
    said = request.heartbeat
    said.sent_at.GetCurrentTime()
    said.clock_offset_s = 0.01
    said.queue.size_bytes = 65536
    for camera in ("north", "south"):
        status = said.cameras.add(camera_id=camera, state=camera_pb2.CAMERA_STATE_SEEING, frames_analysed=1000 + number)
        status.last_frame_at.GetCurrentTime()
        status.state_seconds.add(state=camera_pb2.CAMERA_STATE_SEEING, seconds=3600.0)
        zone = status.zones.add(zone_id="kerb", scenario=scene_pb2.SCENARIO_PARKING, enforced=True, judged=True)
        zone.enforced_seconds = zone.judged_seconds = 3600.0
    return bytes(request.SerializeToString())


AT_ONCE = asyncio.Semaphore(256)
"""Handshakes that this process has under way: it has one processor, and more would only wait in it and time out."""
MOST_MEMORY_BYTES = 6 << 30
"""A load generator that goes wrong must not take the machine with it."""


class Box:
    """One agent."""

    def __init__(self, address: str, name: str, credentials: grpc.ChannelCredentials) -> None:
        self._address, self._name, self._credentials = address, name, credentials
        self._channel: Any = None
        self._call: Any = None

    async def connect(self) -> None:
        """Connect anew, until welcomed; after a failure wait as agents do, and never in step with others."""
        backoff = Backoff(1.0, 60.0, random.uniform)
        while not await self._welcomed():
            await asyncio.sleep(backoff.next_s())

    async def _welcomed(self) -> bool:
        async with AT_ONCE:
            if self._channel is not None:
                await self._channel.close()
            self._channel = grpc.aio.secure_channel(self._address, self._credentials, options=OPTIONS)
            method = self._channel.stream_stream(METHOD, response_deserializer=ingest_pb2.ConnectResponse.FromString)
            self._call = method()
            hello = ingest_pb2.ConnectRequest()
            hello.hello.agent_id, hello.hello.epoch = self._name, self._name.encode().ljust(16, b".")[:16]
            hello.hello.lowest_unacked_seq = hello.hello.next_seq = 1
            try:
                async with asyncio.timeout(30.0):
                    await self._call.write(hello.SerializeToString())
                    answer = await self._call.read()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
                return False
            return answer is not grpc.aio.EOF and answer.WhichOneof("message") == "welcome"

    async def say(self, message: bytes) -> None:
        """Send a message."""
        await self._call.write(message)

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()


async def beat(boxes: list[Box], interval_s: float, lost: list[int]) -> None:
    """Heartbeats of all boxes, evenly over the interval, for ever."""
    while True:
        began = time.monotonic()
        for place, box in enumerate(boxes):
            wait_s = began + interval_s * place / len(boxes) - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            try:
                await box.say(heartbeat(place))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                lost.append(place)
        await asyncio.sleep(max(0.0, began + interval_s - time.monotonic()))


async def connect_all(boxes: list[Box]) -> float:
    """Connect all at once; the seconds until the last has its Welcome."""
    began = time.perf_counter()
    await asyncio.gather(*(box.connect() for box in boxes))
    return time.perf_counter() - began


async def main(address: str, identities: Path, names: list[str], interval_s: float) -> None:
    """Connect, beat, and do as told."""
    known = json.loads(identities.read_text(encoding="utf-8"))
    boxes = [
        Box(
            address,
            name,
            grpc.ssl_channel_credentials(known["ca"].encode(), known["key"].encode(), known["chains"][name].encode()),
        )
        for name in names
    ]
    lost: list[int] = []
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(json.dumps({"connected_s": await connect_all(boxes)}), flush=True)
    beating = asyncio.create_task(beat(boxes, interval_s, lost))
    while line := (await commands.readline()).decode().strip():
        if line == "quit":
            break
        if line == "reconnect":
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await asyncio.gather(*(box.close() for box in boxes))
            print(json.dumps({"reconnected_s": await connect_all(boxes), "lost_streams": len(lost)}), flush=True)
            beating = asyncio.create_task(beat(boxes, interval_s, lost))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("identities", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--interval-s", type=float, default=10.0)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    asyncio.run(
        main(
            given.address,
            given.identities,
            [f"box-{number:05d}" for number in range(given.first, given.first + given.count)],
            given.interval_s,
        )
    )
