"""Every panel of every dashboard says something on the demo's data, asked of a real Prometheus."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.dashboards.live import watched_demo
from tests.dashboards.panels import FILES, Asked, asked, filled, load
from tests.end_to_end.running import folder_at

PATIENCE_S = 150.0


def test_every_query_of_every_panel_returns_data(tmp_path: Path) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("no prometheus here (Debian: prometheus)")
    waiting: list[Asked] = [query for path in FILES for query in asked(load(path))]
    assert len(waiting) > 80
    with folder_at(tmp_path) as folder, watched_demo(folder, prometheus) as server:
        give_up = time.monotonic() + PATIENCE_S
        while waiting and time.monotonic() < give_up:
            waiting = [query for query in waiting if not server.now(filled(query.expr))]
            time.sleep(1.0)
    assert not waiting, "\n".join(f"{query}: {filled(query.expr)}" for query in waiting)
