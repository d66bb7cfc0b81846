"""What ``/metrics`` shows of this box: read from one snapshot for each scrape, so that it is consistent."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge_agent.config_file import ConfigError
from edge_agent.evidence_upload_status import EvidenceUploadStatus
from edge_agent.incident_event import IncidentPhase
from edge_agent.queue_status import QueueStatus
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import StayState
from edge_agent.status import AgentSnapshot, CameraActivity, ZoneStatus
from edge_agent.uplink_state import UplinkState, UplinkStatus

PREFIX = "clearway_agent_"
_WIDTH_STATES = ("measured", "unknown")


class AgentCollector(Collector):
    """Turns a snapshot into metrics. Without ``per_camera`` only what concerns the whole agent is shown."""

    def __init__(self, snapshot: Callable[[], AgentSnapshot], *, per_camera: bool = True) -> None:
        self._snapshot = snapshot
        self._per_camera = per_camera

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry must not take a snapshot before the agent runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, from one snapshot."""
        now = self._snapshot()
        build = InfoMetricFamily(f"{PREFIX}build", "What runs on the box.")
        build.add_metric([], {"version": now.build.version, "model": now.build.model, "config": now.build.config})
        yield build
        yield _gauge("cameras", "Cameras of this agent.", len(now.cameras))
        yield _gauge("evidence_bytes", "Bytes of evidence on this box.", now.evidence_bytes)
        if now.certificate_not_after is not None:
            ends = now.certificate_not_after.timestamp()
            yield _gauge("certificate_not_after_seconds", "When the agent's certificate ends, Unix time.", ends)
        if self._per_camera:
            yield from _cameras(now.cameras)
            yield from _zones(now.cameras)
        if now.queue is not None:
            yield from _queue(now.queue, now.taken_at)
        if now.uplink is not None:
            yield from _uplink(now.uplink)
        if now.evidence_upload is not None:
            yield from _evidence_upload(now.evidence_upload)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, value=value)


def _cameras(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    state = GaugeMetricFamily(f"{PREFIX}camera_state", "1 for the state the camera is in.", labels=["camera", "state"])
    seconds = CounterMetricFamily(
        f"{PREFIX}camera_state_seconds", "Media time that the camera spent in each state.", labels=["camera", "state"]
    )
    frames = CounterMetricFamily(f"{PREFIX}frames", "Frames by what became of them.", labels=["camera", "result"])
    last = GaugeMetricFamily(
        f"{PREFIX}last_frame_timestamp_seconds", "Capture time of the last analysed frame.", labels=["camera"]
    )
    inference = CounterMetricFamily(f"{PREFIX}inference_seconds", "Time spent in the detector.", labels=["camera"])
    inferences = CounterMetricFamily(f"{PREFIX}inferences", "Runs of the detector.", labels=["camera"])
    stays = GaugeMetricFamily(f"{PREFIX}stays", "Things that stand in view.", labels=["camera", "state"])
    for activity in cameras:
        status, name = activity.status, activity.status.camera
        spent = dict(status.state_s)
        for each in CameraState:
            state.add_metric([name, each.value], float(each is status.state))
            seconds.add_metric([name, each.value], spent.get(each, 0.0))
        for result, count in (
            ("analysed", status.frames_analysed),
            ("skipped", activity.frames_skipped),
            ("broken", status.frames_broken),
        ):
            frames.add_metric([name, result], count)
        if status.last_frame_at is not None:
            last.add_metric([name], status.last_frame_at.timestamp())
        inference.add_metric([name], activity.inference_s)
        inferences.add_metric([name], activity.inferences)
        for stay_state in StayState:
            stays.add_metric([name, stay_state.value], sum(stay.state is stay_state for stay in status.stays))
    yield from (state, seconds, frames, last, inference, inferences, stays)


def _zones(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    opened = GaugeMetricFamily(f"{PREFIX}incidents_open", "Incidents open now.", labels=["camera", "zone"])
    events = CounterMetricFamily(
        f"{PREFIX}incidents",
        "Incident events since the agent started.",
        labels=["camera", "zone", "scenario", "phase"],
    )
    width = GaugeMetricFamily(
        f"{PREFIX}passage_clear_width_meters",
        "Clear width of the passage; absent while unknown.",
        labels=["camera", "zone"],
    )
    width_state = GaugeMetricFamily(
        f"{PREFIX}passage_clear_width_state", "1 for whether there is a width.", labels=["camera", "zone", "state"]
    )
    for activity in cameras:
        name = activity.status.camera
        for zone in activity.status.zones:
            opened.add_metric([name, zone.zone], zone.open_incidents)
            _add_width(width, width_state, name, zone)
            counted = {each.phase: each.events for each in activity.incidents if each.zone == zone.zone}
            for phase in IncidentPhase:
                events.add_metric([name, zone.zone, zone.scenario.value, phase.value], counted.get(phase, 0))
    yield from (opened, events, width, width_state)


def _add_width(width: GaugeMetricFamily, width_state: GaugeMetricFamily, camera: str, zone: ZoneStatus) -> None:
    if zone.clear_width is None:
        return
    value = zone.clear_width.width_m
    if value is not None:
        width.add_metric([camera, zone.zone], value)
    now = "unknown" if value is None else "measured"
    for each in _WIDTH_STATES:
        width_state.add_metric([camera, zone.zone, each], float(each == now))


def _queue(queue: QueueStatus, taken_at: datetime) -> Iterator[Metric]:
    yield _gauge("queue_pending_events", "Events without an ack.", queue.pending_events)
    yield _gauge("queue_bytes", "Bytes that the queue takes on disk.", queue.size_bytes)
    yield _gauge("queue_used_bytes", "Bytes of the queue's quota that hold something.", queue.used_bytes)
    yield _gauge("queue_quota_bytes", "The queue's quota.", queue.max_bytes)
    age_s = 0.0
    if queue.oldest_emitted_at is not None:
        age_s = max(0.0, (taken_at - queue.oldest_emitted_at).total_seconds())
    yield _gauge("queue_oldest_age_seconds", "Age of the oldest event without an ack; 0 if there is none.", age_s)
    yield _gauge("queue_writable", "1 while the disk takes events.", float(queue.writable))
    shed = CounterMetricFamily(f"{PREFIX}queue_shed_events", "Events that were lost, by reason.", labels=["reason"])
    shed.add_metric(["dropped_oldest"], queue.dropped_events)
    shed.add_metric(["rejected_new"], queue.rejected_events)
    shed.add_metric(["queue_damaged"], queue.damaged_events)
    yield shed
    yield _counter("queue_quarantined_files", "Damaged queue files that were set aside.", queue.quarantined_files)
    yield _counter("dead_letters", "Events that the aggregator can never take.", queue.dead_letters)


def _uplink(uplink: UplinkStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily(f"{PREFIX}uplink_state", "1 for the state the uplink is in.", labels=["state"])
    for each in UplinkState:
        state.add_metric([each.value], float(each is uplink.state))
    yield state
    yield _counter("uplink_reconnects", "Attempts to connect after the first.", uplink.reconnects)
    yield _counter("uplink_failures", "Faults inside the uplink.", uplink.failures)
    yield _gauge("uplink_in_flight_events", "Events that were sent and not acked.", uplink.in_flight_events)
    buckets = [
        ("+Inf" if bound == float("inf") else repr(bound), count) for bound, count in uplink.ack_latency.cumulative()
    ]
    latency = HistogramMetricFamily(f"{PREFIX}ack_latency_seconds", "From sending a batch to its ack.")
    latency.add_metric([], buckets=buckets, sum_value=uplink.ack_latency.sum_s)
    yield latency
    if uplink.clock_offset_s is not None:
        yield _gauge("clock_offset_seconds", "The agent's clock minus the aggregator's.", uplink.clock_offset_s)


def _evidence_upload(upload: EvidenceUploadStatus) -> Iterator[Metric]:
    yield _gauge("evidence_pending_files", "Stills that wait to be sent to the aggregator.", upload.pending)
    yield _counter("evidence_uploaded_files", "Stills that the aggregator has and has verified.", upload.uploaded)
    yield _counter("evidence_given_up_files", "Stills that the aggregator will never have.", upload.given_up)
    yield _counter("evidence_upload_failures", "Attempts to send a still that were interrupted.", upload.failures)
    yield _counter("evidence_sent_bytes", "Bytes of stills that were sent.", upload.sent_bytes)


class _Server(Protocol):
    server_port: int

    def shutdown(self) -> None: ...

    def server_close(self) -> None: ...


class MetricsServer:
    """Serves ``/metrics`` on ``listen`` (host:port; port 0 takes a free one) until ``close``.

    Raises ``ConfigError`` if the address cannot be listened on.
    """

    def __init__(self, listen: str, snapshot: Callable[[], AgentSnapshot], *, per_camera: bool = True) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as the library has it
        registry = CollectorRegistry()
        registry.register(AgentCollector(snapshot, per_camera=per_camera))
        host, _, port = listen.rpartition(":")
        server: _Server
        try:
            server, self._thread = start_http_server(int(port), host.strip("[]"), registry)
        except (OSError, OverflowError) as error:
            raise ConfigError([f"metrics.listen: {listen} {_why(error)}"]) from error
        self._server = server

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _why(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return "is in use: stop what listens there or name another port (port 0 takes a free one)"
    if code in (errno.EACCES, errno.EPERM):
        return "may not be listened on by this user: name a port above 1023"
    if code == errno.EADDRNOTAVAIL:
        return "is no address of this machine: use 127.0.0.1 or 0.0.0.0"
    return f"cannot be listened on: {error}"
