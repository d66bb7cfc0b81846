"""Every second of media time is booked once: what the camera saw, what its zones could judge."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.ledger import Ledger
from edge_agent.scene.camera_state import CameraState

SEEING, DARK = CameraState.SEEING, CameraState.DARK
GAP_S = 4.0


def booked(ledger: Ledger, zone: str = "bay") -> tuple[float, float, float]:
    sums = ledger.zones[zone]
    return sums.enforced_s, sums.judged_s, sums.violation_s


def test_seconds_are_booked_by_state_and_by_zone() -> None:
    ledger = Ledger(GAP_S)
    for at_s in range(11):
        ledger.count(float(at_s), SEEING, ["bay", "deck"], ["bay"] if at_s > 6 else [])
    assert ledger.state_s == {SEEING: 10.0}
    assert booked(ledger) == (10, 10, 4)
    assert booked(ledger, "deck") == (10, 10, 0)


def test_a_zone_out_of_force_books_nothing() -> None:
    ledger = Ledger(GAP_S)
    for at_s in range(11):
        ledger.count(float(at_s), SEEING, ["bay"] if at_s <= 5 else [], [])
    assert booked(ledger) == (5, 5, 0)


def test_a_stretch_is_judged_only_if_the_camera_saw_at_both_its_ends() -> None:
    ledger = Ledger(GAP_S)
    states = [SEEING, SEEING, DARK, DARK, SEEING, SEEING]
    for at_s, state in enumerate(states):
        ledger.count(float(at_s), state, ["bay"], ["bay"])
    assert ledger.state_s == {SEEING: 2.0, DARK: 3.0}
    assert booked(ledger) == (5, 2, 2)


def test_a_gap_is_time_without_a_signal_and_not_judged() -> None:
    ledger = Ledger(GAP_S)
    for at_s in (0.0, 1.0, 2.0, 60.0, 61.0):
        ledger.count(at_s, SEEING, ["bay"], ["bay"])
    assert ledger.state_s == {SEEING: 3.0, CameraState.NO_SIGNAL: 58.0}
    assert booked(ledger) == (61, 3, 3)


def test_a_clock_that_runs_back_books_nothing_negative() -> None:
    ledger = Ledger(GAP_S)
    for at_s in (5.0, 3.0, 4.0):
        ledger.count(at_s, SEEING, ["bay"], [])
    assert ledger.state_s == {SEEING: 1.0}


_FRAMES = st.lists(
    st.tuples(
        st.floats(0, 30).map(lambda value: round(value, 2)),
        st.sampled_from(list(CameraState)),
        st.booleans(),
        st.booleans(),
    ),
    min_size=2,
    max_size=40,
)


@given(_FRAMES, st.integers(0, 39))
def test_no_second_is_booked_twice_or_lost_and_a_restart_changes_nothing(
    frames: list[tuple[float, CameraState, bool, bool]], restart_at: int
) -> None:
    unbroken, broken = Ledger(GAP_S), Ledger(GAP_S)
    at_s = 0.0
    for index, (elapsed_s, state, enforced, violated) in enumerate(frames):
        at_s += elapsed_s if index else 0.0
        if index == restart_at:
            kept = json.loads(json.dumps(broken.dump()))
            broken = Ledger(GAP_S)
            broken.load(kept)
        for ledger in (unbroken, broken):
            ledger.count(at_s, state, ["bay"] if enforced else [], ["bay"] if violated else [])
    assert broken == unbroken
    assert sum(unbroken.state_s.values()) == pytest.approx(at_s)
    for sums in unbroken.zones.values():
        assert 0 <= sums.violation_s <= sums.judged_s <= sums.enforced_s <= at_s + 1e-6
        assert sums.judged_s <= unbroken.state_s[SEEING] + 1e-6
