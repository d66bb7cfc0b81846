"""When scene memory cannot do without a real look."""

from __future__ import annotations

from edge_agent.scene.place import Place

LONG_HIDDEN_S = 100.0
"""Something has stood or moved before a place for so long that what stood there may soon count as gone."""


def in_doubt(place: Place, at_s: float) -> bool:
    """True if what stands there looks gone: only the detector may confirm that."""
    if not place.standing:
        return False
    hidden_s = 0.0 if place.missing_since_s is None else at_s - place.missing_since_s
    return place.missing_sightings > 0 or hidden_s >= LONG_HIDDEN_S
