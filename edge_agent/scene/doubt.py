"""When scene memory cannot do without a real look."""

from __future__ import annotations

from edge_agent.scene.place import Place

YOUNG_S = 15.0
"""A candidate that keeps its place is looked at on every frame for so long: evidence comes from looks alone."""
LONG_HIDDEN_S = 100.0
"""Something has stood or moved before a place for so long that what stood there may soon count as gone."""


def in_doubt(place: Place, at_s: float) -> bool:
    """True if what stands there looks gone, or something may have come: only the detector may confirm that."""
    if not place.standing:
        return place.first_seen_s < place.last_observed_s and at_s - place.first_seen_s <= YOUNG_S
    hidden_s = 0.0 if place.missing_since_s is None else at_s - place.missing_since_s
    return place.missing_sightings > 0 or hidden_s >= LONG_HIDDEN_S
