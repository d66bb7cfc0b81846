"""What ``/metrics`` shows of this box: read from one snapshot for each scrape, so that it is consistent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge_agent.camera_metrics import MAX_CAMERAS, PREFIX, of_cameras, of_looks, of_sources, of_zones
from edge_agent.health import troubles
from edge_agent.lifetime.box import BoxReading
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.scene.camera_state import CameraState
from edge_agent.status import AgentSnapshot, LifetimeStatus
from edge_agent.uplink.evidence_upload_status import EvidenceUploadStatus
from edge_agent.uplink.state import UplinkState, UplinkStatus

__all__ = ["PREFIX", "AgentCollector"]


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
        in_state = GaugeMetricFamily(f"{PREFIX}cameras_in_state", "Cameras in each state.", labels=["state"])
        for state in CameraState:
            in_state.add_metric([state.value], sum(camera.status.state is state for camera in now.cameras))
        yield in_state
        yield _gauge("healthy", "1 while /healthz answers 200.", float(not troubles(now)))
        yield _gauge("evidence_bytes", "Bytes of evidence on this box.", now.evidence_bytes)
        if now.certificate_not_after is not None:
            ends = now.certificate_not_after.timestamp()
            yield _gauge("certificate_not_after_seconds", "When the agent's certificate ends, Unix time.", ends)
        if self._per_camera:
            yield from of_cameras(now.cameras[:MAX_CAMERAS])
            yield from of_sources(now.cameras[:MAX_CAMERAS])
            yield from of_looks(now.cameras[:MAX_CAMERAS])
            yield from of_zones(now.cameras[:MAX_CAMERAS])
        if now.queue is not None:
            yield from _queue(now.queue, now.taken_at)
        if now.uplink is not None:
            yield from _uplink(now.uplink)
        if now.evidence_upload is not None:
            yield from _evidence_upload(now.evidence_upload)
        if now.box is not None:
            yield from _box(now.box)
        if now.lifetime is not None:
            yield from _lifetime(now.lifetime, per_camera=self._per_camera)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, value=value)


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


def _box(box: BoxReading) -> Iterator[Metric]:
    for name, text, value in (
        ("resident_memory_bytes", "Physical memory that the agent holds.", box.resident_bytes),
        ("threads", "Threads of the agent.", box.threads),
        ("open_files", "Files and sockets that the agent has open.", box.open_files),
        ("state_disk_free_bytes", "Free room on the disk that holds the agent's state.", box.state_free_bytes),
    ):
        if value is not None:
            yield _gauge(name, text, value)
    yield _counter("cpu_seconds", "Processor time of the agent.", box.cpu_s)
    if box.written_bytes is not None:
        yield _counter("disk_written_bytes", "Bytes that the agent had written to disks.", box.written_bytes)
    if box.temperatures:
        heat = GaugeMetricFamily(f"{PREFIX}box_temperature_celsius", "Heat of the box, by sensor.", labels=["sensor"])
        for sensor, degrees in box.temperatures:
            heat.add_metric([sensor], degrees)
        yield heat
    if box.throttled:
        slowed = GaugeMetricFamily(
            f"{PREFIX}box_throttled", "1 while a Raspberry Pi's firmware slows it down, by reason.", labels=["reason"]
        )
        ever = GaugeMetricFamily(
            f"{PREFIX}box_throttled_since_boot", "1 if it did so since the machine started.", labels=["reason"]
        )
        for reason, is_now, was in box.throttled:
            slowed.add_metric([reason], float(is_now))
            ever.add_metric([reason], float(was))
        yield from (slowed, ever)


def _lifetime(life: LifetimeStatus, *, per_camera: bool) -> Iterator[Metric]:
    if life.memory_ceiling_bytes is not None:
        yield _gauge("memory_ceiling_bytes", "Memory above which the agent starts anew.", life.memory_ceiling_bytes)
    yield _gauge("disk_write_budget_bytes", "Bytes a day that the agent should not exceed.", life.write_budget_bytes)
    yield _gauge("stuck_threads", "Threads left behind that hang in a camera's source.", life.supervisor.stuck_threads)
    restarts = CounterMetricFamily(
        f"{PREFIX}camera_restarts",
        "Times that a camera was started again, by reason.",
        labels=["camera", "reason"] if per_camera else ["reason"],
    )
    sums: dict[tuple[str, ...], int] = {}
    for camera, reason, count in life.supervisor.restarts:
        labels: tuple[str, ...] = (camera, reason.value) if per_camera else (reason.value,)
        sums[labels] = sums.get(labels, 0) + count
    for labels, count in sums.items():
        restarts.add_metric(labels, count)
    yield restarts
    yield _gauge(
        "config_reload_successful", "0 after a configuration was refused while running.", float(life.reload_successful)
    )
    yield _gauge(
        "config_taken_timestamp_seconds",
        "When the configuration in use was taken, Unix time.",
        life.reloaded_at.timestamp(),
    )
