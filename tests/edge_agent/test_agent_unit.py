"""The systemd unit's bounds leave room for what the agent does within them."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from edge_agent.agent import EVIDENCE_FLUSH_S, FLUSH_S
from edge_agent.commands.run import HOPELESS_STOP_S
from edge_agent.failures import WRONG_USE
from edge_agent.health import MAIN_SILENT_S
from edge_agent.lifetime.box import GROUP_SHARE, MEMORY_SHARE
from edge_agent.lifetime.lifetime import FEEDS
from edge_agent.lifetime.supervisor import STOP_S
from edge_agent.uplink.settings import UplinkSettings


@pytest.fixture(scope="module")
def service(root: Path) -> dict[str, str]:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(root / "config/systemd/clearway-agent.service")
    return dict(unit["Service"])


def test_an_agent_that_stops_in_order_is_not_killed(service: dict[str, str]) -> None:
    half_close_s = UplinkSettings().half_close_timeout_s
    assert STOP_S + FLUSH_S + half_close_s + EVIDENCE_FLUSH_S < float(service["TimeoutStopSec"])
    assert float(service["TimeoutStopSec"]) >= HOPELESS_STOP_S


def test_the_watchdog_waits_longer_than_anything_that_the_main_thread_waits_for(service: dict[str, str]) -> None:
    assert service["Type"] == "notify"
    watchdog_s = float(service["WatchdogSec"])
    assert watchdog_s > 2 * STOP_S
    assert watchdog_s > MAIN_SILENT_S, "/healthz knows before the agent is killed"
    assert watchdog_s * (1 - 1 / FEEDS) > HOPELESS_STOP_S, "an agent that ends in order is no longer fed for"


def test_the_agent_ends_at_its_own_ceiling_before_the_kernel_ends_it(service: dict[str, str]) -> None:
    group = float(service["MemoryMax"].rstrip("%")) / 100
    assert min(MEMORY_SHARE, GROUP_SHARE * group) < 0.9 * group


def test_what_only_a_person_can_mend_is_not_tried_for_ever(service: dict[str, str]) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(WRONG_USE)
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")
