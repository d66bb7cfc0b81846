"""Where agents' own metrics are: said in the places file, served to Prometheus, which finds a real agent by it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.agent_targets import agent_targets
from aggregator.config_file import ConfigError
from aggregator.overview import Overview
from aggregator.places import load_places
from aggregator.places_file import PlacesState
from aggregator.store.snapshot import StoreSnapshot
from tests.dashboards.live import scraping
from tests.end_to_end.running import AGGREGATOR, Folder, command, folder_at, metrics_of, until

CITY = 'cities: [{code: "1", districts: [{code: "2", streets: [{code: bund}]}]}]'
CAMERAS = "cameras: [{agent: box-1, camera: gate, place: 1 / 2 / bund}]"

NOTHING_YET = StoreSnapshot(
    open_incidents={},
    oldest_open={},
    tallies={},
    street_sums={},
    events={},
    lost={},
    agents={},
    refused_agents=0,
    camera_states={},
    size_bytes=0,
    disk=None,
)


def places(folder: Path, *agents: str) -> Path:
    file = folder / "places.yaml"
    file.write_text("\n".join([CITY, CAMERAS, "agents:", *(f"  - {each}" for each in agents), ""]), encoding="utf-8")
    return file


def targets(address: str) -> list[dict[str, Any]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}/sd/agents", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        found: list[dict[str, Any]] = json.load(answer)
    return found


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        (["{agent: box-1, metrics: 10.0.0.7}"], "'10.0.0.7' is not an address: write HOST:PORT"),
        (["{agent: box-1, metrics: 'http://box-1:9101/metrics'}"], "is not an address: write HOST:PORT"),
        (["{agent: box-1, metrics: 'box-1:0'}"], "'box-1:0' is not an address"),
        (["{agent: box-1, metrics: 'box-1:65536'}"], "'box-1:65536' is not an address"),
        (["{agent: 7, metrics: 'box-1:9101'}"], "7 is not an id"),
        (["{agent: box-1}"], "agents[0].metrics: is missing"),
        (["{agent: a, metrics: 'x:1'}", "{agent: a, metrics: 'y:1'}"], "agents[1].agent: agent a is listed twice"),
        (["{agent: a, metrics: 'x:1'}", "{agent: b, metrics: 'x:1'}"], "x:1 is said to be agent a's already"),
    ],
)
def test_a_wrong_address_is_told_with_line_and_field(tmp_path: Path, agents: list[str], expected: str) -> None:
    file = places(tmp_path, *agents)
    with pytest.raises(ConfigError) as refused:
        load_places(file)
    [problem] = refused.value.problems
    assert problem.startswith(f"{file}:{3 + len(agents)}: agents[{len(agents) - 1}]"), problem
    assert expected in problem


def test_names_and_both_kinds_of_addresses_are_taken(tmp_path: Path) -> None:
    listed = places(
        tmp_path,
        "{agent: a, metrics: 'box-1.lan:9101'}",
        "{agent: b, metrics: '10.0.0.7:9101'}",
        "{agent: c, metrics: '[fd00::7]:9101'}",
    )
    assert load_places(listed).agents == {"a": "box-1.lan:9101", "b": "10.0.0.7:9101", "c": "[fd00::7]:9101"}


def test_only_known_agents_are_said_sorted_and_by_their_ids(tmp_path: Path) -> None:
    known = load_places(
        places(
            tmp_path,
            "{agent: z, metrics: 'z:1'}",
            "{agent: nobody, metrics: 'n:1'}",
            "{agent: box-1, metrics: 'b:1'}",
        )
    )
    seen = Overview(
        store=NOTHING_YET,
        fleet=(),
        taken_at=datetime.now(UTC),
        places=PlacesState(known),
        expected=frozenset({"z"}),
    )
    assert json.loads(agent_targets(seen)) == [
        {"targets": ["b:1"], "labels": {"instance": "box-1"}},
        {"targets": ["z:1"], "labels": {"instance": "z"}},
    ]


def metrics_address(folder: Folder) -> str:
    found: str = json.loads((folder.path / "ready.json").read_text(encoding="utf-8"))["metrics"]
    return found


def test_prometheus_finds_an_agent_and_follows_the_places_file(tmp_path: Path, root: Path) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("no prometheus here (Debian: prometheus)")
    with folder_at(tmp_path) as folder:
        file = places(tmp_path, "{agent: nobody, metrics: '127.0.0.1:1'}")
        folder.serve(places=str(file))
        address = metrics_address(folder)
        assert targets(address) == []
        folder.configure_agent(
            {"id": "gate", "source": str(root / "config/demo/P1_kerb_parking.mp4"), "zones": []},
            metrics={"listen": "127.0.0.1:0"},
        )
        agent = metrics_of(folder.run_agent())
        config = yaml.safe_load((root / "config/prometheus/prometheus.yml").read_text(encoding="utf-8"))
        [job] = [one for one in config["scrape_configs"] if one["job_name"] == "clearway-agent"]
        [found] = job["http_sd_configs"]
        assert found["url"].endswith(":9102/sd/agents")
        found |= {"url": f"http://{address}/sd/agents", "refresh_interval": "1s"}
        quick = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
        with scraping(folder, prometheus, quick) as server:
            places(tmp_path, f"{{agent: box-1, metrics: '{agent}'}}")
            until(lambda: server.now('up{job="clearway-agent", instance="box-1"} == 1'), "Prometheus scrapes the agent")
            assert server.now('clearway_agent_build_info{job="clearway-agent", instance="box-1"}')
            places(tmp_path, "{agent: box-1, metrics: wrong}")
            reloaded = "clearway_places_last_reload_successful"
            until(lambda: folder.scrape_aggregator()[reloaded] == 0, "the file is refused")
            assert targets(address) == [{"targets": [agent], "labels": {"instance": "box-1"}}]
            done = command(AGGREGATOR, "places", "check", str(file))
            assert done.returncode != 0
            assert "is not an address" in done.stderr
            places(tmp_path, "{agent: nobody, metrics: '127.0.0.1:1'}")
            until(lambda: targets(address) == [], "the agent is no longer said")
