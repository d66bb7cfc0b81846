"""What ``/metrics`` serves: this process's own counters, and series made from the last look at store and fleet.

Beside it, ``/sd/agents`` says where agents' own metrics are.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from threading import Thread
from typing import TYPE_CHECKING, Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
    start_http_server,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from aggregator import __version__
from aggregator.agent_series import agent_series
from aggregator.agent_targets import PATH as TARGETS_PATH
from aggregator.agent_targets import agent_targets
from aggregator.camera_series import camera_series, incident_series
from aggregator.catalogue import BOOK, Family, Kind, Scope, Source, declare
from aggregator.config import MetricsConfig
from aggregator.overview import Overview
from aggregator.own_series import own_series
from aggregator.series import Own
from aggregator.street_series import street_series

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

_FIXED, _PROCESS = Scope.FIXED, Source.PROCESS
BUILD_INFO = declare(Kind.GAUGE, _FIXED, _PROCESS, "build_info", "version", "1; the version of the aggregator.")
COMMIT_SECONDS = declare(Kind.HISTOGRAM, _FIXED, _PROCESS, "ingest_commit_seconds", "", "Time that a transaction took.")
COMMIT_BATCHES = declare(
    Kind.HISTOGRAM, _FIXED, _PROCESS, "ingest_commit_batches", "", "Batches that shared a transaction."
)
COMMIT_FAILURES = declare(
    Kind.COUNTER, _FIXED, _PROCESS, "ingest_commit_failures_total", "", "Transactions that failed."
)
ACK_SECONDS = declare(
    Kind.HISTOGRAM, _FIXED, _PROCESS, "ingest_ack_latency_seconds", "", "Time from reading a batch to acking it."
)
STREAMS_REFUSED = declare(
    Kind.COUNTER, _FIXED, _PROCESS, "streams_refused_total", "reason", "Streams that were ended with an error."
)
AGENT_THROTTLED = declare(
    Kind.COUNTER, Scope.AGENT, _PROCESS, "agent_throttled_total", "agent", "Times that an agent was asked to pause."
)
EVIDENCE_FILES = declare(
    Kind.COUNTER, Scope.AGENT, _PROCESS, "evidence_files_total", "agent", "Pictures that came and were verified."
)
EVIDENCE_BYTES = declare(
    Kind.COUNTER, Scope.AGENT, _PROCESS, "evidence_bytes_total", "agent", "Bytes of these pictures."
)
EVIDENCE_REFUSED = declare(
    Kind.COUNTER, _FIXED, _PROCESS, "evidence_refused_total", "reason", "Calls about pictures that were refused."
)
SERVER_CERTIFICATE = declare(
    Kind.GAUGE,
    _FIXED,
    _PROCESS,
    "server_certificate_expiry_timestamp_seconds",
    "",
    "When the aggregator's own certificate ends; absent with plain text.",
)
SNAPSHOT_SECONDS = declare(
    Kind.GAUGE,
    _FIXED,
    _PROCESS,
    "metrics_snapshot_duration_seconds",
    "",
    "How long it took to read the values and to make the series.",
)


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
        self._shown: tuple[Metric, ...] = ()
        self.targets = b"[]"
        self._own = Own()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._gauge(BUILD_INFO).labels(__version__).set(1)
        self._commit_seconds = self._histogram(COMMIT_SECONDS, COMMIT_BOUNDS_S)
        self._commit_batches = self._histogram(COMMIT_BATCHES, BATCH_BOUNDS)
        self._commit_failures = self._counter(COMMIT_FAILURES)
        self._ack_seconds = self._histogram(ACK_SECONDS, COMMIT_BOUNDS_S)
        self._refused = self._counter(STREAMS_REFUSED)
        self._throttled = self._counter(AGENT_THROTTLED)
        self._evidence_files = self._counter(EVIDENCE_FILES)
        self._evidence_bytes = self._counter(EVIDENCE_BYTES)
        self._evidence_refused = self._counter(EVIDENCE_REFUSED)
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
            self._gauge(SERVER_CERTIFICATE).set_function(lambda: identity.not_after.timestamp())

    def show(self, seen: Overview, *, took_s: float = 0.0) -> None:
        """Serve this from now on. ``took_s`` is how long it took to read. Called from one thread at a time."""
        began = time.perf_counter()
        BOOK.turn()
        own = self._own.with_more(seen, per_camera=self._config.per_camera, max_cameras=self._config.max_cameras)
        shown = (
            *street_series(seen),
            *camera_series(seen, own),
            *incident_series(seen, own),
            *agent_series(seen),
            *own_series(seen, own),
            SNAPSHOT_SECONDS.filled({(): took_s + time.perf_counter() - began}),
        )
        self._shown, self._own, self.targets = shown, own, agent_targets(seen)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known once there is something to show."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The series that were last shown; none before the first. A scrape computes nothing."""
        yield from self._shown

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.text, family.labels, registry=self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.text, family.labels, registry=self.registry)

    def _histogram(self, family: Family, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(family.name, family.text, family.labels, buckets=bounds, registry=self.registry)


class MetricsServer:
    """Serves ``/metrics`` and ``/sd/agents`` over HTTP until closed. Raises ``OSError`` if the address can't be had."""

    def __init__(self, metrics: Metrics, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        server, thread = start_http_server(int(port), host.strip("[]"), registry=metrics.registry)
        server.set_app(_with_targets(make_wsgi_app(metrics.registry), metrics))
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


def _with_targets(others: WSGIApplication, metrics: Metrics) -> WSGIApplication:
    """What serves ``/sd/agents`` itself, and leaves everything else to ``others``."""

    def served(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != TARGETS_PATH or environ["REQUEST_METHOD"] != "GET":
            return others(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [metrics.targets]

    return served
