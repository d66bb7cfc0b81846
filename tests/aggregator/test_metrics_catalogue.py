"""Everything that is scraped is declared, with its type and its labels, and everything declared can be scraped."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import URL

from aggregator.catalogue import CATALOGUE, Kind
from aggregator.config import MetricsConfig
from aggregator.metrics import Metrics
from edge_agent.metrics import AgentCollector
from edge_agent.status import AgentSnapshot
from tests.aggregator.harness import Agent, camera_change, config_for, event, gap, scrape, serving
from tests.aggregator.test_aggregator_metrics import heartbeat
from tests.metrics_page import agent_metrics, complete

Run = Callable[[Any], None]
PLACES = """\
cities:
  - {code: c, name: 上海市, districts: [{code: d, name: 黄浦区, streets: [{code: s, name: 外滩街道}]}]}
cameras:
  - {agent: bridge-1, camera: bridge, place: c/d/s/g, latitude: 31.2, longitude: 121.5}
"""


class Certificate:
    not_after = datetime(2030, 1, 1, tzinfo=UTC)


def everything(run: Run, url: URL, folder: Path) -> str:
    """What an aggregator serves to which everything has happened, but for its certificate."""
    said: list[str] = []
    file = folder / "places.yaml"
    file.write_text(PLACES, encoding="utf-8")

    async def scene() -> None:
        async with serving(config_for(url, places=file)) as service, Agent(service.address) as agent:
            await agent.hello()
            lost = gap(0, 0)
            camera = {"camera": "bridge", "zone_id": "deck", "scenario": 2, "kind": 2}
            events = (
                event("a", **camera),
                event("b", **camera),
                event("a", "CLOSED", at_s=90, reason="CLEARED", **camera),
            )
            await agent.batch(1, *events, camera_change("bridge", "DARK"), event("", "OPENED"), lost)
            message = heartbeat()
            message.certificate_not_after.FromDatetime(Certificate.not_after)
            message.cameras[0].last_frame_at.GetCurrentTime()
            deck = message.cameras[0].zones[0]
            deck.scenario, deck.blocked_below_m, deck.narrowed_below_m = 2, 1.2, 1.8
            deck.clear_width.uncertainty_m = 0.05
            await agent.heartbeat(message)
            await agent.ack_through(6)
            metrics = service._metrics
            metrics.throttled("bridge-1")
            metrics.commit_failed()
            metrics.stream_refused("no_hello")
            metrics.evidence_received("bridge-1", 1)
            metrics.evidence_refused("quota")
            metrics.watch_certificate(Certificate())
            await agent.batch(7)
            await agent.ack_through(6)
            await service.refresh()
            said.append(scrape(service.metrics_address))

    run(scene())
    return said[0]


def test_what_is_scraped_is_what_is_declared(run: Run, sqlite_url: URL, tmp_path: Path) -> None:
    found = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(everything(run, sqlite_url, tmp_path))
        if not family.name.startswith("process_")
    }
    assert sorted(found) == sorted(CATALOGUE)
    for name, declared in CATALOGUE.items():
        family = found[name]
        assert (name, family.type, family.documentation) == (name, declared.kind.value, declared.text)
        assert family.samples, f"{name} has no sample"
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(declared.labels), name


def test_promtool_finds_nothing_to_improve(run: Run, sqlite_url: URL, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(AgentCollector(lambda: complete(AgentSnapshot)))
    for text in (everything(run, sqlite_url, tmp_path), generate_latest(registry).decode()):
        assert promtool(text) == (0, "", "")


def promtool(text: str) -> tuple[int, str, str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    told = subprocess.run([program, "check", "metrics"], input=text, text=True, capture_output=True, timeout=20)
    return told.returncode, told.stdout, told.stderr


def test_every_metric_of_an_agent_has_a_sample_a_meaning_and_the_prefix() -> None:
    families = agent_metrics()
    assert len({family.name for family in families}) == len(families) > 40
    for family in families:
        assert family.name.startswith("clearway_agent_"), family.name
        assert family.samples, f"{family.name} has no sample"
        assert family.documentation.endswith("."), family.name


@pytest.mark.parametrize(
    "label", ["incident", "incident_id", "stay", "stay_id", "track", "error", "detail", "ip", "peer"]
)
def test_no_metric_has_a_label_that_grows_without_end(label: str) -> None:
    Metrics(MetricsConfig())
    assert not [family.name for family in CATALOGUE.values() if label in family.labels]
    assert not [one.name for one in agent_metrics() for sample in one.samples if label in sample.labels]


def test_names_end_in_their_unit_and_counters_in_total() -> None:
    for family in CATALOGUE.values():
        assert (family.kind is Kind.COUNTER) == family.name.endswith("_total"), family.name
        if family.name.endswith("_info"):
            assert family.text.startswith("1"), family.name
