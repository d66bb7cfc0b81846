"""What the agent costs on a small box, beside the common recipe and beside the least that is possible.

Progress and tables go to stderr; the last line on stdout is one JSON object. See docs/performance.md.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import cv2

from edge_agent.assembly import card_of
from edge_agent.config import CameraConfig, SiteConfig
from edge_agent.detection.detector import Detector, load_detector
from edge_agent.evaluation.alarm import Alarm, gather
from edge_agent.evaluation.clip_run import ClipRun
from edge_agent.evaluation.evaluate import judge_run
from edge_agent.evaluation.scorer import Score
from edge_agent.evaluation.suite import load_suite
from tests.benchmarks.edge.footage import Made, is_video, make
from tests.benchmarks.edge.many import Sustained, run
from tests.benchmarks.edge.others import cpu_s, every_frame, floor, recipe
from tests.benchmarks.edge.ours import play, started_at

MODEL = "nanodet-g-416"
SUITE = Path("tests/suites/parking.yaml")
FOLDER = Path("build/bench-edge")
MIB_STEPS = (1, 8, 24)
"""Numbers of cameras for which the peak of memory is measured; the last is the one that must be sustained."""
MEMORY_S = 40.0
"""How long memory is watched for the smaller numbers: references, look-back frames and stills are full after that."""


@dataclass(slots=True)
class Sums:
    """What was used and said over all clips."""

    footage_s: float = 0.0
    ours_s: float = 0.0
    recipe_s: float = 0.0
    floor_s: float = 0.0
    close_floor_s: float = 0.0
    every_frame_s: float = 0.0
    frames: int = 0
    inferences: int = 0
    close: int = 0
    glances: int = 0
    ours: Score = field(default_factory=Score)
    recipe: Score = field(default_factory=Score)

    def ratio(self, of_s: float, to_s: float) -> float | None:
        """One of the sums over another; None without the other."""
        return round(of_s / to_s, 4) if to_s else None


def compare(made: list[Made], site: SiteConfig, detector: Detector, period_s: float) -> Sums:
    """Every clip played by the agent, the recipe, the floor and a plain decoder, one after the other."""
    sums = Sums()
    for item in made:
        camera = item.placed.camera(item.clip.camera, item.video, period_s)
        before_s = cpu_s()
        ran, pipeline = play(camera, site, detector)
        ours_s = cpu_s() - before_s
        before_s = cpu_s()
        by_recipe, recipe_alarms = recipe(camera, detector, started_at(camera, site))
        recipe_s = cpu_s() - before_s
        gate = pipeline.parts.gate
        close = ran.frames if gate is None else gate.looks
        floor_s, close_floor_s = floor(camera, detector, ran.frames, close)
        before_s = cpu_s()
        every_frame(item.video)
        sums.every_frame_s += cpu_s() - before_s
        sums.footage_s += item.footage_s
        sums.ours_s += ours_s
        sums.recipe_s += recipe_s
        sums.floor_s += floor_s
        sums.close_floor_s += close_floor_s
        sums.frames += ran.frames
        sums.inferences += pipeline.parts.looker.inferences
        sums.close += close
        sums.glances += 0 if gate is None else gate.glances
        ours = _score(item, site, ran, tuple(map(item.placed.back, gather(ran.events))))
        theirs = _score(item, site, by_recipe, tuple(map(item.placed.back, recipe_alarms)))
        sums.ours += ours
        sums.recipe += theirs
        _say(
            f"{item.clip.name:20} {item.footage_s:5.0f} s  agent {ours_s:5.2f} s {_found(ours)}  "
            f"recipe {recipe_s:6.2f} s {_found(theirs)}  floor {floor_s:5.2f} s  "
            f"looks {close}+{0 if gate is None else gate.glances}/{ran.frames}"
        )
    return sums


def _score(item: Made, site: SiteConfig, ran: ClipRun, alarms: tuple[Alarm, ...]) -> Score:
    camera: CameraConfig = item.clip.camera
    return judge_run(camera, site, item.clip.truth, replace(ran, size=item.placed.size), alarms).score


def _found(score: Score) -> str:
    of = score.as_json()
    return f"{of['found']}/{of['expected']} found, {of['false']} false, {of['duplicates']} again"


def sustain(made: list[Made], cameras: int, seconds: float, period_s: float, folder: Path) -> Sustained:
    """Run the agent with so many looped cameras, clip after clip in turn."""
    chosen = []
    for number in range(cameras):
        item = made[number % len(made)]
        camera = item.placed.camera(item.clip.camera, item.video, period_s)
        chosen.append(replace(camera, id=f"camera-{number + 1:02}"))
    result = run(chosen, seconds, period_s, folder / f"run-{cameras}")
    _say(f"{cameras} cameras: {asdict(result)}")
    return result


def _say(text: str) -> None:
    click.echo(text, err=True)


@click.command()
@click.option("--period", "period_s", default=lambda: float(os.environ.get("BENCH_PERIOD_S", "2")), type=float)
@click.option("--seconds", default=lambda: float(os.environ.get("BENCH_SECONDS", "300")), type=float)
@click.option("--cameras", default=lambda: int(os.environ.get("BENCH_CAMERAS", "24")), type=int)
@click.option("--tries", default=lambda: int(os.environ.get("BENCH_TRIES", "2")), type=int)
@click.option("--clip", "names", multiple=True, default=lambda: os.environ.get("BENCH_CLIPS", "").split())
def main(period_s: float, seconds: float, cameras: int, tries: int, names: tuple[str, ...]) -> None:
    """Measure everything, or with BENCH_SECONDS=0 only what needs no real time."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise click.UsageError("this needs ffmpeg to make the footage: install it")
    suite = load_suite(SUITE)
    clips = [clip for clip in suite.choose(tuple(names)) if is_video(clip)]
    if not clips:
        raise click.UsageError(f"the recordings of {SUITE} are not here: tests/suites/README.md says where they belong")
    cv2.setNumThreads(1)
    made = []
    for clip in clips:
        _say(f"footage: {clip.name}")
        made.append(make(clip, FOLDER, ffmpeg))
    detector = load_detector(card_of(clips[0].camera, MODEL, None), 1)
    sums = compare(made, suite.site, detector, period_s)
    result: dict[str, Any] = {
        "cpu_ratio_vs_recipe": sums.ratio(sums.ours_s, sums.recipe_s),
        "cpu_ratio_vs_floor": sums.ratio(sums.ours_s, sums.floor_s),
        "f1": sums.ours.as_json()["f1"],
        "recipe_f1": sums.recipe.as_json()["f1"],
        "cameras_sustained": None,
        "mib_per_camera": None,
        "period_s": period_s,
        "cpu_ratio_vs_close_floor": sums.ratio(sums.ours_s, sums.close_floor_s),
        "cpu_ratio_vs_decoding_every_frame": sums.ratio(sums.ours_s, sums.every_frame_s),
        "cpu_s_per_min": {
            "agent": round(60 * sums.ours_s / sums.footage_s, 3),
            "recipe": round(60 * sums.recipe_s / sums.footage_s, 3),
            "floor": round(60 * sums.floor_s / sums.footage_s, 3),
            "decoding_every_frame": round(60 * sums.every_frame_s / sums.footage_s, 3),
        },
        "frames": sums.frames,
        "close_looks": sums.close,
        "glances": sums.glances,
        "inferences_per_frame": round(sums.inferences / max(sums.frames, 1), 3),
        "footage_s": round(sums.footage_s, 1),
        "clips": len(made),
        "load_average": os.getloadavg()[0],
    }
    if seconds > 0:
        result |= _live(made, cameras, seconds, tries, period_s)
    click.echo(json.dumps(result))


def _live(made: list[Made], cameras: int, seconds: float, tries: int, period_s: float) -> dict[str, Any]:
    """What needs real time: how many cameras are sustained, and the memory of 1, 8 and all of them."""
    peaks: dict[int, float] = {}
    for number in sorted({step for step in MIB_STEPS if step < cameras}):
        peaks[number] = sustain(made, number, min(MEMORY_S, seconds), period_s, FOLDER).peak_mib
    attempts: list[Sustained] = []
    for _ in range(max(tries, 1)):
        attempts.append(sustain(made, cameras, seconds, period_s, FOLDER))
        if attempts[-1].kept:
            break
        time.sleep(5)
    best = min(attempts, key=lambda attempt: (attempt.short, attempt.late))
    peaks[cameras] = best.peak_mib
    least = min(peaks)
    return {
        "cameras_sustained": cameras if best.kept else 0,
        "mib_per_camera": round((peaks[cameras] - peaks[least]) / max(cameras - least, 1), 2),
        "peak_mib": {str(number): peak for number, peak in peaks.items()},
        "sustained": asdict(best),
        "attempts": len(attempts),
        "cores": math.floor(len(os.sched_getaffinity(0))),
    }


if __name__ == "__main__":
    sys.exit(main())
