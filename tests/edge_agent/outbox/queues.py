"""Queues as tests fill them, and what is in them."""

from __future__ import annotations

from pathlib import Path

from clearway.v1 import ingest_pb2

from edge_agent import wire
from edge_agent.outbox.gap import Gap
from edge_agent.outbox.outbox import EventKind, Outbox

MEBIBYTE = 1024 * 1024
FILE = "outbox.sqlite"
EVENTS = 300


def everything(outbox: Outbox) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    after = 0
    while (batch := outbox.peek(after, 1000, 10 * MEBIBYTE)).payloads:
        found.update(enumerate(batch.payloads, batch.first_seq))
        after = batch.last_seq
    return found


def event(number: int) -> bytes:
    return b"event %06d " % number + bytes(400)


def gaps_in(found: dict[int, bytes]) -> list[Gap]:
    return [wire.gap(ingest_pb2.Event.FromString(each).gap) for each in found.values() if not each.startswith(b"event")]


def filled(folder: Path) -> bytes:
    """A queue of EVENTS events that was closed in order; its file's bytes."""
    outbox = Outbox(folder, MEBIBYTE)
    outbox.append([event(number) for number in range(1, EVENTS + 1)], EventKind.INCIDENT)
    outbox.close()
    return (folder / FILE).read_bytes()
