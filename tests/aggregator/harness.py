"""A real aggregator to talk to, and an agent that says what a test wants said."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from clearway.v1 import camera_pb2, incident_pb2, ingest_pb2, ingest_pb2_grpc, scene_pb2
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from aggregator.config import AggregatorConfig, CommitConfig, MetricsConfig, StreamConfig
from aggregator.service import Service, open_store
from aggregator.store.store import Store

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

EPOCH = b"0123456789abcdef"
OPENED_AT_S = 1_760_000_000


def event(
    incident: str = "incident-1",
    phase: str = "OPENED",
    *,
    at_s: float = 0.0,
    reason: str = "LEFT",
    camera: str = "north",
    **fields: Any,
) -> ingest_pb2.Event:
    """An incident event ``at_s`` seconds after the incident was opened."""
    message = ingest_pb2.Event()
    message.emitted_at.FromSeconds(OPENED_AT_S + int(at_s))
    body = message.incident
    body.incident_id = incident
    body.phase = incident_pb2.IncidentPhase.Value(f"INCIDENT_PHASE_{phase}")
    body.camera_id = camera
    body.zone_id = "kerb"
    body.scenario = scene_pb2.SCENARIO_PARKING
    body.kind = scene_pb2.FINDING_KIND_PARKED
    body.stay_id = f"stay-of-{incident}"
    body.class_group = scene_pb2.CLASS_GROUP_VEHICLE
    body.class_name = "car"
    body.occurred_at.FromMilliseconds(int((OPENED_AT_S + at_s) * 1000))
    body.opened_at.FromSeconds(OPENED_AT_S)
    body.dwell.observed_s = 300 + at_s
    body.limit_s = 300
    body.severity = incident_pb2.SEVERITY_MAJOR
    if phase == "CLOSED":
        body.close_reason = incident_pb2.CloseReason.Value(f"CLOSE_REASON_{reason}")
    for name, value in fields.items():
        setattr(body, name, value)
    return message


def camera_change(camera: str, to: str, *, came_from: str = "SEEING") -> ingest_pb2.Event:
    """A camera's change of state."""
    message = ingest_pb2.Event()
    body = message.camera_state
    body.camera_id = camera
    body.from_state = camera_pb2.CameraState.Value(f"CAMERA_STATE_{came_from}")
    body.to_state = camera_pb2.CameraState.Value(f"CAMERA_STATE_{to}")
    body.occurred_at.FromSeconds(OPENED_AT_S)
    return message


def gap(first: int, last: int) -> ingest_pb2.Event:
    """A gap record of events that a full queue dropped."""
    message = ingest_pb2.Event()
    message.gap.reason = ingest_pb2.GAP_REASON_DROPPED_OLDEST
    message.gap.events_lost = last - first + 1
    message.gap.first_lost_seq, message.gap.last_lost_seq = first, last
    return message


class Agent:
    """One stream of an agent that does exactly what it is told."""

    def __init__(self, address: str, agent_id: str = "bridge-1", epoch: bytes = EPOCH, options: Any = ()) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._call = ingest_pb2_grpc.IngestServiceStub(self._channel).Connect()
        self.agent_id = agent_id
        self.epoch = epoch

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await self._channel.close()

    async def hello(self, lowest: int = 1, next_seq: int = 1_000_000) -> ingest_pb2.Welcome:
        """Say Hello and return the Welcome."""
        await self.say_hello(lowest, next_seq)
        return (await self.next()).welcome

    async def say_hello(self, lowest: int = 1, next_seq: int = 1_000_000) -> None:
        """Say Hello."""
        request = ingest_pb2.ConnectRequest()
        request.hello.agent_id = self.agent_id
        request.hello.epoch = self.epoch
        request.hello.lowest_unacked_seq = lowest
        request.hello.next_seq = next_seq
        request.hello.versions.agent = "0.1.0"
        await self.send(request)

    async def send(self, request: ingest_pb2.ConnectRequest) -> None:
        """Send any message."""
        await self._call.write(request)

    async def batch(self, first_seq: int, *events: ingest_pb2.Event) -> None:
        """Send a batch."""
        request = ingest_pb2.ConnectRequest()
        request.batch.first_seq = first_seq
        request.batch.events.extend(events)
        await self.send(request)

    async def heartbeat(self, heartbeat: ingest_pb2.Heartbeat) -> None:
        """Send a heartbeat."""
        await self.send(ingest_pb2.ConnectRequest(heartbeat=heartbeat))

    async def next(self, timeout_s: float = 10.0) -> ingest_pb2.ConnectResponse:
        """The next message; raises ``AioRpcError`` if the stream was ended with an error."""
        message = await asyncio.wait_for(self._call.read(), timeout_s)
        if message is grpc.aio.EOF:
            code = await self._call.code()
            if code is not grpc.StatusCode.OK:
                raise grpc.aio.AioRpcError(
                    code, grpc.aio.Metadata(), await self._call.trailing_metadata(), await self._call.details()
                )
            raise EOFError
        return message

    async def ack_through(self, seq: int) -> ingest_pb2.Ack:
        """Read acks until everything through ``seq`` is acked; returns the last, with the rejections of all."""
        rejected: list[ingest_pb2.RejectedEvent] = []
        while True:
            ack = (await self.next()).ack
            rejected.extend(ack.rejected)
            if ack.committed_through_seq >= seq:
                return ingest_pb2.Ack(committed_through_seq=ack.committed_through_seq, rejected=rejected)

    async def half_close(self) -> None:
        """Say that nothing more will come, and read to the end."""
        await self._call.done_writing()
        await self._read_to_end()

    async def refusal(self) -> grpc.aio.AioRpcError:
        """The error with which the aggregator ends the stream, whatever it sends before."""
        try:
            await self._read_to_end()
        except grpc.aio.AioRpcError as error:
            return error
        raise AssertionError("the stream ended well")

    async def _read_to_end(self) -> None:
        try:
            while True:
                await self.next()
        except EOFError:
            return


def rows(url: URL, query: str) -> list[tuple[Any, ...]]:
    """What a query finds, seen from outside the aggregator."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def config_for(store: URL, **changes: Any) -> AggregatorConfig:
    """A configuration on free ports."""
    settings: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "insecure": True,
        "store": store,
        "stream": StreamConfig(drain_s=0.5),
        "metrics": MetricsConfig(listen="127.0.0.1:0", refresh_s=60),
        "commit": CommitConfig(max_delay_ms=0),
    }
    return AggregatorConfig(**(settings | changes))


@asynccontextmanager
async def serving(config: AggregatorConfig, store: Store | None = None) -> AsyncIterator[Service]:
    """An aggregator in this process."""
    opened = store or open_store(config, migrate=False)
    service = Service(config, opened)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
        opened.close()


def scrape(address: str) -> str:
    """What ``/metrics`` says."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        body: bytes = answer.read()
    return body.decode()


def samples(text: str) -> Samples:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Samples, name: str, **labels: str) -> float:
    """The sum over all series of this name that have these labels."""
    return sum(value for (known, has), value in found.items() if known == name and set(labels.items()) <= has)


class Process:
    """``clearway-aggregator serve`` as a process of its own."""

    def __init__(self, folder: Path, config: str) -> None:
        self.config = folder / "aggregator.yaml"
        self.config.write_text(config, encoding="utf-8")
        self._ready = folder / "ready.json"
        self._log = folder / "log.jsonl"
        self.start()

    def start(self, *options: str) -> None:
        """Start, and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "aggregator.cli", "serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, "--ready-file", str(self._ready), *options], stderr=log)
        for _ in range(300):
            if self._ready.exists():
                break
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"it does not serve: {self.log()}")
        assert self._process.poll() is None, self.log()
        addresses = json.loads(self._ready.read_text(encoding="utf-8"))
        self.address, self.metrics = addresses["listen"], addresses["metrics"]

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, and wait until it is dead."""
        self._process.kill()
        self._process.wait(10)

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(20)

    def close(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self.kill()


PLAIN = """
listen: 127.0.0.1:0
insecure: true
store: sqlite:///store.sqlite
metrics: {listen: '127.0.0.1:0', refresh_s: 0.2}
"""
