"""Waits between attempts grow, have an end, and never let a thousand boxes come at once."""

from __future__ import annotations

import random
from collections import Counter

from edge_agent.uplink.backoff import Backoff
from edge_agent.uplink.settings import UplinkSettings


def test_the_upper_end_doubles_to_its_bound_and_starts_small_again_after_success() -> None:
    backoff = Backoff(1.0, 60.0, lambda _low, high: high)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_s() == 1


def test_a_thousand_boxes_that_lose_their_aggregator_together_do_not_come_back_together() -> None:
    """The aggregator is away for a minute; attempts are counted second by second."""
    settings = UplinkSettings()
    attempts: Counter[int] = Counter()
    for box in range(1000):
        backoff = Backoff(settings.backoff_first_s, settings.backoff_max_s, random.Random(box).uniform)
        at_s = 0.0
        while True:
            at_s += backoff.next_s()
            if at_s >= 120:
                break
            attempts[int(at_s)] += 1
    after_the_outage = [attempts[second] for second in range(60, 120)]
    assert max(after_the_outage) < 100, "no second brings a tenth of them"
    assert sum(after_the_outage) > 1000, "and a minute brings them all"
