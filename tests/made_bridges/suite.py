"""Writes made footbridges as a suite that ``evaluate`` plays: stills, camera sections and truth files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import yaml

from tests.made_bridges.bridge import Bridge
from tests.made_bridges.people import Walker

QUALITY = 88


def write_suite(
    folder: Path, seeds: Iterable[int], walkers: list[Walker], period_s: float = 1.0, view: str = "along"
) -> Path:
    """One clip for each seed, with a still every ``period_s``; returns the suite's file."""
    clips = []
    for seed in seeds:
        bridge = Bridge.of(seed, walkers, view)
        name = f"bridge_{seed:03d}" if view == "along" else f"bridge_{view}_{seed:03d}"
        _write_clip(folder / name, bridge, period_s)
        truth = f"{name}.truth.json"
        (folder / truth).write_text(json.dumps(_truth(bridge, folder / name)))
        note = f"{bridge.story.kind} {bridge.light} " + " ".join(thing.solid.name for thing in bridge.story.things)
        clips.append({"name": name, "source": name, "truth": truth, "note": note.strip(), "camera": bridge.section()})
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump({"site": {"time_zone": "Asia/Shanghai"}, "clips": clips}))
    return path


def _write_clip(folder: Path, bridge: Bridge, period_s: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    index, sight = [], []
    for number in range(round(bridge.story.duration_s / period_s)):
        at_s, visible = number * period_s, dict[int, float]()
        picture = bridge.picture(at_s, visible)
        file = f"{number:04d}.jpg"
        cv2.imwrite(str(folder / file), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        index.append({"file": file, "t_s": at_s})
        sight.append({"t_s": at_s, "visible": {str(key): round(share, 3) for key, share in visible.items()}})
    (folder / "index.json").write_text(json.dumps({"frames": index}))
    (folder / "sight.json").write_text(json.dumps(sight))


def _truth(bridge: Bridge, folder: Path) -> dict[str, object]:
    duration_s = bridge.story.duration_s
    sight = json.loads((folder / "sight.json").read_text())
    events = []
    for number, thing in enumerate(bridge.story.things):
        to_s = min(thing.to_s, duration_s)
        hull = bridge.eye.pixels(
            np.array([(x, y, z) for x, y in thing.place.footprint.exterior.coords for z in (0.0, thing.solid.height_m)])
        )
        box = [*np.clip(hull.min(axis=0), -50, 4000), *np.clip(hull.max(axis=0), -50, 4000)]
        hidden = [
            {"from_s": still["t_s"], "to_s": still["t_s"], "min_visible": still["visible"][str(number)]}
            for still in sight
            if still["visible"].get(str(number), 1.0) < 0.5
        ]
        kind = "pause" if thing.stops_for_s else "stay"
        event = {"id": f"{number}-{thing.solid.name}", "kind": kind, "group": "object", "class": thing.solid.name}
        event |= {"from_s": round(thing.from_s, 2), "to_s": round(to_s, 2), "box": [round(float(v), 1) for v in box]}
        footprint = [[round(x, 3), round(y, 3)] for x, y in thing.place.footprint.exterior.coords]
        events.append(event | {"occlusions": hidden, "footprint_m": footprint})
    seconds = [{"t_s": float(at_s), "width_m": round(bridge.width_m(float(at_s)), 3)} for at_s in np.arange(duration_s)]
    changes = sorted({0.0, duration_s, *(edge for thing in bridge.story.things for edge in (thing.from_s, thing.to_s))})
    spans = [(start, stop) for start, stop in itertools.pairwise(changes) if start < duration_s]
    blocked = {}
    for limit in bridge.limits_m():
        below: list[dict[str, float]] = []
        for start, stop in spans:
            if bridge.width_m((start + min(stop, duration_s)) / 2) >= limit:
                continue
            if below and below[-1]["to_s"] == round(start, 2):
                below[-1]["to_s"] = round(min(stop, duration_s), 2)
            else:
                below.append({"from_s": round(start, 2), "to_s": round(min(stop, duration_s), 2)})
        blocked[str(limit)] = below
    return {"duration_s": duration_s, "events": events, "clear_width": seconds, "blocked": blocked}
