"""What of a heartbeat is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aggregator.bounds import MAX_CAMERAS, BadMessageError, check


def keep_what_fits(message: Any, now: datetime, admits: Callable[[str, str], bool]) -> int:
    """Take out of a heartbeat what is out of its bounds; how many parts went.

    A status is not refused as a whole: it is how one learns that something is wrong. ``admits`` says whether a camera,
    and a zone of it, may have a name of its own.
    """
    gone = 0
    if not _fits(message.queue, now):
        message.ClearField("queue")
        gone += 1
    if message.HasField("clock_offset_s") and not math.isfinite(message.clock_offset_s):
        message.ClearField("clock_offset_s")
        gone += 1
    gone += max(0, len(message.cameras) - MAX_CAMERAS)
    del message.cameras[MAX_CAMERAS:]
    for place in range(len(message.cameras) - 1, -1, -1):
        camera = message.cameras[place]
        if not _fits(camera, now) or not admits(camera.camera_id, ""):
            del message.cameras[place]
            gone += 1
            continue
        for zone in range(len(camera.zones) - 1, -1, -1):
            if not admits(camera.camera_id, camera.zones[zone].zone_id):
                del camera.zones[zone]
                gone += 1
    return gone


def _fits(message: Any, now: datetime) -> bool:
    try:
        check(message, now)
    except BadMessageError:
        return False
    return True
