"""What the committed dashboards say, without a Prometheus."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import aggregator.metrics  # noqa: F401 - declares every family
from aggregator.catalogue import CATALOGUE
from tests.dashboards.panels import CHOSEN, FILES, ROOT, asked, load, panels

DASHBOARDS = [pytest.param(load(path), id=path.stem) for path in FILES]
UIDS = {load(path)["uid"] for path in FILES}


def test_the_committed_dashboards_are_those_that_the_code_makes() -> None:
    command = [sys.executable, str(ROOT / "config/grafana/source/generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_the_six_that_the_pages_name() -> None:
    assert {f"clearway-{name}" for name in ("city", "street", "camera", "fleet", "pipeline", "objectives")} == UIDS


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_each_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_data_source(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        if panel["type"] == "text":
            assert panel["options"]["content"].strip()
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        if panel["type"] not in ("table", "geomap", "state-timeline"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_panels_do_not_overlap_and_fill_the_width(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_variable_that_is_used_is_asked_for(dashboard: dict[str, Any]) -> None:
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert "datasource" in names
    for query in asked(dashboard):
        for used in re.findall(r"\$\{?(\w+)\}?", query.expr):
            assert used in names or used.startswith("__"), str(query)
            assert used in CHOSEN, str(query)


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_links_lead_to_dashboards_and_variables_that_exist(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", ()):
            uid = re.match(r"/d/([\w-]+)\?", link["url"])
            assert uid is not None, link
            assert uid[1] in UIDS, link
            there = next(load(path) for path in FILES if load(path)["uid"] == uid[1])
            names = {variable["name"] for variable in there["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", link["url"])) <= names


def test_city_and_street_lead_down_to_the_camera() -> None:
    text = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    assert "/d/clearway-street?" in text["city"]
    assert "/d/clearway-camera?" in text["city"]
    assert "/d/clearway-camera?" in text["street"]


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_panels_name_only_metrics_and_rules_that_exist(dashboard: dict[str, Any]) -> None:
    recorded = {
        rule["record"]
        for path in (ROOT / "config/prometheus/rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    known = set(CATALOGUE) | set(re.findall(r"`(clearway_\w+)`", page))
    for query in asked(dashboard):
        for name in re.findall(r"\bclearway:[\w:]+", query.expr):
            assert name in recorded, f"{query}: {name}"
        for name in re.findall(r"\bclearway_\w+", query.expr):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in known or base in known, f"{query}: {name}"


def test_what_grafana_is_provisioned_with_names_the_folder_and_the_source() -> None:
    folder = ROOT / "config/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/clearway.yaml").read_text(encoding="utf-8"))["datasources"]
    assert [(each["type"], each["url"]) for each in sources] == [("prometheus", "$CLEARWAY_PROMETHEUS_URL")]
    providers = yaml.safe_load((folder / "dashboards/clearway.yaml").read_text(encoding="utf-8"))["providers"]
    assert [each["options"]["path"] for each in providers] == ["$CLEARWAY_DASHBOARDS"]
    assert all(Path(path).suffix == ".json" for path in FILES)
