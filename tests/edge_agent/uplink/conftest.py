"""An aggregator that plays a script, and an agent that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.uplink.scripted_aggregator import ScriptedAggregator
from tests.edge_agent.uplink.uplink_agent import Agent


@pytest.fixture
def aggregator() -> Iterator[ScriptedAggregator]:
    server = ScriptedAggregator()
    yield server
    server.stop()


@pytest.fixture
def agent(tmp_path: Path, aggregator: ScriptedAggregator) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    for uplink in agent.uplinks:
        assert uplink.stop(), "the thread has ended"
    agent.outbox.close()
    assert aggregator.violations == []
