"""Incidents: each event folded into its incident's present state, and the lists that people ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from aggregator.records import Entry, IncidentEvent, Phase
from aggregator.store.lookup import Lookup
from aggregator.store.schema import evidence_references, incidents
from aggregator.store.tallies import Place, StreetOf, TallyBook
from aggregator.store.upsert import Insert, Row, leave, replace_all

_FIXED = ("camera_id", "zone_id", "scenario", "kind", "class_group")
_NO_BOX = (None, None, None, None)

_PUT = Insert(incidents, replace_all(incidents, keep=(*_FIXED, "first_received_at")))
_PUT_PICTURES = Insert(evidence_references, leave)
_STANDING = Lookup(incidents, ("agent_id", "incident_id"), (*_FIXED, "closed_at"))
_HEARD_AGAIN = (
    update(incidents)
    .where(incidents.c.agent_id == bindparam("of_agent"), incidents.c.incident_id == bindparam("of_incident"))
    .values(last_received_at=bindparam("at", type_=incidents.c.last_received_at.type))
)


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as it stands. ``closed_at`` is None while it is open."""

    agent_id: str
    incident_id: str
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str
    class_name: str
    severity: str
    opened_at: datetime
    occurred_at: datetime
    closed_at: datetime | None
    close_reason: str | None
    dwell_observed_s: float
    dwell_occluded_s: float
    dwell_unknown_s: float
    limit_s: float
    clear_width_m: float | None


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Which incidents to list, newest first: open ones only, of one camera, opened since a moment."""

    open_only: bool = False
    camera_id: str | None = None
    since: datetime | None = None
    limit: int = 1000


def list_incidents(connection: Connection, query: IncidentQuery) -> list[IncidentRow]:
    """Incidents that fit ``query``, the last opened first."""
    columns = [incidents.c[name] for name in IncidentRow.__dataclass_fields__]
    statement = select(*columns).order_by(incidents.c.opened_at.desc(), incidents.c.agent_id, incidents.c.incident_id)
    if query.open_only:
        statement = statement.where(incidents.c.closed_at.is_(None))
    if query.camera_id is not None:
        statement = statement.where(incidents.c.camera_id == query.camera_id)
    if query.since is not None:
        statement = statement.where(incidents.c.opened_at >= query.since)
    return [IncidentRow(**row) for row in connection.execute(statement.limit(query.limit)).mappings()]


@dataclass(slots=True)
class _Standing:
    """An incident while a transaction changes it. ``last`` is the event by which it stands, None if none is new."""

    place: Place
    closed: bool
    first_received_at: datetime
    last_received_at: datetime
    last: IncidentEvent | None = None


def fold(connection: Connection, events: list[tuple[str, Entry, IncidentEvent]], street_of: StreetOf) -> None:
    """Bring incidents up to date with new ``events`` (agent, entry, body), given in order of their sequences.

    Once closed, an incident stays as it closed: an agent that replays a recording, or restarts from an older state,
    tells the same incidents again under the same ids. An incident whose opening was lost begins with what came.
    """
    if not events:
        return
    present = _present(connection, {(agent, body.incident_id) for agent, _, body in events})
    standing: dict[tuple[str, str], _Standing] = {}
    book = TallyBook(street_of)
    for agent, entry, body in events:
        key = (agent, body.incident_id)
        one = standing.get(key)
        if one is None:
            place, closed = present.get(key, (None, False))
            if place is None:
                place = (agent, body.camera_id, body.zone_id, body.scenario, body.kind, body.class_group)
                book.opened(place)
            one = standing[key] = _Standing(place, closed, entry.received_at, entry.received_at)
        one.last_received_at = entry.received_at
        if one.closed:
            continue
        one.last = body
        if body.phase is Phase.CLOSED:
            one.closed = True
            book.closed(one.place, body.close_reason or "unspecified", body.duration_s)
    keys = sorted(standing)
    _PUT(connection, [_row(standing[key], last) for key in keys if (last := standing[key].last) is not None])
    again = [
        {"of_agent": key[0], "of_incident": key[1], "at": standing[key].last_received_at}
        for key in keys
        if standing[key].last is None
    ]
    if again:
        connection.execute(_HEARD_AGAIN, again)
    _PUT_PICTURES(connection, _pictures(events))
    book.write(connection)


def _present(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[Place, bool]]:
    """Of the incidents that the store has: where, and whether it is closed."""
    return {
        (agent, incident_id): ((agent, camera_id, zone_id, scenario, kind, class_group), closed_at is not None)
        for agent, incident_id, camera_id, zone_id, scenario, kind, class_group, closed_at in _STANDING(
            connection, sorted(keys)
        )
    }


def _row(one: _Standing, last: IncidentEvent) -> Row:
    agent, camera_id, zone_id, scenario, kind, class_group = one.place
    return (
        agent,
        last.incident_id,
        camera_id,
        zone_id,
        scenario,
        kind,
        class_group,
        last.class_name,
        last.stay_id,
        last.phase._value_,
        last.severity,
        last.opened_at,
        last.occurred_at,
        last.occurred_at if one.closed else None,
        last.close_reason if one.closed else None,
        last.stay_from,
        last.open_start,
        last.dwell_observed_s,
        last.dwell_occluded_s,
        last.dwell_unknown_s,
        last.limit_s,
        *(last.box or _NO_BOX),
        last.clear_width_m,
        last.clear_width_uncertainty_m,
        last.model_version,
        last.config_version,
        one.first_received_at,
        one.last_received_at,
    )


def _pictures(events: list[tuple[str, Entry, IncidentEvent]]) -> list[Row]:
    pictures = {
        (agent, body.incident_id, picture.sha256, picture.moment): (
            picture.media_type,
            picture.size_bytes,
            picture.captured_at,
            picture.media_time_s,
            picture.people_masked,
        )
        for agent, _, body in events
        for picture in body.evidence
    }
    return [(*key, *rest) for key, rest in sorted(pictures.items())]
