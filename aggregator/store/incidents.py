"""Incidents: each event folded into its incident's present state, and the lists that people ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from aggregator.records import Entry, IncidentEvent, Phase
from aggregator.store.schema import evidence_references, incidents
from aggregator.store.tallies import StreetOf, TallyBook
from aggregator.store.upsert import insert_or, replace_all

_KEYS_AT_ONCE = 400
_FIXED = ("camera_id", "zone_id", "scenario", "kind", "class_group")


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


def fold(connection: Connection, events: list[tuple[str, Entry, IncidentEvent]], street_of: StreetOf) -> None:
    """Bring incidents up to date with new ``events`` (agent, entry, body), given in order of their sequences.

    Once closed, an incident stays as it closed: an agent that replays a recording, or restarts from an older state,
    tells the same incidents again under the same ids. An incident whose opening was lost begins with what came.
    """
    if not events:
        return
    rows = _present(connection, {(agent, body.incident_id) for agent, _, body in events})
    book = TallyBook(street_of)
    for agent, entry, body in events:
        row = rows.get((agent, body.incident_id))
        if row is None:
            row = rows[agent, body.incident_id] = _first(agent, entry, body)
            book.opened(_place(row))
        row["last_received_at"] = entry.received_at
        if row["closed_at"] is not None:
            continue
        row |= _state(body)
        if body.phase is Phase.CLOSED:
            row["closed_at"], row["close_reason"] = body.occurred_at, body.close_reason
            book.closed(_place(row), body.close_reason or "unspecified", body.duration_s)
    insert_or(
        connection,
        incidents,
        [row for _, row in sorted(rows.items())],
        replace_all(incidents, keep=(*_FIXED, "first_received_at")),
    )
    insert_or(connection, evidence_references, _pictures(events))
    book.write(connection)


def _present(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in _parts(sorted(keys)):
        statement = select(incidents).where(tuple_(incidents.c.agent_id, incidents.c.incident_id).in_(part))
        for row in connection.execute(statement).mappings():
            found[row["agent_id"], row["incident_id"]] = dict(row)
    return found


def _parts(keys: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _first(agent: str, entry: Entry, body: IncidentEvent) -> dict[str, Any]:
    fixed = {name: getattr(body, name) for name in _FIXED}
    times = {"first_received_at": entry.received_at, "last_received_at": entry.received_at}
    closing = {"closed_at": None, "close_reason": None}
    return {"agent_id": agent, "incident_id": body.incident_id, **fixed, **times, **closing, **_state(body)}


def _state(body: IncidentEvent) -> dict[str, Any]:
    x1, y1, x2, y2 = body.box or (None, None, None, None)
    return {
        "class_name": body.class_name,
        "stay_id": body.stay_id,
        "phase": body.phase.value,
        "severity": body.severity,
        "opened_at": body.opened_at,
        "occurred_at": body.occurred_at,
        "stay_from": body.stay_from,
        "open_start": body.open_start,
        "dwell_observed_s": body.dwell_observed_s,
        "dwell_occluded_s": body.dwell_occluded_s,
        "dwell_unknown_s": body.dwell_unknown_s,
        "limit_s": body.limit_s,
        "box_x1": x1,
        "box_y1": y1,
        "box_x2": x2,
        "box_y2": y2,
        "clear_width_m": body.clear_width_m,
        "clear_width_uncertainty_m": body.clear_width_uncertainty_m,
        "model_version": body.model_version,
        "config_version": body.config_version,
    }


def _place(row: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    return (row["agent_id"], *(row[name] for name in _FIXED))


def _pictures(events: list[tuple[str, Entry, IncidentEvent]]) -> list[dict[str, Any]]:
    pictures = {
        (agent, body.incident_id, picture.sha256, picture.moment): {
            "agent_id": agent,
            "incident_id": body.incident_id,
            "sha256": picture.sha256,
            "moment": picture.moment,
            "media_type": picture.media_type,
            "size_bytes": picture.size_bytes,
            "captured_at": picture.captured_at,
            "media_time_s": picture.media_time_s,
            "people_masked": picture.people_masked,
        }
        for agent, _, body in events
        for picture in body.evidence
    }
    return [row for _, row in sorted(pictures.items())]
