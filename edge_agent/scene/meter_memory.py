"""The lasting part of a passage meter as JSON values: its background and the things that stand."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.background import Background
from edge_agent.scene.patch import Patch
from edge_agent.scene.standing_object import StandingObject
from edge_agent.scene.standing_objects import StandingObjects
from edge_agent.scene.stay import StayState

FORMAT = 1
"""Changes when an older dump can no longer be read."""
UNUSABLE = (LookupError, TypeError, ValueError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a dump of another version, or a damaged one, can raise: an archive that ends early is a fault of its
format, its compression or its length."""


def dump_meter(background: Background, objects: StandingObjects) -> dict[str, Any]:
    """Background (half precision is finer than its noise), and every standing thing with its region and look."""
    arrays: dict[str, NDArray[Any]] = {
        "background": background.background.astype(np.float16),
        "known": np.packbits(background.known),
    }
    things = []
    for thing in objects.objects:
        if not thing.standing:
            continue
        arrays[f"mask_{thing.object_id}"] = np.packbits(thing.region.mask)
        arrays[f"look_{thing.object_id}"] = thing.look.astype(np.float16)
        things.append(
            {
                "id": thing.object_id,
                "x": thing.region.x,
                "y": thing.region.y,
                "shape": list(thing.region.mask.shape),
                "first_area_px": thing.first_area_px,
                "since_s": thing.since_s,
                "last_observed_s": thing.last_observed_s,
                "edges": thing.edges,
            }
        )
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return {
        "format": FORMAT,
        "shape": list(background.known.shape),
        "next_id": objects.next_id,
        "things": things,
        "arrays": base64.b64encode(packed.getvalue()).decode("ascii"),
    }


def load_meter(kept: dict[str, Any], background: Background, objects: StandingObjects) -> None:
    """Fill both from a dump. Raises one of ``UNUSABLE`` if it does not fit, and changes nothing then."""
    shape = background.known.shape
    if kept["format"] != FORMAT or tuple(kept["shape"]) != shape:
        raise ValueError(f"it is of {kept['shape']} pixels (format {kept['format']}), the zone is {list(shape)} now")
    with np.load(io.BytesIO(base64.b64decode(kept["arrays"], validate=True)), allow_pickle=False) as arrays:
        look = arrays["background"].astype(np.float32)
        if look.shape != (*shape, 3):
            raise ValueError(f"its background is of shape {list(look.shape)}")
        known = np.unpackbits(arrays["known"], count=shape[0] * shape[1]).reshape(shape).astype(bool)
        things = []
        for entry in kept["things"]:
            rows, columns = entry["shape"]
            mask = np.unpackbits(arrays[f"mask_{entry['id']}"], count=rows * columns).reshape(rows, columns) > 0
            if entry["x"] < 0 or entry["y"] < 0 or entry["y"] + rows > shape[0] or entry["x"] + columns > shape[1]:
                raise ValueError("one of its things lies outside the zone")
            region = Patch(int(entry["x"]), int(entry["y"]), mask)
            own_look = arrays[f"look_{entry['id']}"].astype(np.float32)
            if own_look.shape != (rows, columns, 3):
                raise ValueError(f"the look of thing {entry['id']} is of shape {list(own_look.shape)}")
            things.append(
                StandingObject(
                    object_id=int(entry["id"]),
                    region=region,
                    anchor=region,
                    look=own_look,
                    first_area_px=int(entry["first_area_px"]),
                    since_s=float(entry["since_s"]),
                    look_s=float(entry["since_s"]),
                    first_seen_s=float(entry["since_s"]),
                    last_observed_s=float(entry["last_observed_s"]),
                    shown_s=float(entry["last_observed_s"]),
                    state=StayState.UNKNOWN,
                    standing=True,
                    edges=float(entry["edges"]),
                )
            )
        next_id = int(kept["next_id"])
    background.background[:], background.known[:] = look, known
    objects.objects, objects.next_id = things, next_id
