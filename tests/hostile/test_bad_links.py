"""An agent and an aggregator with a bad link between them: nothing lost, nothing twice, and soon well again."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clearway.v1 import ingest_pb2

from aggregator.config import LimitsConfig
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.uplink.uplink import Uplink, UplinkSettings
from tests.aggregator.harness import event
from tests.end_to_end.identities import TlsAggregator, serving_tls
from tests.hostile.proxy import ACKS_LOST, DELAYED, DOWN, GOOD, HALF_OPEN, TRICKLING, Link, Proxy, proxy_to
from tests.hostile.scale import LONG, TIMEOUT_S

pytestmark = pytest.mark.timeout(TIMEOUT_S)
SETTINGS = UplinkSettings(
    connect_timeout_s=2.0,
    welcome_timeout_s=2.0,
    ack_timeout_s=1.0,
    half_close_timeout_s=1.0,
    backoff_first_s=0.05,
    backoff_max_s=0.5,
    refused_retry_s=0.5,
    batch_age_s=0.01,
)
RECOVERED_WITHIN_S = 15.0
"""Ack timeout, TLS and back-off take three seconds with these settings; the rest is for a busy machine."""
SEED = 20260511


@dataclass
class Scene:
    """A real agent's queue and uplink, a proxy, and a real aggregator behind it."""

    aggregator: TlsAggregator
    proxy: Proxy
    outbox: Outbox
    uplink: Uplink
    emitted: list[str] = field(default_factory=list)

    def emit(self, count: int) -> None:
        names = [f"incident-{len(self.emitted) + each}" for each in range(count)]
        self.emitted += names
        assert self.outbox.append([event(name).SerializeToString() for name in names], EventKind.INCIDENT)

    def drained(self) -> bool:
        return self.outbox.status().pending_events == 0

    def stored(self) -> list[tuple[int, str]]:
        with closing(sqlite3.connect(self.aggregator.config.store.database or "")) as store:
            return store.execute("SELECT seq, incident_id FROM incident_events ORDER BY epoch, seq").fetchall()

    def assert_everything_once_and_in_order(self) -> None:
        assert self.stored() == list(enumerate(self.emitted, start=1))


def until(what: Callable[[], object], patience_s: float = RECOVERED_WITHIN_S) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < patience_s, "it did not come to pass in time"
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    limits = LimitsConfig(streams_per_minute=10_000)
    with (
        serving_tls(tmp_path / "aggregator", limits=limits) as aggregator,
        proxy_to(aggregator.service.address) as proxy,
    ):
        identity = aggregator.signed("box-1")
        outbox = Outbox(tmp_path / "agent", 8 << 20)
        uplink = Uplink(
            proxy.address,
            "box-1",
            outbox,
            ingest_pb2.Heartbeat,
            insecure=False,
            credentials=lambda: identity.credentials(datetime.now(UTC)),
            settings=SETTINGS,
        )
        uplink.start()
        yield Scene(aggregator, proxy, outbox, uplink)
        proxy.link = GOOD
        assert uplink.stop()
        outbox.close()


@pytest.mark.parametrize(
    "link",
    [DOWN, HALF_OPEN, ACKS_LOST, DELAYED, TRICKLING],
    ids=["down", "half_open", "acks_lost", "delayed", "trickling"],
)
def test_a_link_that_turns_bad_and_good_again_costs_time_alone(scene: Scene, link: Link) -> None:
    scene.emit(20)
    until(scene.drained)
    scene.proxy.link = link
    if link is DOWN:
        scene.proxy.cut()
    for _ in range(8):
        scene.emit(10)
        time.sleep(0.15)
    if link not in (DELAYED, TRICKLING):
        assert not scene.drained()
    scene.proxy.link = GOOD
    until(scene.drained)
    scene.assert_everything_once_and_in_order()


def test_a_link_that_is_slow_but_whole_is_not_given_up(scene: Scene) -> None:
    scene.proxy.link = DELAYED
    for _ in range(8):
        scene.emit(5)
        time.sleep(0.05)
    until(scene.drained)
    scene.assert_everything_once_and_in_order()
    assert scene.proxy.connections == 1


def test_any_row_of_hardships_loses_nothing_and_doubles_nothing(scene: Scene) -> None:
    chance = random.Random(SEED)
    hardships = (DOWN, HALF_OPEN, ACKS_LOST, DELAYED, TRICKLING, GOOD)
    longest_s = 0.0
    for _ in range(60 if LONG else 4):
        scene.emit(chance.randrange(1, 60))
        scene.proxy.link = chance.choice(hardships)
        if chance.random() < 0.5:
            scene.proxy.cut()
        time.sleep(chance.uniform(0.0, 1.5))
        scene.emit(chance.randrange(1, 60))
        if chance.random() < 0.5:
            scene.proxy.link = GOOD
            longest_s = max(longest_s, until(scene.drained))
    scene.proxy.link = GOOD
    longest_s = max(longest_s, until(scene.drained))
    scene.assert_everything_once_and_in_order()
    print(
        f"{len(scene.emitted)} events, {scene.proxy.connections} connections, well again in {longest_s:.1f} s at most"
    )
