"""The aggregator is stopped in order, again and again, under load: it drains, and goes on where it was."""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy.engine import make_url

from tests.end_to_end.running import Folder, until
from tests.faults.extent import extent
from tests.faults.test_kill_nine import EMITTER, check

pytestmark = pytest.mark.timeout(600)


def test_sigterm_under_load_drains_and_a_restart_goes_on_where_it_was(folder: Folder) -> None:
    chance = random.Random(2)
    aggregator = folder.serve()
    box = folder.start(EMITTER, str(folder.path / "state"), folder.address, str(folder.path / "diaries"), "0.01")
    until(lambda: folder.store.count("incident_events") > 50, "events come", box, aggregator)
    restarts = extent(2, 10)
    for _ in range(restarts):
        time.sleep(chance.uniform(0.1, 0.6))
        assert aggregator.stop() == 0
        said = aggregator.log.read_text(encoding="utf-8")
        assert '"event": "stopped"' in said
        assert "Traceback" not in said
        assert not (folder.path / "clearway.sqlite-wal").exists(), "the journal is written back"
        before = folder.store.count("incident_events")
        aggregator = folder.serve()
        until(lambda: folder.store.count("incident_events") > before, "it goes on", box, aggregator)  # noqa: B023
    assert box.stop() == 0
    assert aggregator.stop() == 0
    (last,) = box.said("emitter_stopped")
    check(folder, make_url(f"sqlite:///{folder.store.path}"), last)
    drained = [line for line in box.log.read_text().splitlines() if "how=drained" in line]
    assert len(drained) >= restarts, "each time the box was asked to leave, and left in order"
