"""The watchdog is fed while everything makes progress and never else; what cannot go on ends in order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from edge_agent.config import LifetimeConfig
from edge_agent.lifetime.lifetime import DiskWear, Lifetime, Pulse, Vital
from edge_agent.lifetime.service_manager import ServiceManager
from edge_agent.lifetime.supervisor import HopelessError, Supervisor

MIB = 1024 * 1024
RULES = LifetimeConfig(max_memory_bytes=200 * MIB)


class Told(ServiceManager):
    """A manager that notes what it is told."""

    def __init__(self, watchdog_s: float | None) -> None:
        super().__init__(None, watchdog_s)
        self.heard: list[str] = []

    def _tell(self, *lines: str) -> None:
        self.heard.append(lines[0])


@dataclass
class Life:
    """A lifetime whose every input a test sets."""

    watchdog_s: float | None = 60.0
    now: float = 0.0
    resident: int | None = 100 * MIB
    silent_s: float = 0.0
    written: int | None = None
    manager: Told = field(init=False)
    lifetime: Lifetime = field(init=False)

    def __post_init__(self) -> None:
        self.manager = Told(self.watchdog_s)
        supervisor = Supervisor(lambda _: None, [], stuck_after_s=1, max_stuck_threads=1)  # type: ignore[arg-type,return-value]
        self.lifetime = Lifetime(
            RULES,
            supervisor,
            (Vital("queue", 30.0, lambda: self.silent_s),),
            self.manager,
            lambda: "all is well",
            resident=lambda: self.resident,
            written=lambda: self.written,
            clock=lambda: self.now,
        )

    def live(self, seconds: float, step_s: float = 1.0) -> None:
        """Look every ``step_s``."""
        until = self.now + seconds
        while self.now < until:
            self.now += step_s
            self.lifetime.look()


def test_the_watchdog_is_fed_well_within_its_time() -> None:
    life = Life(watchdog_s=60.0)
    life.live(600)
    assert 40 <= life.manager.heard.count("WATCHDOG=1") <= 42


def test_without_a_watchdog_only_the_state_is_told() -> None:
    life = Life(watchdog_s=None)
    life.live(100)
    assert set(life.manager.heard) == {"STATUS=all is well"}
    assert len(life.manager.heard) == 10


def test_a_part_without_a_sign_of_life_is_hopeless_and_is_not_fed_for() -> None:
    life = Life()
    life.live(100)
    fed = len(life.manager.heard)
    life.silent_s = 30.5
    with pytest.raises(HopelessError, match="the queue has given no sign of life for 30 s"):
        life.live(100)
    assert len(life.manager.heard) == fed


def test_memory_above_its_ceiling_ends_the_agent_but_a_peak_does_not() -> None:
    life = Life()
    for _ in range(20):
        life.resident = 300 * MIB
        life.live(10)
        life.resident = 199 * MIB
        life.live(5)
    life.resident = 201 * MIB
    with pytest.raises(HopelessError, match=r"holds 210763776 bytes .*max_memory_bytes allows 209715200"):
        life.live(20)


def test_a_machine_that_does_not_say_what_memory_is_held_is_no_reason_to_end() -> None:
    life = Life(resident=None)
    life.live(60)


def test_new_rules_hold_from_the_next_look() -> None:
    life = Life()
    life.live(60)
    life.lifetime.use(replace(RULES, max_memory_bytes=64 * MIB))
    with pytest.raises(HopelessError, match="allows 67108864"):
        life.live(60)


def test_how_long_the_last_look_is_ago_shows_a_main_thread_that_hangs() -> None:
    life = Life()
    life.live(10)
    life.now += 45
    assert life.lifetime.silent_s() == 45


def test_bytes_a_day_are_reckoned_from_the_last_hour_and_said_once_a_day_above_the_budget() -> None:
    now, written = 0.0, 0
    wear = DiskWear(lambda: written, lambda: now)

    def live(seconds: int, bytes_per_s: int) -> None:
        nonlocal now, written
        for _ in range(seconds // 60):
            now += 60
            written += 60 * bytes_per_s
            wear.sample(50_000_000)

    live(540, 1_000_000)
    assert wear.bytes_a_day is None, "a start writes more than an ordinary hour"
    with capture_logs() as logs:
        live(7200, 500)
        assert wear.bytes_a_day == pytest.approx(500 * 86400)
        before = len(logs)
        live(20 * 3600, 1000)
        assert wear.bytes_a_day == pytest.approx(1000 * 86400)
    assert before <= 1
    assert len(logs) == 1, "once a day"
    assert logs[0]["event"] == "disk_writes_above_budget"


def test_a_pulse_shows_when_what_it_touches_hangs() -> None:
    hang, touched = threading.Event(), threading.Event()

    def touch() -> None:
        touched.set()
        hang.wait(20)

    pulse = Pulse("test-pulse", touch, every_s=0.01)
    pulse.start()
    assert touched.wait(5)
    first = pulse.silent_s()
    threading.Event().wait(0.1)
    assert pulse.silent_s() >= first + 0.05
    hang.set()
    for _ in range(1000):
        if pulse.silent_s() < 0.05:
            break
        threading.Event().wait(0.01)
    assert pulse.silent_s() < 0.1
    pulse.stop()
