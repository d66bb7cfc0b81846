"""Series of streets: what alerts, the health index and the city's pages are made of. Never capped.

A street's counters are sums over all that ever counted there, so they never fall, whatever agents restart and cameras
move. They begin at 0 as soon as a zone is known, so that the first thing that happens is seen as an increase.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import Metric

from aggregator.catalogue import Kind, Scope, Source, Sums, declare
from aggregator.overview import CAMERA_STATES, KINDS_OF, SEEN_STATES, AgentState, Overview
from aggregator.places import Street
from aggregator.series import buckets_of
from aggregator.store.tallies import (
    CLEAR,
    CLEAR_SUM,
    CLOSED,
    ENFORCED_SECONDS,
    JUDGED_SECONDS,
    OPENED,
    STATE_SECONDS,
    VIOLATION_SECONDS,
    StreetKey,
)

_G, _C, _AT = Kind.GAUGE, Kind.COUNTER, "district street"


INFO = declare(
    _G,
    Scope.STREET,
    Source.PLACES,
    "street_info",
    f"{_AT} city city_name district_name street_name",
    "1; what a street is called.",
)
CAMERAS = declare(
    _G,
    Scope.STREET,
    Source.HEARTBEAT,
    "street_cameras",
    f"{_AT} state",
    "Cameras by state: as the camera says, silent while its agent is, unheard if it never said anything.",
)
AGENTS = declare(
    _G,
    Scope.STREET,
    Source.STORE,
    "street_agents",
    f"{_AT} state",
    "Agents with a camera in the street: connected, silent, or never heard.",
)
ZONES = declare(_G, Scope.STREET, Source.HEARTBEAT, "street_zones", f"{_AT} scenario", "Zones.")
ZONES_ENFORCED = declare(
    _G,
    Scope.STREET,
    Source.HEARTBEAT,
    "street_zones_enforced",
    f"{_AT} scenario",
    "Zones whose schedule is in force now, as far as agents said last.",
)
ZONES_JUDGED = declare(
    _G,
    Scope.STREET,
    Source.HEARTBEAT,
    "street_zones_judged",
    f"{_AT} scenario",
    "Zones whose schedule is in force and that can be judged now; none of a silent agent's.",
)
PASSAGES = declare(
    _G,
    Scope.STREET,
    Source.HEARTBEAT,
    "street_passages",
    f"{_AT} state",
    "Passages whose clear width is measured now, and ones where it is unknown, as a silent agent's are.",
)
CLEAR_WIDTH = declare(
    _G,
    Scope.STREET,
    Source.HEARTBEAT,
    "street_narrowest_clear_width_meters",
    _AT,
    "The least clear width of the street's passages that are measured now; absent if none is.",
)
OPEN = declare(
    _G, Scope.STREET, Source.STORE, "street_incidents_open", f"{_AT} scenario kind", "Incidents that are open now."
)
OLDEST = declare(
    _G,
    Scope.STREET,
    Source.STORE,
    "street_oldest_open_incident_timestamp_seconds",
    f"{_AT} scenario kind",
    "When the first of the open incidents was opened, by the camera's clock; absent if none is open.",
)
INCIDENTS_OPENED = declare(
    _C,
    Scope.STREET,
    Source.STORE,
    "street_incidents_opened_total",
    f"{_AT} scenario kind",
    "Incidents that were opened.",
)
INCIDENTS_CLOSED = declare(
    _C,
    Scope.STREET,
    Source.STORE,
    "street_incidents_closed_total",
    f"{_AT} scenario kind reason",
    "Incidents that were closed.",
)
TIME_TO_CLEAR = declare(
    Kind.HISTOGRAM,
    Scope.STREET,
    Source.STORE,
    "street_time_to_clear_seconds",
    f"{_AT} scenario kind",
    "From an incident's opening until the camera saw it left or cleared, by the camera's clock.",
)
STATE_SECONDS_TOTAL = declare(
    _C,
    Scope.STREET,
    Source.SUMS,
    "street_camera_state_seconds_total",
    f"{_AT} state",
    "Time that the street's cameras spent in each state; all but seeing is blind.",
)
ENFORCED = declare(
    _C,
    Scope.STREET,
    Source.SUMS,
    "street_enforced_seconds_total",
    f"{_AT} scenario",
    "Time in which zones' schedules were in force, summed over zones.",
)
JUDGED = declare(
    _C,
    Scope.STREET,
    Source.SUMS,
    "street_judged_seconds_total",
    f"{_AT} scenario",
    "Of the enforced time, that in which the zone could be judged.",
)
VIOLATION = declare(
    _C,
    Scope.STREET,
    Source.SUMS,
    "street_violation_seconds_total",
    f"{_AT} scenario kind",
    "Of the judged time, that in which a violation stood, by the worst that stood.",
)

_SEEN_TO_BE_CLEAR = {"parking": "left", "passage": "cleared"}
"""How an incident of each scenario usually ends: the reason that counts from 0."""


def street_series(seen: Overview) -> Iterator[Metric]:
    """Every series of every street."""
    zones = _zones(seen)
    yield INFO.filled({(*street, *_called(seen, street)): 1.0 for street in seen.streets})
    yield from _cameras(seen)
    yield from zones.metrics()
    yield from _open(seen, zones)
    yield from _sums(seen, zones)


def _called(seen: Overview, street: StreetKey) -> tuple[str, str, str, str]:
    names = seen.places.places.streets.get(street) or Street("", "", street.district, street.street)
    return names.city, names.city_name, names.district_name, names.street_name


def _cameras(seen: Overview) -> Iterator[Metric]:
    cameras: dict[tuple[str, ...], float] = {
        (*street, state): 0.0 for street in seen.streets for state in CAMERA_STATES
    }
    for street, camera in seen.by_street():
        cameras[(*street, camera.state)] += 1
    agents: dict[tuple[str, ...], float] = {
        (*street, state.value): 0.0 for street in seen.streets for state in AgentState
    }
    for agent, street in seen.agent_streets:
        agents[(*street, seen.agents[agent].value)] += 1
    yield CAMERAS.filled(cameras)
    yield AGENTS.filled(agents)


class _Zones:
    """The zones of each street, as agents said last."""

    def __init__(self) -> None:
        self.known: Sums = Sums(float)
        self.enforced: Sums = Sums(float)
        self.judged: Sums = Sums(float)
        self.passages: Sums = Sums(float)
        self.narrowest: dict[tuple[str, ...], float] = {}

    def metrics(self) -> Iterator[Metric]:
        yield ZONES.filled(self.known)
        yield ZONES_ENFORCED.filled(self.enforced)
        yield ZONES_JUDGED.filled(self.judged)
        yield PASSAGES.filled(self.passages)
        yield CLEAR_WIDTH.filled(self.narrowest)

    def kinds(self) -> Iterator[tuple[str, str, str, str]]:
        """District, street, scenario and kind of everything that can be found there."""
        for district, street, scenario in self.known:
            for kind in KINDS_OF.get(scenario, ()):
                yield district, street, scenario, kind


def _zones(seen: Overview) -> _Zones:
    zones = _Zones()
    for street, camera in seen.by_street():
        for zone in camera.health.zones if camera.health is not None else ():
            at = (*street, zone.scenario)
            zones.known[at] += 1
            zones.enforced[at] += zone.enforced
            zones.judged[at] += zone.enforced and zone.judged and camera.heard
            if not zone.passage:
                continue
            width = zone.clear_width_m if camera.heard else None
            zones.passages[(*street, "measured")] += width is not None
            zones.passages[(*street, "unknown")] += width is None
            if width is not None:
                zones.narrowest[street] = min(width, zones.narrowest.get(street, width))
    for scenario_sum in seen.store.street_sums:  # a street whose cameras are not heard of yet since this process began
        if scenario_sum.scenario:
            zones.known[scenario_sum.district, scenario_sum.street, scenario_sum.scenario] += 0.0
    return zones


def _open(seen: Overview, zones: _Zones) -> Iterator[Metric]:
    now: Sums = Sums(float, dict.fromkeys(zones.kinds(), 0.0))
    oldest: dict[tuple[str, ...], float] = {}
    for place, (count, opened_at) in seen.open_incidents.items():
        at = (*seen.street_of(place.agent_id, place.camera_id), place.scenario, place.kind)
        now[at] += count
        oldest[at] = min(opened_at.timestamp(), oldest.get(at, opened_at.timestamp()))
    yield OPEN.filled(now)
    yield OLDEST.filled(oldest)


def _sums(seen: Overview, zones: _Zones) -> Iterator[Metric]:
    kinds = list(zones.kinds())
    opened: Sums = Sums(float, dict.fromkeys(kinds, 0.0))
    closed: Sums = defaultdict(float, {(*kind, _SEEN_TO_BE_CLEAR[kind[2]]): 0.0 for kind in kinds})
    cleared: defaultdict[tuple[str, ...], dict[str, float]] = defaultdict(dict, {kind: {} for kind in kinds})
    violation: Sums = Sums(float, dict.fromkeys(kinds, 0.0))
    states: dict[tuple[str, ...], float] = {
        (*street, state): 0.0 for street, _ in seen.by_street() for state in SEEN_STATES
    }
    plain = {name: dict.fromkeys(zones.known, 0.0) for name in (ENFORCED_SECONDS, JUDGED_SECONDS)}
    for key, value in seen.store.street_sums.items():
        at = (key.district, key.street, key.scenario)
        if key.name.startswith(STATE_SECONDS):
            states[key.district, key.street, key.name.removeprefix(STATE_SECONDS)] = value
        elif key.name in plain:
            plain[key.name][at] = value
        elif key.name == VIOLATION_SECONDS:
            violation[(*at, key.kind)] = value
        elif key.name == OPENED:
            opened[(*at, key.kind)] = value
        elif key.name.startswith(CLOSED):
            closed[(*at, key.kind, key.name.removeprefix(CLOSED))] = value
        else:
            cleared[(*at, key.kind)][key.name] = value
    yield INCIDENTS_OPENED.filled(opened)
    yield INCIDENTS_CLOSED.filled(closed)
    yield TIME_TO_CLEAR.distributed(
        {at: (buckets_of(sums, CLEAR), sums.get(CLEAR_SUM, 0.0)) for at, sums in cleared.items()}
    )
    yield STATE_SECONDS_TOTAL.filled(states)
    yield ENFORCED.filled(plain[ENFORCED_SECONDS])
    yield JUDGED.filled(plain[JUDGED_SECONDS])
    yield VIOLATION.filled(violation)
