"""A program: an agent that sends two events every 20 ms and writes down when, and how long their ack took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import grpc
from clearway.v1 import ingest_pb2
from clearway.v1.ingest_pb2_grpc import IngestServiceStub

from tests.aggregator.harness import event
from tests.hostile.corpus import batch, hello


def main(address: str, folder: Path) -> None:
    """Send until it is ended, or thrown out."""
    pem = [(folder / f"{name}.pem").read_bytes() for name in ("ca", "key", "chain")]
    outgoing: SimpleQueue[ingest_pb2.ConnectRequest] = SimpleQueue()

    def requests() -> Iterator[ingest_pb2.ConnectRequest]:
        while True:
            yield outgoing.get()

    with (
        grpc.secure_channel(address, grpc.ssl_channel_credentials(*pem)) as channel,
        (folder / "waits.txt").open("a", encoding="ascii", buffering=1) as waits,
    ):
        answers = IngestServiceStub(channel).Connect(requests())
        outgoing.put(hello("well-behaved"))
        next(answers)
        seq = 1
        while True:
            began = time.monotonic()
            outgoing.put(batch(seq, event(f"well-{seq % 50}", "UPDATED"), event(f"well-{seq % 50}", "UPDATED")))
            seq += 2
            while next(answers).ack.committed_through_seq < seq - 1:
                pass
            waits.write(f"{began:.6f} {time.monotonic() - began:.6f}\n")
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
