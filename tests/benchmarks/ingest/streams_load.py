"""Fifty agents that send as fast as they are let: batches ahead of their acks, up to the window that Welcome sets."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import grpc
from clearway.v1 import ingest_pb2
from events import BATCH, batch

METHOD = "/clearway.v1.IngestService/Connect"


async def agent(address: str, number: int, requests: list[bytes], start: asyncio.Event) -> None:
    """One stream that sends ``requests`` and returns when the last event is acked."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.stream_stream(METHOD, response_deserializer=ingest_pb2.ConnectResponse.FromString)()
        hello = ingest_pb2.ConnectRequest()
        hello.hello.agent_id, hello.hello.epoch = f"load-{number}", number.to_bytes(16, "big")
        hello.hello.lowest_unacked_seq, hello.hello.next_seq = 1, len(requests) * BATCH + 1
        await call.write(hello.SerializeToString())
        window = (await call.read()).welcome.window
        await start.wait()
        acked = 0
        for place, request in enumerate(requests):
            while (place + 1) * BATCH - acked > window:
                acked = (await call.read()).ack.committed_through_seq or acked
            await call.write(request)
        while acked < len(requests) * BATCH:
            acked = (await call.read()).ack.committed_through_seq or acked
        await call.done_writing()
        await call.read()


async def main(address: str, streams: int, batches: int) -> None:
    """Load an aggregator, and say how long it took until everything was acked."""
    requests = [[batch(number, place * BATCH + 1) for place in range(batches)] for number in range(streams)]
    start = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(agent(address, number, requests[number], start))
        await asyncio.sleep(2.0)  # until all have their Welcome
        began, cpu_began_s = time.perf_counter(), time.process_time()
        start.set()
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began_s
    print(json.dumps({"events": streams * batches * BATCH, "took_s": took_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--batches", type=int, default=20)
    given = parser.parse_args()
    asyncio.run(main(given.address, given.streams, given.batches))
