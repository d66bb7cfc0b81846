"""A few agents of a quiet city: one event at a time, and how long each ack takes."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import grpc
from clearway.v1 import ingest_pb2
from events import batch

METHOD = "/clearway.v1.IngestService/Connect"


async def agent(address: str, known: dict[str, dict[str, str]], name: str, number: int, seconds: float) -> list[float]:
    """One stream; the seconds from each send to its ack."""
    credentials = grpc.ssl_channel_credentials(
        str(known["ca"]).encode(), str(known["key"]).encode(), known["chains"][name].encode()
    )
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", "localhost"))
    took: list[float] = []
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        call = channel.stream_stream(METHOD, response_deserializer=ingest_pb2.ConnectResponse.FromString)()
        hello = ingest_pb2.ConnectRequest()
        hello.hello.agent_id, hello.hello.epoch = name, name.encode().ljust(16, b".")[:16]
        hello.hello.lowest_unacked_seq, hello.hello.next_seq = 1, 1_000_000
        await call.write(hello.SerializeToString())
        await call.read()
        until = time.monotonic() + seconds
        seq = 1
        while time.monotonic() < until:
            began = time.perf_counter()
            await call.write(batch(number, seq, 1))
            while (await call.read()).ack.committed_through_seq < seq:
                pass
            took.append(time.perf_counter() - began)
            seq += 1
            await asyncio.sleep(0.2)
    return took


async def main(address: str, identities: Path, names: list[str], seconds: float) -> None:
    """Send for a while, and say the percentiles in milliseconds."""
    known = json.loads(identities.read_text(encoding="utf-8"))
    all_took = await asyncio.gather(
        *(agent(address, known, name, number, seconds) for number, name in enumerate(names))
    )
    ms = sorted(1000 * took for one in all_took for took in one)
    print(
        json.dumps({"acks": len(ms), "p50_ms": ms[len(ms) // 2], "p99_ms": ms[int(len(ms) * 0.99)], "max_ms": ms[-1]})
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("identities", type=Path)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    names = [f"light-{number}" for number in range(given.agents)]
    asyncio.run(main(given.address, given.identities, names, given.seconds))
