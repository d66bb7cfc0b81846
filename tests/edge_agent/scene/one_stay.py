"""What tests ask of the one stay that a street must have given."""

from __future__ import annotations

import pytest

from edge_agent.scene.stay import Stay
from tests.edge_agent.synthetic_street import Watched

ENDS_WITHIN_S = 6.0
"""How soon after a departure the memory must have noticed."""
RESTS_WITHIN_S = 1.5
"""How well a time of arrival can be known when a frame comes every second."""


def only(watched: Watched) -> Stay:
    stays = watched.stays()
    assert len(stays) == 1, stays
    return stays[0]


def same_sums(stay: Stay) -> None:
    assert stay.dwell.total_s == pytest.approx(stay.last_observed_s - stay.from_s, abs=0.01)
