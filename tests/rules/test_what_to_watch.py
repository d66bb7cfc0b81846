"""The numbers that people look at first are where their page says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/what-to-watch.md").read_text(encoding="utf-8")
PANELS = re.findall(r"`([A-Z][\w ]+) / ([^`]+)`", PAGE)
QUERIES = re.findall(r"^    (\S.*)$", PAGE, re.MULTILINE)


def test_five_numbers_for_an_officer_and_five_for_an_engineer() -> None:
    officer, engineer = PAGE.split("## An engineer")
    for part in (officer, engineer):
        assert len(re.findall(r"^\| [^|]+ \| `", part, re.MULTILINE)) == 5
        assert len(re.findall(r"^    \S", part, re.MULTILINE)) == 5


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_on_the_page_is_on_its_dashboard(dashboard: str, panel: str) -> None:
    made = [
        json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "config/grafana/dashboards").glob("*.json")
    ]
    titles = {one["title"]: {panel.get("title") for panel in one["panels"]} for one in made}
    assert panel in titles[dashboard]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_on_the_page_can_be_asked_and_names_what_there_is(query: str, tmp_path: Path) -> None:
    known = set(re.findall(r"`(clearway_\w+)`", (ROOT / "docs/metrics.md").read_text(encoding="utf-8")))
    for path in (ROOT / "config/prometheus/rules").glob("*.yml"):
        known |= set(re.findall(r"record: (\S+)", path.read_text(encoding="utf-8")))
    assert set(re.findall(r"clearway[_:][\w:]+", query)) <= known
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": [{"record": "asked", "expr": query}]}]}))
    done = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
