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
class Spent:
    """What the agent used and said with one sampling period, over all clips, beside the least for the same frames."""

    cpu_s: float = 0.0
    floor_s: float = 0.0
    close_floor_s: float = 0.0
    frames: int = 0
    inferences: int = 0
    close: int = 0
    glances: int = 0
    score: Score = field(default_factory=Score)


@dataclass(slots=True)
class Sums:
    """The agent by its period, and what it is measured against, over all clips."""

    footage_s: float = 0.0
    recipe_s: float = 0.0
    every_frame_s: float = 0.0
    recipe: Score = field(default_factory=Score)
    agent: dict[float, Spent] = field(default_factory=dict)

    def of(self, period_s: float) -> dict[str, Any]:
        """The result for one period."""
        spent = self.agent[period_s]
        return {
            "cpu_ratio_vs_recipe": round(spent.cpu_s / self.recipe_s, 4),
            "cpu_ratio_vs_floor": round(spent.cpu_s / spent.floor_s, 4),
            "f1": spent.score.as_json()["f1"],
            "cpu_ratio_vs_close_floor": round(spent.cpu_s / spent.close_floor_s, 4),
            "cpu_ratio_vs_decoding_every_frame": round(spent.cpu_s / self.every_frame_s, 4),
            "cpu_s_per_min": self.a_minute(spent.cpu_s),
            "floor_cpu_s_per_min": self.a_minute(spent.floor_s),
            "frames": spent.frames,
            "close_looks": spent.close,
            "glances": spent.glances,
            "inferences_per_frame": round(spent.inferences / max(spent.frames, 1), 3),
        }

    def a_minute(self, used_s: float) -> float:
        """Processor seconds per minute of footage."""
        return round(60 * used_s / self.footage_s, 3)


def compare(made: list[Made], site: SiteConfig, detector: Detector, periods: tuple[float, ...]) -> Sums:
    """Every clip played by the agent, the recipe, the floor and a plain decoder, one after the other."""
    sums = Sums(agent={period_s: Spent() for period_s in periods})
    for item in made:
        sums.footage_s += item.footage_s
        for period_s, spent in sums.agent.items():
            _play_to_agent(item, site, detector, period_s, spent)
        camera = item.placed.camera(item.clip.camera, item.video, periods[0])
        before_s = cpu_s()
        ran, alarms = recipe(camera, detector, started_at(camera, site))
        recipe_s = cpu_s() - before_s
        score = _score(item, site, ran, tuple(map(item.placed.back, alarms)))
        before_s = cpu_s()
        every_frame(item.video)
        sums.every_frame_s += cpu_s() - before_s
        sums.recipe_s += recipe_s
        sums.recipe += score
        _say(f"{item.clip.name:20} recipe        {recipe_s:6.2f} s  {_found(score)}")
    return sums


def _play_to_agent(item: Made, site: SiteConfig, detector: Detector, period_s: float, spent: Spent) -> None:
    camera = item.placed.camera(item.clip.camera, item.video, period_s)
    before_s = cpu_s()
    ran, pipeline = play(camera, site, detector)
    used_s = cpu_s() - before_s
    gate = pipeline.parts.gate
    close, glances = (ran.frames, 0) if gate is None else (gate.looks, gate.glances)
    floor_s, close_floor_s = floor(camera, detector, ran.frames, close)
    score = _score(item, site, ran, tuple(map(item.placed.back, gather(ran.events))))
    spent.cpu_s += used_s
    spent.floor_s += floor_s
    spent.close_floor_s += close_floor_s
    spent.frames += ran.frames
    spent.inferences += pipeline.parts.looker.inferences
    spent.close += close
    spent.glances += glances
    spent.score += score
    _say(
        f"{item.clip.name:20} agent, {period_s:g} s {used_s:7.2f} s  {_found(score)}  floor {floor_s:.2f} s  "
        f"looked closely at {close} of {ran.frames} frames, {glances} glances"
    )


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


def _periods(text: str) -> tuple[float, ...]:
    try:
        periods = tuple(float(word) for word in text.split())
    except ValueError as error:
        raise click.UsageError(f"BENCH_PERIODS is {text!r}: give seconds, such as '2 4'") from error
    if not periods or any(not 0 < period <= 60 for period in periods):
        raise click.UsageError(f"BENCH_PERIODS is {text!r}: give periods of up to 60 s, such as '2 4'")
    return periods


@click.command()
@click.option("--periods", envvar="BENCH_PERIODS", default="2 4", help="Sampling periods; the first one counts.")
@click.option("--seconds", envvar="BENCH_SECONDS", default=300.0, help="How long many cameras run; 0: not at all.")
@click.option("--cameras", envvar="BENCH_CAMERAS", default=24, help="How many they are.")
@click.option("--tries", envvar="BENCH_TRIES", default=2, help="How often they may try: other work disturbs them.")
@click.option("--clips", envvar="BENCH_CLIPS", default="", help="Names of clips; all that are videos without it.")
def main(periods: str, seconds: float, cameras: int, tries: int, clips: str) -> None:
    """Measure what the agent costs. Each option is also an environment variable: BENCH_SECONDS=0 make bench-edge."""
    wanted_s = _periods(periods)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise click.UsageError("this needs ffmpeg to make the footage: install it")
    suite = load_suite(SUITE)
    chosen = [clip for clip in suite.choose(tuple(clips.split())) if is_video(clip)]
    if not chosen:
        raise click.UsageError(f"the recordings of {SUITE} are not here: tests/suites/README.md says where they belong")
    cv2.setNumThreads(1)
    made = []
    for clip in chosen:
        _say(f"footage: {clip.name}")
        made.append(make(clip, FOLDER, ffmpeg))
    detector = load_detector(card_of(chosen[0].camera, MODEL, None), 1)
    sums = compare(made, suite.site, detector, wanted_s)
    first = sums.of(wanted_s[0])
    result: dict[str, Any] = {
        "cpu_ratio_vs_recipe": first["cpu_ratio_vs_recipe"],
        "cpu_ratio_vs_floor": first["cpu_ratio_vs_floor"],
        "f1": first["f1"],
        "recipe_f1": sums.recipe.as_json()["f1"],
        "cameras_sustained": None,
        "mib_per_camera": None,
        "period_s": wanted_s[0],
        "by_period": {f"{period_s:g}": sums.of(period_s) for period_s in wanted_s},
        "recipe_cpu_s_per_min": sums.a_minute(sums.recipe_s),
        "every_frame_cpu_s_per_min": sums.a_minute(sums.every_frame_s),
        "footage_s": round(sums.footage_s, 1),
        "clips": [item.clip.name for item in made],
        "load_average": round(os.getloadavg()[0], 1),
    }
    if seconds > 0:
        result |= _live(made, cameras, seconds, tries, wanted_s[0])
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
