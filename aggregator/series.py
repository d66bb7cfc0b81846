"""Prometheus series made from one snapshot of the store and the fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from clearway.v1 import camera_pb2
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from aggregator.fleet import AgentNow
from aggregator.heartbeat import AgentHealth
from aggregator.store.snapshot import StoreSnapshot
from aggregator.store.tallies import CLOSED, DURATION, DURATION_BOUNDS_S, DURATION_SUM, MORE, OPENED

T = TypeVar("T")

CAMERA_STATES = tuple(
    name.removeprefix("CAMERA_STATE_").lower()
    for name in camera_pb2.CameraState.DESCRIPTOR.values_by_name
    if "UNSPECIFIED" not in name
)
INCIDENT_LABELS = ("agent", "camera", "zone", "scenario", "kind", "class_group")
CAMERA_LABELS = ("agent", "camera")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one scrape shows."""

    store: StoreSnapshot
    agents: tuple[AgentNow, ...]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Own:
    """Which cameras, (agent, camera), have series of their own; the others are summed without camera and zone."""

    cameras: frozenset[tuple[str, str]]

    @staticmethod
    def of(snapshot: Snapshot, *, per_camera: bool, max_cameras: int) -> Own:
        """The first cameras by agent and name."""
        return Own(frozenset(sorted(all_cameras(snapshot))[: max_cameras if per_camera else 0]))

    def labels(self, agent: str, camera: str, zone: str) -> tuple[str, str, str]:
        """The labels for agent, camera and zone."""
        return (agent, camera, zone) if (agent, camera) in self.cameras else (agent, "", "")


def all_cameras(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Every camera, (agent, camera), that was ever heard of."""
    return (
        set(snapshot.store.camera_states)
        | {(key.agent_id, key.camera_id) for key in snapshot.store.tallies}
        | {(agent.agent_id, camera.camera_id) for agent in snapshot.agents for camera in _health(agent).cameras}
    )


def incident_series(snapshot: Snapshot, own: Own) -> Iterator[Metric]:
    """Open incidents, and sums over all that ever were."""
    currently: defaultdict[tuple[str, ...], float] = defaultdict(float)
    opened: defaultdict[tuple[str, ...], float] = defaultdict(float)
    closed: defaultdict[tuple[str, ...], float] = defaultdict(float)
    lasted: defaultdict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for key, value in snapshot.store.tallies.items():
        what = (key.scenario, key.kind, key.class_group)
        labels: tuple[str, ...] = (*own.labels(key.agent_id, key.camera_id, key.zone_id), *what)
        if key.name == OPENED:
            opened[labels] += value
            currently[labels] += 0.0  # a place that had an incident says 0, so that its alert resolves by value
        elif key.name.startswith(CLOSED):
            closed[(*labels, key.name.removeprefix(CLOSED))] += value
        else:
            lasted[what][key.name] += value
    for place, count in snapshot.store.open_incidents.items():
        where = own.labels(place.agent_id, place.camera_id, place.zone_id)
        currently[(*where, place.scenario, place.kind, place.class_group)] += count
    yield _gauge("clearway_incidents_open", "Incidents that are open now.", INCIDENT_LABELS, currently)
    yield _counter("clearway_incidents_opened", "Incidents that were opened.", INCIDENT_LABELS, opened)
    yield _counter("clearway_incidents_closed", "Incidents that were closed.", (*INCIDENT_LABELS, "reason"), closed)
    durations = HistogramMetricFamily(
        "clearway_incident_duration_seconds",
        "Time from an incident's opening to its closing, by the camera's clock.",
        labels=("scenario", "kind", "class_group"),
    )
    for kind, sums in sorted(lasted.items()):
        durations.add_metric(kind, buckets=_buckets(sums), sum_value=sums.get(DURATION_SUM, 0.0))
    yield durations


def camera_series(snapshot: Snapshot, own: Own) -> Iterator[Metric]:
    """Whether cameras can see, and what passages measure."""
    states: dict[tuple[str, ...], float] = {}
    counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for (agent, camera), state in snapshot.store.camera_states.items():
        counts[agent, state] += 1
        if (agent, camera) in own.cameras:
            states |= {(agent, camera, name): float(name == state) for name in CAMERA_STATES}
    seconds: defaultdict[tuple[str, ...], float] = defaultdict(float)
    widths: dict[tuple[str, ...], float] = {}
    measured: dict[tuple[str, ...], float] = {}
    for now in snapshot.agents:
        for seen in _health(now).cameras:
            agent_id, name, _ = own.labels(now.agent_id, seen.camera_id, "")
            for state, spent_s in seen.state_seconds.items():
                seconds[agent_id, name, state] += spent_s
            for passage in seen.passages if name else ():
                at = (agent_id, name, passage.zone_id)
                measured[at] = float(passage.clear_width_m is not None)
                if passage.clear_width_m is not None:
                    widths[at] = passage.clear_width_m
    yield _gauge("clearway_cameras", "Cameras by state.", ("agent", "state"), counts)
    yield _gauge(
        "clearway_camera_state",
        "1 for the state that a camera is in, 0 for the others.",
        (*CAMERA_LABELS, "state"),
        states,
    )
    yield _counter(
        "clearway_camera_state_seconds",
        "Time that a camera spent in each state; all but seeing is blind.",
        (*CAMERA_LABELS, "state"),
        seconds,
    )
    zone = (*CAMERA_LABELS, "zone")
    yield _gauge("clearway_passage_measured", "1 if a passage's clear width can be measured now.", zone, measured)
    yield _gauge("clearway_passage_clear_width_meters", "Widest disc that can pass a passage.", zone, widths)


def agent_series(snapshot: Snapshot) -> Iterator[Metric]:
    """How agents are, and what came from them. They stay until the agent is taken out of the store."""
    agents = {agent.agent_id: agent for agent in snapshot.agents}
    healthy = {name: agent.health for name, agent in agents.items() if agent.health is not None}
    taken_at = snapshot.taken_at
    of = ("agent",)
    yield _gauge(
        "clearway_agents_connected", "Agents with a stream now.", (), {(): sum(a.connected for a in agents.values())}
    )
    yield _gauge("clearway_agent_connected", "1 if the agent has a stream now.", of, _by(agents, lambda a: a.connected))
    yield _gauge(
        "clearway_agent_last_seen_timestamp_seconds",
        "When the agent was last heard.",
        of,
        _by(agents, lambda agent: agent.last_seen_at.timestamp()),
    )
    yield _gauge(
        "clearway_agent_queue_events", "Events that wait for an ack.", of, _by(healthy, lambda h: h.pending_events)
    )
    yield _gauge(
        "clearway_agent_queue_bytes", "Disk space that the queue takes.", of, _by(healthy, lambda h: h.queue_bytes)
    )
    yield _gauge(
        "clearway_agent_queue_oldest_age_seconds",
        "Age of the oldest event that waits for an ack, 0 if none waits.",
        of,
        _by(healthy, lambda health: _oldest_age_s(health, taken_at)),
    )
    yield _counter(
        "clearway_agent_queue_shed_events", "Events that a full queue shed.", of, _by(healthy, lambda h: h.shed_events)
    )
    yield _gauge(
        "clearway_agent_queue_dead_letters",
        "Events that the agent keeps apart because they were rejected.",
        of,
        _by(healthy, lambda health: health.dead_letters),
    )
    yield _counter(
        "clearway_agent_queue_quarantined_files",
        "Queue files that were damaged and set aside.",
        of,
        _by(healthy, lambda health: health.quarantined_files),
    )
    yield _gauge(
        "clearway_agent_clock_offset_seconds",
        "The agent's clock minus the aggregator's.",
        of,
        {(name,): health.clock_offset_s for name, health in healthy.items() if health.clock_offset_s is not None},
    )
    yield _gauge(
        "clearway_agent_certificate_expiry_timestamp_seconds",
        "When the agent's certificate ends.",
        of,
        {
            (name,): health.certificate_not_after.timestamp()
            for name, health in healthy.items()
            if health.certificate_not_after is not None
        },
    )
    events = snapshot.store.events
    yield _counter("clearway_ingest_events", "Events stored.", of, _by(events, lambda e: e.stored))
    yield _counter(
        "clearway_ingest_rejected_events", "Events that can never be taken.", of, _by(events, lambda e: e.rejected)
    )
    yield _counter(
        "clearway_ingest_duplicate_events", "Events that came again.", of, _by(events, lambda e: e.duplicates)
    )
    lost: dict[tuple[str, ...], float] = {
        (agent, reason): count for (agent, reason), count in snapshot.store.lost.items()
    }
    yield _gauge("clearway_ingest_lost_events", "Events known to be lost.", ("agent", "reason"), lost)


def store_series(snapshot: Snapshot, own: Own) -> Iterator[Metric]:
    """The store itself."""
    folded = len(all_cameras(snapshot) - own.cameras)
    yield _gauge("clearway_store_size_bytes", "Size of the store.", (), {(): snapshot.store.size_bytes})
    yield _gauge(
        "clearway_agents_refused", "Agents that are not known and tried.", (), {(): snapshot.store.refused_agents}
    )
    yield _gauge("clearway_metrics_folded_cameras", "Cameras without series of their own.", (), {(): folded})
    yield _gauge(
        "clearway_metrics_snapshot_timestamp_seconds",
        "When the values were read from the store.",
        (),
        {(): snapshot.taken_at.timestamp()},
    )


def _health(agent: AgentNow) -> AgentHealth:
    return agent.health or AgentHealth(received_at=agent.last_seen_at)


def _oldest_age_s(health: AgentHealth, now: datetime) -> float:
    if health.oldest_emitted_at is None:
        return 0.0
    return max(0.0, (now - health.oldest_emitted_at).total_seconds() + (health.clock_offset_s or 0.0))


def _buckets(sums: Mapping[str, float]) -> list[tuple[str, float]]:
    """Cumulative counts. A bound of an older version counts in the next one that there still is."""
    buckets = []
    counts = {float(name.removeprefix(DURATION)): value for name, value in sums.items() if _is_bound(name)}
    for bound in DURATION_BOUNDS_S:
        total = sum(value for stored, value in counts.items() if stored <= bound)
        buckets.append((f"{float(bound)}", total))
    return [*buckets, ("+Inf", sum(counts.values()) + sums.get(DURATION + MORE, 0.0))]


def _is_bound(name: str) -> bool:
    return name.startswith(DURATION) and name != DURATION + MORE


def _by(things: Mapping[str, T], value: Callable[[T], float]) -> dict[tuple[str, ...], float]:
    return {(name,): value(thing) for name, thing in things.items()}


def _gauge(name: str, text: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    return _fill(GaugeMetricFamily(name, text, labels=tuple(labels)), values)


def _counter(name: str, text: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    return _fill(CounterMetricFamily(name, text, labels=tuple(labels)), values)


def _fill(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, ...], float]) -> Metric:
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
