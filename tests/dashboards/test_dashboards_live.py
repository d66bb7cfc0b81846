"""Every panel of every dashboard says something on the demo's data, asked of a real Prometheus."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.live import Prometheus, watched_demo
from tests.dashboards.panels import FILES, Asked, asked, chosen_at_first, filled, load, panels
from tests.dashboards.tables import tabled
from tests.end_to_end.running import folder_at

PATIENCE_S = 150.0
MISSING = ": no column "
"""How a table says that it lacks one."""


def test_every_query_of_every_panel_returns_data_that_the_panel_can_show(tmp_path: Path) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("no prometheus here (Debian: prometheus)")
    waiting: list[Asked] = [query for path in FILES for query in asked(load(path))]
    assert len(waiting) > 80
    with folder_at(tmp_path) as folder, watched_demo(folder, prometheus) as server:
        give_up = time.monotonic() + PATIENCE_S
        wrong: list[str] = []
        lacking: set[str] | None = None
        while waiting and time.monotonic() < give_up:
            waiting = [query for query in waiting if not server.now(filled(query.expr))]
            wrong = [each for path in FILES for each in wrongly_shown(load(path), server)]
            # A width that is unknown has no column, nor has one of a recording that has ended: it must be there once.
            missing = {each.partition(" in [")[0] for each in wrong if MISSING in each}
            lacking = missing if lacking is None else lacking & missing
            time.sleep(1.0)
        assert not waiting, "\n".join(f"{query}: {filled(query.expr)}" for query in waiting)
    assert lacking is not None
    wrong = [each for each in wrong if MISSING not in each] + sorted(lacking)
    assert not wrong, "\n".join(wrong)


def wrongly_shown(dashboard: dict[str, Any], server: Prometheus) -> Iterator[str]:
    """Numbers that are several, tables with two rows for one thing, legends that name a label which is not there."""
    chosen = chosen_at_first(dashboard)
    for panel in panels(dashboard):
        title = f"{dashboard['title']} / {panel['title']}"
        answers = [(each, server.now(filled(each["expr"], chosen))) for each in panel.get("targets", ())]
        if panel["type"] == "stat" and [len(found) for _, found in answers if len(found) > 1]:
            yield f"{title}: several series for one number"
        if panel["type"] in ("table", "geomap"):
            table = tabled(answers, panel["transformations"])
            names = [name for name in table.shown if any(isinstance(row.get(name), str) for row in table.rows)]
            known_by = [name for name in names if name in ("District", "Street", "Agent", "Camera")]
            twice = [
                key for key, n in Counter(tuple(row.get(k) for k in known_by) for row in table.rows).items() if n > 1
            ]
            if twice or not known_by:
                yield f"{title}: two rows for {twice}"
            overridden = {each["matcher"]["options"] for each in panel["fieldConfig"].get("overrides", ())}
            used = overridden | fields_of_links(panel)
            for layer in panel["options"].get("layers", ()):
                place = layer["location"]
                used |= {place["latitude"], place["longitude"], layer["config"]["style"]["color"]["field"]}
            yield from (f"{title}{MISSING}{name!r} in {table.shown}" for name in sorted(used - set(table.shown)))
            continue
        for target, found in answers:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            if any(labels - set(one["metric"]) for one in found):
                yield f"{title}: a series has no label {labels}"


def fields_of_links(panel: dict[str, Any]) -> set[str]:
    """The columns from which a panel's links take their values."""
    links = panel["fieldConfig"]["defaults"].get("links", ())
    return {name for link in links for name in re.findall(r"\$\{__data\.fields\.(\w+)\}", link["url"] + link["title"])}
