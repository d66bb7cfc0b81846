"""``kill -9`` of either program at random moments: every event that was emitted is in the store once, in order."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from tests.aggregator.harness import rows
from tests.aggregator.postgresql import Cluster
from tests.end_to_end.running import Folder, Process, until
from tests.faults.extent import extent

EMITTER = "tests.faults.emitter"

pytestmark = pytest.mark.timeout(1200)


def read_diaries(folder: Path) -> dict[int, str]:
    """Which event was committed under which sequence; a line that was cut short by a kill counts as not written."""
    said: dict[int, str] = {}
    for diary in sorted(folder.iterdir()):
        for line in diary.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                seq, _, name = line.strip().partition(" ")
                assert int(seq) not in said, "a sequence was given out twice"
                said[int(seq)] = name
    return said


def stored(store: URL) -> list[tuple[bytes, int, str]]:
    """Epoch, sequence and incident of each event, by sequence."""
    query = "SELECT epoch, seq, incident_id FROM incident_events ORDER BY seq"
    return [(bytes(epoch), seq, name) for epoch, seq, name in rows(store, query)]


class Killing:
    """An emitting box and an aggregator, killed and started again."""

    def __init__(self, folder: Folder, store: URL, seed: int) -> None:
        self._folder = folder
        self._store = store
        self._chance = random.Random(seed)
        self._box = self._start_box()
        self._aggregator = folder.serve(store=self._address)

    @property
    def _address(self) -> str:
        return self._store.render_as_string(hide_password=False)

    def _start_box(self) -> Process:
        folder = self._folder
        return folder.start(EMITTER, str(folder.path / "state"), folder.address, str(folder.path / "diaries"))

    def _start_aggregator(self) -> Process:
        return self._folder.start("aggregator.cli", "serve", "--config", str(self._folder.path / "aggregator.yaml"))

    def kill_one(self) -> None:
        """After a random time, in which it may not even have begun to serve, kill one of the two, and start it."""
        time.sleep(self._chance.uniform(0.05, extent(1.5, 2.5)))
        if self._chance.random() < 0.5:
            assert self._box.runs, self._box.log.read_text(encoding="utf-8")
            self._box.kill()
            time.sleep(self._chance.uniform(0, 0.2))
            self._box = self._start_box()
        else:
            assert self._aggregator.runs, self._aggregator.log.read_text(encoding="utf-8")
            self._aggregator.kill()
            time.sleep(self._chance.uniform(0, 0.2))
            self._aggregator = self._start_aggregator()

    def finish(self) -> dict[str, Any]:
        """Let the box send what it has, and end both in order; how the queue was at the end."""
        until(lambda: self._box.said("emitter_started"), "the box emits", self._box)
        assert self._box.stop() == 0
        (last,) = self._box.said("emitter_stopped")
        assert self._aggregator.stop() == 0
        return last


def check(folder: Folder, store: URL, last: dict[str, Any]) -> int:
    """Every emitted event is in the store once, in order, and nothing else but what a kill kept from the diary."""
    assert last["pending_events"] == last["dropped_events"] == last["rejected_events"] == 0
    assert last["quarantined_files"] == last["damaged_events"] == last["dead_letters"] == last["failures"] == 0
    said = read_diaries(folder.path / "diaries")
    there = stored(store)
    assert len({epoch for epoch, _, _ in there}) == 1
    assert [seq for _, seq, _ in there] == list(range(1, len(there) + 1)), "in order, without a hole, none twice"
    assert len({name for _, _, name in there}) == len(there), "no event is stored under two sequences"
    found = {seq: name for _, seq, name in there}
    assert said.items() <= found.items(), "every event that was committed is stored under its sequence"
    for who in {name.rpartition("-")[0] for name in found.values()}:
        numbers = [int(name.rpartition("-")[2]) for name in found.values() if name.rpartition("-")[0] == who]
        assert numbers == sorted(numbers), "what one thread emitted is in its order"
    assert rows(store, "SELECT count(*) FROM gap_records") == [(0,)]
    assert rows(store, "SELECT count(*) FROM rejected_events") == [(0,)]
    assert rows(store, "SELECT committed_seq FROM streams") == [(len(there),)]
    (opened,) = rows(store, "SELECT sum(value) FROM tallies WHERE name = 'opened'")
    assert opened == (len(there),), "the sums behind the metrics agree"
    return len(there)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, folder: Folder) -> URL:
    """Where the aggregator keeps events: on each kind of database."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{folder.store.path}")
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.new_database()


def test_every_emitted_event_is_stored_once_and_in_order_though_both_programs_are_killed_at_random(
    folder: Folder, store: URL
) -> None:
    killing = Killing(folder, store, seed=5)
    kills = extent(8, 100) if store.get_backend_name() == "sqlite" else extent(4, 40)
    for _ in range(kills):
        killing.kill_one()
    events = check(folder, store, killing.finish())
    assert events > 100
    print(f"{kills} kills, {events} events")
