"""The metrics of 10,000 cameras in 500 streets: how many series, how large a scrape, how long and how much memory."""

from __future__ import annotations

import gc
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from sqlalchemy.engine import make_url

from aggregator.catalogue import CATALOGUE, Scope
from aggregator.config import MetricsConfig
from aggregator.metrics import Metrics
from tests.aggregator.city import AGENTS, CAMERAS_EACH, STREETS, City
from tests.metrics_page import BUDGET

MANY = AGENTS * CAMERAS_EACH
SCRAPE_BYTES = 12_000_000
SCRAPE_CPU_S = 4.0
REFRESH_CPU_S = 6.0
"""Some seven times what they take on one core of 2 GHz, for busy machines."""
MEMORY_BYTES = 250 * 1024 * 1024


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    city = City(make_url(f"sqlite:///{tmp_path_factory.mktemp('city')}/clearway.sqlite"))
    yield city
    city.store.close()


def resident_bytes() -> int:
    gc.collect()
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def series_by_scope(text: str) -> Counter[Scope]:
    """Lines of a scrape; the library's parser would take longer than all else."""
    names = Counter(re.split(r"[ {]", line, maxsplit=1)[0] for line in text.splitlines() if not line.startswith("#"))
    counts: Counter[Scope] = Counter()
    for name, series in names.items():
        family = CATALOGUE.get(name) or CATALOGUE.get(re.sub("_(bucket|sum|count)$", "", name))
        counts[family.scope if family is not None else Scope.FIXED] += series
    return counts


@pytest.mark.parametrize("own_cameras", [500, 0])
def test_ten_thousand_cameras_stay_within_the_budget(city: City, own_cameras: int) -> None:
    metrics = Metrics(MetricsConfig(max_cameras=own_cameras))
    before = resident_bytes()
    began = time.process_time()
    metrics.show(city.overview())
    shown = time.process_time()
    text = generate_latest(metrics.registry)
    scraped = time.process_time()
    counts = series_by_scope(text.decode())
    assert counts[Scope.STREET] <= BUDGET[Scope.STREET] * STREETS
    assert counts[Scope.AGENT] <= BUDGET[Scope.AGENT] * AGENTS
    assert counts[Scope.CAMERA] <= BUDGET[Scope.CAMERA] * own_cameras
    assert counts[Scope.FIXED] <= BUDGET[Scope.FIXED]
    assert sum(counts.values()) > 90 * STREETS  # the whole city is there
    assert len(text) < SCRAPE_BYTES
    assert resident_bytes() - before < MEMORY_BYTES
    assert shown - began < REFRESH_CPU_S
    assert scraped - shown < SCRAPE_CPU_S


def test_what_happened_in_the_city_is_in_its_streets(city: City) -> None:
    metrics = Metrics(MetricsConfig(per_camera=False))
    metrics.show(city.overview())
    found: Counter[str] = Counter()
    for family in metrics.collect():
        for sample in family.samples:
            if set(sample.labels) & {"street"} and sample.labels.get("le", "+Inf") == "+Inf":
                found[sample.name] += sample.value
    half = AGENTS // 2
    assert found["clearway_street_cameras"] == found["clearway_street_zones"] == MANY
    assert found["clearway_street_incidents_opened_total"] == 3 * half
    assert found["clearway_street_incidents_closed_total"] == 2 * half
    assert found["clearway_street_incidents_open"] == half
    assert found["clearway_street_time_to_clear_seconds_bucket"] == 2 * half
    assert found["clearway_street_enforced_seconds_total"] == 660 * MANY
    assert found["clearway_street_judged_seconds_total"] == 600 * MANY
    assert found["clearway_street_violation_seconds_total"] == 60 * MANY
    assert found["clearway_street_camera_state_seconds_total"] == 660 * MANY
