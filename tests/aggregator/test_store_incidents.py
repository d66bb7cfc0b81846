"""What the store makes of events, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from clearway.v1 import incident_pb2, ingest_pb2
from sqlalchemy.engine import URL

from aggregator.records import Batch, Fenced, Hole, IncidentEvent, Opened, Opening, Stored
from aggregator.store.agents import AgentNote, CameraNote, HeartbeatNote
from aggregator.store.incidents import IncidentQuery
from aggregator.store.snapshot import Place
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import EPOCH, OPENED_AT_S, camera_change, event, gap, rows
from tests.aggregator.postgresql import Cluster

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opening(agent: str = "bridge-1", lowest: int = 1, next_seq: int = 1_000_000, epoch: bytes = EPOCH) -> Opening:
    return Opening(agent, epoch, lowest, next_seq, "0.1.0", "nanodet", "c0ffee", "linux")


def open_stream(store: Store, agent: str = "bridge-1", **changes: int) -> int:
    opened = store.open_stream(opening(agent, **changes))
    assert isinstance(opened, Opened)
    return opened.fence


def batch(fence: int, first_seq: int, *events: ingest_pb2.Event, agent: str = "bridge-1", now: datetime = NOW) -> Batch:
    entries = tuple(read_entry(first_seq + place, one, now) for place, one in enumerate(events))
    return Batch(agent, EPOCH, fence, first_seq, entries)


def with_picture(message: ingest_pb2.Event, sha256: bytes) -> ingest_pb2.Event:
    picture = message.incident.evidence.add()
    picture.sha256 = sha256
    picture.moment = incident_pb2.EVIDENCE_MOMENT_LIMIT
    picture.media_type = "image/jpeg"
    picture.size_bytes = 1234
    picture.captured_at.FromSeconds(OPENED_AT_S)
    return message


def test_an_incident_shows_its_last_event(store: Store) -> None:
    fence = open_stream(store)
    widened = event("a", "UPDATED", at_s=60, severity=incident_pb2.SEVERITY_CRITICAL)
    widened.incident.clear_width.state = 1
    widened.incident.clear_width.width_m = 0.75
    store.commit([batch(fence, 1, event("a"), widened)])
    (incident,) = store.incidents(IncidentQuery(open_only=True))
    assert incident.opened_at == datetime.fromtimestamp(OPENED_AT_S, UTC)
    assert incident.occurred_at == incident.opened_at + timedelta(seconds=60)
    assert (incident.severity, incident.dwell_observed_s, incident.clear_width_m) == ("critical", 360, 0.75)
    assert incident.closed_at is None


def test_a_closed_incident_stays_as_it_closed_when_its_recording_is_played_again(store: Store) -> None:
    life = (event("a"), event("a", "UPDATED", at_s=30), event("a", "CLOSED", at_s=90))
    first = open_stream(store)
    store.commit([batch(first, 1, *life)])
    before = store.snapshot()
    second = store.open_stream(opening(epoch=b"another epoch..."))
    assert isinstance(second, Opened)
    store.commit([replace(batch(second.fence, 1, *life), epoch=b"another epoch...")])
    (incident,) = store.incidents(IncidentQuery())
    assert (incident.close_reason, incident.dwell_observed_s) == ("left", 390)
    assert store.snapshot().tallies == before.tallies
    assert store.snapshot().events["bridge-1"].stored == 6


def test_an_incident_whose_opening_was_lost_begins_with_what_came(store: Store) -> None:
    fence = open_stream(store, lowest=41)
    store.commit([batch(fence, 41, event("a", "CLOSED", at_s=90, reason="SCHEDULE_ENDED"))])
    (incident,) = store.incidents(IncidentQuery())
    assert incident.close_reason == "schedule_ended"
    snapshot = store.snapshot()
    sums = {key.name: value for key, value in snapshot.tallies.items()}
    assert sums == {"opened": 1, "closed.schedule_ended": 1, "duration.300": 1, "duration_sum": 90}
    assert snapshot.lost == {("bridge-1", "missing_at_hello"): 40}


def test_open_incidents_are_counted_where_they_are(store: Store) -> None:
    fence = open_stream(store)
    store.commit(
        [
            batch(fence, 1, event("a"), event("b"), event("c", camera="south")),
            batch(fence, 4, event("b", "CLOSED", at_s=1)),
        ]
    )
    north = Place("bridge-1", "north", "kerb", "parking", "parked", "vehicle")
    assert store.snapshot().open_incidents == {north: 1, north._replace(camera_id="south"): 1}


def test_incidents_are_listed_by_camera_and_time(store: Store) -> None:
    fence = open_stream(store)
    late = event("late")
    late.incident.opened_at.FromSeconds(OPENED_AT_S + 3600)
    store.commit([batch(fence, 1, event("a"), event("b", camera="south"), late, event("a", "CLOSED", at_s=9))])

    def found(query: IncidentQuery) -> list[str]:
        return [row.incident_id for row in store.incidents(query)]

    assert found(IncidentQuery()) == ["late", "a", "b"]
    assert found(IncidentQuery(limit=1)) == ["late"]
    assert found(IncidentQuery(open_only=True)) == ["late", "b"]
    assert found(IncidentQuery(camera_id="south")) == ["b"]
    assert found(IncidentQuery(since=datetime.fromtimestamp(OPENED_AT_S + 1, UTC))) == ["late"]


def test_pictures_are_referred_to_once(store: Store, any_url: URL) -> None:
    fence = open_stream(store)
    one, two = b"1" * 32, b"2" * 32
    store.commit([batch(fence, 1, with_picture(event("a"), one))])
    both = with_picture(with_picture(event("a", "UPDATED", at_s=5), one), two)
    store.commit([batch(fence, 2, both)])
    found = rows(any_url, "SELECT sha256, moment, size_bytes FROM evidence_references ORDER BY sha256")
    assert [(bytes(sha256), *rest) for sha256, *rest in found] == [(one, "limit", 1234), (two, "limit", 1234)]


def test_an_agents_own_gap_record_explains_what_was_missing_at_hello(store: Store) -> None:
    fence = open_stream(store)
    store.commit([batch(fence, 1, event("a"))])
    fence = open_stream(store, lowest=10, next_seq=11)
    assert store.snapshot().lost == {("bridge-1", "missing_at_hello"): 8}
    store.commit([batch(fence, 10, gap(2, 9))])
    assert store.snapshot().lost == {("bridge-1", "dropped_oldest"): 8}


def test_a_camera_is_in_the_state_it_last_told(store: Store) -> None:
    fence = open_stream(store)
    store.commit([batch(fence, 1, camera_change("north", "DARK"), camera_change("south", "BLURRED"))])
    heartbeat = HeartbeatNote(b"", NOW, (CameraNote("south", "seeing", NOW),), None, lambda _: [])
    store.note([AgentNote("bridge-1", NOW, heartbeat)])
    assert store.snapshot().camera_states == {("bridge-1", "north"): "dark", ("bridge-1", "south"): "seeing"}
    (agent,) = store.agents()
    assert (agent.last_seen_at, agent.heartbeat, agent.heartbeat_at) == (NOW, b"", NOW)


def test_old_closed_incidents_are_forgotten_and_nothing_of_them_comes_back(store: Store, any_url: URL) -> None:
    fence = open_stream(store)
    later = NOW + timedelta(days=10)
    life = (with_picture(event("old"), b"1" * 32), event("old", "CLOSED", at_s=50), event("standing"))
    store.commit([batch(fence, 1, *life, camera_change("north", "DARK"), event("", "OPENED"))])
    store.commit([batch(fence, 6, event("new"), event("new", "CLOSED", at_s=50), now=later)])
    counted = store.snapshot().tallies
    while store.forget(NOW + timedelta(days=1)):
        pass
    assert [row.incident_id for row in store.incidents(IncidentQuery())] == ["new", "standing"]
    assert rows(any_url, "SELECT seq FROM incident_events ORDER BY seq") == [(3,), (6,), (7,)]
    for table in ("evidence_references", "camera_state_changes", "rejected_events"):
        assert rows(any_url, f"SELECT count(*) FROM {table}") == [(0,)]
    assert store.snapshot().tallies == counted
    (again,) = store.commit([batch(fence, 1, *life)])
    assert again == Stored(7, (), 0, 3)
    assert [row.incident_id for row in store.incidents(IncidentQuery())] == ["new", "standing"]


def test_batches_of_one_transaction_are_judged_each_on_its_own(store: Store) -> None:
    one, two = open_stream(store, "one"), open_stream(store, "two")
    outcomes = store.commit(
        [
            batch(one, 1, event("a"), agent="one"),
            batch(two, 5, event("a"), agent="two"),
            batch(one, 2, event("b"), agent="one"),
            batch(two - 1, 1, event("a"), agent="two"),
            batch(7, 1, event("a"), agent="never seen"),
            batch(two, 1, event("a"), agent="two"),
        ]
    )
    assert outcomes == [Stored(1, (), 1, 0), Hole(1), Stored(2, (), 1, 0), Fenced(), Fenced(), Stored(1, (), 1, 0)]


def test_a_flood_of_unknown_agents_does_not_fill_the_store(store: Store) -> None:
    for number in range(130):
        store.refuse(f"stranger-{number}")
    store.refuse("stranger-1")
    assert store.snapshot().refused_agents == 100


def test_a_value_that_the_database_cannot_hold_costs_its_own_event_alone(postgresql: Cluster) -> None:
    with Store(postgresql.new_database()) as store:
        store.migrate()
        refuse_one_value(store)


def refuse_one_value(store: Store) -> None:
    fence, other = open_stream(store), open_stream(store, "other")
    whole = batch(fence, 1, event("a"), event("b"), event("c"))
    body = whole.entries[1].body
    assert isinstance(body, IncidentEvent)
    broken = whole.entries[1]._replace(body=body._replace(class_name="x" * 200))
    whole = replace(whole, entries=(whole.entries[0], broken, whole.entries[2]))
    outcomes = store.commit([whole, batch(other, 1, event("a"), agent="other")])
    assert isinstance(outcomes[0], Stored)
    assert (outcomes[0].committed_seq, outcomes[0].stored) == (3, 2)
    ((seq, reason),) = outcomes[0].rejected
    assert seq == 2
    assert "too long" in reason
    assert outcomes[1] == Stored(1, (), 1, 0)


def test_replicas_that_write_the_same_agents_at_once_store_each_event_once(store: Store, any_url: URL) -> None:
    agents = [f"agent-{number}" for number in range(6)]
    fences = {agent: open_stream(store, agent) for agent in agents}

    def replica(order: int) -> int:
        taken = 0
        with Store(any_url) as own:
            for first in range(1, 41, 4):
                events = [event(f"incident-{(first + n) % 3}", "UPDATED", at_s=n) for n in range(4)]
                names = agents if order else agents[::-1]
                for outcome in own.commit([batch(fences[agent], first, *events, agent=agent) for agent in names]):
                    assert isinstance(outcome, Stored)
                    taken += outcome.stored
        return taken

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(replica, range(2))) == 6 * 40
    assert rows(any_url, "SELECT count(*) FROM incident_events") == [(6 * 40,)]
