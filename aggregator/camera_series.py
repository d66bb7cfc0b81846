"""Series of cameras, their zones and their incidents, for those cameras that have series of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from aggregator.catalogue import Kind, Scope, Source, Values, declare
from aggregator.heartbeat import CameraHealth, ZoneHealth
from aggregator.overview import CAMERA_STATES, KINDS_OF, SEEN_STATES, CameraKey, CameraNow, Overview
from aggregator.series import Own, buckets_of
from aggregator.store.tallies import CLOSED, DURATION, DURATION_SUM, OPENED, VIOLATION_SECONDS, TallyKey

_G, _C, _CAM, _ZONE = Kind.GAUGE, Kind.COUNTER, "agent camera", "agent camera zone"
_CAMERA, _BEAT, _STORE, _PLACES = Scope.CAMERA, Source.HEARTBEAT, Source.STORE, Source.PLACES

INFO = declare(
    _G, _CAMERA, _PLACES, "camera_info", f"{_CAM} city district street cell", "1; where a camera stands, by codes."
)
LATITUDE = declare(
    _G, _CAMERA, _PLACES, "camera_latitude_degrees", _CAM, "WGS 84 latitude, north of the equator above 0."
)
LONGITUDE = declare(
    _G, _CAMERA, _PLACES, "camera_longitude_degrees", _CAM, "WGS 84 longitude, east of Greenwich above 0."
)
STATE = declare(
    _G,
    _CAMERA,
    _BEAT,
    "camera_state",
    f"{_CAM} state",
    "1 for the state that a camera is in, 0 for the others; silent while its agent is, unheard if never heard of.",
)
STATE_SECONDS = declare(
    _C,
    _CAMERA,
    _BEAT,
    "camera_state_seconds_total",
    f"{_CAM} state",
    "Time that a camera spent in each state; all but seeing is blind.",
)
LAST_FRAME = declare(
    _G,
    _CAMERA,
    _BEAT,
    "camera_last_frame_timestamp_seconds",
    _CAM,
    "When the last frame that was analysed was taken, by the camera's clock; absent before the first.",
)
FRAMES = declare(_C, _CAMERA, _BEAT, "camera_frames_analysed_total", _CAM, "Frames that were analysed.")
BROKEN = declare(_C, _CAMERA, _BEAT, "camera_frames_broken_total", _CAM, "Frames that could not be decoded.")
OPEN = declare(
    _G,
    _CAMERA,
    _STORE,
    "incidents_open",
    f"{_ZONE} scenario kind class_group",
    "Incidents that are open now; 0 where there once was one.",
)
INCIDENTS_OPENED = declare(
    _C,
    _CAMERA,
    _STORE,
    "incidents_opened_total",
    f"{_ZONE} scenario kind class_group",
    "Incidents that were opened.",
)
INCIDENTS_CLOSED = declare(
    _C,
    _CAMERA,
    _STORE,
    "incidents_closed_total",
    f"{_ZONE} scenario kind class_group reason",
    "Incidents that were closed.",
)
DURATIONS = declare(
    Kind.HISTOGRAM,
    Scope.FIXED,
    _STORE,
    "incident_duration_seconds",
    "scenario kind class_group",
    "From an incident's opening to its closing for whatever reason, by the camera's clock, over all cameras.",
)
ENFORCED = declare(_G, _CAMERA, _BEAT, "zone_enforced", f"{_ZONE} scenario", "1 while the zone's schedule is in force.")
JUDGED = declare(
    _G,
    _CAMERA,
    _BEAT,
    "zone_judged",
    f"{_ZONE} scenario",
    "1 while the zone can be judged; 0 while its agent is silent.",
)
ENFORCED_TOTAL = declare(
    _C,
    _CAMERA,
    _BEAT,
    "zone_enforced_seconds_total",
    f"{_ZONE} scenario",
    "Time in which the zone's schedule was in force.",
)
JUDGED_TOTAL = declare(
    _C,
    _CAMERA,
    _BEAT,
    "zone_judged_seconds_total",
    f"{_ZONE} scenario",
    "Of the enforced time, that in which the zone could be judged.",
)
VIOLATION_TOTAL = declare(
    _C,
    _CAMERA,
    Source.SUMS,
    "zone_violation_seconds_total",
    f"{_ZONE} scenario kind",
    "Of the judged time, that in which a violation stood, by the worst that stood.",
)
MEASURED = declare(
    _G,
    _CAMERA,
    _BEAT,
    "passage_measured",
    _ZONE,
    "1 while the clear width is measured; 0 while it is unknown, as it is while the agent is silent.",
)
CLEAR_WIDTH = declare(
    _G,
    _CAMERA,
    _BEAT,
    "passage_clear_width_meters",
    _ZONE,
    "The widest disc that can pass the passage; absent while it is unknown.",
)
UNCERTAINTY = declare(
    _G,
    _CAMERA,
    _BEAT,
    "passage_clear_width_uncertainty_meters",
    _ZONE,
    "One standard deviation of the clear width; absent while it is unknown.",
)
LIMIT = declare(
    _G,
    _CAMERA,
    _BEAT,
    "passage_limit_meters",
    f"{_ZONE} kind",
    "The clear width below which the passage counts as blocked or narrowed, by the agent's configuration.",
)


def camera_series(seen: Overview, own: Own) -> Iterator[Metric]:
    """Where each camera stands, whether it can see, and what its zones say."""
    cameras = {key: camera for key, camera in seen.cameras.items() if key in own.cameras}
    places = {key: camera.place for key, camera in cameras.items()}
    yield INFO.filled({(*key, at.city, at.district, at.street, at.cell): 1.0 for key, at in places.items()})
    yield LATITUDE.filled({key: at.latitude for key, at in places.items() if at.latitude is not None})
    yield LONGITUDE.filled({key: at.longitude for key, at in places.items() if at.longitude is not None})
    yield STATE.filled(
        {(*key, state): float(state == now.state) for key, now in cameras.items() for state in CAMERA_STATES}
    )
    kept = {key: camera.kept for key, camera in cameras.items() if camera.kept is not None}
    yield STATE_SECONDS.filled(
        {(*key, state): one.state_seconds.get(state, 0.0) for key, one in kept.items() for state in SEEN_STATES}
    )
    yield FRAMES.filled({key: one.frames_analysed for key, one in kept.items()})
    yield BROKEN.filled({key: one.frames_broken for key, one in kept.items()})
    yield LAST_FRAME.filled(
        {
            key: one.health.last_frame_at.timestamp()
            for key, one in cameras.items()
            if one.health is not None and one.health.last_frame_at is not None
        }
    )
    yield from _zone_series(cameras, kept)
    yield VIOLATION_TOTAL.filled(_violation_seconds(seen, cameras))
    yield from _passage_series(cameras)


def incident_series(seen: Overview, own: Own) -> Iterator[Metric]:
    """Incidents of each camera's zones: open ones, and all that ever were."""
    opened: dict[tuple[str, ...], float] = {}
    closed: dict[tuple[str, ...], float] = {}
    lasted: defaultdict[tuple[str, ...], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for key, value in seen.store.tallies.items():
        if key.name.startswith(DURATION) or key.name == DURATION_SUM:
            lasted[key.scenario, key.kind, key.class_group][key.name] += value
        elif (key.agent_id, key.camera_id) not in own.cameras:
            continue
        elif key.name == OPENED:
            opened[_where(key)] = value
        elif key.name.startswith(CLOSED):
            closed[(*_where(key), key.name.removeprefix(CLOSED))] = value
    still = dict.fromkeys(opened, 0.0)  # a place that had an incident says 0, so that its alert resolves by value
    still |= {place: float(count) for place, (count, _) in seen.open_incidents.items() if place[:2] in own.cameras}
    yield OPEN.filled(still)
    yield INCIDENTS_OPENED.filled(opened)
    yield INCIDENTS_CLOSED.filled(closed)
    yield DURATIONS.distributed(
        {kind: (buckets_of(sums, DURATION), sums[DURATION_SUM]) for kind, sums in lasted.items()}
    )


def _where(key: TallyKey) -> tuple[str, ...]:
    return key.agent_id, key.camera_id, key.zone_id, key.scenario, key.kind, key.class_group


def _zone_series(cameras: dict[CameraKey, CameraNow], kept: dict[CameraKey, CameraHealth]) -> Iterator[Metric]:
    def of_each(health: CameraHealth | None, key: CameraKey, value: Callable[[ZoneHealth], float]) -> Values:
        zones = health.zones if health is not None else ()
        return {(*key, zone.zone_id, zone.scenario): value(zone) for zone in zones}

    def now(value: Callable[[CameraNow, ZoneHealth], float]) -> Values:
        values: dict[tuple[str, ...], float] = {}
        for key, camera in cameras.items():
            values |= of_each(camera.health, key, lambda zone, camera=camera: value(camera, zone))  # type: ignore[misc]
        return values

    def total(value: Callable[[ZoneHealth], float]) -> Values:
        values: dict[tuple[str, ...], float] = {}
        for key, camera in kept.items():
            values |= of_each(camera, key, value)
        return values

    yield ENFORCED.filled(now(lambda _, zone: float(zone.enforced)))
    yield JUDGED.filled(now(lambda camera, zone: float(zone.judged and camera.heard)))
    yield ENFORCED_TOTAL.filled(total(lambda zone: zone.enforced_s))
    yield JUDGED_TOTAL.filled(total(lambda zone: zone.judged_s))


def _violation_seconds(seen: Overview, cameras: dict[CameraKey, CameraNow]) -> Values:
    values: dict[tuple[str, ...], float] = {
        (*key, zone.zone_id, zone.scenario, kind): 0.0
        for key, camera in cameras.items()
        for zone in (camera.health.zones if camera.health is not None else ())
        for kind in KINDS_OF.get(zone.scenario, ())
    }
    for tally, value in seen.store.tallies.items():
        if tally.name == VIOLATION_SECONDS and (tally.agent_id, tally.camera_id) in cameras:
            values[tally.agent_id, tally.camera_id, tally.zone_id, tally.scenario, tally.kind] = value
    return values


def _passage_series(cameras: dict[CameraKey, CameraNow]) -> Iterator[Metric]:
    measured: dict[tuple[str, ...], float] = {}
    widths: dict[tuple[str, ...], float] = {}
    uncertainties: dict[tuple[str, ...], float] = {}
    limits: dict[tuple[str, ...], float] = {}
    for key, camera in cameras.items():
        for zone in camera.health.zones if camera.health is not None else ():
            if not zone.passage:
                continue
            at = (*key, zone.zone_id)
            limits |= {(*at, kind): limit_m for kind, limit_m in zone.limits_m.items()}
            width = zone.clear_width_m if camera.heard else None
            measured[at] = float(width is not None)
            if width is not None:
                widths[at] = width
                if zone.uncertainty_m is not None:
                    uncertainties[at] = zone.uncertainty_m
    yield MEASURED.filled(measured)
    yield CLEAR_WIDTH.filled(widths)
    yield UNCERTAINTY.filled(uncertainties)
    yield LIMIT.filled(limits)
