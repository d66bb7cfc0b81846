"""Every metric that the aggregator serves: name, type, labels, meaning and where its values come from.

Series are made from these declarations alone, and docs/metrics.md is generated from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Values = Mapping[tuple[str, ...], float]
Buckets = list[tuple[str, float]]


class Kind(StrEnum):
    """How a value behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """What there is one set of series for."""

    FIXED = "the aggregator"
    STREET = "each street"
    AGENT = "each agent"
    CAMERA = "each camera"


class Source(StrEnum):
    """Where a value comes from."""

    PROCESS = "this process, since it started"
    STORE = "the store"
    HEARTBEAT = "the agent's last heartbeat"
    SUMS = "sums of what heartbeats said, kept in the store"
    PLACES = "the places file"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. ``name`` is as it is scraped, with ``_total`` or ``_info``; for a histogram without its suffixes."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    scope: Scope
    source: Source

    @property
    def unit(self) -> str:
        """The base unit by the name's ending; empty for counts and states."""
        stem = self.name.removesuffix("_total")
        return next((unit for unit in UNITS if stem.endswith(f"_{unit}")), "")

    def filled(self, values: Values) -> Metric:
        """A gauge or a counter with a sample for each tuple of label values, in their order."""
        kind = CounterMetricFamily if self.kind is Kind.COUNTER else GaugeMetricFamily
        metric = kind(self.name.removesuffix("_total"), self.text, labels=self.labels)
        for labels, value in sorted(values.items()):
            metric.add_metric(labels, value)
        return metric

    def distributed(self, values: Mapping[tuple[str, ...], tuple[Buckets, float]]) -> Metric:
        """A histogram: cumulative buckets and the sum for each tuple of label values."""
        metric = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, (buckets, sum_value) in sorted(values.items()):
            metric.add_metric(labels, buckets=buckets, sum_value=sum_value)
        return metric


UNITS = ("timestamp_seconds", "seconds", "meters", "bytes", "degrees")

CATALOGUE: dict[str, Family] = {}
"""Every family by its name."""


def _declared(kind: Kind, scope: Scope, source: Source, name: str, labels: str, text: str) -> Family:
    family = Family(f"clearway_{name}", kind, tuple(labels.split()), text, scope, source)
    if family.name in CATALOGUE:
        raise ValueError(f"{family.name} is declared twice")
    CATALOGUE[family.name] = family
    return family


def labelled(labels: Iterable[str]) -> Values:
    """One sample of 1, for a series whose labels are all that it says."""
    return {tuple(labels): 1.0}


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_FIXED, _STREET, _AGENT, _CAMERA = Scope.FIXED, Scope.STREET, Scope.AGENT, Scope.CAMERA
_PROCESS, _STORE, _BEAT, _SUMS, _PLACES = Source.PROCESS, Source.STORE, Source.HEARTBEAT, Source.SUMS, Source.PLACES

# Streets: what alerts, the health index and the city's pages are made of. Never capped.

_AT = "district street"
STREET_INFO = _declared(
    _G, _STREET, _PLACES, "street_info", f"{_AT} city city_name district_name street_name", "1; the names of a street."
)
STREET_CAMERAS = _declared(
    _G,
    _STREET,
    _BEAT,
    "street_cameras",
    f"{_AT} state",
    "Cameras by state: as the camera says, silent while its agent is, unheard if it never said anything.",
)
STREET_AGENTS = _declared(
    _G, _STREET, _STORE, "street_agents", f"{_AT} state", "Agents with a camera in the street, by state."
)
STREET_ZONES = _declared(_G, _STREET, _BEAT, "street_zones", f"{_AT} scenario", "Zones.")
STREET_ZONES_ENFORCED = _declared(
    _G, _STREET, _BEAT, "street_zones_enforced", f"{_AT} scenario", "Zones whose schedule is in force now."
)
STREET_ZONES_JUDGED = _declared(
    _G,
    _STREET,
    _BEAT,
    "street_zones_judged",
    f"{_AT} scenario",
    "Zones whose schedule is in force and that can be judged now; none of a silent agent's.",
)
STREET_PASSAGES = _declared(
    _G,
    _STREET,
    _BEAT,
    "street_passages",
    f"{_AT} state",
    "Passages whose clear width is measured now, and ones where it is unknown; a silent agent's are unknown.",
)
STREET_CLEAR_WIDTH = _declared(
    _G,
    _STREET,
    _BEAT,
    "street_narrowest_clear_width_meters",
    _AT,
    "The least clear width of the street's passages that are measured now; absent if none is.",
)
STREET_OPEN = _declared(
    _G, _STREET, _STORE, "street_incidents_open", f"{_AT} scenario kind", "Incidents that are open now."
)
STREET_OLDEST = _declared(
    _G,
    _STREET,
    _STORE,
    "street_oldest_open_incident_timestamp_seconds",
    f"{_AT} scenario kind",
    "When the longest of the open incidents was opened, by the camera's clock; absent if none is open.",
)
STREET_OPENED = _declared(
    _C, _STREET, _STORE, "street_incidents_opened_total", f"{_AT} scenario kind", "Incidents that were opened."
)
STREET_CLOSED = _declared(
    _C, _STREET, _STORE, "street_incidents_closed_total", f"{_AT} scenario kind reason", "Incidents that were closed."
)
STREET_TIME_TO_CLEAR = _declared(
    _H,
    _STREET,
    _STORE,
    "street_time_to_clear_seconds",
    f"{_AT} scenario kind",
    "From an incident's opening until the camera saw it left or cleared, by the camera's clock.",
)
STREET_STATE_SECONDS = _declared(
    _C,
    _STREET,
    _SUMS,
    "street_camera_state_seconds_total",
    f"{_AT} state",
    "Time that the street's cameras spent in each state; all but seeing is blind.",
)
STREET_ENFORCED_SECONDS = _declared(
    _C,
    _STREET,
    _SUMS,
    "street_enforced_seconds_total",
    f"{_AT} scenario",
    "Time in which zones' schedules were in force, summed over zones.",
)
STREET_JUDGED_SECONDS = _declared(
    _C,
    _STREET,
    _SUMS,
    "street_judged_seconds_total",
    f"{_AT} scenario",
    "Of the enforced time, that in which the zone could be judged.",
)
STREET_VIOLATION_SECONDS = _declared(
    _C,
    _STREET,
    _SUMS,
    "street_violation_seconds_total",
    f"{_AT} scenario kind",
    "Of the judged time, that in which a violation stood, by the worst that stood; blocked is passage blocked time.",
)

# Cameras: at most metrics.max_cameras of them have series of their own.

_CAM = "agent camera"
_ZONE = f"{_CAM} zone"
CAMERA_INFO = _declared(
    _G, _CAMERA, _PLACES, "camera_info", f"{_CAM} city district street cell", "1; where a camera stands."
)
CAMERA_LATITUDE = _declared(
    _G, _CAMERA, _PLACES, "camera_latitude_degrees", _CAM, "WGS 84 latitude, north of the equator above 0."
)
CAMERA_LONGITUDE = _declared(
    _G, _CAMERA, _PLACES, "camera_longitude_degrees", _CAM, "WGS 84 longitude, east of Greenwich above 0."
)
CAMERA_STATE = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "camera_state",
    f"{_CAM} state",
    "1 for the state that a camera is in, 0 for the others; silent while its agent is, unheard if never heard of.",
)
CAMERA_STATE_SECONDS = _declared(
    _C,
    _CAMERA,
    _BEAT,
    "camera_state_seconds_total",
    f"{_CAM} state",
    "Time that a camera spent in each state; all but seeing is blind.",
)
CAMERA_LAST_FRAME = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "camera_last_frame_timestamp_seconds",
    _CAM,
    "When the last frame that was analysed was taken, by the camera's clock; absent before the first.",
)
CAMERA_FRAMES = _declared(_C, _CAMERA, _BEAT, "camera_frames_analysed_total", _CAM, "Frames that were analysed.")
CAMERA_BROKEN = _declared(_C, _CAMERA, _BEAT, "camera_frames_broken_total", _CAM, "Frames that could not be decoded.")
INCIDENTS_OPEN = _declared(
    _G,
    _CAMERA,
    _STORE,
    "incidents_open",
    f"{_ZONE} scenario kind class_group",
    "Incidents that are open now; 0 where there once was one.",
)
INCIDENTS_OPENED = _declared(
    _C,
    _CAMERA,
    _STORE,
    "incidents_opened_total",
    f"{_ZONE} scenario kind class_group",
    "Incidents that were opened.",
)
INCIDENTS_CLOSED = _declared(
    _C,
    _CAMERA,
    _STORE,
    "incidents_closed_total",
    f"{_ZONE} scenario kind class_group reason",
    "Incidents that were closed.",
)
ZONE_ENFORCED = _declared(
    _G, _CAMERA, _BEAT, "zone_enforced", f"{_ZONE} scenario", "1 while the zone's schedule is in force."
)
ZONE_JUDGED = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "zone_judged",
    f"{_ZONE} scenario",
    "1 while the zone can be judged; 0 while its agent is silent.",
)
ZONE_ENFORCED_SECONDS = _declared(
    _C,
    _CAMERA,
    _BEAT,
    "zone_enforced_seconds_total",
    f"{_ZONE} scenario",
    "Time in which the zone's schedule was in force.",
)
ZONE_JUDGED_SECONDS = _declared(
    _C,
    _CAMERA,
    _BEAT,
    "zone_judged_seconds_total",
    f"{_ZONE} scenario",
    "Of the enforced time, that in which the zone could be judged.",
)
ZONE_VIOLATION_SECONDS = _declared(
    _C,
    _CAMERA,
    _SUMS,
    "zone_violation_seconds_total",
    f"{_ZONE} scenario kind",
    "Of the judged time, that in which a violation stood, by the worst that stood.",
)
PASSAGE_MEASURED = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "passage_measured",
    _ZONE,
    "1 while the clear width is measured, 0 while it is unknown; 0 while the agent is silent.",
)
PASSAGE_CLEAR_WIDTH = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "passage_clear_width_meters",
    _ZONE,
    "The widest disc that can pass the passage; absent while it is unknown.",
)
PASSAGE_UNCERTAINTY = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "passage_clear_width_uncertainty_meters",
    _ZONE,
    "One standard deviation of the clear width; absent while it is unknown.",
)
PASSAGE_LIMIT = _declared(
    _G,
    _CAMERA,
    _BEAT,
    "passage_limit_meters",
    f"{_ZONE} kind",
    "The clear width below which the passage counts as blocked or narrowed, by the agent's configuration.",
)

# Agents. They stay until the agent is decommissioned.

AGENTS = _declared(
    _G, _FIXED, _STORE, "agents", "state", "Agents: connected; silent, if they were heard before; never, if not."
)
AGENT_STATE = _declared(
    _G, _AGENT, _STORE, "agent_state", "agent state", "1 for the state that an agent is in, 0 for the others."
)
AGENT_INFO = _declared(
    _G,
    _AGENT,
    _STORE,
    "agent_info",
    "agent version model config platform",
    "1; what runs on the agent's box: its version, the model and the hash of the configuration.",
)
AGENT_STREET_INFO = _declared(
    _G, _AGENT, _PLACES, "agent_street_info", f"agent {_AT}", "1 for each street in which the agent has a camera."
)
AGENT_CAMERAS = _declared(
    _G,
    _AGENT,
    _BEAT,
    "cameras",
    "agent state",
    "Cameras by state; silent while the agent is, unheard if never heard of.",
)
AGENTS_CONNECTED = _declared(_G, _FIXED, _PROCESS, "agents_connected", "", "Agents with a stream to this process now.")
AGENT_CONNECTED = _declared(
    _G, _AGENT, _PROCESS, "agent_connected", "agent", "1 if the agent has a stream to this process now."
)
AGENT_LAST_SEEN = _declared(
    _G, _AGENT, _STORE, "agent_last_seen_timestamp_seconds", "agent", "When the agent was last heard."
)
AGENT_QUEUE_EVENTS = _declared(
    _G, _AGENT, _BEAT, "agent_queue_events", "agent", "Events on the agent that wait for an ack."
)
AGENT_QUEUE_BYTES = _declared(
    _G, _AGENT, _BEAT, "agent_queue_bytes", "agent", "Disk space that the agent's queue takes."
)
AGENT_QUEUE_AGE = _declared(
    _G,
    _AGENT,
    _BEAT,
    "agent_queue_oldest_age_seconds",
    "agent",
    "Age of the oldest event that waits for an ack, 0 if none waits.",
)
AGENT_QUEUE_SHED = _declared(
    _C, _AGENT, _BEAT, "agent_queue_shed_events_total", "agent", "Events that a full queue shed."
)
AGENT_DEAD_LETTERS = _declared(
    _G,
    _AGENT,
    _BEAT,
    "agent_queue_dead_letters",
    "agent",
    "Events that the agent keeps apart because they were rejected.",
)
AGENT_QUARANTINED = _declared(
    _C,
    _AGENT,
    _BEAT,
    "agent_queue_quarantined_files_total",
    "agent",
    "Queue files that were damaged and set aside.",
)
AGENT_CLOCK_OFFSET = _declared(
    _G, _AGENT, _BEAT, "agent_clock_offset_seconds", "agent", "The agent's clock minus the aggregator's."
)
AGENT_CERTIFICATE = _declared(
    _G,
    _AGENT,
    _BEAT,
    "agent_certificate_expiry_timestamp_seconds",
    "agent",
    "When the agent's certificate ends; absent without one.",
)
INGEST_EVENTS = _declared(_C, _AGENT, _STORE, "ingest_events_total", "agent", "Events stored.")
INGEST_REJECTED = _declared(
    _C, _AGENT, _STORE, "ingest_rejected_events_total", "agent", "Events that can never be taken."
)
INGEST_DUPLICATE = _declared(_C, _AGENT, _STORE, "ingest_duplicate_events_total", "agent", "Events that came again.")
INGEST_LOST = _declared(_G, _AGENT, _STORE, "ingest_lost_events", "agent reason", "Events known to be lost.")
EVIDENCE_FILES = _declared(
    _C, _AGENT, _PROCESS, "evidence_files_total", "agent", "Pictures that came and were verified."
)
EVIDENCE_BYTES = _declared(_C, _AGENT, _PROCESS, "evidence_bytes_total", "agent", "Bytes of these pictures.")

# The aggregator itself.

INCIDENT_DURATION = _declared(
    _H,
    _FIXED,
    _STORE,
    "incident_duration_seconds",
    "scenario kind class_group",
    "From an incident's opening to its closing for whatever reason, by the camera's clock.",
)
COMMIT_SECONDS = _declared(_H, _FIXED, _PROCESS, "ingest_commit_seconds", "", "Time that a transaction took.")
COMMIT_BATCHES = _declared(_H, _FIXED, _PROCESS, "ingest_commit_batches", "", "Batches that shared a transaction.")
COMMIT_FAILURES = _declared(_C, _FIXED, _PROCESS, "ingest_commit_failures_total", "", "Transactions that failed.")
ACK_SECONDS = _declared(
    _H, _FIXED, _PROCESS, "ingest_ack_latency_seconds", "", "Time from reading a batch to acking it."
)
STREAMS_REFUSED = _declared(
    _C, _FIXED, _PROCESS, "streams_refused_total", "reason", "Streams that were ended with an error."
)
EVIDENCE_REFUSED = _declared(
    _C, _FIXED, _PROCESS, "evidence_refused_total", "reason", "Calls about pictures that were refused."
)
EVIDENCE_DISK_FREE = _declared(
    _G,
    _FIXED,
    _PROCESS,
    "evidence_disk_free_bytes",
    "",
    "Space left where pictures are kept; absent if none are taken.",
)
EVIDENCE_DISK_SIZE = _declared(_G, _FIXED, _PROCESS, "evidence_disk_size_bytes", "", "Size of that disk.")
STORE_SIZE = _declared(_G, _FIXED, _STORE, "store_size_bytes", "", "Size of the store.")
STORE_DISK_FREE = _declared(
    _G, _FIXED, _PROCESS, "store_disk_free_bytes", "", "Space left where a SQLite store lies; absent with PostgreSQL."
)
STORE_DISK_SIZE = _declared(_G, _FIXED, _PROCESS, "store_disk_size_bytes", "", "Size of that disk.")
AGENTS_REFUSED = _declared(_G, _FIXED, _STORE, "agents_refused", "", "Agents that are not known and tried.")
SERVER_CERTIFICATE = _declared(
    _G,
    _FIXED,
    _PROCESS,
    "server_certificate_expiry_timestamp_seconds",
    "",
    "When the aggregator's own certificate ends; absent with plain text.",
)
PLACES_GOOD = _declared(
    _G,
    _FIXED,
    _PLACES,
    "places_last_reload_successful",
    "",
    "1 if the places file was good when it was last read, 0 if an older one is still used; absent without a file.",
)
PLACES_LOADED = _declared(
    _G,
    _FIXED,
    _PLACES,
    "places_last_reload_success_timestamp_seconds",
    "",
    "When the places in use were read; absent without a file.",
)
PLACES_CAMERAS = _declared(_G, _FIXED, _PLACES, "places_cameras", "", "Cameras that have a place.")
UNPLACED_CAMERAS = _declared(
    _G, _FIXED, _PLACES, "unplaced_cameras", "", "Cameras that were heard of and have no place: the street unplaced."
)
FOLDED_CAMERAS = _declared(_G, _FIXED, _PROCESS, "metrics_folded_cameras", "", "Cameras without series of their own.")
SNAPSHOT_TIME = _declared(
    _G,
    _FIXED,
    _PROCESS,
    "metrics_snapshot_timestamp_seconds",
    "",
    "When the values were read from the store.",
)
SNAPSHOT_SECONDS = _declared(
    _G,
    _FIXED,
    _PROCESS,
    "metrics_snapshot_duration_seconds",
    "",
    "How long that took, the making of the series included.",
)
BUILD_INFO = _declared(_G, _FIXED, _PROCESS, "build_info", "version", "1; the version of the aggregator.")
