"""Scene memory as JSON values, so that stays outlive a restart."""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

import cv2
import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.album import Portrait
from edge_agent.scene.appearance import Picture
from edge_agent.scene.place import HISTORY, Place, Sighting
from edge_agent.scene.stay import Box, StayState

_PLAIN = (
    "stay_id",
    "from_s",
    "last_observed_s",
    "open_start",
    "pictured_s",
    "best_score",
    "score",
    "standing",
    "observed_s",
    "occluded_s",
    "unknown_s",
    "pending_s",
    "pending_unknown_s",
    "detected_share",
    "misses",
    "likeness_s",
    "steady_since_s",
    "first_seen_s",
    "part_of_known",
    "missing_since_s",
    "missing_sightings",
    "broken",
)


def dump_place(place: Place) -> dict[str, Any]:
    """One place as JSON values."""
    return {
        **{name: getattr(place, name) for name in _PLAIN},
        "box": list(place.box),
        "pictured_box": None if place.pictured_box is None else list(place.pictured_box),
        "state": place.state.value,
        "votes": place.votes,
        "group_votes": {group.value: votes for group, votes in place.group_votes.items()},
        "sightings": [[s.at_s, s.box, s.score, s.elapsed_s, s.state.value] for s in place.sightings],
        "picture": _dump_picture(place.picture),
        "came": place.came,
        "album": [[_dump_picture(look.picture), list(look.box)] for look in place.album],
    }


def load_place(state: dict[str, Any]) -> Place:
    """The place that ``dump_place`` wrote. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    try:
        return _load_place(state)
    except (AttributeError, IndexError, cv2.error) as error:
        raise ValueError(f"what was kept of a place cannot be read: {error}") from error


def _load_place(state: dict[str, Any]) -> Place:
    pictured_box = state.get("pictured_box")  # it was not always kept
    place = Place(
        stay_id=str(state["stay_id"]),
        box=_box(state["box"]),
        pictured_box=None if pictured_box is None else _box(pictured_box),
        from_s=float(state["from_s"]),
        last_observed_s=float(state["last_observed_s"]),
        open_start=bool(state["open_start"]),
    )
    for name in _PLAIN:
        setattr(place, name, _like(getattr(place, name), state[name], name))
    place.state = StayState(state["state"])
    place.votes = {str(name): float(votes) for name, votes in state["votes"].items()}
    place.group_votes = {ClassGroup(group): float(votes) for group, votes in state["group_votes"].items()}
    place.sightings = deque(
        (
            Sighting(at_s, None if seen is None else (seen[0], seen[1], seen[2], seen[3]), score, step, StayState(how))
            for at_s, seen, score, step, how in state["sightings"]
        ),
        maxlen=HISTORY,
    )
    place.came = _like(False, state.get("came", False), "came")  # it was not always kept
    place.picture = _load_picture(state["picture"])
    for text, sides in state.get("album", ()):  # it was not always kept
        picture = _load_picture(text)
        if picture is not None:
            place.album.keep(Portrait(picture, _box(sides)))
    return place


def _box(sides: Any) -> Box:
    box = tuple(float(side) for side in sides)
    if len(box) != 4:
        raise ValueError(f"a box has four sides, not {len(box)}")
    return box[0], box[1], box[2], box[3]


def _like(default: Any, value: Any, name: str) -> Any:
    """``value`` if it is of the kind that the field has by default. Raises ``TypeError``."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if default is None:
        fits = number or value is None
    elif isinstance(default, float):
        fits = number
    else:
        fits = type(value) is type(default)
    if not fits:
        raise TypeError(f"{name} of a place cannot be {value!r}")
    return value


def _dump_picture(picture: Picture | None) -> str | None:
    if picture is None:
        return None
    grey = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return base64.b64encode(cv2.imencode(".png", grey)[1].tobytes()).decode()


def _load_picture(text: str | None) -> Picture | None:
    if text is None:
        return None
    coded = np.frombuffer(base64.b64decode(text), np.uint8)
    grey = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise ValueError("a remembered picture is not a picture")
    return np.asarray(grey, np.float32)
