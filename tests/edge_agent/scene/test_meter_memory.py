"""What a passage meter keeps over a restart, and what it refuses to take up."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.edge_agent.scene.made_deck import (
    Deck,
)
from tests.edge_agent.scene.watched_deck import CRATE, Watch, width


def test_a_restart_keeps_the_background_and_what_stands_on_it() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    before = watch.show(deck.picture(CRATE), 5)
    kept = json.loads(json.dumps(watch.meter.dump()))
    again = Watch()
    again.meter.load(kept)
    again.now_s = 600.0
    after = again.show(deck.picture(CRATE), 3)
    assert width(after) == pytest.approx(width(before), abs=0.02)
    assert after.obstacles[0].since_s == before.obstacles[0].since_s
    assert width(again.show(deck.picture(), 5)) == pytest.approx(4.0, abs=0.01)


def spoilt(kept: dict[str, Any], how: str) -> dict[str, Any]:
    """A meter's dump as another version or a broken disk may leave it."""
    packed = base64.b64decode(kept["arrays"])
    (thing,) = kept["things"]
    if how == "cut":
        return {**kept, "arrays": base64.b64encode(packed[: len(packed) // 2]).decode()}
    if how == "flipped":
        middle = len(packed) // 2
        return {**kept, "arrays": base64.b64encode(packed[:middle] + b"\0" * 99 + packed[middle + 99 :]).decode()}
    if how == "look of another size":
        rows, columns = thing["shape"]
        return {**kept, "things": [{**thing, "shape": [rows + 1, columns]}]}
    return {
        "another zone": {**kept, "shape": [3, 3]},
        "another version": {**kept, "format": 0},
        "no archive": {**kept, "arrays": "bm90IGFuIGFyY2hpdmU="},
        "a field too few": {**kept, "things": [{name: thing[name] for name in thing if name != "edges"}]},
        "no things": {**kept, "things": [None]},
        "a counter of words": {**kept, "next_id": "many"},
        "nothing": {},
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "another zone",
        "another version",
        "no archive",
        "cut",
        "flipped",
        "look of another size",
        "a field too few",
        "no things",
        "a counter of words",
        "nothing",
    ],
)
def test_a_dump_that_cannot_be_used_is_refused_by_the_zones_name_and_the_meter_works_as_if_there_were_none(
    how: str,
) -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    watch.show(deck.picture(CRATE), 5)
    kept = json.loads(json.dumps(watch.meter.dump()))
    again = Watch()
    with pytest.raises(ValueError, match="zone 'deck'"):
        again.meter.load(spoilt(kept, how))
    again.show(deck.picture(), 6)
    assert width(again.show(deck.picture(CRATE), 5)) < 4.0
