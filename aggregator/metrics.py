"""What ``/metrics`` serves: this process's own counters, and a cached snapshot of the store and the fleet."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from threading import Thread
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from aggregator import __version__
from aggregator.config import MetricsConfig
from aggregator.series import Own, Snapshot, agent_series, camera_series, incident_series, store_series

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class HasCertificate(Protocol):
    """Something with a certificate."""

    @property
    def not_after(self) -> datetime:
        """When it ends."""
        ...


class Metrics(Collector):
    """Every metric of one aggregator, in a registry of its own."""

    def __init__(self, config: MetricsConfig) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._config = config
        self._snapshot: Snapshot | None = None
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("clearway_build", "Version of the aggregator.", registry=self.registry).info({"version": __version__})
        self._commit_seconds = Histogram(
            "clearway_ingest_commit_seconds",
            "Time that a transaction took.",
            buckets=COMMIT_BOUNDS_S,
            registry=self.registry,
        )
        self._commit_batches = Histogram(
            "clearway_ingest_commit_batches",
            "Batches that shared a transaction.",
            buckets=BATCH_BOUNDS,
            registry=self.registry,
        )
        self._commit_failures = Counter(
            "clearway_ingest_commit_failures", "Transactions that failed.", registry=self.registry
        )
        self._ack_seconds = Histogram(
            "clearway_ingest_ack_latency_seconds",
            "Time from reading a batch to acking it.",
            buckets=COMMIT_BOUNDS_S,
            registry=self.registry,
        )
        self._refused = Counter(
            "clearway_streams_refused", "Streams that were ended with an error.", ("reason",), registry=self.registry
        )
        self._throttled = Counter(
            "clearway_agent_throttled", "Times that an agent was asked to pause.", ("agent",), registry=self.registry
        )
        self._evidence_files = Counter(
            "clearway_evidence_files", "Pictures that came and were verified.", ("agent",), registry=self.registry
        )
        self._evidence_bytes = Counter(
            "clearway_evidence_bytes", "Bytes of these pictures.", ("agent",), registry=self.registry
        )
        self._evidence_refused = Counter(
            "clearway_evidence_refused", "Calls about pictures that were refused.", ("reason",), registry=self.registry
        )
        self.registry.register(self)

    def committed(self, seconds: float, batches: int) -> None:
        """A transaction of so many batches took this long."""
        self._commit_seconds.observe(seconds)
        self._commit_batches.observe(batches)

    def commit_failed(self) -> None:
        """A transaction failed."""
        self._commit_failures.inc()

    def acked(self, seconds: float) -> None:
        """A batch was acked this long after it was read."""
        self._ack_seconds.observe(seconds)

    def stream_refused(self, reason: str) -> None:
        """A stream was ended with an error."""
        self._refused.labels(reason).inc()

    def throttled(self, agent_id: str) -> None:
        """An agent was asked to pause."""
        self._throttled.labels(agent_id).inc()

    def evidence_received(self, agent_id: str, size_bytes: int) -> None:
        """A picture of this size is here and verified."""
        self._evidence_files.labels(agent_id).inc()
        self._evidence_bytes.labels(agent_id).inc(size_bytes)

    def evidence_refused(self, reason: str) -> None:
        """A call about a picture was ended with an error."""
        self._evidence_refused.labels(reason).inc()

    def watch_certificate(self, identity: HasCertificate | None) -> None:
        """Show when the server's own certificate ends, if it has one."""
        if identity is not None:
            Gauge(
                "clearway_server_certificate_expiry_timestamp_seconds",
                "When the aggregator's own certificate ends.",
                registry=self.registry,
            ).set_function(lambda: identity.not_after.timestamp())

    def show(self, snapshot: Snapshot) -> None:
        """Serve this snapshot from now on."""
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known once there is a snapshot."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The series of the last snapshot; none before the first."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        own = Own.of(snapshot, per_camera=self._config.per_camera, max_cameras=self._config.max_cameras)
        yield from incident_series(snapshot, own)
        yield from camera_series(snapshot, own)
        yield from agent_series(snapshot)
        yield from store_series(snapshot, own)


class MetricsServer:
    """Serves ``/metrics`` over HTTP until it is closed. Raises ``OSError`` if the address can't be had."""

    def __init__(self, metrics: Metrics, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        server, thread = start_http_server(int(port), host.strip("[]"), registry=metrics.registry)
        self._server: WSGIServer = server
        self._thread: Thread = thread
        self._host = host.strip("[]")
        self.address = f"{host}:{server.server_port}"

    def close(self) -> None:
        """Stop serving and let go of the port."""
        stopping = Thread(target=self._server.shutdown)
        stopping.start()
        with suppress(OSError):  # a last visitor spares the wait for the server's next look at the clock
            socket.create_connection((self._host, self._server.server_port), timeout=1).close()
        stopping.join()
        self._server.server_close()
        self._thread.join()
