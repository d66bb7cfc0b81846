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
from typing import Any, Literal

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
FOLDER = Path("build/bench-edge").resolve()
MIB_STEPS = (1, 8, 24)
"""Numbers of cameras for which the peak of memory is measured; the last is the one that must be sustained."""
MEMORY_S = 40.0
"""How long memory is watched for the smaller numbers: references, look-back frames and stills are full after that."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the agent is configured: its sampling period, and whether it looks at windows besides the whole frame."""

    period_s: float
    tiles: Literal["auto", "off"]

    def __str__(self) -> str:
        return f"{self.period_s:g}:{self.tiles}"

    def camera(self, item: Made) -> CameraConfig:
        """The camera of a clip on the footage made from it."""
        camera = item.placed.camera(item.clip.camera, item.video, self.period_s)
        return replace(camera, detection=replace(camera.detection, tiles=self.tiles))


@dataclass(slots=True)
class Spent:
    """What the agent used and said with one setting, over all clips, beside the least for the same frames."""

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
    """The agent by its setting, and what it is measured against, over all clips."""

    footage_s: float = 0.0
    recipe_s: float = 0.0
    every_frame_s: float = 0.0
    recipe: Score = field(default_factory=Score)
    agent: dict[Setting, Spent] = field(default_factory=dict)

    def of(self, setting: Setting) -> dict[str, Any]:
        """The result for one setting."""
        spent = self.agent[setting]
        return {
            "cpu_ratio_vs_recipe": round(spent.cpu_s / self.recipe_s, 4),
            "cpu_ratio_vs_floor": round(spent.cpu_s / spent.floor_s, 4),
            **{key: spent.score.as_json()[key] for key in ("f1", "found", "expected", "false", "duplicates")},
            "alarm_delay_worst_s": spent.score.as_json()["alarm_delay_worst_s"],
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


def compare(made: list[Made], site: SiteConfig, detector: Detector, settings: tuple[Setting, ...]) -> Sums:
    """Every clip played by the agent, the recipe, the floor and a plain decoder, one after the other."""
    sums = Sums(agent={setting: Spent() for setting in settings})
    for item in made:
        sums.footage_s += item.footage_s
        for setting, spent in sums.agent.items():
            _play_to_agent(item, site, detector, setting, spent)
        camera = settings[0].camera(item)
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


def _play_to_agent(item: Made, site: SiteConfig, detector: Detector, setting: Setting, spent: Spent) -> None:
    camera = setting.camera(item)
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
        f"{item.clip.name:20} agent {setting!s:7} {used_s:6.2f} s  {_found(score)}  floor {floor_s:.2f} s  "
        f"looked closely at {close} of {ran.frames} frames, {glances} glances"
    )


def _score(item: Made, site: SiteConfig, ran: ClipRun, alarms: tuple[Alarm, ...]) -> Score:
    camera: CameraConfig = item.clip.camera
    return judge_run(camera, site, item.clip.truth, replace(ran, size=item.placed.size), alarms).score


def _found(score: Score) -> str:
    of = score.as_json()
    return f"{of['found']}/{of['expected']} found, {of['false']} false, {of['duplicates']} again"


def sustain(made: list[Made], cameras: int, seconds: float, setting: Setting, folder: Path) -> Sustained:
    """Run the agent with so many looped cameras, clip after clip in turn."""
    chosen = [
        replace(setting.camera(made[number % len(made)]), id=f"camera-{number + 1:02}") for number in range(cameras)
    ]
    result = run(chosen, seconds, setting.period_s, folder / f"run-{cameras}")
    _say(f"{cameras} cameras, {setting}: {asdict(result)}")
    return result


def _say(text: str) -> None:
    click.echo(text, err=True)


def _settings(text: str) -> tuple[Setting, ...]:
    settings = []
    for word in text.split():
        period, _, tiles = word.partition(":")
        try:
            period_s = float(period)
        except ValueError:
            period_s = 0.0
        if not 0 < period_s <= 60 or tiles not in ("auto", "off"):
            raise click.UsageError(f"{word!r} is no setting: give a period of up to 60 s and tiles, such as 2:auto")
        settings.append(Setting(period_s, "off" if tiles == "off" else "auto"))
    if not settings:
        raise click.UsageError("give at least one setting, such as 2:auto")
    return tuple(settings)


@click.command()
@click.option(
    "--settings",
    envvar="BENCH_SETTINGS",
    default="4:off 2:off 3:off 6:off 2:auto",
    help="PERIOD:TILES of the agent; the first one's figures are those of the result, the others stand beside it.",
)
@click.option("--live", envvar="BENCH_LIVE", default="2:off", help="The setting of the many cameras.")
@click.option("--seconds", envvar="BENCH_SECONDS", default=300.0, help="How long many cameras run; 0: not at all.")
@click.option("--cameras", envvar="BENCH_CAMERAS", default=24, help="How many they are.")
@click.option("--tries", envvar="BENCH_TRIES", default=2, help="How often they may try: other work disturbs them.")
@click.option("--clips", envvar="BENCH_CLIPS", default="", help="Names of clips; all that are videos without it.")
def main(settings: str, live: str, seconds: float, cameras: int, tries: int, clips: str) -> None:
    """Measure what the agent costs. Each option is also an environment variable: BENCH_SECONDS=0 make bench-edge."""
    wanted, (live_setting, *_) = _settings(settings), _settings(live)
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
    sums = compare(made, suite.site, detector, wanted)
    first = sums.of(wanted[0])
    result: dict[str, Any] = {
        "cpu_ratio_vs_recipe": first["cpu_ratio_vs_recipe"],
        "cpu_ratio_vs_floor": first["cpu_ratio_vs_floor"],
        "f1": first["f1"],
        "recipe_f1": sums.recipe.as_json()["f1"],
        "cameras_sustained": None,
        "mib_per_camera": None,
        "period_s": wanted[0].period_s,
        "setting": str(wanted[0]),
        "cameras_setting": str(live_setting) if seconds > 0 else None,
        "by_setting": {str(setting): sums.of(setting) for setting in wanted},
        "recipe": {key: sums.recipe.as_json()[key] for key in ("f1", "found", "expected", "false", "duplicates")},
        "recipe_cpu_s_per_min": sums.a_minute(sums.recipe_s),
        "every_frame_cpu_s_per_min": sums.a_minute(sums.every_frame_s),
        "footage_s": round(sums.footage_s, 1),
        "clips": [item.clip.name for item in made],
        "load_average": round(os.getloadavg()[0], 1),
    }
    if seconds > 0:
        result |= _live(made, cameras, seconds, tries, live_setting)
    click.echo(json.dumps(result))


def _live(made: list[Made], cameras: int, seconds: float, tries: int, setting: Setting) -> dict[str, Any]:
    """What needs real time: how many cameras are sustained, and the memory of 1, 8 and all of them."""
    peaks: dict[int, float] = {}
    for number in sorted({step for step in MIB_STEPS if step < cameras}):
        peaks[number] = sustain(made, number, min(MEMORY_S, seconds), setting, FOLDER).peak_mib
    attempts: list[Sustained] = []
    for _ in range(max(tries, 1)):
        attempts.append(sustain(made, cameras, seconds, setting, FOLDER))
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
        "sustained": {"setting": str(setting)} | asdict(best),
        "attempts": len(attempts),
        "cores": math.floor(len(os.sched_getaffinity(0))),
    }


if __name__ == "__main__":
    sys.exit(main())
