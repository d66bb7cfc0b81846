"""A street's counters grow by what its cameras count, and never fall, whatever restarts, loses its state or moves."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clearway.v1 import camera_pb2, ingest_pb2, scene_pb2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from aggregator.fleet import Fleet
from aggregator.heartbeat import AgentHealth, read_heartbeat
from aggregator.records import Opening
from aggregator.seconds import growth, overtaken
from aggregator.store.store import Store
from aggregator.store.tallies import StreetKey
from tests.aggregator.harness import EPOCH

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SEEING, DARK = camera_pb2.CAMERA_STATE_SEEING, camera_pb2.CAMERA_STATE_DARK
CAMERAS = ("a", "b")

Kept = tuple[Store, sqlite3.Connection]
Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["seen", "dark", "violated", "heartbeat", "refresh", "refresh fails", "agent restarts", "killed", "moves"]
        ),
        st.integers(1, 500),
    ),
    max_size=16,
)
STEPS_WITH_LOSS = st.lists(
    st.tuples(
        st.sampled_from(
            ["seen", "dark", "violated", "heartbeat", "refresh", "agent restarts", "loses its state", "killed"]
        ),
        st.integers(1, 500),
    ),
    max_size=16,
)


class World:
    """One agent with two cameras, and an aggregator that may be killed; the store is real."""

    numbers = iter(range(10**6))

    def __init__(self, kept: Kept) -> None:
        store, self.database = kept
        self.number = next(self.numbers)
        self.agent = f"box-{self.number}"
        self.store, self.fleet, self.clock = store, Fleet(), NOW
        self.ledgers = {camera: Counter[str]() for camera in CAMERAS}
        self.truth = Counter[str]()
        self.sent = Counter[str]()
        self.first_kept: Counter[str] | None = None
        self.read_sums = True
        self.moved = False
        store.street_of = self.street_of
        store.open_stream(Opening(self.agent, EPOCH, 1, 1, "1", "m", "c", "p"))

    def street_of(self, _agent: str, camera: str) -> StreetKey:
        return StreetKey(f"d{self.number}", "new" if self.moved and camera == "a" else "old")

    def do(self, step: Step) -> None:
        what, seconds = step
        self.clock += timedelta(seconds=seconds)
        match what:
            case "seen" | "dark" | "violated":
                for camera in CAMERAS:
                    counted = {
                        "seen": ("seeing", "judged"),
                        "dark": ("dark",),
                        "violated": ("seeing", "judged", "violated"),
                    }
                    for name in ("enforced", *counted[what]):
                        self.ledgers[camera][name] += seconds
                        self.truth[name] += seconds
            case "heartbeat":
                self.fleet.heartbeat(self.agent, self.heartbeat(), self.clock)
                if self.read_sums:
                    self.sent = self.truth.copy()
                self.read_sums = True
            case "refresh":
                self.refresh()
            case "refresh fails":
                self.fleet.put_back(self.fleet.take_notes())
            case "agent restarts":
                self.read_sums = False
            case "loses its state":
                self.ledgers = {camera: Counter[str]() for camera in CAMERAS}
                self.read_sums = False
            case "killed":
                self.fleet = Fleet()
                self.fleet.restore(self.store.agents([self.agent]))
            case "moves":
                self.moved = not self.moved

    def refresh(self) -> None:
        notes = self.fleet.take_notes()
        self.store.note(notes)
        self.fleet.kept(notes)
        if self.first_kept is None and any(note.heartbeat is not None for note in notes) and self.sent:
            self.first_kept = self.sent.copy()

    def heartbeat(self) -> ingest_pb2.Heartbeat:
        message = ingest_pb2.Heartbeat()
        message.sent_at.FromDatetime(self.clock)
        for camera, ledger in self.ledgers.items():
            status = message.cameras.add(camera_id=camera, state=SEEING if self.read_sums else 2)
            if not self.read_sums:
                continue
            for state, name in ((SEEING, "seeing"), (DARK, "dark")):
                if ledger[name]:
                    status.state_seconds.add(state=state, seconds=ledger[name])
            status.zones.add(
                zone_id="kerb",
                scenario=scene_pb2.SCENARIO_PARKING,
                enforced_seconds=ledger["enforced"],
                judged_seconds=ledger["judged"],
                violation_seconds=ledger["violated"],
            )
        return message

    def streets(self) -> Counter[tuple[str, str]]:
        """Street and name to value."""
        rows = self.database.execute(
            "SELECT street, name, value FROM street_sums WHERE agent_id = ?", (self.agent,)
        ).fetchall()
        return Counter({(street, name): value for street, name, value in rows})

    def counted(self) -> dict[str, float]:
        names = {"seeing": "state.seeing", "dark": "state.dark", "enforced": "enforced", "judged": "judged"}
        sums = self.streets()
        return {
            short: sum(value for (_, name), value in sums.items() if name == long)
            for short, long in (names | {"violated": "violation"}).items()
        }


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A store, and its database as seen from outside."""
    file: Path = tmp_path_factory.mktemp("counters") / "clearway.sqlite"
    with Store(make_url(f"sqlite:///{file}")) as store:
        store.migrate()
        database = sqlite3.connect(file)
        yield store, database
        database.close()


quickly = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def play(world: World, steps: list[Step]) -> None:
    """Take the steps; after each, no street's sum may have fallen, nor exceed what was really counted."""
    before = world.streets()
    for step in [("seen", 5), ("heartbeat", 1), *steps]:
        world.do(step)
        if step[0] != "refresh":
            continue
        after = world.streets()
        assert all(after[key] >= value for key, value in before.items()), (step, before, after)
        assert all(value <= world.truth[name] for name, value in world.counted().items())
        before = after


RESTARTED: list[Step] = [("seen", 9), ("agent restarts", 1), ("heartbeat", 1), ("refresh", 1)]
KILLED: list[Step] = [("violated", 9), ("heartbeat", 1), ("refresh fails", 1), ("killed", 1), ("heartbeat", 1)]
MOVED: list[Step] = [("dark", 9), ("heartbeat", 1), ("refresh", 1), ("moves", 1), ("violated", 4), ("refresh", 1)]


@quickly
@given(steps=STEPS)
@example(steps=RESTARTED)
@example(steps=[*RESTARTED, ("killed", 1), *RESTARTED])
@example(steps=[*KILLED, *RESTARTED])
@example(steps=[*MOVED, *KILLED, *MOVED])
def test_every_second_counts_once_through_restarts_kills_and_moves(kept: Kept, steps: list[Step]) -> None:
    world = World(kept)
    world.do(("seen", 5))
    world.do(("heartbeat", 1))
    world.do(("refresh", 1))
    first = world.truth.copy()
    play(world, steps)
    for last in (("seen", 1), ("heartbeat", 1), ("heartbeat", 1), ("refresh", 1)):
        world.do(last)
    assert world.counted() == {name: world.truth[name] - first[name] for name in world.counted()}


@quickly
@given(steps=STEPS_WITH_LOSS)
@example(steps=[("refresh", 1), ("seen", 90), ("loses its state", 1), *RESTARTED, ("heartbeat", 1), ("refresh", 1)])
def test_a_lost_state_makes_no_street_fall_and_adds_nothing_that_was_not_counted(kept: Kept, steps: list[Step]) -> None:
    play(World(kept), steps)


def said(
    sums: dict[str, float], *, sent_s: float = 0, came_s: float = 0, zone: dict[str, float] | None = None
) -> AgentHealth:
    """What an agent says of camera a, with these seconds by state; ``zone`` are a passage's."""
    message = ingest_pb2.Heartbeat()
    message.sent_at.FromDatetime(NOW + timedelta(seconds=sent_s))
    status = message.cameras.add(camera_id="a", state=SEEING)
    for name, seconds in sums.items():
        status.state_seconds.add(state=camera_pb2.CameraState.Value(f"CAMERA_STATE_{name}"), seconds=seconds)
    if zone is not None:
        violation = zone.pop("violation", 0)
        deck = status.zones.add(zone_id="deck", scenario=scene_pb2.SCENARIO_PASSAGE, violation_seconds=violation)
        for kind in zone:
            deck.findings.add(kind=scene_pb2.FindingKind.Value(f"FINDING_KIND_{kind}"), violation=True)
    return read_heartbeat(message, NOW + timedelta(seconds=came_s))


def values(before: AgentHealth, now: AgentHealth) -> dict[tuple[str, str], float]:
    return {(grown.name, grown.kind): grown.value for grown in growth(before, now)}


def test_one_sum_that_fell_says_that_all_of_the_camera_began_anew() -> None:
    assert values(said({"SEEING": 100, "DARK": 50}), said({"SEEING": 120, "DARK": 10})) == {
        ("state.seeing", ""): 120,
        ("state.dark", ""): 10,
    }


def test_what_a_camera_counted_before_it_was_heard_of_is_not_added() -> None:
    nobody = read_heartbeat(ingest_pb2.Heartbeat(), NOW)
    assert values(nobody, said({"SEEING": 1e6})) == {}
    assert values(said({}), said({"SEEING": 1e6})) == {}
    assert values(said({"SEEING": 5}), said({"SEEING": 7}, zone={"violation": 900, "BLOCKED": 1})) == {
        ("state.seeing", ""): 2
    }


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ({"BLOCKED": 1}, {"BLOCKED": 1}, "blocked"),
        ({}, {"NARROWED": 1, "BLOCKED": 1}, "blocked"),
        ({"BLOCKED": 1}, {"NARROWED": 1}, "narrowed"),
        ({"CROWDED": 1}, {}, "crowded"),
        ({}, {}, "unspecified"),
    ],
)
def test_violation_time_goes_to_the_worst_that_stands_or_stood(
    before: dict[str, float], now: dict[str, float], kind: str
) -> None:
    then = said({"SEEING": 1}, zone=before | {"violation": 3})
    assert values(then, said({"SEEING": 1}, zone=now | {"violation": 10})) == {("violation", kind): 7}


def test_a_heartbeat_that_was_overtaken_by_a_newer_one_is_told_from_a_clock_that_was_set_back() -> None:
    kept = said({"SEEING": 100}, sent_s=100, came_s=100)
    assert overtaken(kept, said({"SEEING": 90}, sent_s=90, came_s=101))
    assert not overtaken(kept, said({"SEEING": 90}, sent_s=-3600, came_s=300))
    assert not overtaken(kept, said({"SEEING": 110}, sent_s=110, came_s=110))


def test_each_violation_has_its_kind_though_the_store_hears_of_several_at_once(kept: Kept) -> None:
    store, database = kept
    fleet = Fleet()
    store.street_of = lambda _agent, _camera: StreetKey("kinds", "s")
    store.open_stream(Opening("kinds", EPOCH, 1, 1, "1", "m", "c", "p"))
    for seconds, kinds in ((0, ()), (10, ("BLOCKED",)), (25, ("NARROWED",)), (30, ())):
        message = ingest_pb2.Heartbeat()
        status = message.cameras.add(camera_id="a", state=SEEING)
        status.state_seconds.add(state=SEEING, seconds=100 + seconds)
        deck = status.zones.add(zone_id="deck", scenario=scene_pb2.SCENARIO_PASSAGE, violation_seconds=seconds)
        for kind in kinds:
            deck.findings.add(kind=scene_pb2.FindingKind.Value(f"FINDING_KIND_{kind}"), violation=True)
        fleet.heartbeat("kinds", message, NOW)  # a clock that stands still does no harm
        if not seconds or seconds == 30:
            notes = fleet.take_notes()
            store.note(notes)
            fleet.kept(notes)
    rows = database.execute("SELECT kind, value FROM street_sums WHERE agent_id = 'kinds' AND name = 'violation'")
    assert dict(rows.fetchall()) == {"blocked": 10, "narrowed": 20}
